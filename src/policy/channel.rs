//! The channels of a second factor, and sets of them.

use alloc::collections::BTreeSet;
use core::fmt;

use super::{ExternalFactor, Strength};

/// A way to prove a second factor.
///
/// An app is stronger than an e-mail code: it stands in for one wherever any channel will do, and an e-mail
/// code stands in for an app only where the administrator allows it by name. So it is with an external factor
/// whose strength is [`Strength::Possession`]. One that is [`Strength::PhishingResistant`] is stronger than an app,
/// which never stands in for it.
///
/// ```
/// use factorgate::policy::{Channel, ExternalFactor, FirstRegistration, Policy};
///
/// let passkey = Channel::External(ExternalFactor::phishing_resistant("passkey")?);
/// let policy = Policy::any_of([Channel::App, passkey], FirstRegistration::AfterEmailCode)?;
/// assert!(policy.channels().contains(passkey) && !policy.channels().contains(Channel::Email));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Channel {
    /// An authenticator app on the user's own device.
    App,
    /// A code that is sent to the e-mail address on record.
    Email,
    /// An external factor: the host verifies it.
    External(ExternalFactor),
}

impl Channel {
    /// Whether a code of the user's own app is as good an answer.
    pub(super) fn yields_to_app(self) -> bool {
        match self {
            Self::App | Self::Email => true,
            Self::External(factor) => factor.strength() < Strength::PhishingResistant,
        }
    }
}

/// A set of channels.
///
/// ```
/// use factorgate::policy::{Channel, ChannelSet};
///
/// let both = ChannelSet::from([Channel::Email, Channel::App]);
/// assert!(both.contains(Channel::App));
/// assert!(both.iter().eq([Channel::App, Channel::Email]));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelSet {
    built_in: u8,
    external: BTreeSet<ExternalFactor>,
}

impl ChannelSet {
    const BUILT_IN: [(Channel, u8); 2] = [(Channel::App, 1), (Channel::Email, 2)];

    /// Whether `channel` is in the set.
    #[must_use]
    pub fn contains(&self, channel: Channel) -> bool {
        match channel {
            Channel::App => self.built_in & 1 != 0,
            Channel::Email => self.built_in & 2 != 0,
            Channel::External(factor) => self.external.contains(&factor),
        }
    }

    /// Whether the set holds no channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.built_in == 0 && self.external.is_empty()
    }

    /// The channels in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Channel> + '_ {
        let built_in = Self::BUILT_IN.into_iter().filter(|(_, bit)| self.built_in & bit != 0);
        built_in.map(|(channel, _)| channel).chain(self.external.iter().copied().map(Channel::External))
    }

    pub(super) fn len(&self) -> usize {
        self.built_in.count_ones() as usize + self.external.len()
    }

    pub(super) fn with(&self, channel: Channel) -> Self {
        let mut set = self.clone();
        set.insert(channel);
        set
    }

    pub(super) fn without(&self, channel: Channel) -> Self {
        self.iter().filter(|other| *other != channel).collect()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self { built_in: self.built_in | other.built_in, external: &self.external | &other.external }
    }

    pub(super) fn intersects(&self, other: &Self) -> bool {
        self.built_in & other.built_in != 0 || !self.external.is_disjoint(&other.external)
    }

    pub(super) fn is_subset(&self, of: &Self) -> bool {
        self.built_in & of.built_in == self.built_in && self.external.is_subset(&of.external)
    }

    /// App and e-mail as bits, for the record.
    #[cfg(feature = "std")]
    pub(super) fn built_in(&self) -> u8 {
        self.built_in
    }

    /// The external factors.
    pub(super) fn external(&self) -> &BTreeSet<ExternalFactor> {
        &self.external
    }

    /// The set of `built_in`, if these are its bits, and `external`.
    #[cfg(feature = "std")]
    pub(super) fn from_parts(built_in: u8, external: BTreeSet<ExternalFactor>) -> Option<Self> {
        (built_in < 4).then_some(Self { built_in, external })
    }

    fn insert(&mut self, channel: Channel) {
        match channel {
            Channel::App => self.built_in |= 1,
            Channel::Email => self.built_in |= 2,
            Channel::External(factor) => {
                self.external.insert(factor);
            }
        }
    }
}

impl<const N: usize> From<[Channel; N]> for ChannelSet {
    fn from(channels: [Channel; N]) -> Self {
        channels.into_iter().collect()
    }
}

impl FromIterator<Channel> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        let mut set = Self::default();
        for channel in channels {
            set.insert(channel);
        }
        set
    }
}

impl fmt::Debug for ChannelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

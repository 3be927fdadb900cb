//! The channels of a second factor, and sets of them.

use core::fmt;

/// A way to prove a second factor.
///
/// An app is the stronger one: it stands in for an e-mail code wherever any channel will do, and an e-mail
/// code stands in for an app only where the administrator allows it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Channel {
    /// An authenticator app on the user's own device.
    App,
    /// A code that is sent to the e-mail address on record.
    Email,
}

impl Channel {
    const ALL: [Self; 2] = [Self::App, Self::Email];

    const fn bit(self) -> u8 {
        match self {
            Self::App => 1,
            Self::Email => 2,
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
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelSet(u8);

impl ChannelSet {
    pub(super) const APP: Self = Self(Channel::App.bit());
    pub(super) const EMAIL: Self = Self(Channel::Email.bit());
    pub(super) const APP_OR_EMAIL: Self = Self::APP.union(Self::EMAIL);

    /// Whether `channel` is in the set.
    #[must_use]
    pub const fn contains(self, channel: Channel) -> bool {
        self.0 & channel.bit() != 0
    }

    /// Whether the set holds no channel.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The channels in their order.
    #[must_use]
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Channel> {
        Channel::ALL.into_iter().filter(move |&channel| self.contains(channel))
    }

    pub(super) fn subsets() -> impl Iterator<Item = Self> {
        (0..=Self::APP_OR_EMAIL.0).map(Self)
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn is_subset(self, of: Self) -> bool {
        self.0 & of.0 == self.0
    }

    #[cfg(any(test, feature = "std"))]
    pub(super) const fn bits(self) -> u8 {
        self.0
    }
}

impl<const N: usize> From<[Channel; N]> for ChannelSet {
    fn from(channels: [Channel; N]) -> Self {
        channels.into_iter().collect()
    }
}

impl FromIterator<Channel> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        Self(channels.into_iter().fold(0, |bits, channel| bits | channel.bit()))
    }
}

impl fmt::Debug for ChannelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

//! Policies and exemptions as data, through serde: read by the constructors' rules, or not at all.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Channel, ChannelSet, Exemption, ExternalFactor, FirstRegistration, GraceDays, Policy, Strength};
use crate::time::Timestamp;

/// The format that is written. A format that is not known is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyData {
    /// The first field, so that a newer format is named as such and not by what is new in it.
    version: Version,
    requires: Vec<Requirement>,
    first_registration: First,
    // What is left out is what is stricter.
    #[serde(default)]
    email_fallback: bool,
    #[serde(default)]
    grace_days: Option<u8>,
    #[serde(default)]
    stand_ins: Vec<Factor>,
    #[serde(default)]
    trusted_browsers: bool,
}

struct Version;

/// All of them hold together; none is "off".
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Requirement {
    AllOf(Vec<Answer>),
    AnyOf(Vec<Answer>),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    App,
    Email,
    External(Factor),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Factor {
    name: String,
    strength: Place,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Possession,
    PhishingResistant,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    AfterPassword,
    AfterEmailCode,
    WithTicket,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExemptionData {
    granted_by: String,
    reason: String,
    /// Seconds since the Unix epoch.
    from: u64,
    until: u64,
}

/// With the feature `serde`: a policy as data, with the number of its format.
///
/// Any policy can be written, also one that was folded of several; `requires` lists what it asks for, and an empty
/// list is "off".
///
/// ```
/// use factorgate::policy::{Channel, FirstRegistration, GraceDays, Policy};
///
/// let policy = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
/// let policy = policy.with_grace(GraceDays::new(14)?);
/// let text = serde_json::to_string_pretty(&policy)?;
/// assert_eq!(text, r#"{
///   "version": 1,
///   "requires": [
///     {
///       "any_of": [
///         "app",
///         "email"
///       ]
///     }
///   ],
///   "first_registration": "after_email_code",
///   "email_fallback": false,
///   "grace_days": 14,
///   "stand_ins": [],
///   "trusted_browsers": false
/// }"#);
/// assert_eq!(serde_json::from_str::<Policy>(&text)?, policy);
///
/// let refused = serde_json::from_str::<Policy>(&text.replace("14", "91"));
/// assert!(refused.is_err_and(|error| error.to_string().starts_with("a grace period lasts 1 to 90 days")));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PolicyData {
            version: Version,
            requires: requirements(self),
            first_registration: match self.first_registration {
                FirstRegistration::AfterPassword => First::AfterPassword,
                FirstRegistration::AfterEmailCode => First::AfterEmailCode,
                FirstRegistration::WithTicket => First::WithTicket,
            },
            email_fallback: self.email_fallback,
            grace_days: self.grace.map(GraceDays::get),
            stand_ins: self.stand_ins.iter().map(Factor::of).collect(),
            trusted_browsers: self.trusted_browsers,
        }
        .serialize(serializer)
    }
}

/// With the feature `serde`: reads what was written, by the rules of the constructors. What enforces a factor and
/// enables no channel is refused, and so is everything else that they refuse; a field that is not known is; and a
/// format that is not known is. A setting that is left out is the stricter one.
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let data = PolicyData::deserialize(deserializer)?;
        let first = match data.first_registration {
            First::AfterPassword => FirstRegistration::AfterPassword,
            First::AfterEmailCode => FirstRegistration::AfterEmailCode,
            First::WithTicket => FirstRegistration::WithTicket,
        };
        let mut policy = Self::off(first);
        for requirement in &data.requires {
            let required = match requirement {
                Requirement::AllOf(answers) => Self::all_of(channels(answers)?, first),
                Requirement::AnyOf(answers) => Self::any_of(channels(answers)?, first),
            };
            policy = policy.joined(&required.map_err(de::Error::custom)?);
        }
        if data.email_fallback {
            policy = policy.with_email_fallback().map_err(de::Error::custom)?;
        }
        if let Some(days) = data.grace_days {
            policy = policy.with_grace(GraceDays::new(days).map_err(de::Error::custom)?);
        }
        for factor in &data.stand_ins {
            policy = policy.with_stand_in(factor.read()?).map_err(de::Error::custom)?;
        }
        Ok(if data.trusted_browsers { policy.with_trusted_browsers() } else { policy })
    }
}

/// What the policy asks for: together what was asked for one by one is "all of", and each of the others "any of".
fn requirements(policy: &Policy) -> Vec<Requirement> {
    let (singles, others): (Vec<&ChannelSet>, Vec<_>) = policy.clauses.iter().partition(|clause| clause.len() == 1);
    let each: ChannelSet = singles.into_iter().flat_map(ChannelSet::iter).collect();
    let all: Vec<Answer> = each.iter().map(Answer::of).collect();
    // The app is among the answers of a clause also where nobody is led to register one.
    let enabled = |clause: &ChannelSet| {
        Requirement::AnyOf(clause.iter().filter(|channel| policy.channels.contains(*channel)).map(Answer::of).collect())
    };
    let all = match all.len() {
        0 => None,
        1 => Some(Requirement::AnyOf(all)),
        _ => Some(Requirement::AllOf(all)),
    };
    all.into_iter().chain(others.into_iter().map(enabled)).collect()
}

fn channels<E: de::Error>(answers: &[Answer]) -> Result<BTreeSet<Channel>, E> {
    let channels = answers.iter().map(|answer| {
        Ok(match answer {
            Answer::App => Channel::App,
            Answer::Email => Channel::Email,
            Answer::External(factor) => Channel::External(factor.read()?),
        })
    });
    channels.collect()
}

impl Answer {
    fn of(channel: Channel) -> Self {
        match channel {
            Channel::App => Self::App,
            Channel::Email => Self::Email,
            Channel::External(factor) => Self::External(Factor::of(&factor)),
        }
    }
}

impl Factor {
    fn of(factor: &ExternalFactor) -> Self {
        let strength = match factor.strength() {
            Strength::Possession => Place::Possession,
            Strength::PhishingResistant => Place::PhishingResistant,
        };
        Self { name: factor.name().to_owned(), strength }
    }

    fn read<E: de::Error>(&self) -> Result<ExternalFactor, E> {
        let strength = match self.strength {
            Place::Possession => Strength::Possession,
            Place::PhishingResistant => Strength::PhishingResistant,
        };
        ExternalFactor::new(strength, &self.name).map_err(E::custom)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            VERSION => Ok(Self),
            _ => Err(de::Error::custom(UnknownVersion)),
        }
    }
}

struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the format of the policy is not known, only version {VERSION} is")
    }
}

/// With the feature `serde`: its texts, and its dates in seconds since the Unix epoch.
impl Serialize for Exemption {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ExemptionData {
            granted_by: self.granted_by().to_owned(),
            reason: self.reason().to_owned(),
            from: self.since().as_secs(),
            until: self.until().as_secs(),
        }
        .serialize(serializer)
    }
}

/// With the feature `serde`: reads what was written, by the rules of [`Exemption::new`].
impl<'de> Deserialize<'de> for Exemption {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ExemptionData { granted_by, reason, from, until } = ExemptionData::deserialize(deserializer)?;
        let (from, until) = (Timestamp::from_secs(from), Timestamp::from_secs(until));
        Self::new(&granted_by, &reason, from, until).map_err(de::Error::custom)
    }
}

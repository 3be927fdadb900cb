//! Policies as data, through serde: read by the constructors' rules, or not at all.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Channel, ChannelSet, ExternalFactor, FirstRegistration, GraceDays, Policy, Step};

/// The format that is written. A format that is not known is not read.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyData {
    /// The first field, so that a newer format is named as such and not by what is new in it.
    version: Version,
    requires: Vec<Requirement>,
    first_registration: FirstRegistration,
    // What is left out is what is stricter.
    #[serde(default)]
    email_fallback: bool,
    #[serde(default)]
    grace_days: Option<u8>,
    #[serde(default)]
    stand_ins: BTreeSet<ExternalFactor>,
    #[serde(default)]
    trusted_browsers: bool,
}

struct Version;

/// All of them hold together; none is "off".
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Requirement {
    AllOf(BTreeSet<Channel>),
    AnyOf(BTreeSet<Channel>),
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
            first_registration: self.first_registration,
            email_fallback: self.email_fallback,
            grace_days: self.grace.map(GraceDays::get),
            stand_ins: self.stand_ins.clone(),
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
        let first = data.first_registration;
        let mut policy = Self::off(first);
        for requirement in data.requires {
            let required = match requirement {
                Requirement::AllOf(channels) => Self::all_of(channels, first),
                Requirement::AnyOf(channels) => Self::any_of(channels, first),
            };
            policy = policy.joined(&required.map_err(de::Error::custom)?);
        }
        if data.email_fallback {
            policy = policy.with_email_fallback().map_err(de::Error::custom)?;
        }
        if let Some(days) = data.grace_days {
            policy = policy.with_grace(GraceDays::new(days).map_err(de::Error::custom)?);
        }
        for factor in data.stand_ins {
            policy = policy.with_stand_in(factor).map_err(de::Error::custom)?;
        }
        Ok(if data.trusted_browsers { policy.with_trusted_browsers() } else { policy })
    }
}

/// What the policy asks for: together what was asked for one by one is "all of", and each of the others "any of".
fn requirements(policy: &Policy) -> Vec<Requirement> {
    let (singles, others): (Vec<&ChannelSet>, Vec<_>) = policy.clauses.iter().partition(|clause| clause.len() == 1);
    let all: BTreeSet<Channel> = singles.into_iter().flat_map(ChannelSet::iter).collect();
    // The app is among the answers of a clause also where nobody is led to register one.
    let enabled = |clause: &ChannelSet| {
        Requirement::AnyOf(clause.iter().filter(|channel| policy.channels.contains(*channel)).collect())
    };
    let all = match all.len() {
        0 => None,
        1 => Some(Requirement::AnyOf(all)),
        _ => Some(Requirement::AllOf(all)),
    };
    all.into_iter().chain(others.into_iter().map(enabled)).collect()
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

/// With the feature `serde`: the stable name of the step.
impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

//! Exemptions: one user, for a time, by somebody, for a reason.

use alloc::boxed::Box;
use core::time::Duration;

use crate::time::Timestamp;

/// An administrator's word that the enforcement of the policy does not hold for one user, for a time.
///
/// It is a fact about the user and not a setting: it is kept beside the policy, merging policies neither makes nor
/// ends one, and whoever may change it may let this user in with the password alone. There is none without a name,
/// a reason and an end (PCI DSS 4.0.1, 8.5.1).
///
/// It lifts only what the policy asks for. A factor that the user has is still asked for. It does not apply to users who
/// have ever had a factor: give a user who lost a device a ticket. An exemption would turn a call to the help desk into a
/// login with a stolen password, on the very accounts that were protected. It applies neither to the removal of a device
/// nor to a step-up.
///
/// ```
/// use core::time::Duration;
/// use factorgate::Timestamp;
/// use factorgate::policy::{Channel, Exemption, FirstRegistration, Plan, Policy, Standing};
///
/// let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?;
/// let now = Timestamp::from_secs(1_900_000_000);
/// let week = now.saturating_add(Duration::from_secs(7 * 24 * 60 * 60));
///
/// let mut user = Standing::at(now);
/// user.exemption = Some(Exemption::new("O. Petrova, security", "waits for a smartphone", now, week)?);
/// assert!(matches!(policy.evaluate(&user), Plan::Allow { .. }));
///
/// user.now = Some(week);
/// assert!(matches!(policy.evaluate(&user), Plan::Deny(_)));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "ExemptionData"))]
pub struct Exemption {
    granted_by: Box<str>,
    reason: Box<str>,
    from: Timestamp,
    until: Timestamp,
}

impl Exemption {
    /// The longest exemption: 366 days.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);
    /// The longest name, and the longest reason, in bytes.
    pub const MAX_TEXT_LEN: usize = 120;

    /// An exemption that `granted_by` granted for `reason`, good from `from` until just before `until`.
    ///
    /// # Errors
    ///
    /// [`InvalidExemption`] names what is missing or out of bounds.
    pub fn new(granted_by: &str, reason: &str, from: Timestamp, until: Timestamp) -> Result<Self, InvalidExemption> {
        if until <= from || until.saturating_since(from) > Self::MAX_LIFETIME {
            return Err(InvalidExemption::Period);
        }
        Ok(Self { granted_by: text(granted_by)?, reason: text(reason)?, from, until })
    }

    /// Who granted it.
    #[must_use]
    pub fn granted_by(&self) -> &str {
        &self.granted_by
    }

    /// Why it was granted.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Its beginning.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.from
    }

    /// Returns the end. The exemption does not apply at or after it.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Returns whether the exemption applies at `now`.
    #[must_use]
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Times are seconds since the Unix epoch.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExemptionData {
    granted_by: alloc::string::String,
    reason: alloc::string::String,
    from: Timestamp,
    until: Timestamp,
}

#[cfg(feature = "serde")]
impl TryFrom<ExemptionData> for Exemption {
    type Error = InvalidExemption;

    fn try_from(data: ExemptionData) -> Result<Self, InvalidExemption> {
        Self::new(&data.granted_by, &data.reason, data.from, data.until)
    }
}

fn text(text: &str) -> Result<Box<str>, InvalidExemption> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidExemption::EmptyText);
    }
    if text.len() > Exemption::MAX_TEXT_LEN {
        return Err(InvalidExemption::LongText);
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidExemption::ControlCharacter);
    }
    Ok(text.into())
}

/// Why there is no such exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidExemption {
    /// A text holds a control character.
    #[error("the texts of an exemption may hold no control character")]
    ControlCharacter,
    /// A text is empty or white space.
    #[error("an exemption needs the name of who granted it, and a reason")]
    EmptyText,
    /// A text is longer than [`Exemption::MAX_TEXT_LEN`].
    #[error("the texts of an exemption may be at most 120 bytes long")]
    LongText,
    /// It would end before it begins, or last longer than [`Exemption::MAX_LIFETIME`].
    #[error("an exemption ends after it begins, and within 366 days")]
    Period,
}

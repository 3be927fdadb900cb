//! What may be seen of an account.

use alloc::vec::Vec;

use super::row::Contact;
use crate::audit::Event;
use crate::browser::BrowserInfo;
use crate::device::DeviceInfo;
use crate::policy::{EmailStanding, Exemption, ExternalFactor, Grace, Standing};
use crate::recovery_code::RecoveryCodesLeft;
use crate::time::Timestamp;

/// What the user and an administrator may see of an account: copies of facts, no secret.
///
/// ```
/// # fn list(status: &factorgate::session::UserStatus) {
/// for device in &status.devices {
///     println!("{} since {}", device.name, device.added_at.as_secs());
/// }
/// for event in &status.recent {
///     println!("{}: {}", event.at.as_secs(), event.kind.name());
/// }
/// # }
/// ```
///
/// With the feature `serde`: the public fields but the grace period; times in seconds since the Unix epoch.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct UserStatus {
    /// The registered devices.
    pub devices: Vec<DeviceInfo>,
    /// The trusted browsers.
    pub browsers: Vec<BrowserInfo>,
    /// The external factors that the user has registered.
    pub external: Vec<ExternalInfo>,
    /// The unused recovery codes; `None` if the user has none.
    pub recovery_codes: Option<RecoveryCodesLeft>,
    /// When the last lock of a factor for unknown browsers ends, if there is one.
    pub locked_until: Option<Timestamp>,
    /// When unknown browsers regain a guess, if they have none left at a factor.
    pub new_browsers_blocked_until: Option<Timestamp>,
    /// When the ticket expires, if one was issued and not redeemed.
    pub ticket_until: Option<Timestamp>,
    /// Whether the user has, or ever had, a device or an external factor. It never becomes false again.
    pub ever_had_factor: bool,
    /// The exemption that an administrator has granted, if it has not ended.
    #[cfg_attr(feature = "serde", serde(rename = "exempt_until", serialize_with = "until"))]
    pub exemption: Option<Exemption>,
    /// The user's grace period. [`Policy::grace_until`](crate::policy::Policy::grace_until), of
    /// [`UserStatus::standing`], is the deadline.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub grace: Grace,
    /// How many flows are open.
    pub open_flows: usize,
    /// Whether an imported device has a [secret that is too short](crate::otp::Secret::is_short). Let the user register
    /// it again.
    pub has_short_secret: bool,
    /// How many notices have not been delivered yet.
    pub owed_notices: usize,
    /// Whether the user was erased and only a tombstone is left.
    pub erased: bool,
    /// The user's last 16 numbered security events, the newest first.
    pub recent: Vec<Event>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) standing: Standing,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) email_disabled: bool,
}

/// Who granted it, and why, is for administrators.
#[cfg(feature = "serde")]
fn until<S: serde::Serializer>(exemption: &Option<Exemption>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&exemption.as_ref().map(Exemption::until), serializer)
}

impl UserStatus {
    /// Returns what the policy may know of the user, so that a host can show what it will ask:
    /// [`Policy::evaluate`](crate::policy::Policy::evaluate) and [`Policy::explain`](crate::policy::Policy::explain).
    #[must_use]
    pub fn standing(&self, contact: &Contact) -> Standing {
        let email = contact
            .email
            .as_ref()
            .map(|(_, email)| EmailStanding { tainted: email.tainted || self.email_disabled, ..*email });
        Standing { email, ..self.standing.clone() }
    }
}

/// What may be seen of an external factor that the user has registered.
///
/// ```
/// # fn list(status: &factorgate::session::UserStatus) {
/// for held in &status.external {
///     println!("{} since {}", held.factor, held.added_at.as_secs());
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ExternalInfo {
    /// The factor.
    pub factor: ExternalFactor,
    /// When it was registered.
    pub added_at: Timestamp,
    /// When the host last verified it after the registration.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was disabled after too many failed checks.
    pub disabled: bool,
}

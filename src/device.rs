//! Authenticator apps: their ids, names and facts, never their secrets.

use crate::name::{id, name};
use crate::time::Timestamp;

id! {
    /// Names one device of one user. It is never given to another device of the same user.
    DeviceId
}

name! {
    /// What a user calls a device.
    ///
    /// ```
    /// use factorgate::device::DeviceName;
    ///
    /// assert_eq!(DeviceName::new(" Alice's Pixel ")?.as_str(), "Alice's Pixel");
    /// # Ok::<_, factorgate::device::InvalidDeviceName>(())
    /// ```
    DeviceName, InvalidDeviceName, "device"
}

impl Default for DeviceName {
    fn default() -> Self {
        Self("Smartphone".into())
    }
}

/// A registered device, as it is listed.
///
/// ```
/// # fn list(status: &factorgate::session::UserStatus) {
/// for device in &status.devices {
///     let note = if device.disabled { " (disabled: register it again)" } else { "" };
///     println!("{}{note}", device.name);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Which device it is.
    pub id: DeviceId,
    /// What its user calls it.
    pub name: DeviceName,
    /// When its registration was confirmed.
    pub added_at: Timestamp,
    /// When a code of it was last accepted at a login.
    pub last_used_at: Option<Timestamp>,
    /// Whether it was disabled by 100 consecutive wrong codes (NIST SP 800-63B-4 section 3.2.2).
    pub disabled: bool,
}

//! A factor of the host, as it is listed.

use crate::policy::ExternalFactor;
use crate::time::Timestamp;

/// What may be seen of a factor that the host checks and the user holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalInfo {
    /// Which factor.
    pub factor: ExternalFactor,
    /// When it was registered.
    pub added_at: Timestamp,
    /// When the host last said that it was checked, after the registration.
    pub last_used_at: Option<Timestamp>,
    /// It was disabled by consecutive failed checks.
    pub disabled: bool,
}

//! Points in time, and where they come from.

use core::time::Duration;

/// A point in time: whole seconds since the Unix epoch, 1970-01-01T00:00:00Z.
///
/// It is the server's time, never the client's (OWASP ASVS 5.0, 6.5.8), and 64 bits wide, as RFC 6238
/// section 4.2 demands for times after 2038.
///
/// ```
/// use factorgate::Timestamp;
///
/// let issued = Timestamp::from_secs(1_111_111_109);
/// assert_eq!(issued.saturating_add(core::time::Duration::from_secs(600)).as_secs(), 1_111_111_709);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time `secs` seconds after the Unix epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// This time and `duration` more, in whole seconds; the end of time rather than an overflow.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// How long `earlier` lies behind this time; zero if it does not.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Where the engine reads the time. A host replaces it in tests only.
///
/// ```
/// use factorgate::Timestamp;
/// use factorgate::env::Clock;
///
/// /// A clock for a test.
/// struct Fixed;
///
/// impl Clock for Fixed {
///     fn now(&self) -> Option<Timestamp> {
///         Some(Timestamp::from_secs(1_900_000_000))
///     }
/// }
/// ```
pub trait Clock: Send + Sync {
    /// The time now, or `None` if the clock cannot say. Without the time, nobody can sign in.
    fn now(&self) -> Option<Timestamp>;
}

/// The clock of the operating system. Keep it in step with NTP: a code is valid for half a minute.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(feature = "std")]
impl Clock for SystemClock {
    fn now(&self) -> Option<Timestamp> {
        Timestamp::try_from(std::time::SystemTime::now()).ok()
    }
}

/// A time before 1970, which no one-time password and no expiry can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time lies before the Unix epoch")]
pub struct BeforeEpoch;

#[cfg(feature = "std")]
impl TryFrom<std::time::SystemTime> for Timestamp {
    type Error = BeforeEpoch;

    fn try_from(time: std::time::SystemTime) -> Result<Self, BeforeEpoch> {
        let since = time.duration_since(std::time::UNIX_EPOCH).map_err(|_| BeforeEpoch)?;
        Ok(Self(since.as_secs()))
    }
}

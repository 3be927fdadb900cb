//! Why something was refused, and what to offer next.

use core::fmt;

use crate::otp::ClockSkew;
use crate::policy::Denial;
use crate::time::Timestamp;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* })? $(($inner:ty))?
        = $code:literal, $advice:ident;)*) => {
        /// Why something was refused. It is the only refusal type: of a code, a flow, a change of the profile or by an
        /// administrator.
        ///
        /// A refusal is no text for users: [`Refusal::code`] names the host's own text, and [`Refusal::advice`] says what to
        /// offer next.
        ///
        /// ```
        /// use factorgate::Refusal;
        /// use factorgate::login::Advice;
        ///
        /// fn text(refusal: Refusal) -> &'static str {
        ///     match refusal.code() {
        ///         "wrong_code" => "That code didn't work. Wait for the next one.",
        ///         "locked" => "Too many attempts. Try again later.",
        ///         _ => "That didn't work.",
        ///     }
        /// }
        /// assert_eq!(text(Refusal::WrongCode), "That code didn't work. Wait for the next one.");
        /// assert_eq!(Refusal::WrongCode.advice(), Advice::EnterAgain);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* $name $({ $($(#[$field_doc])* $field: $type),* })? $(($inner))?,)*
        }

        impl Refusal {
            /// Every code that [`Refusal::code`] can return, for a host's table of texts.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// Returns the stable code, such as `wrong_code`, under which the host keeps its own text.
            #[must_use]
            pub fn code(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $code,)*
                }
            }

            /// Returns what the host should offer next.
            #[must_use]
            pub fn advice(&self) -> Advice {
                match self {
                    $(Self::$name { .. } => Advice::$advice,)*
                }
            }
        }
    };
}

refusals! {
    /// The user's row changed after it was read, or the user was erased.
    AccountChanged = "account_changed", BeginAgain;
    /// The app computes its codes with SHA-1 although the Key URI names another algorithm. Only a confirmation says so.
    AlgorithmIgnored = "algorithm_ignored", EnterAgain;
    /// The code would be compared with more devices than there are guesses left. No guess was spent: ask which device shows the
    /// code, and submit it with [`Action::AppCode`](crate::Action::AppCode)'s `device`.
    ChooseDevice = "choose_device", EnterAgain;
    /// The clock of the device is off. Only a confirmation says so.
    ClockOff {
        /// How far, and in which direction.
        skew: ClockSkew
    } = "clock_off", EnterAgain;
    /// The device, or every device or factor that could complete the step, was disabled after too many wrong codes.
    DeviceDisabled = "device_disabled", AskAdministrator;
    /// The user has the maximum number of devices, or of external factors.
    DeviceLimit = "device_limit", ReplaceDevice;
    /// The exemption ends before it begins.
    ExemptionOver = "exemption_over", EnterAgain;
    /// The flow was completed, canceled or is too old, or the account has changed since.
    FlowEnded = "flow_ended", BeginAgain;
    /// The user has, or had, a factor; another one is registered by verifying it.
    HasFactor = "has_factor", AskAdministrator;
    /// An imported device has accepted a code of the future: seconds were taken for steps, or a clock was wrong.
    ImportInFuture = "import_in_future", AskAdministrator;
    /// The name is empty, too long or contains a control character.
    InvalidName = "invalid_name", EnterAgain;
    /// Without this factor the user could not sign in, or would have to register another one.
    LastFactor = "last_factor", ReplaceDevice;
    /// Nothing is compared for a while, after too many wrong codes. Another factor, a recovery code, or a browser that has
    /// signed in before may still do.
    Locked {
        /// When the lock ends.
        until: Timestamp
    } = "locked", Wait;
    /// The mail system refused the mail with the code. The user can ask again at once.
    MailRefused = "mail_refused", EnterAgain;
    /// The text has a form that no such code can have. No attempt was spent.
    Malformed = "malformed", EnterAgain;
    /// Sign-in from new browsers is blocked: unknown browsers have no guesses left at this factor. A browser that has signed in
    /// before, a recovery code, or a password change helps.
    NewBrowsersBlocked {
        /// When the next guess is regained.
        regained_at: Timestamp
    } = "new_browsers_blocked", EnterAgain;
    /// An imported recovery code is hashed, and the engine has no function that checks the hash.
    NoHashChecker = "no_hash_checker", AskAdministrator;
    /// The host verified its factor before this flow began, or in the future.
    NotFresh = "not_fresh", EnterAgain;
    /// This step is not open in this flow.
    NotOpen = "not_open", EnterAgain;
    /// Nothing is waiting for confirmation.
    NothingToConfirm = "nothing_to_confirm", BeginAgain;
    /// The policy leaves this user no way.
    Policy(Denial) = "policy", AskAdministrator;
    /// The session has ended.
    SessionEnded = "session_ended", BeginAgain;
    /// The step-up is older than 5 minutes, or the account has changed since.
    StepUpExpired = "step_up_expired", BeginAgain;
    /// The session owes steps; it can only complete them.
    StepsOwed = "steps_owed", BeginAgain;
    /// The next code can be requested later.
    TooSoon {
        /// When.
        retry_at: Timestamp
    } = "too_soon", Wait;
    /// The policy does not allow this browser to be trusted, or the session has not proved enough just now.
    TrustNotAllowed = "trust_not_allowed", BeginAgain;
    /// The user has no such device or factor.
    Unknown = "unknown", BeginAgain;
    /// The code is wrong, used, expired or superseded.
    WrongCode = "wrong_code", EnterAgain;
}

impl Refusal {
    /// Returns when the same request can succeed, if waiting helps.
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        match *self {
            Self::Locked { until } | Self::NewBrowsersBlocked { regained_at: until } => Some(until),
            Self::TooSoon { retry_at } => Some(retry_at),
            _ => None,
        }
    }
}

/// Writes the code: a refusal is no text for users.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl core::error::Error for Refusal {}

#[cfg(feature = "serde")]
impl serde::Serialize for Refusal {
    /// Writes the code, and when to retry or what the policy lacks: `{"code": "locked", "retry_at": 1900000060}`,
    /// `{"code": "policy", "reason": "no_usable_email"}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.code())?;
        if let Some(at) = self.retry_at() {
            map.serialize_entry("retry_at", &at.as_secs())?;
        }
        if let Self::Policy(denial) = self {
            map.serialize_entry("reason", denial.reason.name())?;
        }
        map.end()
    }
}

/// What the host should offer after a refusal.
///
/// ```
/// # fn page(refusal: factorgate::Refusal) -> &'static str {
/// use factorgate::login::Advice;
///
/// match refusal.advice() {
///     Advice::AskAdministrator => "Ask your administrator for help.",
///     Advice::BeginAgain => "Sign in again.",
///     Advice::ReplaceDevice => "Replace one of your devices.",
///     Advice::Wait => "Try again later.",
///     _ => "Try again.",
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Tell the user to ask an administrator.
    AskAdministrator,
    /// Begin the flow again, or sign in again.
    BeginAgain,
    /// Show the same form again.
    EnterAgain,
    /// Offer to replace a device.
    ReplaceDevice,
    /// Wait until [`Refusal::retry_at`].
    Wait,
}

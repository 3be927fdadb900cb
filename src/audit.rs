//! Security events: typed, numbered for each user, without a secret.

mod field;

use alloc::string::ToString as _;
use core::fmt;

pub use self::field::{CodeFault, Factor, SessionsEnd, TrustEnd};
use self::field::{Field, Shown};

use crate::browser::BrowserId;
use crate::cbor::variants;
use crate::device::DeviceId;
use crate::policy::{DenyReason, ExternalFactor, Step};
use crate::time::Timestamp;
use crate::user::{EmailAddress, UserId};

/// How many events of a user are kept.
pub(crate) const MAX_TAIL: usize = 16;

/// Something that an audit log should record (OWASP ASVS 5.0, 16.3.1).
///
/// The observer of the engine sees an event after the store has accepted the change that it belongs to. The record keeps
/// the last 16 numbered events of each user: [`UserStatus::recent`](crate::session::UserStatus::recent) shows them, also
/// those that a log has missed because the process was killed. A number that is missing from a log is a gap in the log.
///
/// `Display` and `Serialize` write stable names. `Debug` is no log format.
///
/// ```
/// # fn log(event: &factorgate::audit::Event) {
/// use factorgate::audit::EventKind;
///
/// println!("{event}"); // user=4711 seq=12 at=1900000000 event=code_refused factor=app fault=wrong
/// if let EventKind::DeviceAdded { device } = &event.kind {
///     println!("a new device: {device}");
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The number of the event among those of this user, from 1 and without gaps. `None` for an event that changed nothing
    /// in the record, such as an attempt while the user was locked.
    pub seq: Option<u64>,
    /// The user.
    pub user: UserId,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

impl fmt::Display for Event {
    /// One line of `key=value` for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user={}", Shown::Text(self.user.to_string()))?;
        if let Some(seq) = self.seq {
            write!(f, " seq={seq}")?;
        }
        write!(f, " at={} event={}", self.at.as_secs(), self.kind.name())?;
        self.kind.each_field(&mut |name, value| match value {
            Shown::Nothing => Ok(()),
            value => write!(f, " {name}={value}"),
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Event {
    /// Writes `seq`, `user`, `at` in seconds, `event`, which is [`EventKind::name`], and the fields of the kind.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("user", self.user.as_str())?;
        map.serialize_entry("at", &self.at.as_secs())?;
        map.serialize_entry("event", self.kind.name())?;
        self.kind.each_field(&mut |name, value| match value {
            Shown::Flag(value) => map.serialize_entry(name, &value),
            Shown::Number(value) => map.serialize_entry(name, &value),
            Shown::Text(value) => map.serialize_entry(name, &value),
            Shown::Nothing => map.serialize_entry(name, &()),
        })?;
        map.end()
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal
        $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* })?;)*) => {
        /// What happened.
        ///
        /// ```
        /// # fn alert(event: &factorgate::audit::Event) -> bool {
        /// use factorgate::audit::EventKind;
        ///
        /// match &event.kind {
        ///     EventKind::Locked { .. } | EventKind::DeviceDisabled { .. } => true,
        ///     EventKind::FactorsReset { by } => by.as_str() != "helpdesk",
        ///     _ => false,
        /// }
        /// # }
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $name $({ $($(#[$field_doc])* $field: $type),* })?,)*
        }

        impl EventKind {
            /// Every name that [`EventKind::name`] can return.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// Returns the stable name of the event, such as `device_added`.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $text,)*
                }
            }

            fn each_field<E>(&self, show: &mut dyn FnMut(&'static str, Shown) -> Result<(), E>) -> Result<(), E> {
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        $($(show(stringify!($field), $field.shown())?;)*)?
                    })*
                }
                Ok(())
            }

            /// One of each kind, for tests of the codec.
            #[cfg(test)]
            pub(crate) fn samples() -> alloc::vec::Vec<Self> {
                alloc::vec![$(Self::$name $({ $($field: Field::sample()),* })?),*]
            }
        }

        variants! { C in EventKind where EmailAddress, up to MAX_TAIL;
            $($name = $code $({ $($field: $field),* })?;)*
        }
    };
}

events! {
    /// The address of the user was changed.
    AddressChanged = 1 "address_changed";
    /// The host was permitted to change the address of the user.
    AddressChangePermitted = 2 "address_change_permitted";
    /// A trusted browser replaced the challenge of a login.
    BrowserAccepted = 3 "browser_accepted" {
        /// The browser.
        browser: BrowserId,
        /// Whether it presented the token that another request had replaced a moment before.
        parallel: bool
    };
    /// The token of a browser was presented that is not known, or no longer.
    BrowserNotTrusted = 4 "browser_not_trusted";
    /// The trust in a browser ended.
    BrowserTrustEnded = 5 "browser_trust_ended" {
        /// The browser.
        browser: BrowserId,
        /// Why.
        cause: TrustEnd
    };
    /// The user trusted a browser.
    BrowserTrusted = 6 "browser_trusted" {
        /// The browser.
        browser: BrowserId
    };
    /// A code was right.
    CodeAccepted = 7 "code_accepted" {
        /// Which kind of code it was.
        factor: Factor
    };
    /// An e-mail code was generated and handed to the mailer.
    CodeIssued = 8 "code_issued";
    /// A code was refused. The user gets the same answer whatever the fault.
    CodeRefused = 9 "code_refused" {
        /// Which kind of code it was.
        factor: Factor,
        /// Why.
        fault: CodeFault
    };
    /// A session that owed steps began to complete them.
    CompletionBegun = 10 "completion_begun";
    /// A session completed the steps that it owed.
    CompletionCompleted = 11 "completion_completed";
    /// A device was registered.
    DeviceAdded = 12 "device_added" {
        /// The new device.
        device: DeviceId
    };
    /// A device was disabled after too many wrong codes; the user must register it again.
    DeviceDisabled = 13 "device_disabled" {
        /// The device.
        device: DeviceId
    };
    /// The removal of a device was refused, because its user could not sign in without it.
    DeviceRemovalRefused = 14 "device_removal_refused" {
        /// The device that stays.
        device: DeviceId
    };
    /// A device was removed.
    DeviceRemoved = 15 "device_removed" {
        /// The device that was removed.
        device: DeviceId
    };
    /// A device was renamed.
    DeviceRenamed = 16 "device_renamed" {
        /// The device.
        device: DeviceId
    };
    /// A device was registered, and another one removed, in one step.
    DeviceReplaced = 17 "device_replaced" {
        /// The device that was removed.
        device: DeviceId,
        /// The new device.
        by: DeviceId
    };
    /// No more codes are mailed to this user, after too many wrong ones.
    EmailDisabled = 18 "email_disabled";
    /// A code verified an address.
    EmailVerified = 19 "email_verified" {
        /// The address. A line of a log shows it masked.
        address: EmailAddress
    };
    /// A registration began: a secret was generated and shown.
    EnrollmentBegun = 20 "enrollment_begun";
    /// An administrator exempted the user from what the policy enforces.
    ExemptionGranted = 21 "exemption_granted" {
        /// The administrator.
        by: UserId,
        /// When it ends.
        until: Timestamp
    };
    /// An administrator withdrew the exemption.
    ExemptionWithdrawn = 22 "exemption_withdrawn" {
        /// The administrator.
        by: UserId
    };
    /// An external factor was registered.
    ExternalAdded = 23 "external_added" {
        /// The new factor.
        factor: ExternalFactor,
        /// The administrator, if it was not the user.
        by: Option<UserId>
    };
    /// An external factor was disabled after too many failed checks; the user must register it again.
    ExternalDisabled = 24 "external_disabled" {
        /// The factor.
        factor: ExternalFactor
    };
    /// The removal of an external factor was refused, because its user could not sign in without it.
    ExternalRemovalRefused = 25 "external_removal_refused" {
        /// The factor that stays.
        factor: ExternalFactor
    };
    /// An external factor was removed.
    ExternalRemoved = 26 "external_removed" {
        /// The factor that was removed.
        factor: ExternalFactor
    };
    /// An administrator exported the secrets of the user's devices.
    FactorsExported = 27 "factors_exported" {
        /// The administrator.
        by: UserId
    };
    /// The factors of the user were imported from another system; the devices are named after this.
    FactorsImported = 28 "factors_imported" {
        /// The administrator.
        by: UserId,
        /// How many recovery codes were imported.
        recovery_codes: u32
    };
    /// An administrator removed every factor of the user; what was removed is named after this.
    FactorsReset = 29 "factors_reset" {
        /// The administrator.
        by: UserId
    };
    /// The user's grace period began with the login that it let through. It begins once.
    GraceBegun = 30 "grace_begun" {
        /// The deadline.
        until: Timestamp
    };
    /// Too many wrong codes: nothing is compared for a while.
    Locked = 31 "locked" {
        /// When the lock ends.
        until: Timestamp
    };
    /// A login began and owes a step.
    LoginBegun = 32 "login_begun";
    /// A login was completed.
    LoginCompleted = 33 "login_completed";
    /// A flow was refused by the policy.
    LoginDenied = 34 "login_denied" {
        /// Why.
        reason: DenyReason
    };
    /// A mail could not be sent, or may not have been. A notice stays owed and is sent later.
    MailUndelivered = 35 "mail_undelivered";
    /// A notice that could not be delivered for a long time made way for newer ones.
    NoticeDropped = 36 "notice_dropped";
    /// A recovery code was used in place of a device.
    RecoveryCodeUsed = 37 "recovery_code_used" {
        /// How many are left.
        left: u32
    };
    /// The recovery codes were disabled after too many wrong ones; the user needs new ones.
    RecoveryCodesDisabled = 38 "recovery_codes_disabled";
    /// New recovery codes became active, and the previous ones ended.
    RecoveryCodesRenewed = 39 "recovery_codes_renewed";
    /// New recovery codes were generated and shown; they are not active yet.
    RecoveryCodesShown = 40 "recovery_codes_shown";
    /// A code was entered during a lock, and was not compared.
    RefusedWhileLocked = 41 "refused_while_locked" {
        /// When the lock ends.
        until: Timestamp
    };
    /// A registration from the profile began and owes a step.
    RegistrationBegun = 42 "registration_begun";
    /// A registration from the profile was completed; what was registered is named before this.
    RegistrationCompleted = 43 "registration_completed";
    /// Every session and every open flow of the user ended.
    SessionsEnded = 44 "sessions_ended" {
        /// Why.
        cause: SessionsEnd
    };
    /// A sign-in was refused because it rested on a row that was replaced.
    StaleRowRefused = 45 "stale_row_refused";
    /// A step was tried that is not open: a sign of a forged request or of a changed policy (OWASP ASVS 5.0, 16.3.3).
    StepNotOpen = 46 "step_not_open" {
        /// The step that was tried.
        step: Step
    };
    /// A step-up began and owes a step.
    StepUpBegun = 47 "step_up_begun";
    /// A step-up was completed, or its proof was fresh.
    StepUpCompleted = 48 "step_up_completed";
    /// A ticket was issued for the user.
    TicketIssued = 49 "ticket_issued" {
        /// The administrator who issued it.
        by: UserId
    };
    /// Everything that was stored of the user was erased, except a tombstone.
    UserErased = 50 "user_erased" {
        /// The administrator, if it was not the user.
        by: Option<UserId>
    };
    /// A password change without a second factor gave unknown browsers a few guesses.
    GuessesGranted = 51 "guesses_granted";
    /// The guesses of unknown browsers were restored.
    GuessesRestored = 52 "guesses_restored" {
        /// The administrator, if it was not a password change of the user.
        by: Option<UserId>
    };
    /// Unknown browsers have no guesses left at a factor.
    NewBrowsersBlocked = 53 "new_browsers_blocked" {
        /// When they regain one.
        regained_at: Timestamp
    };
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use minicbor::{Decoder, Encoder};

    use super::*;
    use crate::cbor::Cbor as _;

    fn encoded(kind: &EventKind) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        kind.write(&mut e, &()).unwrap();
        e.into_writer()
    }

    fn decoded(bytes: &[u8]) -> Option<EventKind> {
        EventKind::read(&mut Decoder::new(bytes), &())
    }

    #[test]
    fn every_kind_is_read_back_and_has_its_own_name_and_number() {
        let samples = EventKind::samples();
        for kind in &samples {
            let bytes = encoded(kind);
            assert_eq!(decoded(&bytes).as_ref(), Some(kind));
            assert!((0..bytes.len()).all(|len| decoded(&bytes[..len]).is_none()));
        }
        let names: BTreeSet<_> = EventKind::NAMES.iter().collect();
        assert_eq!(names.len(), samples.len());
        let number = |bytes: &[u8]| {
            let mut d = Decoder::new(bytes);
            d.array().unwrap();
            d.u8().unwrap()
        };
        let numbers: BTreeSet<_> = samples.iter().map(|kind| number(&encoded(kind))).collect();
        assert_eq!(numbers.len(), samples.len());
    }

    #[test]
    fn line_of_a_log_has_stable_names() {
        let event = |kind, seq| Event { seq, user: UserId::new("a b").unwrap(), at: Timestamp::from_secs(9), kind };
        let refused = EventKind::CodeRefused { factor: Factor::App, fault: CodeFault::Wrong };
        assert_eq!(
            event(refused, Some(12)).to_string(),
            "user=\"a b\" seq=12 at=9 event=code_refused factor=app fault=wrong"
        );
        let by = Some(UserId::new("root \"x\"").unwrap());
        let erased = event(EventKind::UserErased { by }, None).to_string();
        assert_eq!(erased, "user=\"a b\" at=9 event=user_erased by=\"root \\\"x\\\"\"");
    }
}

//! Proving anew, in a session, what matters.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

use super::reference::{Flow, StepUpRef, sealed};
use super::{Assurance, Challenge, Contact, Denied, Evidence, Finished};
use crate::event::Event;
use crate::time::Timestamp;
use crate::user::UserId;

/// Where a step-up stands. Exhaustive, as [`Login`](super::Login) is.
#[derive(Debug)]
#[must_use = "the step-up goes on, or ends, as this value says"]
pub enum StepUp {
    /// The user has to prove a step.
    Challenge(Challenge<StepUpRef>),
    /// It is not possible, now or without help.
    Denied(Denied),
    /// The strongest factor that the user holds was proved, and is fresh.
    Fresh(Elevated),
}

impl Flow for StepUpRef {
    type Outcome = StepUp;

    fn outcome(revealed: sealed::Revealed<Self>) -> StepUp {
        match revealed {
            sealed::Revealed::Challenge(challenge) => StepUp::Challenge(challenge),
            sealed::Revealed::Denied(denied) => StepUp::Denied(denied),
            // No step-up leads to a registration; if one did, its secret would stay here.
            sealed::Revealed::Enroll(enroll) => StepUp::Challenge(enroll.challenge),
            sealed::Revealed::Finished(finished, events) => StepUp::Fresh(finished.elevated(events)),
        }
    }
}

/// The proof that a user has just proved the strongest factor held: what removing a device or changing the address
/// asks for.
///
/// Only the engine makes it. It has no public constructor, no `Clone` and no `Default`:
///
/// ```compile_fail,E0451
/// # fn forge(elevated: factorgate::Elevated) {
/// let forged = factorgate::Elevated { user: factorgate::UserId::new("root").unwrap(), ..elevated };
/// # }
/// ```
/// ```compile_fail,E0599
/// fn twice(once: factorgate::Elevated) { let again = once.clone(); }
/// ```
/// ```compile_fail,E0277
/// let forged: factorgate::Elevated = Default::default();
/// ```
///
/// It is for the request in which it was made: an operation refuses it after [`Elevated::LIFETIME`], and once the
/// account has changed.
#[must_use = "an operation asks for this value, and for no other"]
pub struct Elevated {
    pub(crate) user: UserId,
    pub(crate) at: Timestamp,
    /// As the step-up had it: where word of a change of the address is sent.
    pub(crate) contact: Contact,
    pub(crate) epoch: u64,
    pub(crate) evidence: Evidence,
    events: Vec<Event>,
}

impl Elevated {
    /// For how long an operation takes it: 5 minutes.
    pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// When the engine found the proof fresh.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// What was proved, and when.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// How much it is worth.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.evidence.assurance()
    }

    /// What happened with this answer, for the audit log.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

impl fmt::Debug for Elevated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elevated")
            .field("user", &self.user)
            .field("at", &self.at)
            .field("evidence", &self.evidence)
            .finish_non_exhaustive()
    }
}

impl Finished {
    fn elevated(self, events: Vec<Event>) -> Elevated {
        let Self { user, at, contact, epoch, evidence, .. } = self;
        Elevated { user, at, contact, epoch, evidence, events }
    }
}

/// The permission to change the address on record of a user, once: who has only the password, or an old session, must
/// not lead the codes to another mailbox. Let the function of the host that writes the address take it as an argument.
///
/// ```compile_fail,E0451
/// # fn forge(permit: factorgate::AddressPermit) {
/// let forged = factorgate::AddressPermit { user: factorgate::UserId::new("root").unwrap(), ..permit };
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the address is changed for this value, and for no other"]
pub struct AddressPermit {
    pub(crate) user: UserId,
}

impl AddressPermit {
    /// Whose address it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

/// The `WWW-Authenticate` header of a resource server that wants a stronger or a fresher session (RFC 9470 section
/// 3), to be sent with status 401: one of the `acceptable` assurances, the preferred one first, proved at most
/// `max_age` ago. Either part may be absent.
///
/// ```
/// use factorgate::{Assurance, insufficient_user_authentication};
///
/// assert_eq!(
///     insufficient_user_authentication(&[Assurance::TwoFactor], Some(std::time::Duration::from_secs(300))),
///     "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:factorgate:acr:two-factor\", max_age=300",
/// );
/// ```
#[must_use]
pub fn insufficient_user_authentication(acceptable: &[Assurance], max_age: Option<Duration>) -> String {
    let mut header = String::from("Bearer error=\"insufficient_user_authentication\"");
    let names: Vec<&str> = acceptable.iter().map(|assurance| assurance.acr()).collect();
    if !names.is_empty() {
        // The names are the library's own: there is nothing to escape. Writing to a string does not fail.
        let _ = write!(header, ", acr_values=\"{}\"", names.join(" "));
    }
    if let Some(max_age) = max_age {
        let _ = write!(header, ", max_age={}", max_age.as_secs());
    }
    header
}

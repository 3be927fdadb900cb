//! A session after it was checked, and the proof that its user was there just now.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

use super::claims::SessionClaims;
use super::row::Contact;
use super::{Assurance, Authenticated, Evidence, Refusal};
use crate::keys::KeySet;
use crate::policy::{Plan, Policy};
use crate::time::Timestamp;
use crate::user::UserId;

/// The answer to [`Mfa::check_session`](crate::Mfa::check_session). A host matches it exhaustively, or uses
/// [`SessionCheck::session`].
///
/// ```
/// use factorgate::Session;
/// use factorgate::session::SessionCheck;
///
/// fn page(check: SessionCheck) -> Result<Box<Session>, &'static str> {
///     match check {
///         SessionCheck::Valid(session) => Ok(session),
///         SessionCheck::Owes(_) => Err("/completion"),
///         SessionCheck::Ended => Err("/login"),
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "only a valid session may continue"]
pub enum SessionCheck {
    /// The session has ended; the user must sign in again.
    Ended,
    /// The policy now asks for more than this session has proved.
    Owes(Box<Owing>),
    /// The session is valid under the policy of now.
    Valid(Box<Session>),
}

impl SessionCheck {
    /// Returns the session if it is valid.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionEnded`] or [`Refusal::StepsOwed`].
    pub fn session(&self) -> Result<&Session, Refusal> {
        match self {
            Self::Valid(session) => Ok(session),
            Self::Owes(_) => Err(Refusal::StepsOwed),
            Self::Ended => Err(Refusal::SessionEnded),
        }
    }

    /// Returns the session by value, as [`SessionCheck::session`], for a host that moves it to another thread.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionEnded`] or [`Refusal::StepsOwed`].
    pub fn into_session(self) -> Result<Session, Refusal> {
        match self {
            Self::Valid(session) => Ok(*session),
            Self::Owes(_) => Err(Refusal::StepsOwed),
            Self::Ended => Err(Refusal::SessionEnded),
        }
    }

    /// Returns the session that owes steps.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionEnded`], or [`Refusal::NotOpen`] if the session owes nothing.
    pub fn owing(&self) -> Result<&Owing, Refusal> {
        match self {
            Self::Owes(owing) => Ok(owing),
            Self::Valid(_) => Err(Refusal::NotOpen),
            Self::Ended => Err(Refusal::SessionEnded),
        }
    }
}

/// A session that is valid under the policy of now, with the contact and the policy that it was checked against.
///
/// It is for one request. The host can neither clone nor build it.
///
/// ```
/// # async fn page<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, claims: &factorgate::SessionClaims, row: &factorgate::UserRow,
/// #     policy: &factorgate::policy::Policy,
/// # ) -> Result<(), Box<dyn std::error::Error>> where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// let check = mfa.check_session(claims, row, policy).await?;
/// let session = check.session()?; // or a refusal: sign in, or complete the session
/// let status = mfa.profile(session).status().await?;
/// # Ok(())
/// # }
/// ```
pub struct Session {
    pub(crate) claims: SessionClaims,
    pub(crate) contact: Contact,
    pub(crate) key: Arc<KeySet>,
    pub(crate) policy: Policy,
}

impl Session {
    /// Returns whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.claims.user
    }

    /// Returns the claims of the session.
    #[must_use]
    pub fn claims(&self) -> &SessionClaims {
        &self.claims
    }

    /// The same session with other claims.
    pub(crate) fn with_claims(&self, claims: SessionClaims) -> Self {
        Self { claims, contact: self.contact.clone(), key: Arc::clone(&self.key), policy: self.policy.clone() }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("claims", &self.claims).field("contact", &self.contact).finish_non_exhaustive()
    }
}

/// A session that lacks steps: after a recovery code, or because the policy became stricter. It can only complete them:
/// see [`Mfa::begin_completion`](crate::Mfa::begin_completion).
///
/// ```
/// # async fn page<S: factorgate::Store, M: factorgate::Mailer>(
/// #     mfa: &factorgate::Mfa<S, M>, check: &factorgate::session::SessionCheck,
/// # ) -> Result<(), Box<dyn std::error::Error>> where factorgate::MfaError<S, M>: std::error::Error + 'static {
/// let owing = check.owing()?;
/// let outcome = mfa.begin_completion(owing).await?; // show it as the outcome of a login
/// println!("{} has to {}; cookie: {:?}", owing.user(), owing.plan(), outcome.flow().map(|flow| flow.to_cookie()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Owing {
    pub(crate) session: Session,
    pub(crate) plan: Plan,
}

impl Owing {
    /// Returns whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        self.session.user()
    }

    /// Returns the steps that are missing.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns the claims of the session.
    #[must_use]
    pub fn claims(&self) -> &SessionClaims {
        &self.session.claims
    }
}

/// The proof that the user of one session has just proved the strongest factor that they have.
///
/// It holds the session that asked for it. Every operation of [`Mfa::elevated`](crate::Mfa::elevated) takes it instead of
/// a session, so that the proof of one session cannot be used for another. It is for the request in which it was made: an
/// operation refuses it after [`Elevated::LIFETIME`], and once the account has changed.
///
/// ```compile_fail,E0451
/// # fn forge(elevated: factorgate::Elevated) {
/// let forged = factorgate::Elevated { at: factorgate::Timestamp::from_secs(0), ..elevated };
/// # }
/// ```
/// ```compile_fail,E0599
/// fn twice(once: factorgate::Elevated) { let again = once.clone(); }
/// ```
#[must_use = "pass it to the operation that needs it"]
pub struct Elevated {
    session: Session,
    pub(crate) at: Timestamp,
}

impl Elevated {
    /// How long an operation accepts it: 5 minutes.
    pub const LIFETIME: Duration = Duration::from_secs(5 * 60);

    /// `passed` ends the step-up of `session`, whose claims are the raised ones.
    pub(crate) fn new(passed: Authenticated, session: Session, at: Timestamp) -> Self {
        Self { session: Session { claims: passed.claims, ..session }, at }
    }

    /// Returns whose session it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        self.session.user()
    }

    /// Returns the session that asked for it, with the raised claims.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns when the proof was found fresh.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns what was proved, and when.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.session.claims.evidence
    }
}

/// The session continues with the raised claims.
impl From<Elevated> for Authenticated {
    fn from(elevated: Elevated) -> Self {
        let session = elevated.session;
        Self::new(session.claims, session.key)
    }
}

impl fmt::Debug for Elevated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elevated").field("session", &self.session).field("at", &self.at).finish()
    }
}

/// The permission to write one new address for one user, once. Let the function that writes the address take it as an
/// argument, and finish the change with
/// [`finish_address_change`](crate::session::Dangerous::finish_address_change).
///
/// ```compile_fail,E0451
/// # fn forge(permit: factorgate::session::AddressPermit) {
/// let forged = factorgate::session::AddressPermit { user: factorgate::UserId::new("root").unwrap(), ..permit };
/// # }
/// ```
#[derive(Debug)]
#[must_use = "write the address, then finish the change"]
pub struct AddressPermit {
    pub(crate) user: UserId,
    /// The session that it was given to.
    pub(crate) number: u64,
}

impl AddressPermit {
    /// How long no code is sent to the user after a permit that is not finished: 5 minutes.
    pub const LIFETIME: Duration = Elevated::LIFETIME;

    /// Returns whose address may be written.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }
}

/// Returns the `WWW-Authenticate` header of a resource server that wants a stronger or a fresher session (RFC 9470
/// section 3), to be sent with status 401: one of the `acceptable` assurances, the preferred one first, proved at most
/// `max_age` ago. Either part may be absent.
///
/// ```
/// use factorgate::login::Assurance;
/// use factorgate::session::insufficient_user_authentication;
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

//! Where a flow stands after a request.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Flow, FlowRef, Refusal};
use crate::otpauth::KeyUri;
use crate::policy::{Path, Step};
use crate::recovery_code::RecoveryCodesLeft;
use crate::time::Timestamp;

/// Where a flow stands after a request. A host matches it exhaustively: a state that is added later must break every
/// host's `match`.
///
/// ```
/// use factorgate::{Login, Outcome};
///
/// fn page(outcome: Outcome<Login>) -> String {
///     match outcome {
///         Outcome::Challenge(challenge) => format!("enter one of {:?}", challenge.next()),
///         Outcome::Enroll(enroll) => enroll.key_uri().expose_secret().to_owned(),
///         Outcome::Denied(denied) => denied.refusal().code().to_owned(),
///         Outcome::Done(authenticated) => format!("welcome {}", authenticated.user()),
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "the outcome says how the flow continues"]
#[allow(clippy::large_enum_variant, reason = "made once in each request, and moved twice")]
pub enum Outcome<F: Flow> {
    /// The user must complete one of the steps in [`Challenge::next`].
    Challenge(Challenge<F>),
    /// The flow has ended, or there is no way through.
    Denied(Denied),
    /// The flow is complete.
    Done(F::Done),
    /// The user must add the secret to an app and confirm it with a code.
    Enroll(Enroll<F>),
}

impl<F: Flow> Outcome<F> {
    /// Returns the reference for the flow's cookie, or `None` if the flow has ended and the cookie must be removed.
    #[must_use]
    pub fn flow(&self) -> Option<&FlowRef<F>> {
        match self {
            Self::Challenge(challenge) => Some(&challenge.flow),
            Self::Denied(_) | Self::Done(_) => None,
            Self::Enroll(enroll) => Some(&enroll.challenge.flow),
        }
    }
}

/// An open flow, as its user may see it. With the feature `serde` it serializes to what a page needs, without the
/// reference.
///
/// ```
/// # fn page(challenge: &factorgate::Challenge<factorgate::Login>) {
/// use factorgate::policy::Step;
///
/// if challenge.next().contains(&Step::AppCode) {
///     println!("Enter the code from your app. {} attempts left", challenge.attempts_left());
/// }
/// if let Some(refusal) = challenge.refusal() {
///     println!("text for {}", refusal.code());
/// }
/// # }
/// ```
///
/// With the feature `serde`: `attempts_left`, `email`, `expires_at`, `grace_until`, `next`, `paths`, `recovery_codes_left` and
/// `refusal`; steps under their stable names, times in seconds since the Unix epoch.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(bound = "", transparent))]
pub struct Challenge<F> {
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) flow: FlowRef<F>,
    pub(crate) state: Open,
}

/// An open flow, as it is shown to its user.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub(crate) struct Open {
    pub(crate) attempts_left: u32,
    pub(crate) email: Option<EmailStatus>,
    pub(crate) expires_at: Timestamp,
    pub(crate) grace_until: Option<Timestamp>,
    pub(crate) next: Vec<Step>,
    pub(crate) paths: Vec<Path>,
    pub(crate) recovery_codes_left: Option<RecoveryCodesLeft>,
    pub(crate) refusal: Option<Refusal>,
}

impl<F: Flow> Challenge<F> {
    /// Returns the reference for the flow's cookie.
    #[must_use]
    pub fn flow(&self) -> &FlowRef<F> {
        &self.flow
    }

    /// Returns the steps that can be completed now, the preferred one first: one of them, as the user chooses.
    #[must_use]
    pub fn next(&self) -> &[Step] {
        &self.state.next
    }

    /// Returns every way to complete the flow: the steps of one of these paths, in their order.
    #[must_use]
    pub fn paths(&self) -> &[Path] {
        &self.state.paths
    }

    /// Returns why the last action was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.state.refusal
    }

    /// Returns how many wrong codes the next step takes before a lock, or before the browser or the registration is dropped.
    #[must_use]
    pub fn attempts_left(&self) -> u32 {
        self.state.attempts_left
    }

    /// Returns the state of the e-mail code, if this flow can use one now.
    #[must_use]
    pub fn email(&self) -> Option<&EmailStatus> {
        self.state.email.as_ref()
    }

    /// Returns how many recovery codes are left, if one was used in this flow.
    #[must_use]
    pub fn recovery_codes_left(&self) -> Option<RecoveryCodesLeft> {
        self.state.recovery_codes_left
    }

    /// Returns when the flow expires. At this second it has ended; the time at which a request began counts.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.state.expires_at
    }

    /// Returns until when the registration can be put off, if it is put off.
    #[must_use]
    pub fn grace_until(&self) -> Option<Timestamp> {
        self.state.grace_until
    }
}

/// The e-mail code of a flow.
///
/// ```
/// # fn page(challenge: &factorgate::Challenge<factorgate::Login>) {
/// if let Some(email) = challenge.email() {
///     match email.sent_at {
///         Some(_) => println!("We sent a code to {}", email.masked_address),
///         None => println!("No code was sent yet"),
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct EmailStatus {
    /// The address with all but its first character and its domain hidden.
    pub masked_address: String,
    /// When the code that can be entered now was sent; `None` if none was, or if the mailer refused it.
    pub sent_at: Option<Timestamp>,
    /// When this code expires: the earlier of the code's end and the flow's. At this second it is refused.
    pub expires_at: Option<Timestamp>,
    /// When the next code can be requested; `None`: now.
    pub resend_at: Option<Timestamp>,
}

/// A registration in progress: the secret is shown once, to be put into an app.
///
/// ```
/// # fn page(enroll: &factorgate::Enroll<factorgate::Login>) -> Result<(), Box<dyn std::error::Error>> {
/// let uri = enroll.key_uri();
/// println!("{}", uri.qr()?.to_svg()); // scan it with an authenticator app
/// println!("or enter {}", uri.secret_base32().grouped().expose_secret());
/// # Ok(())
/// # }
/// ```
pub struct Enroll<F> {
    pub(crate) challenge: Challenge<F>,
    pub(crate) key_uri: KeyUri,
}

impl<F: Flow> Enroll<F> {
    /// Returns the Key URI with the new secret: as a QR code, as a link, and as text to type.
    #[must_use]
    pub fn key_uri(&self) -> &KeyUri {
        &self.key_uri
    }

    /// Returns the open flow around the registration: other steps, the last refusal, the expiry.
    #[must_use]
    pub fn challenge(&self) -> &Challenge<F> {
        &self.challenge
    }
}

impl<F> fmt::Debug for Enroll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enroll").field("state", &self.challenge.state).finish_non_exhaustive()
    }
}

/// A flow that has ended, or has no way through.
///
/// ```
/// # fn page(denied: &factorgate::Denied) {
/// println!("text for {}", denied.refusal().code());
/// # }
/// ```
#[derive(Debug)]
pub struct Denied {
    pub(crate) refusal: Refusal,
}

impl Denied {
    /// Returns the reason.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }
}

/// With the feature `serde`: the fields of the challenge, and **the secret**: `uri`, `secret` in groups of four, and `svg`,
/// the QR code. It is for the page of this user only.
#[cfg(feature = "serde")]
impl<F: Flow> serde::Serialize for Enroll<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Shown<'a> {
            #[serde(flatten)]
            state: &'a Open,
            uri: &'a str,
            secret: &'a str,
            svg: String,
        }
        let Self { challenge, key_uri } = self;
        let svg = key_uri.qr().map_err(serde::ser::Error::custom)?.to_svg();
        let secret = key_uri.secret_base32().grouped();
        let (uri, secret) = (key_uri.expose_secret(), secret.expose_secret());
        Shown { state: &challenge.state, uri, secret, svg }.serialize(serializer)
    }
}

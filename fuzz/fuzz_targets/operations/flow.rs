//! The four kinds of flow as one, and their answers.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use factorgate::audit::{CodeFault, Event, EventKind, Factor};
use factorgate::device::DeviceId;
use factorgate::login::{EmailStatus, Evidence};
use factorgate::otp::Secret;
use factorgate::otpauth::KeyUri;
use factorgate::policy::{ExternalEvidence, ExternalFactor, Policy, Step};
use factorgate::session::{Completion, Registration, SessionCheck, StepUp};
use factorgate::testing::{MailFailed, MemoryStore, StoreFailed};
use factorgate::{Action, Authenticated, Elevated, Error, Flow, FlowRef, Login, Mfa, Outcome, Refusal, Timestamp};

use crate::kept::Opener;
use crate::ledger::Purpose;
use crate::model::{Proof, Row};
use crate::post::Post;

pub type Engine = Mfa<MemoryStore, Post>;
pub type Failed = Error<StoreFailed, MailFailed>;

pub enum Reference {
    Login(FlowRef<Login>),
    Completion(FlowRef<Completion>),
    Registration(FlowRef<Registration>),
    StepUp(FlowRef<StepUp>),
}

impl Reference {
    /// The cookie of the flow.
    #[allow(dead_code, reason = "for the seeds")]
    pub fn to_cookie(&self) -> String {
        match self {
            Self::Login(flow) => flow.to_cookie(),
            Self::Completion(flow) => flow.to_cookie(),
            Self::Registration(flow) => flow.to_cookie(),
            Self::StepUp(flow) => flow.to_cookie(),
        }
    }

    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Login(_) => Purpose::Login,
            Self::Completion(_) => Purpose::Completion,
            Self::Registration(_) => Purpose::Registration,
            Self::StepUp(_) => Purpose::StepUp,
        }
    }
}

/// A flow that was begun, and what was sent in it.
pub struct Open {
    pub begun_at: Timestamp,
    pub epoch: u64,
    /// Names the flow.
    pub id: u64,
    /// The codes that were mailed for it, the newest last; `None` for one that the mail system refused.
    pub mailed: VecDeque<Option<String>>,
    /// Who has begun it.
    pub opener: Opener,
    /// When the newest one expires, and how many wrong codes were compared with it. `None` if none is outstanding.
    pub outstanding: Option<(Timestamp, u32)>,
    pub policy: usize,
    pub proved: BTreeSet<Proof>,
    /// `None` while it is begun.
    pub reference: Option<Reference>,
    pub replaces: Option<DeviceId>,
    pub row: Row,
    /// Wrong codes of the device that is being registered.
    pub unconfirmed: u32,
    /// The secret that was shown last in it.
    pub secret: Option<Secret>,
    /// The number of its session, what that had proved, and the age up to which it counts in a step-up.
    pub session: Option<(u64, Evidence, Duration)>,
}

pub enum Done {
    Login(Authenticated),
    /// A completion or a registration.
    Session(Authenticated),
    StepUp(Elevated),
}

/// What any flow answers.
#[derive(Default)]
pub struct Answer {
    pub attempts_left: Option<u32>,
    pub done: Option<Done>,
    pub email: Option<EmailStatus>,
    pub events: Vec<Event>,
    /// The step that a page asks for: the code that was mailed, or the first.
    pub asked: Option<Step>,
    pub reference: Option<Reference>,
    pub refusal: Option<Refusal>,
    pub secret: Option<Secret>,
    /// The login is complete, but its notice was not delivered.
    pub undelivered: bool,
}

impl Answer {
    pub fn accepted(&self, factor: Factor) -> bool {
        self.events.iter().any(|event| event.kind == EventKind::CodeAccepted { factor })
    }

    /// Why a code was refused, if one was compared.
    pub fn fault(&self, factor: Factor) -> Option<CodeFault> {
        self.events.iter().find_map(|event| match event.kind {
            EventKind::CodeRefused { factor: of, fault } if of == factor => Some(fault),
            _ => None,
        })
    }
}

pub trait Kind: Flow {
    fn reference(flow: FlowRef<Self>) -> Reference;
    fn ended(done: Self::Done) -> Done;
}

macro_rules! kinds {
    ($($name:ident => $done:ident),*) => {$(
        impl Kind for $name {
            fn reference(flow: FlowRef<Self>) -> Reference {
                Reference::$name(flow)
            }

            fn ended(done: Self::Done) -> Done {
                Done::$done(done)
            }
        }
    )*};
}

kinds!(Login => Login, Completion => Session, Registration => Session, StepUp => StepUp);

impl<F: Kind> From<Result<Outcome<F>, Failed>> for Answer {
    fn from(outcome: Result<Outcome<F>, Failed>) -> Self {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(Error::Mailer(_)) => return Self { undelivered: true, ..Self::default() },
            Err(error) => panic!("{error}"),
        };
        // The browser keeps the cookie.
        let reference = outcome.flow().map(|flow| F::reference(FlowRef::from_cookie(&flow.to_cookie()).unwrap()));
        let (challenge, secret) = match outcome {
            Outcome::Done(done) => return Self { done: Some(F::ended(done)), ..Self::default() },
            Outcome::Denied(denied) => return Self { reference, refusal: Some(denied.refusal()), ..Self::default() },
            Outcome::Challenge(ref challenge) => (challenge, None),
            Outcome::Enroll(ref enroll) => (enroll.challenge(), Some(secret_of(enroll.key_uri()))),
        };
        let is_sent = challenge.email().is_some_and(|email| email.expires_at.is_some());
        let mailed =
            challenge.next().iter().find(|step| is_sent && matches!(step, Step::EmailCode | Step::VerifyEmail));
        Self {
            asked: mailed.or(challenge.next().first()).copied(),
            attempts_left: Some(challenge.attempts_left()),
            email: challenge.email().cloned(),
            reference,
            refusal: challenge.refusal(),
            secret,
            ..Self::default()
        }
    }
}

fn secret_of(uri: &KeyUri) -> Secret {
    Secret::from_base32(uri.secret_base32().expose_secret()).unwrap()
}

/// A request in a flow.
pub enum Request {
    External(Result<ExternalEvidence, ExternalFactor>),
    Resume,
    Submit(Action),
}

async fn on<F: Kind>(
    mfa: &Engine,
    flow: &FlowRef<F>,
    policy: &Policy,
    check: &SessionCheck,
    request: Request,
) -> Option<Answer> {
    let by = F::by(policy, check).ok()?;
    Some(match request {
        Request::External(checked) => mfa.assert_external(flow, by, checked).await.into(),
        Request::Resume => mfa.resume(flow, by).await.into(),
        Request::Submit(action) => mfa.submit(flow, by, action).await.into(),
    })
}

/// `None` if the session of the flow is not of the kind that the flow needs.
pub async fn send(
    mfa: &Engine,
    flow: &Reference,
    policy: &Policy,
    check: &SessionCheck,
    request: Request,
) -> Option<Answer> {
    match flow {
        Reference::Login(flow) => on(mfa, flow, policy, check, request).await,
        Reference::Completion(flow) => on(mfa, flow, policy, check, request).await,
        Reference::Registration(flow) => on(mfa, flow, policy, check, request).await,
        Reference::StepUp(flow) => on(mfa, flow, policy, check, request).await,
    }
}

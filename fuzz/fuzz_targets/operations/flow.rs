//! The three kinds of flows as one, and their answers.

use std::collections::HashSet;
use std::time::Duration;

use factorgate::otpauth::KeyUri;
use factorgate::{
    Authenticated, CodeFault, DeviceId, Elevated, Event, EventKind, Evidence, Factor, Login, LoginRef, Registered,
    Registration, RegistrationRef, Secret, StepUp, StepUpRef, Timestamp,
};

use crate::model::Proof;

pub enum Reference {
    Login(LoginRef),
    Registration(RegistrationRef),
    StepUp(StepUpRef),
}

/// A flow that was begun, and what was sent in it.
pub struct Open {
    pub begun_at: Timestamp,
    pub done: bool,
    pub epoch: u64,
    /// The code that was mailed last for it.
    pub mailed: Option<String>,
    pub policy: usize,
    pub proved: HashSet<Proof>,
    /// None while it is begun.
    pub reference: Option<Reference>,
    pub replaces: Option<DeviceId>,
    /// The secret that was shown last in it.
    pub secret: Option<Secret>,
    /// What the session of a step-up had proved, and the age up to which it counts.
    pub session: Option<(Evidence, Duration)>,
    /// It was begun with the token of a browser whose trust holds.
    pub trusted: bool,
}

pub enum Done {
    Login(Authenticated),
    Registration(Registered),
    StepUp(Elevated),
}

/// What any flow answers.
#[derive(Default)]
pub struct Answer {
    pub done: Option<Done>,
    pub events: Vec<Event>,
    pub reference: Option<Reference>,
    pub secret: Option<Secret>,
}

impl Answer {
    pub fn accepted(&self, factor: Factor) -> bool {
        is_accepted(&self.events, factor)
    }

    pub fn judged_wrong(&self, factor: Factor) -> bool {
        is_judged_wrong(&self.events, factor)
    }
}

pub fn is_accepted(events: &[Event], factor: Factor) -> bool {
    events.iter().any(|event| event.kind == EventKind::CodeAccepted { factor })
}

pub fn is_judged_wrong(events: &[Event], factor: Factor) -> bool {
    events.iter().any(|event| event.kind == EventKind::CodeRefused { factor, fault: CodeFault::Wrong })
}

fn secret_of(uri: &KeyUri) -> Secret {
    Secret::from_base32(uri.secret_base32().expose_secret()).unwrap()
}

macro_rules! copy {
    ($kind:ident, $reference:ident, $flow:expr) => {
        Some(Reference::$kind($reference::from_cookie($flow.to_cookie().expose_secret()).unwrap()))
    };
}

impl From<Login> for Answer {
    fn from(login: Login) -> Self {
        match login {
            Login::Authenticated(passed) => {
                Self { events: passed.events().to_vec(), done: Some(Done::Login(passed)), ..Self::default() }
            }
            Login::Challenge(challenge) => Self {
                events: challenge.events().to_vec(),
                reference: copy!(Login, LoginRef, challenge.flow()),
                ..Self::default()
            },
            Login::Denied(denied) => Self { events: denied.events, ..Self::default() },
            Login::Enroll(enroll) => Self {
                events: enroll.challenge().events().to_vec(),
                reference: copy!(Login, LoginRef, enroll.flow()),
                secret: Some(secret_of(enroll.key_uri())),
                ..Self::default()
            },
        }
    }
}

impl From<Registration> for Answer {
    fn from(registration: Registration) -> Self {
        match registration {
            Registration::Challenge(challenge) => Self {
                events: challenge.events().to_vec(),
                reference: copy!(Registration, RegistrationRef, challenge.flow()),
                ..Self::default()
            },
            Registration::Denied(denied) => Self { events: denied.events, ..Self::default() },
            Registration::Enroll(enroll) => Self {
                events: enroll.challenge().events().to_vec(),
                reference: copy!(Registration, RegistrationRef, enroll.flow()),
                secret: Some(secret_of(enroll.key_uri())),
                ..Self::default()
            },
            Registration::Registered(done) => {
                Self { events: done.events.clone(), done: Some(Done::Registration(done)), ..Self::default() }
            }
        }
    }
}

impl From<StepUp> for Answer {
    fn from(step_up: StepUp) -> Self {
        match step_up {
            StepUp::Challenge(challenge) => Self {
                events: challenge.events().to_vec(),
                reference: copy!(StepUp, StepUpRef, challenge.flow()),
                ..Self::default()
            },
            StepUp::Denied(denied) => Self { events: denied.events, ..Self::default() },
            StepUp::Fresh(elevated) => {
                Self { events: elevated.events().to_vec(), done: Some(Done::StepUp(elevated)), ..Self::default() }
            }
        }
    }
}

/// Takes a step in a flow of any kind.
macro_rules! step {
    ($open:expr, $flow:ident => $step:expr) => {
        match &$open.reference {
            Some(Reference::Login($flow)) => Answer::from($step.await.unwrap()),
            Some(Reference::Registration($flow)) => Answer::from($step.await.unwrap()),
            Some(Reference::StepUp($flow)) => Answer::from($step.await.unwrap()),
            None => Answer::default(),
        }
    };
}
pub(crate) use step;

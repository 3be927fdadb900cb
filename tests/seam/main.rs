//! Where the engine meets its host: rows that change, requests that are dropped, clocks and policies that move.

mod clocks;
mod limits;
mod notices;
mod rows;
mod sessions;

use std::time::Duration;

use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::session::SessionCheck;
use factorgate::testing::{App, Kit, MemoryStore, Outbox};
use factorgate::{
    Action, Authenticated, Contact, Elevated, EmailAddress, Flow, FlowRef, Login, Mfa, Outcome, PrimaryVerified,
    Session, SessionClaims, UserId, UserRow,
};

type Engine = Mfa<MemoryStore, Outbox>;

/// The row of one user, as a host keeps it.
#[derive(Clone, Debug)]
struct Row {
    id: &'static str,
    credential: u64,
    address: String,
    verified: bool,
}

impl Row {
    fn alice() -> Self {
        Self { id: "alice", credential: 1, address: "alice@example.com".into(), verified: true }
    }

    fn id(&self) -> UserId {
        UserId::new(self.id).unwrap()
    }

    fn contact(&self) -> Contact {
        let address = EmailAddress::new(&self.address).unwrap();
        if self.verified { Contact::verified(address) } else { Contact::unverified(address) }
    }

    fn read(&self) -> UserRow {
        UserRow::new(self.id(), self.credential.to_be_bytes(), self.contact())
    }

    fn primary(&self) -> PrimaryVerified {
        PrimaryVerified::assertion(self.read())
    }
}

fn off() -> Policy {
    Policy::off(FirstRegistration::AfterPassword)
}

fn email() -> Policy {
    Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode).unwrap()
}

fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn done<F: Flow>(outcome: Outcome<F>) -> F::Done {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("the flow is not complete: {other:?}"),
    }
}

fn refusal<F: Flow>(outcome: &Outcome<F>) -> Option<&'static str> {
    match outcome {
        Outcome::Challenge(challenge) => challenge.refusal().map(|refusal| refusal.code()),
        Outcome::Enroll(enroll) => enroll.challenge().refusal().map(|refusal| refusal.code()),
        Outcome::Denied(denied) => Some(denied.refusal().code()),
        Outcome::Done(_) => None,
    }
}

fn cookie<F: Flow>(outcome: &Outcome<F>) -> FlowRef<F> {
    FlowRef::from_cookie(&outcome.flow().expect("an open flow").to_cookie()).unwrap()
}

/// Signs in where nothing, or only an e-mail code, is owed.
async fn sign_in(kit: &Kit, mfa: &Engine, row: &Row, policy: &Policy) -> SessionClaims {
    let passed = match mfa.begin_login(row.primary(), policy).await.unwrap() {
        Outcome::Done(passed) => passed,
        open => {
            let code = kit.outbox.last_code().expect("a code was sent").into();
            done(mfa.submit(&cookie(&open), policy, Action::EmailCode { code }).await.unwrap())
        }
    };
    passed.into_session(&row.read()).unwrap()
}

/// Registers a device at a login.
async fn enroll(kit: &Kit, mfa: &Engine, row: &Row) -> (App, SessionClaims) {
    let Outcome::Enroll(enroll) = mfa.begin_login(row.primary(), &app()).await.unwrap() else {
        panic!("a device must be registered")
    };
    let phone = kit.scan(enroll.key_uri());
    let confirm = Action::ConfirmApp { code: phone.code().into(), name: Some("phone".into()) };
    let passed = done(mfa.submit(enroll.challenge().flow(), &app(), confirm).await.unwrap());
    (phone, passed.into_session(&row.read()).unwrap())
}

async fn session(mfa: &Engine, claims: &SessionClaims, row: &Row, policy: &Policy) -> Session {
    mfa.check_session(claims, &row.read(), policy).await.unwrap().into_session().unwrap()
}

async fn is_ended(mfa: &Engine, claims: &SessionClaims, row: &Row, policy: &Policy) -> bool {
    matches!(mfa.check_session(claims, &row.read(), policy).await.unwrap(), SessionCheck::Ended)
}

/// Proves a code of `phone` again in a session.
async fn step_up(mfa: &Engine, session: &Session, phone: &App) -> Elevated {
    let open = mfa.profile(session).begin_step_up(Duration::ZERO).await.unwrap();
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    done(mfa.submit(&cookie(&open), session, code).await.unwrap())
}

async fn begin(mfa: &Engine, row: &Row, policy: &Policy) -> (FlowRef<Login>, Outcome<Login>) {
    let outcome = mfa.begin_login(row.primary(), policy).await.unwrap();
    (cookie(&outcome), outcome)
}

fn claims_of(passed: Authenticated, row: &Row) -> SessionClaims {
    passed.into_session(&row.read()).unwrap()
}

//! Races against an engine, on whatever store: each gives the number of requests that got through.

use std::sync::Arc;
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, Outbox};
use factorgate::{
    Administrator, Code, CodeFault, Contact, DeviceName, EmailAddress, Event, EventKind, Login, LoginRef, Mfa,
    OsRandom, PrimaryVerified, Secret, ServerKey, ServerKeys, Store, Ticket, Timestamp, UserId,
};

/// How often each race is run.
pub(crate) const ROUNDS: usize = 200;
/// Wrong codes that a user has before a lock.
pub(crate) const LIMIT: usize = 5;

const WRONG: usize = 32;
const RIGHT: usize = 16;

/// A race between requests of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Race {
    /// 32 wrong app codes; gives how many were judged.
    WrongAppCodes,
    /// 32 wrong e-mail codes; gives how many were judged.
    WrongEmailCodes,
    /// 16 times one right app code, in two logins; gives how many were let in.
    RightAppCode,
    /// 16 times one right e-mail code; gives how many were let in.
    RightEmailCode,
    /// 16 times one ticket, in two logins; gives how many got on.
    Ticket,
    /// 16 times the code that confirms a registration; gives how many were let in.
    Confirmation,
}

/// Runs `race` [`ROUNDS`] times, each with a user of its own, and gives what came of each.
pub(crate) async fn run<S: Store + Clone + 'static>(store: S, race: Race) -> Vec<usize> {
    let mut results = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let host = Host::new(store.clone(), &format!("{race:?}-{round}"));
        results.push(match race {
            Race::WrongAppCodes => host.wrong_app_codes().await,
            Race::WrongEmailCodes => host.wrong_email_codes().await,
            Race::RightAppCode => host.right_app_code().await,
            Race::RightEmailCode => host.right_email_code().await,
            Race::Ticket => host.ticket().await,
            Race::Confirmation => host.confirmation().await,
        });
    }
    results
}

pub(crate) struct Host<S> {
    pub(crate) clock: FixedClock,
    pub(crate) mfa: Arc<Mfa<S, Outbox>>,
    outbox: Outbox,
    pub(crate) user: UserId,
}

impl<S: Store + 'static> Host<S> {
    pub(crate) fn new(store: S, user: &str) -> Self {
        let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let builder = Mfa::builder(store, outbox.clone(), keys, Issuer::new("ACME").unwrap());
        let mfa = Arc::new(builder.clock(clock.clone()).build().unwrap());
        Self { clock, mfa, outbox, user: UserId::new(user).unwrap() }
    }

    async fn begin(&self, policy: &Policy) -> Login {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        self.mfa.begin_login(PrimaryVerified::assertion(self.user.clone()), contact, policy).await.unwrap()
    }

    /// The cookie of a login that owes something.
    pub(crate) async fn cookie(&self, policy: &Policy) -> String {
        let cookie = match self.begin(policy).await {
            Login::Challenge(challenge) => challenge.flow().to_cookie(),
            Login::Enroll(enroll) => enroll.flow().to_cookie(),
            other => panic!("{other:?}"),
        };
        cookie.expose_secret().to_owned()
    }

    /// Registers a device; gives its secret.
    pub(crate) async fn register(&self) -> Secret {
        let login = self.begin(&app()).await;
        let Login::Enroll(enroll) = login else { panic!("{login:?}") };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let code = Totp::default().generate(&secret, self.clock.time()).unwrap();
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &app()).await;
        assert!(matches!(login.unwrap(), Login::Authenticated(_)));
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    /// Sends `count` requests at the same time, in turn with each of `cookies`.
    async fn all_at_once<F>(
        &self,
        count: usize,
        cookies: &[String],
        request: fn(Arc<Mfa<S, Outbox>>, LoginRef, String) -> F,
        text: &str,
    ) -> Vec<Login>
    where
        F: Future<Output = Login> + Send + 'static,
    {
        let tasks: Vec<_> = cookies
            .iter()
            .cycle()
            .take(count)
            .map(|cookie| {
                let flow = LoginRef::from_cookie(cookie).unwrap();
                tokio::spawn(request(Arc::clone(&self.mfa), flow, text.to_owned()))
            })
            .collect();
        let mut outcomes = Vec::with_capacity(count);
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    async fn wrong_app_codes(&self) -> usize {
        let secret = self.register().await;
        let cookie = self.cookie(&app()).await;
        // Of a step that lies outside of every window.
        let wrong = Totp::default().generate(&secret, Timestamp::from_secs(0)).unwrap();
        judged(&self.all_at_once(WRONG, &[cookie], app_code, wrong.expose_secret().expose_secret()).await)
    }

    async fn wrong_email_codes(&self) -> usize {
        let cookie = self.cookie(&email()).await;
        let right = self.outbox.last_code().unwrap();
        let wrong = if right == "00000000" { "00000001" } else { "00000000" };
        judged(&self.all_at_once(WRONG, &[cookie], email_code, wrong).await)
    }

    async fn right_app_code(&self) -> usize {
        let secret = self.register().await;
        let cookies = [self.cookie(&app()).await, self.cookie(&app()).await];
        let right = Totp::default().generate(&secret, self.clock.time()).unwrap();
        let outcomes = self.all_at_once(RIGHT, &cookies, app_code, right.expose_secret().expose_secret()).await;
        let_in(&outcomes)
    }

    async fn right_email_code(&self) -> usize {
        let cookie = self.cookie(&email()).await;
        let_in(&self.all_at_once(RIGHT, &[cookie], email_code, &self.outbox.last_code().unwrap()).await)
    }

    async fn ticket(&self) -> usize {
        let issued = self.mfa.issue_ticket(&self.user, &admin()).await.unwrap();
        let cookies = [self.cookie(&with_ticket()).await, self.cookie(&with_ticket()).await];
        let text = issued.ticket.expose_secret();
        let outcomes = self.all_at_once(RIGHT, &cookies, ticket, text.expose_secret()).await;
        outcomes.iter().flat_map(events).filter(|event| matches!(event.kind, EventKind::CodeAccepted { .. })).count()
    }

    async fn confirmation(&self) -> usize {
        let login = self.begin(&app()).await;
        let Login::Enroll(enroll) = login else { panic!("{login:?}") };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let code = Totp::default().generate(&secret, self.clock.time()).unwrap();
        let cookie = enroll.flow().to_cookie().expose_secret().to_owned();
        let_in(&self.all_at_once(RIGHT, &[cookie], confirmation, code.expose_secret().expose_secret()).await)
    }
}

pub(crate) fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

pub(crate) fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap()
}

fn email() -> Policy {
    Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap()
}

fn with_ticket() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap()
}

async fn app_code<S: Store>(mfa: Arc<Mfa<S, Outbox>>, flow: LoginRef, text: String) -> Login {
    mfa.verify_app_code(&flow, &Code::parse(&text).unwrap(), &app()).await.unwrap()
}

async fn email_code<S: Store>(mfa: Arc<Mfa<S, Outbox>>, flow: LoginRef, text: String) -> Login {
    mfa.verify_email_code(&flow, &Code::parse(&text).unwrap(), &email()).await.unwrap()
}

async fn ticket<S: Store>(mfa: Arc<Mfa<S, Outbox>>, flow: LoginRef, text: String) -> Login {
    mfa.redeem_ticket(&flow, &Ticket::parse(&text).unwrap(), &with_ticket()).await.unwrap()
}

async fn confirmation<S: Store>(mfa: Arc<Mfa<S, Outbox>>, flow: LoginRef, text: String) -> Login {
    let code = Code::parse(&text).unwrap();
    mfa.confirm_app_enrollment(&flow, &code, &DeviceName::default(), &app()).await.unwrap()
}

pub(crate) fn let_in(outcomes: &[Login]) -> usize {
    outcomes.iter().filter(|login| matches!(login, Login::Authenticated(_))).count()
}

/// How many codes were compared and found wrong.
pub(crate) fn judged(outcomes: &[Login]) -> usize {
    let is_judged = |event: &&Event| matches!(event.kind, EventKind::CodeRefused { fault: CodeFault::Wrong, .. });
    outcomes.iter().flat_map(events).filter(is_judged).count()
}

fn events(login: &Login) -> &[Event] {
    match login {
        Login::Authenticated(passed) => passed.events(),
        Login::Challenge(challenge) => challenge.events(),
        Login::Denied(denied) => &denied.events,
        Login::Enroll(enroll) => enroll.challenge().events(),
    }
}

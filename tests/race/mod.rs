//! Races against an engine, on whatever store: each gives the number of requests that got through.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, Outbox};
use factorgate::{
    Administrator, Authenticated, BrowserName, BrowserToken, Code, CodeFault, Contact, DeviceName, EmailAddress, Event,
    EventKind, Login, LoginRef, Mfa, Notice, OsRandom, PrimaryVerified, Secret, ServerKey, ServerKeys, SessionClaims,
    StepUp, StepUpRef, Store, Ticket, Timestamp, Trust, UserId,
};

/// How often each race is run.
pub(crate) const ROUNDS: usize = 200;
/// Wrong codes that a user has before a lock.
pub(crate) const LIMIT: usize = 5;

const WRONG: usize = 32;
const RIGHT: usize = 16;

/// A race between requests of one user.
pub(crate) trait Race: Copy + Debug {
    /// Runs it once, with a user who has nothing yet, and gives what came of it.
    async fn run<S: Store + 'static>(self, host: &Host<S>) -> usize;
}

/// The race gives `expected` in each round, and on `control`, where a swap is not atomic, it does not.
pub(crate) async fn check<S, C>(store: S, control: C, race: impl Race, expected: usize)
where
    S: Store + Clone + 'static,
    C: Store + Clone + 'static,
{
    assert_eq!(run(store, race).await, [expected; ROUNDS], "{race:?}");
    let control = run(control, race).await;
    assert!(control.iter().any(|got| *got > expected), "the control of {race:?} must fail");
}

/// Runs `race` [`ROUNDS`] times, each with a user of its own, and gives what came of each.
async fn run<S: Store + Clone + 'static>(store: S, race: impl Race) -> Vec<usize> {
    let mut results = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        results.push(race.run(&Host::new(store.clone(), &format!("{race:?}-{round}"))).await);
    }
    results
}

/// A test of each race: `$check` is given the race and what it gives in each round.
macro_rules! tests {
    ($check:ident: $($name:ident => $race:expr, $expected:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $name() {
            $check($race, $expected).await;
        }
    )+};
}
pub(crate) use tests;

/// A test of each [`LoginRace`], where it and [`LIMIT`] are in scope: every store must pass them.
macro_rules! login_tests {
    ($check:ident) => {
        $crate::race::tests! { $check:
            a01_b7_of_32_wrong_app_codes_five_are_judged => LoginRace::WrongAppCodes, LIMIT;
            of_32_wrong_codes_one_tells_of_the_lock => LoginRace::LockNotices, 1;
            a01_a12_of_32_wrong_email_codes_five_are_judged => LoginRace::WrongEmailCodes, LIMIT;
            a03_one_app_code_opens_one_of_two_logins_once => LoginRace::RightAppCode, 1;
            a02_one_email_code_opens_once => LoginRace::RightEmailCode, 1;
            a02_one_ticket_is_good_once => LoginRace::Ticket, 1;
            d07_one_registration_is_confirmed_once => LoginRace::Confirmation, 1;
            h04_one_token_of_a_browser_is_replaced_once => LoginRace::BrowserToken, 1;
            a01_b9_of_32_wrong_codes_in_two_step_ups_five_are_judged => LoginRace::WrongStepUpCodes, LIMIT;
            a03_one_app_code_steps_up_once => LoginRace::StepUp, 1;
        }
    };
}
pub(crate) use login_tests;

/// What can be raced for at a login or a step-up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoginRace {
    /// 32 wrong app codes; gives how many were judged.
    WrongAppCodes,
    /// 32 wrong app codes; gives how often the user was told of the lock.
    LockNotices,
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
    /// 16 times the token of one trusted browser; gives how many were given the next one.
    BrowserToken,
    /// 32 wrong app codes, in two step-ups; gives how many were judged.
    WrongStepUpCodes,
    /// 16 times one right app code, in two step-ups; gives how many were elevated.
    StepUp,
}

impl Race for LoginRace {
    async fn run<S: Store + 'static>(self, host: &Host<S>) -> usize {
        match self {
            Self::WrongAppCodes => host.wrong_app_codes().await,
            Self::LockNotices => host.lock_notices().await,
            Self::WrongEmailCodes => host.wrong_email_codes().await,
            Self::RightAppCode => host.right_app_code().await,
            Self::RightEmailCode => host.right_email_code().await,
            Self::Ticket => host.ticket().await,
            Self::Confirmation => host.confirmation().await,
            Self::BrowserToken => host.browser_token().await,
            Self::WrongStepUpCodes => host.wrong_step_up_codes().await,
            Self::StepUp => host.step_up().await,
        }
    }
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
    async fn all_at_once<F, T>(
        &self,
        count: usize,
        cookies: &[String],
        request: fn(Arc<Mfa<S, Outbox>>, String, String) -> F,
        text: &str,
    ) -> Vec<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let tasks: Vec<_> = cookies
            .iter()
            .cycle()
            .take(count)
            .map(|cookie| tokio::spawn(request(Arc::clone(&self.mfa), cookie.clone(), text.to_owned())))
            .collect();
        let mut outcomes = Vec::with_capacity(count);
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    /// Returns a code that no step around now has. The code of a distant step is right by chance in 3 of a million
    /// rounds, and there are thousands of rounds.
    pub(crate) fn wrong_code(&self, secret: &Secret) -> String {
        let now = self.clock.time().as_secs();
        let right = [now - 60, now - 30, now, now + 30, now + 60].map(|at| {
            let code = Totp::default().generate(secret, Timestamp::from_secs(at)).unwrap();
            code.expose_secret().expose_secret().to_owned()
        });
        (0..6).map(|code| format!("{code:06}")).find(|code| !right.contains(code)).unwrap()
    }

    async fn wrong_app_codes(&self) -> usize {
        let secret = self.register().await;
        let cookie = self.cookie(&app()).await;
        let outcomes = self.all_at_once(WRONG, &[cookie], app_code, &self.wrong_code(&secret)).await;
        judged(&outcomes)
    }

    async fn lock_notices(&self) -> usize {
        self.wrong_app_codes().await;
        self.outbox.sent().iter().filter(|mail| matches!(mail.notice, Some(Notice::Locked { .. }))).count()
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

    async fn browser_token(&self) -> usize {
        let secret = self.register().await;
        let passed = self.log_in(&secret).await;
        let name = BrowserName::new("Firefox").unwrap();
        let trust = self.mfa.trust_browser(&passed, &name, &app()).await.unwrap();
        let Trust::Trusted { token, .. } = trust else { panic!("{trust:?}") };
        let cookie = token.to_cookie().expose_secret().to_owned();
        let outcomes = self.all_at_once(RIGHT, &[cookie], trusted_login, self.user.as_str()).await;
        assert_eq!(let_in(&outcomes), RIGHT, "two tabs at once do not lose the trust");
        let is_next =
            |login: &&Login| matches!(login, Login::Authenticated(passed) if passed.browser_token().is_some());
        outcomes.iter().filter(is_next).count()
    }

    async fn wrong_step_up_codes(&self) -> usize {
        let (secret, cookies) = self.step_ups().await;
        let outcomes = self.all_at_once(WRONG, &cookies, step_up_code, &self.wrong_code(&secret)).await;
        wrong_in(outcomes.iter().flat_map(|outcome| match outcome {
            StepUp::Challenge(asked) => asked.events(),
            StepUp::Denied(denied) => &denied.events,
            StepUp::Fresh(elevated) => elevated.events(),
        }))
    }

    async fn step_up(&self) -> usize {
        let (secret, cookies) = self.step_ups().await;
        let right = Totp::default().generate(&secret, self.clock.time()).unwrap();
        let outcomes = self.all_at_once(RIGHT, &cookies, step_up_code, right.expose_secret().expose_secret()).await;
        outcomes.iter().filter(|outcome| matches!(outcome, StepUp::Fresh(_))).count()
    }

    /// Logs in by a code of the device.
    async fn log_in(&self, secret: &Secret) -> Authenticated {
        let flow = LoginRef::from_cookie(&self.cookie(&app()).await).unwrap();
        let code = Totp::default().generate(secret, self.clock.time()).unwrap();
        let login = self.mfa.verify_app_code(&flow, &code, &app()).await.unwrap();
        self.clock.advance(Duration::from_secs(30));
        match login {
            Login::Authenticated(passed) => passed,
            other => panic!("{other:?}"),
        }
    }

    /// The cookies of two step-ups of one session.
    async fn step_ups(&self) -> (Secret, [String; 2]) {
        let secret = self.register().await;
        let claims = self.log_in(&secret).await.session().rotated();
        (secret, [self.step_up_cookie(&claims).await, self.step_up_cookie(&claims).await])
    }

    async fn step_up_cookie(&self, claims: &SessionClaims) -> String {
        let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
        let begun = self.mfa.begin_step_up(claims, contact, &app(), Duration::ZERO).await.unwrap();
        let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
        asked.flow().to_cookie().expose_secret().to_owned()
    }
}

pub(crate) fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

pub(crate) fn app() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap().with_trusted_browsers()
}

fn email() -> Policy {
    Policy::any_of([Channel::Email], FirstRegistration::AfterPassword).unwrap()
}

fn with_ticket() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap()
}

async fn app_code<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, text: String) -> Login {
    let flow = LoginRef::from_cookie(&cookie).unwrap();
    mfa.verify_app_code(&flow, &Code::parse(&text).unwrap(), &app()).await.unwrap()
}

async fn email_code<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, text: String) -> Login {
    let flow = LoginRef::from_cookie(&cookie).unwrap();
    mfa.verify_email_code(&flow, &Code::parse(&text).unwrap(), &email()).await.unwrap()
}

async fn ticket<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, text: String) -> Login {
    let flow = LoginRef::from_cookie(&cookie).unwrap();
    mfa.redeem_ticket(&flow, &Ticket::parse(&text).unwrap(), &with_ticket()).await.unwrap()
}

async fn confirmation<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, text: String) -> Login {
    let flow = LoginRef::from_cookie(&cookie).unwrap();
    let code = Code::parse(&text).unwrap();
    mfa.confirm_app_enrollment(&flow, &code, &DeviceName::default(), &app()).await.unwrap()
}

async fn trusted_login<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, user: String) -> Login {
    let primary = PrimaryVerified::assertion(UserId::new(&user).unwrap());
    let contact = Contact::verified(EmailAddress::new("alice@example.com").unwrap());
    let token = BrowserToken::from_cookie(&cookie).unwrap();
    mfa.begin_login_from(primary, contact, &app(), Some(&token)).await.unwrap()
}

async fn step_up_code<S: Store>(mfa: Arc<Mfa<S, Outbox>>, cookie: String, text: String) -> StepUp {
    let flow = StepUpRef::from_cookie(&cookie).unwrap();
    mfa.verify_app_code(&flow, &Code::parse(&text).unwrap(), &app()).await.unwrap()
}

pub(crate) fn let_in(outcomes: &[Login]) -> usize {
    outcomes.iter().filter(|login| matches!(login, Login::Authenticated(_))).count()
}

/// How many codes were compared and found wrong.
pub(crate) fn judged(outcomes: &[Login]) -> usize {
    wrong_in(outcomes.iter().flat_map(events))
}

fn wrong_in<'a>(events: impl Iterator<Item = &'a Event>) -> usize {
    let is_judged = |event: &&Event| matches!(event.kind, EventKind::CodeRefused { fault: CodeFault::Wrong, .. });
    events.filter(is_judged).count()
}

fn events(login: &Login) -> &[Event] {
    match login {
        Login::Authenticated(passed) => passed.events(),
        Login::Challenge(challenge) => challenge.events(),
        Login::Denied(denied) => &denied.events,
        Login::Enroll(enroll) => enroll.challenge().events(),
    }
}

//! Races against an engine, on whatever store: each gives the number of requests that got through.

#[path = "../host/mod.rs"]
pub(crate) mod host;

use std::fmt::Debug;
use std::sync::Arc;

use factorgate::audit::{CodeFault, EventKind};
use factorgate::browser::BrowserName;
use factorgate::env::OsRandom;
use factorgate::limits::Guessing;
use factorgate::login::StepUp;
use factorgate::mail::Notice;
use factorgate::otp::Secret;
use factorgate::policy::Policy;
use factorgate::{Action, Flow, FlowRef, Login, Outcome, PrimaryVerified, Session, Store, Timestamp, UserId, UserRow};

pub(crate) use host::{Host, admin};
use host::{contact, done, email, is_in, secret_of, with_ticket};

/// How often each race is run.
pub(crate) const ROUNDS: usize = 200;
/// Wrong codes that a user has before a lock.
pub(crate) const LIMIT: usize = 5;

pub(crate) const WRONG: usize = 32;
pub(crate) const RIGHT: usize = 16;

/// A race between requests of one user.
pub(crate) trait Race: Copy + Debug + Send {
    /// How often codes can be guessed in it.
    fn guessing(self) -> Guessing {
        Guessing::new()
    }

    /// Runs it once, with a user who has nothing yet, and gives what came of it.
    async fn run<S: Store + Clone + 'static>(self, host: &Host<S>) -> usize;
}

/// The race gives `expected` in each round, and on `control`, where a swap is not atomic, it does not.
///
/// The control has one thread, on which the requests take turns at every wait: there it cannot be won by chance, however busy
/// the machine is.
pub(crate) async fn check<S, C>(store: S, control: impl AsyncFnOnce() -> C + Send, race: impl Race, expected: usize)
where
    S: Store + Clone + 'static,
    C: Store + Clone + 'static,
{
    assert_eq!(run(store, race).await, [expected; ROUNDS], "{race:?}");
    let lost = std::thread::scope(|threads| {
        let control = threads.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { run(control().await, race).await })
        });
        control.join().unwrap().into_iter().filter(|got| *got > expected).count()
    });
    assert!(lost > 0, "the control of {race:?} must fail");
}

/// Runs `race` [`ROUNDS`] times, each with a user of its own, and gives what came of each.
async fn run<S: Store + Clone + 'static>(store: S, race: impl Race) -> Vec<usize> {
    let mut results = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut host = Host::on(store.clone(), |builder| builder.random(OsRandom).guessing(race.guessing()));
        host.user = UserId::new(&format!("{race:?}-{round}")).unwrap();
        results.push(race.run(&host).await);
    }
    results
}

/// A test of each race: `$check` is given the race and what it gives in each round.
macro_rules! tests {
    ($check:ident: $($(#[$doc:meta])* $name:ident => $race:expr, $expected:expr;)+) => {$(
        $(#[$doc])*
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
            parallel_app_codes_never_exceed_the_budget => LoginRace::WrongAppCodes, LIMIT;
            parallel_app_codes_of_all_browsers_never_exceed_their_budgets => LoginRace::MixedAppCodes, 2 * LIMIT;
            last_guesses_of_all_browsers_are_compared_once => LoginRace::LastAppCodes, 4;
            parallel_guesses_send_one_notice_of_the_lock => LoginRace::LockNotices, 1;
            parallel_email_codes_never_exceed_the_budget => LoginRace::WrongEmailCodes, LIMIT;
            one_app_code_completes_one_of_two_logins_once => LoginRace::RightAppCode, 1;
            one_email_code_completes_once => LoginRace::RightEmailCode, 1;
            one_ticket_is_redeemed_once => LoginRace::Ticket, 1;
            one_registration_is_confirmed_once => LoginRace::Confirmation, 1;
            one_browser_token_is_replaced_once => LoginRace::BrowserToken, 1;
            parallel_step_up_codes_never_exceed_the_budget => LoginRace::WrongStepUpCodes, LIMIT;
            one_app_code_steps_up_once => LoginRace::StepUp, 1;
        }
    };
}
pub(crate) use login_tests;

/// What can be raced for at a login or a step-up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoginRace {
    /// 32 wrong app codes; gives how many were judged.
    WrongAppCodes,
    /// 32 wrong app codes, in the logins of a known browser and of two unknown ones; gives how many were judged.
    MixedAppCodes,
    /// The same when a known browser has one guess left and the others have three.
    LastAppCodes,
    /// 32 wrong app codes when one attempt is left; gives how often the user was told of the lock.
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
    fn guessing(self) -> Guessing {
        match self {
            Self::LastAppCodes => Guessing::new().shared(10, Guessing::REGAINED_EVERY).known(5),
            _ => Guessing::new(),
        }
    }

    async fn run<S: Store + Clone + 'static>(self, host: &Host<S>) -> usize {
        match self {
            Self::WrongAppCodes => host.wrong_app_codes().await,
            Self::MixedAppCodes => host.mixed_app_codes(0, 0).await,
            Self::LastAppCodes => host.mixed_app_codes(4, 7).await,
            Self::LockNotices => host.lock_notices().await,
            Self::WrongEmailCodes => host.wrong_email_codes().await,
            Self::RightAppCode => host.right_app_code().await,
            Self::RightEmailCode => host.right_email_code().await,
            Self::Ticket => host.redeemed_ticket().await,
            Self::Confirmation => host.confirmation().await,
            Self::BrowserToken => host.browser_token().await,
            Self::WrongStepUpCodes => host.wrong_step_up_codes().await,
            Self::StepUp => host.right_step_up_code().await,
        }
    }
}

/// Sends all requests at the same time.
pub(crate) async fn at_once<T: Send + 'static>(
    requests: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

impl<S: Store + Clone + 'static> Host<S> {
    /// The cookie of a login that owes something.
    pub(crate) async fn cookie(&self, policy: &Policy) -> String {
        self.begin(policy).await.flow().expect("a step is owed").to_cookie()
    }

    /// Submits `action` `count` times at the same time, in turn to each of the logins.
    pub(crate) async fn all_at_once(
        &self,
        count: usize,
        cookies: &[String],
        policy: &Policy,
        action: impl Fn() -> Action,
    ) -> Vec<Outcome<Login>> {
        let requests = cookies.iter().cycle().take(count).map(|cookie| {
            let (mfa, cookie, policy, action) = (Arc::clone(&self.mfa), cookie.clone(), policy.clone(), action());
            async move {
                let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
                mfa.submit(&flow, &policy, action).await.unwrap()
            }
        });
        at_once(requests).await
    }

    /// As [`Host::all_at_once`], in flows of one session.
    pub(crate) async fn all_at_once_in<F: Flow<By = Session>>(
        &self,
        count: usize,
        cookies: &[String],
        session: Session,
        action: impl Fn() -> Action,
    ) -> Vec<Outcome<F>> {
        let session = Arc::new(session);
        let requests = cookies.iter().cycle().take(count).map(|cookie| {
            let (mfa, cookie, session, action) =
                (Arc::clone(&self.mfa), cookie.clone(), Arc::clone(&session), action());
            async move {
                let flow = FlowRef::<F>::from_cookie(&cookie).unwrap();
                mfa.submit(&flow, &*session, action).await.unwrap()
            }
        });
        at_once(requests).await
    }

    /// Returns a code that no step around now has. The code of a distant step is right by chance in 3 of a million
    /// rounds, and there are thousands of rounds.
    pub(crate) fn wrong_code(&self, secret: &Secret) -> String {
        let now = self.clock.time().as_secs();
        let right =
            [now - 60, now - 30, now, now + 30, now + 60].map(|at| host::code_at(secret, Timestamp::from_secs(at)));
        (0..6).map(|code| format!("{code:06}")).find(|code| !right.contains(code)).unwrap()
    }

    /// How many codes were compared and found wrong since this was asked last.
    pub(crate) fn judged(&self) -> usize {
        let wrong = |kind: &EventKind| matches!(kind, EventKind::CodeRefused { fault: CodeFault::Wrong, .. });
        self.events().iter().filter(|kind| wrong(kind)).count()
    }

    async fn wrong_app_codes(&self) -> usize {
        let secret = self.register().await;
        let (cookie, wrong) = (self.cookie(&app()).await, self.wrong_code(&secret));
        self.all_at_once(WRONG, &[cookie], &app(), || app_code(&wrong)).await;
        self.judged()
    }

    /// Guesses of a known browser and of two unknown ones, after so many wrong codes of each kind.
    async fn mixed_app_codes(&self, known: usize, unknown: usize) -> usize {
        let secret = self.register().await;
        let login = host::asked(self.begin(&app()).await);
        let passed = done(self.app_code(login.flow(), &app(), &self.code(&secret)).await);
        let browser = passed.browser().expect("a browser that signs in is known").to_cookie();
        let own = self.begin_from(&app(), Some(&browser)).await.flow().expect("a step is owed").to_cookie();
        let cookies = [own, self.cookie(&app()).await, self.cookie(&app()).await];
        let wrong = self.wrong_code(&secret);
        for (cookie, count) in cookies.iter().zip([known, unknown]) {
            for spent in 0..count {
                // The first lock.
                self.wait(if spent == LIMIT { 60 } else { 0 });
                self.all_at_once(1, std::slice::from_ref(cookie), &app(), || app_code(&wrong)).await;
            }
        }
        assert_eq!(self.judged(), known + unknown);
        self.all_at_once(WRONG, &cookies, &app(), || app_code(&wrong)).await;
        self.judged()
    }

    async fn lock_notices(&self) -> usize {
        let secret = self.register().await;
        let (cookie, wrong) = (self.cookie(&app()).await, self.wrong_code(&secret));
        for _ in 1..LIMIT {
            self.all_at_once(1, std::slice::from_ref(&cookie), &app(), || app_code(&wrong)).await;
        }
        self.all_at_once(WRONG, &[cookie], &app(), || app_code(&wrong)).await;
        let is_lock = |mail: &factorgate::testing::Sent| matches!(mail.notice, Some(Notice::Locked { .. }));
        self.outbox.sent().iter().filter(|mail| is_lock(mail)).count()
    }

    async fn wrong_email_codes(&self) -> usize {
        let cookie = self.cookie(&email()).await;
        let wrong = host::not(&self.mailed());
        self.all_at_once(WRONG, &[cookie], &email(), || email_code(&wrong)).await;
        self.judged()
    }

    async fn right_app_code(&self) -> usize {
        let secret = self.register().await;
        let cookies = [self.cookie(&app()).await, self.cookie(&app()).await];
        let right = self.code(&secret);
        let_in(&self.all_at_once(RIGHT, &cookies, &app(), || app_code(&right)).await)
    }

    async fn right_email_code(&self) -> usize {
        let (cookie, right) = (self.cookie(&email()).await, self.mailed());
        let_in(&self.all_at_once(RIGHT, &[cookie], &email(), || email_code(&right)).await)
    }

    async fn redeemed_ticket(&self) -> usize {
        let ticket = self.mfa.admin(&admin()).issue_ticket(&self.user).await.unwrap().expose_secret();
        let cookies = [self.cookie(&with_ticket()).await, self.cookie(&with_ticket()).await];
        let redeem = || Action::Ticket { code: ticket.expose_secret().into() };
        self.all_at_once(RIGHT, &cookies, &with_ticket(), redeem).await;
        self.events().iter().filter(|kind| matches!(kind, EventKind::CodeAccepted { .. })).count()
    }

    async fn confirmation(&self) -> usize {
        let enroll = self.enroll(&app()).await;
        let (cookie, code) = (enroll.challenge().flow().to_cookie(), self.code(&secret_of(&enroll)));
        let_in(&self.all_at_once(RIGHT, &[cookie], &app(), || confirm(&code)).await)
    }

    async fn browser_token(&self) -> usize {
        let secret = self.register().await;
        let claims = self.log_in(&secret, &app()).await;
        let session = self.session_of(&claims, &app()).await;
        let name = BrowserName::new("Firefox").unwrap();
        let cookie = self.mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap().to_cookie();
        let requests = (0..RIGHT).map(|_| {
            let (mfa, user, cookie) = (Arc::clone(&self.mfa), self.user.clone(), cookie.clone());
            async move {
                let row = UserRow::new(user, "password 1", contact());
                mfa.begin_login(PrimaryVerified::assertion(row).from_browser(Some(&cookie)), &app()).await.unwrap()
            }
        });
        let outcomes = at_once(requests).await;
        assert_eq!(let_in(&outcomes), RIGHT, "two tabs at once do not lose the trust");
        let is_next = |login: &&Outcome<Login>| matches!(login, Outcome::Done(passed) if passed.browser().is_some());
        outcomes.iter().filter(is_next).count()
    }

    /// A session, and the cookies of two step-ups of it.
    async fn step_ups(&self) -> (Secret, Session, [String; 2]) {
        let secret = self.register().await;
        let claims = self.log_in(&secret, &app()).await;
        let session = self.session_of(&claims, &app()).await;
        let cookies = [self.step_up_asked(&session).await, self.step_up_asked(&session).await];
        let cookies = cookies.map(|asked| asked.flow().to_cookie());
        (secret, session, cookies)
    }

    async fn wrong_step_up_codes(&self) -> usize {
        let (secret, session, cookies) = self.step_ups().await;
        let wrong = self.wrong_code(&secret);
        self.all_at_once_in::<StepUp>(WRONG, &cookies, session, || app_code(&wrong)).await;
        self.judged()
    }

    async fn right_step_up_code(&self) -> usize {
        let (secret, session, cookies) = self.step_ups().await;
        let right = self.code(&secret);
        let outcomes = self.all_at_once_in::<StepUp>(RIGHT, &cookies, session, || app_code(&right)).await;
        let elevated: Vec<_> = outcomes.into_iter().filter(is_in).map(done).collect();
        elevated.len()
    }
}

pub(crate) fn app() -> Policy {
    host::app().with_trusted_browsers()
}

pub(crate) fn app_code(code: &str) -> Action {
    Action::AppCode { code: code.into(), device: None }
}

fn email_code(code: &str) -> Action {
    Action::EmailCode { code: code.into() }
}

pub(crate) fn confirm(code: &str) -> Action {
    Action::ConfirmApp { code: code.into(), name: None }
}

pub(crate) fn let_in<F: Flow>(outcomes: &[Outcome<F>]) -> usize {
    outcomes.iter().filter(|outcome| is_in(outcome)).count()
}

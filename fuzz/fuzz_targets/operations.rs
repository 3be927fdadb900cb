//! Any sequence of requests by a user, a thief with the password and an administrator: nobody gets in without what is
//! asked for, no code is good twice, and no more is guessed than the budget allows.
#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use factorgate::otp::{Digits, Totp, Window};
use factorgate::otpauth::{Issuer, KeyUri};
use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom};
use factorgate::{
    Administrator, Assurance, Authenticated, BrowserName, BrowserToken, Change, Code, CodeFault, Contact, DeniedReason,
    DeviceName, EmailAddress, Event, EventKind, Evidence, Factor, FailureBudget, Login, LoginRef, Mfa, PrimaryVerified,
    RecoveryCode, Removal, Secret, ServerKey, ServerKeys, SignedIn, Ticket, Timestamp, Trust, UserId,
};
use libfuzzer_sys::fuzz_target;

/// What is done next. The indices choose among what there is.
#[derive(Arbitrary, Debug)]
enum Act {
    Advance(u16),
    AdministratorResets,
    AdministratorIssuesTicket,
    Begin { policy: u8, trusted: bool },
    BeginEnrollment,
    ConfirmEnrollment { right: bool },
    MakeRecoveryCodes { confirm: bool },
    RedeemTicket { right: bool },
    RemoveDevice { device: u8, by: u8 },
    Resume { policy: u8 },
    RevokeLogins,
    SendEmail,
    SwitchFlow(u8),
    Trust,
    VerifyApp { device: u8, steps_off: i8, right: bool },
    VerifyEmail { right: bool },
    VerifyRecovery { code: u8, right: bool },
}

struct App {
    secret: Secret,
    used: HashSet<u64>,
}

struct World {
    apps: Vec<App>,
    browser: Option<BrowserToken>,
    clock: FixedClock,
    flows: Vec<LoginRef>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    passed: Option<Authenticated>,
    pending: Option<Secret>,
    policy: usize,
    recovery: Vec<(String, bool)>,
    ticket: Option<Ticket>,
    user: UserId,
    wrong: u32,
}

fn policies() -> [Policy; 5] {
    let both = [Channel::App, Channel::Email];
    [
        Policy::off(FirstRegistration::AfterPassword),
        Policy::any_of([Channel::Email], FirstRegistration::AfterEmailCode).unwrap(),
        Policy::any_of([Channel::App], FirstRegistration::WithTicket).unwrap(),
        Policy::any_of(both, FirstRegistration::AfterEmailCode).unwrap().with_trusted_browsers(),
        Policy::all_of(both, FirstRegistration::AfterEmailCode).unwrap(),
    ]
}

/// Eight digits, so that a wrong code is hardly ever right.
fn totp() -> Totp {
    Totp::builder().digits(Digits::EIGHT).build().unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn secret_of(uri: &KeyUri) -> Secret {
    Secret::from_base32(uri.secret_base32().expose_secret()).unwrap()
}

impl World {
    fn new() -> Self {
        let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
        let keys = ServerKeys::new(ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap());
        let builder = Mfa::builder(MemoryStore::new(), outbox.clone(), keys, Issuer::new("ACME Co").unwrap());
        Self {
            apps: Vec::new(),
            browser: None,
            mfa: builder.clock(clock.clone()).random(SeededRandom::new(7)).totp(totp()).build().unwrap(),
            clock,
            flows: Vec::new(),
            outbox,
            passed: None,
            pending: None,
            policy: 0,
            recovery: Vec::new(),
            ticket: None,
            user: UserId::new("alice").unwrap(),
            wrong: 0,
        }
    }

    fn step(&self) -> u64 {
        totp().step_at(self.clock.time()).unwrap().get()
    }

    fn app(&self, index: u8) -> usize {
        usize::from(index) % self.apps.len().max(1)
    }

    fn code(&self, secret: &Secret, step: u64) -> Code {
        totp().generate(secret, Timestamp::from_secs(step * 30)).unwrap()
    }

    /// What must hold of every answer to a login.
    async fn see(&mut self, login: Login) {
        let status = self.mfa.status(&self.user).await.unwrap();
        assert!(status.devices.len() <= 5);
        match login {
            Login::Authenticated(passed) => {
                self.flows.pop();
                self.wrong = 0;
                let policy = &policies()[self.policy];
                let evidence = passed.evidence();
                // Where nothing is owed, there is nothing to guess, and no lock.
                assert!(status.locked_until.is_none() || *evidence == Evidence::default(), "in while locked");
                if !status.devices.is_empty() {
                    let shown = evidence.app_code.is_some() || evidence.enrolled.is_some();
                    let stands_in = evidence.recovery_code.is_some() || evidence.trusted_browser.is_some();
                    assert!(shown || stands_in, "a device is always asked for");
                }
                if policy.is_enforced() {
                    assert!(passed.assurance() > Assurance::FirstFactor || evidence.trusted_browser.is_some());
                }
                self.passed = Some(passed);
            }
            Login::Challenge(challenge) => {
                self.flows.push(LoginRef::from_cookie(challenge.flow().to_cookie().expose_secret()).unwrap())
            }
            Login::Enroll(enroll) => {
                self.pending = Some(secret_of(enroll.key_uri()));
                self.flows.push(LoginRef::from_cookie(enroll.flow().to_cookie().expose_secret()).unwrap());
            }
            Login::Denied(denied) => {
                if let DeniedReason::Locked { .. } = denied.reason {
                    self.wrong = 0;
                }
            }
        }
    }

    /// A wrong code was sent: it was judged, or not looked at.
    fn count(&mut self, events: &[Event], cost: u32) {
        let judged = events.iter().any(|event| {
            matches!(
                event.kind,
                EventKind::CodeRefused {
                    fault: CodeFault::Wrong,
                    factor: Factor::App | Factor::Email | Factor::Recovery | Factor::Ticket,
                }
            )
        });
        if judged {
            self.wrong += cost;
            assert!(self.wrong < FailureBudget::DEFAULT_LIMIT + 5, "more guesses than the budget allows");
        }
    }

    async fn act(&mut self, act: Act) {
        let policies = policies();
        let policy = policies[self.policy].clone();
        let wrong = || Code::parse("00000000").unwrap();
        let flow = || self.flows.last();
        let login = match act {
            Act::Advance(by) => {
                self.clock.advance(Duration::from_secs(by.into()));
                return;
            }
            Act::AdministratorResets => {
                let by = Administrator::assertion(UserId::new("root").unwrap());
                self.ticket = Some(self.mfa.reset_by_admin(&self.user, &by, contact()).await.unwrap().ticket);
                self.apps.clear();
                self.recovery.clear();
                self.wrong = 0;
                return;
            }
            Act::AdministratorIssuesTicket => {
                let by = Administrator::assertion(UserId::new("root").unwrap());
                self.ticket = Some(self.mfa.issue_ticket(&self.user, &by).await.unwrap().ticket);
                return;
            }
            Act::Begin { policy, trusted } => {
                self.policy = usize::from(policy) % policies.len();
                let primary = PrimaryVerified::assertion(self.user.clone());
                let browser = self.browser.take().filter(|_| trusted);
                self.mfa.begin_login_from(primary, contact(), &policies[self.policy], browser.as_ref()).await
            }
            Act::BeginEnrollment => {
                let Some(flow) = flow() else { return };
                self.mfa.begin_app_enrollment(flow, &policy).await
            }
            Act::ConfirmEnrollment { right } => {
                let (Some(flow), Some(secret)) = (flow(), &self.pending) else { return };
                let step = self.step();
                let code = if right { self.code(secret, step) } else { self.code(secret, step + 100) };
                let before = self.mfa.devices(&self.user).await.unwrap().len();
                let name = DeviceName::new("phone").unwrap();
                let login = self.mfa.confirm_app_enrollment(flow, &code, &name, &policy).await;
                if self.mfa.devices(&self.user).await.unwrap().len() > before {
                    let secret = self.pending.take().unwrap();
                    // The code that confirmed it is used up.
                    self.apps.push(App { secret, used: HashSet::from([step]) });
                }
                login
            }
            Act::MakeRecoveryCodes { confirm } => {
                let session = SignedIn::assertion(self.user.clone());
                let Some(app) = self.apps.first() else { return };
                let code = self.code(&app.secret, self.step() + 1);
                let made = self.mfa.begin_recovery_codes(&session, &code).await.unwrap();
                if let Change::Made { value, .. } = made {
                    let step = self.step() + 1;
                    assert!(self.apps[0].used.insert(step), "a code was good twice");
                    let codes: Vec<String> =
                        value.codes.iter().map(|code| code.expose_secret().expose_secret().to_owned()).collect();
                    let first = RecoveryCode::parse(&codes[0]).unwrap();
                    if confirm {
                        let done = self.mfa.confirm_recovery_codes(&session, &first, contact()).await.unwrap();
                        assert!(matches!(done, Change::Made { .. }));
                        self.recovery = codes.into_iter().map(|code| (code, false)).collect();
                    }
                }
                return;
            }
            Act::RedeemTicket { right } => {
                let (Some(flow), Some(ticket)) = (flow(), &self.ticket) else { return };
                let other = Ticket::parse("GEZD GNBV GY3T QOJQ GEZD GNBV GY").unwrap();
                self.mfa.redeem_ticket(flow, if right { ticket } else { &other }, &policy).await
            }
            Act::RemoveDevice { device, by } => {
                let held = self.mfa.devices(&self.user).await.unwrap();
                let (device, at) = (self.app(device), self.app(by));
                let (Some(device), Some(app)) = (held.get(device), self.apps.get(at)) else {
                    return;
                };
                let (step, code) = (self.step(), self.code(&app.secret, self.step()));
                let session = SignedIn::assertion(self.user.clone());
                let removal = self.mfa.remove_device(&session, device.id, &code, contact(), &policy).await.unwrap();
                if let Removal::Removed { .. } = removal {
                    assert!(self.apps[at].used.insert(step), "a code was good twice");
                    let index = held.iter().position(|one| one.id == device.id).unwrap();
                    self.apps.remove(index);
                }
                return;
            }
            Act::Resume { policy } => {
                let Some(flow) = flow() else { return };
                let login = self.mfa.resume(flow, &policies[usize::from(policy) % policies.len()]).await.unwrap();
                assert!(!matches!(login, Login::Authenticated(_)), "a look lets nobody in");
                return;
            }
            Act::RevokeLogins => {
                self.mfa.revoke_logins(&self.user).await.unwrap();
                return;
            }
            Act::SendEmail => {
                let Some(flow) = flow() else { return };
                self.mfa.send_email_code(flow, &policy).await
            }
            Act::SwitchFlow(to) => {
                if !self.flows.is_empty() {
                    let at = usize::from(to) % self.flows.len();
                    let flow = self.flows.swap_remove(at);
                    self.flows.push(flow);
                }
                return;
            }
            Act::Trust => {
                let Some(passed) = self.passed.take() else { return };
                let trust =
                    self.mfa.trust_browser(&passed, &BrowserName::new("laptop").unwrap(), &policy).await.unwrap();
                if let Trust::Trusted { token, .. } = trust {
                    assert_eq!(passed.assurance(), Assurance::TwoFactor);
                    self.browser = Some(token);
                }
                return;
            }
            Act::VerifyApp { device, steps_off, right } => {
                let Some(flow) = flow() else { return };
                // Mostly near the window.
                let (device, steps_off) = (self.app(device), steps_off % 4);
                let step = self.step().saturating_add_signed(steps_off.into());
                let code = match self.apps.get(device).filter(|_| right) {
                    Some(app) => self.code(&app.secret, step),
                    None => wrong(),
                };
                let login = self.mfa.verify_app_code(flow, &code, &policy).await.unwrap();
                let events = events(&login);
                let accepted =
                    events.iter().any(|event| matches!(event.kind, EventKind::CodeAccepted { factor: Factor::App }));
                if accepted {
                    let window = Window::default();
                    assert!(
                        i64::from(steps_off) >= -i64::from(window.past())
                            && i64::from(steps_off) <= window.future().into()
                    );
                    assert!(self.apps[device].used.insert(step), "a code was good twice");
                }
                let cost = self.apps.len() as u32;
                self.count(&events, cost);
                self.see(login).await;
                return;
            }
            Act::VerifyEmail { right } => {
                let Some(flow) = flow() else { return };
                let code =
                    self.outbox.last_code().filter(|_| right).map_or_else(wrong, |code| Code::parse(&code).unwrap());
                let login = self.mfa.verify_email_code(flow, &code, &policy).await.unwrap();
                self.count(&events(&login), 1);
                self.see(login).await;
                return;
            }
            Act::VerifyRecovery { code, right } => {
                let Some(flow) = flow() else { return };
                let at = usize::from(code) % self.recovery.len().max(1);
                let typed = self.recovery.get(at).filter(|_| right).map_or("0000-0000-0000-0000", |(code, _)| code);
                let login =
                    self.mfa.verify_recovery_code(flow, &RecoveryCode::parse(typed).unwrap(), &policy).await.unwrap();
                let events = events(&login);
                let accepted = events
                    .iter()
                    .any(|event| matches!(event.kind, EventKind::CodeAccepted { factor: Factor::Recovery }));
                if accepted {
                    let (_, used) = &mut self.recovery[at];
                    assert!(!*used, "a recovery code was good twice");
                    *used = true;
                }
                self.count(&events, 1);
                self.see(login).await;
                return;
            }
        };
        let login = login.unwrap();
        self.see(login).await;
    }
}

fn events(login: &Login) -> Vec<Event> {
    match login {
        Login::Authenticated(passed) => passed.events().to_vec(),
        Login::Challenge(challenge) => challenge.events().to_vec(),
        Login::Denied(denied) => denied.events.clone(),
        Login::Enroll(enroll) => enroll.challenge().events().to_vec(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut world, mut rest) = (World::new(), Unstructured::new(bytes));
        for _ in 0..100 {
            let Ok(act) = Act::arbitrary(&mut rest) else { break };
            world.act(act).await;
            if rest.is_empty() {
                break;
            }
        }
    });
});

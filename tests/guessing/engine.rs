//! The engine beside the specification: the same long histories, and the same answers.

use std::collections::HashMap;
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::audit::{CodeFault, EventKind};
use factorgate::device::DeviceId;
use factorgate::limits::IssuanceBudget;
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, Totp};
use factorgate::policy::{Channel, FirstRegistration};
use factorgate::testing::{Kit, MemoryStore, Outbox};
use factorgate::{
    Action as Submitted, Contact, EmailAddress, FlowRef, Login, Mfa, Outcome, PrimaryVerified, Refusal, Timestamp,
    UserId, UserRow,
};

use super::rules::{DAY, Policy, Rules, Time};
use super::state::{Action, Answer, Cookie, Out, Person, State, Typed};

struct Engine {
    kit: Kit,
    mfa: Mfa<MemoryStore, Outbox>,
    policy: factorgate::policy::Policy,
    password: u32,
    devices: Vec<(DeviceId, Secret)>,
    /// The flows, the codes that were mailed for them, and the cookies, by the numbers of the specification.
    flows: HashMap<i64, FlowRef<Login>>,
    mailed: HashMap<i64, String>,
    cookies: HashMap<i64, String>,
    begun: Time,
    events: usize,
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

impl Engine {
    async fn new(policy: Policy, devices: usize) -> Self {
        let kit = Kit::new();
        let mfa = kit.builder().issuance_budget(IssuanceBudget::new(60, Duration::ZERO).unwrap()).build().unwrap();
        let first = FirstRegistration::WithTicket;
        let policy = match policy {
            Policy::App => factorgate::policy::Policy::any_of([Channel::App], first).unwrap(),
            _ => {
                let any = factorgate::policy::Policy::any_of([Channel::App, Channel::Email], first).unwrap();
                any.with_email_fallback().unwrap()
            }
        };
        let secret = |n: usize| Secret::from_bytes(&[n as u8 + 1; 20]).unwrap();
        let imported = |n| ImportedDevice::new(secret(n), Totp::default());
        let mut import = Import::new(imported(0));
        for n in 1..devices {
            import = import.with_device(imported(n)).unwrap();
        }
        let root = Administrator::host("import").unwrap();
        mfa.admin(&root).import(&UserId::new("alice").unwrap(), &import).await.unwrap().unwrap();
        let held = mfa.admin(&root).status(&UserId::new("alice").unwrap()).await.unwrap().devices;
        let devices = held.iter().enumerate().map(|(n, device)| (device.id, secret(n))).collect();
        // The code of the moment of the import is used up.
        kit.advance(Duration::from_secs(60));
        let begun = kit.clock.time().as_secs() as Time;
        let (flows, mailed, cookies) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { kit, mfa, policy, password: 0, devices, flows, mailed, cookies, begun, events: 0 }
    }

    fn row(&self) -> UserRow {
        UserRow::new(UserId::new("alice").unwrap(), self.password.to_be_bytes(), contact())
    }

    /// What the phone shows, by its own clock.
    fn code(&self, s: &State, device: usize) -> String {
        let at = Timestamp::from_secs((self.begun + s.now - s.ghost.off) as u64);
        let code = Totp::default().generate(&self.devices[device].1, at).unwrap();
        code.expose_secret().expose_secret().to_owned()
    }

    /// A code that no device shows now.
    fn wrong(&self, s: &State) -> String {
        let now = (self.begun + s.now) as u64;
        let shown: Vec<String> = self
            .devices
            .iter()
            .flat_map(|(_, secret)| {
                [now - 30, now, now + 30].map(|at| {
                    let code = Totp::default().generate(secret, Timestamp::from_secs(at)).unwrap();
                    code.expose_secret().expose_secret().to_owned()
                })
            })
            .collect();
        (0..).map(|n| format!("{n:06}")).find(|code| !shown.contains(code)).unwrap()
    }

    /// Does what the specification did in `s`. `out` and `t` are what came of it there.
    async fn act(&mut self, s: &State, action: Action, out: Out, t: &State) -> Answer {
        self.events = self.kit.events().len();
        let outcome = match action {
            Action::Wait(_) | Action::Jump(_) => {
                self.kit.clock.set((self.begun + t.now) as u64);
                return Answer::Ok;
            }
            Action::Copy => return Answer::Ok,
            Action::Begin(who, _) if who == Person::Attacker && !s.ghost.attacker_has_password => {
                return Answer::WrongPassword;
            }
            Action::Begin(_, cookie) => {
                let token = match cookie {
                    Cookie::Nothing => 0,
                    Cookie::Own => s.ghost.cookie,
                    Cookie::Copied => s.ghost.copy,
                    Cookie::Given => s.ghost.thief,
                };
                let primary = PrimaryVerified::assertion(self.row());
                let primary = primary.from_browser(self.cookies.get(&token).map(String::as_str));
                let outcome = self.mfa.begin_login(primary, &self.policy).await.unwrap();
                let begun = t.flows.last().filter(|_| out.answer == Answer::Challenge);
                if let (Some(begun), Some(flow)) = (begun, outcome.flow()) {
                    self.flows.insert(begun.id, FlowRef::from_cookie(&flow.to_cookie()).unwrap());
                    return Answer::Challenge;
                }
                outcome
            }
            Action::Password(_, proof) => return self.change_password(proof).await,
            Action::App(_, id, typed, only) => {
                let is_live = |(device, (failures, _)): &(usize, &(i64, Time))| {
                    *failures < Rules::REAL.nist && only.is_none_or(|only| only == *device)
                };
                let target = s.devices.iter().enumerate().find(is_live).map_or(0, |(device, _)| device);
                let code = if typed == Typed::Right { self.code(s, target) } else { self.wrong(s) };
                let device = only.map(|only| self.devices[only].0);
                self.submit(id, Submitted::AppCode { code: code.into(), device }).await
            }
            Action::MailCode(_, id, typed) => {
                let right = self.mailed.get(&id).cloned().unwrap_or_else(|| "00000000".to_owned());
                let wrong = if right == "00000001" { "00000002" } else { "00000001" };
                let code = if typed == Typed::Right { right } else { wrong.to_owned() };
                self.submit(id, Submitted::EmailCode { code: code.into() }).await
            }
            Action::Send(_, id) => {
                let outcome = self.submit(id, Submitted::SendEmailCode).await;
                self.mailed.extend(self.kit.outbox.last_code().map(|code| (id, code)));
                outcome
            }
            Action::Recover(..) | Action::RemoveDevice | Action::Trust => unreachable!("not among these histories"),
        };
        self.answer(action, out, &outcome)
    }

    async fn submit(&self, id: i64, action: Submitted) -> Outcome<Login> {
        self.mfa.submit(&self.flows[&id], &self.policy, action).await.unwrap()
    }

    async fn change_password(&mut self, proof: bool) -> Answer {
        self.password += 1;
        let (root, row) = (Administrator::host("password").unwrap(), self.row());
        let admin = self.mfa.admin(&root);
        if proof {
            admin.unblock(row.user(), &contact()).await.unwrap();
            admin.account_changed(&row).await.unwrap();
            return Answer::Restored;
        }
        admin.account_changed(&row).await.unwrap();
        let granted = self.new_events().any(|kind| kind == EventKind::GuessesGranted);
        if granted { Answer::Granted } else { Answer::NotRestored }
    }

    fn new_events(&self) -> impl Iterator<Item = EventKind> {
        self.kit.events().into_iter().skip(self.events).map(|event| event.kind)
    }

    fn answer(&mut self, action: Action, out: Out, outcome: &Outcome<Login>) -> Answer {
        let fault = self.new_events().find_map(|kind| match kind {
            EventKind::CodeRefused { fault, .. } => Some(fault),
            _ => None,
        });
        let refusal = match outcome {
            Outcome::Done(passed) => {
                assert_eq!(passed.browser().is_some(), out.token != 0, "a new token: {out:?}");
                self.cookies.extend(passed.browser().map(|token| (out.token, token.to_cookie())));
                return Answer::SignedIn;
            }
            Outcome::Challenge(challenge) => challenge.refusal(),
            Outcome::Denied(denied) => Some(denied.refusal()),
            Outcome::Enroll(enroll) => panic!("{enroll:?}"),
        };
        match (refusal, fault) {
            (Some(Refusal::FlowEnded), _) => Answer::FlowEnded,
            (Some(Refusal::DeviceDisabled), _) => Answer::DeviceDisabled,
            (_, Some(CodeFault::Expired | CodeFault::NoneOutstanding)) => Answer::Expired,
            (_, Some(_)) => Answer::WrongCode,
            (Some(Refusal::Locked { .. }), _) if !matches!(action, Action::Send(..)) => Answer::Locked,
            (Some(Refusal::NewBrowsersBlocked { .. }), _) if !matches!(action, Action::Send(..)) => {
                Answer::NewBrowsersBlocked
            }
            (Some(Refusal::ChooseDevice), _) => Answer::ChooseDevice,
            (Some(Refusal::TooSoon { .. }), _) => Answer::TooSoon,
            _ if matches!(action, Action::Send(..)) => Answer::Sent,
            other => panic!("{action:?}: {other:?} in {outcome:?}"),
        }
    }

    /// Whether the last unit of a factor is spent.
    async fn is_blocked(&self) -> bool {
        let root = Administrator::host("status").unwrap();
        let status = self.mfa.admin(&root).status(self.row().user()).await.unwrap();
        status.new_browsers_blocked_until.is_some()
    }
}

/// What can be done in `s`: each person everything.
fn choices(r: &Rules, s: &State) -> Vec<Action> {
    let mut all = vec![Action::Wait(30), Action::Wait(90), Action::Wait(3600), Action::Wait(5 * DAY)];
    for who in [Person::Attacker, Person::Owner] {
        all.extend([Action::Begin(who, Cookie::Nothing); 2]);
        let cookies = [(Cookie::Own, s.ghost.cookie), (Cookie::Copied, s.ghost.copy), (Cookie::Given, s.ghost.thief)];
        let of_person = |cookie: Cookie| (who == Person::Owner) == (cookie == Cookie::Own);
        all.extend(
            cookies
                .into_iter()
                .filter(|(cookie, token)| *token != 0 && of_person(*cookie))
                .map(|(cookie, _)| Action::Begin(who, cookie)),
        );
    }
    for flow in &s.flows {
        let (who, id) = (flow.by, flow.id);
        all.extend([Action::App(who, id, Typed::Wrong, None); 6]);
        all.push(Action::App(who, id, Typed::Wrong, Some(s.devices.len() - 1)));
        all.push(Action::App(who, id, Typed::Right, None));
        if r.policy == Policy::AppOrMail {
            all.push(Action::Send(who, id));
            all.extend([Action::MailCode(who, id, Typed::Wrong); 3]);
            if flow.code.is_some() {
                all.push(Action::MailCode(who, id, Typed::Right));
            }
        }
    }
    if s.ghost.cookie != 0 {
        all.push(Action::Copy);
    }
    all.push(Action::Password(Person::Owner, false));
    all.push(Action::Password(Person::Attacker, false));
    if s.ids % 5 == 0 {
        all.push(Action::Password(Person::Owner, true));
        all.push(Action::Jump(if s.ghost.off > 0 { -400 * DAY } else { 400 * DAY }));
    }
    all
}

/// Runs one history on both, by these numbers, and counts the answers. The error is the first difference.
async fn compare(seed: u64, steps: usize, numbers: &Rules, counts: &mut HashMap<Answer, usize>) -> Result<(), String> {
    let mut random = seed;
    let mut chance = |below: usize| {
        // SplitMix64.
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % below as u64) as usize
    };
    let policy = [Policy::App, Policy::AppOrMail][chance(2)];
    let devices = 1 + chance(3);
    // How often mails are sent is compared elsewhere.
    let r = Rules { policy, sends: 1_000, ..*numbers };
    let mut engine = Engine::new(policy, devices).await;
    let mut s = State::new(&r, devices);
    let mut history = Vec::new();
    for _ in 0..steps {
        let all = choices(&r, &s);
        let action = all[chance(all.len())];
        let (t, out) = s.step(&r, action);
        let expected = match out.answer {
            Answer::NoCodeSent => Answer::Expired,
            answer => answer,
        };
        history.push((action, out.answer));
        let got = engine.act(&s, action, out, &t).await;
        let blocked = t.budgets.iter().any(|budget| budget.regained(&r, t.now).left <= 0);
        if (got, engine.is_blocked().await) != (expected, blocked) {
            return Err(format!("seed {seed}, {devices} devices, {policy:?}: {got:?} {history:#?}\n{t:#?}"));
        }
        *counts.entry(expected).or_default() += 1;
        s = t;
    }
    Ok(())
}

#[tokio::test]
async fn engine_gives_the_answers_of_the_specification() {
    let mut counts = HashMap::new();
    for seed in 0..150 {
        compare(seed, 150, &Rules::REAL, &mut counts).await.unwrap();
    }
    use Answer::*;
    for answer in [
        Challenge,
        ChooseDevice,
        Expired,
        FlowEnded,
        Granted,
        Locked,
        NewBrowsersBlocked,
        NotRestored,
        Restored,
        Sent,
        SignedIn,
        WrongCode,
        WrongPassword,
    ] {
        assert!(counts.get(&answer).is_some_and(|count| *count > 10), "{answer:?}: {counts:?}");
    }
}

/// The control: other numbers than the engine's give other answers.
#[tokio::test]
async fn control_other_numbers_give_other_answers() {
    let r = Rules::REAL;
    let others = [
        Rules { cap: 29, ..r },
        Rules { every: 9 * DAY, ..r },
        Rules { limit: 4, ..r },
        Rules { first: 61, ..r },
        Rules { own: 9, ..r },
        Rules { good: 9, ..r },
        Rules { grant: 9, ..r },
        Rules { grant_every: 20 * DAY, ..r },
        Rules { lane: 5, ..r },
        Rules { per_code: 3, ..r },
        Rules { weight: 2, ..r },
    ];
    for other in others {
        let mut found = false;
        for seed in 0..150 {
            found = compare(seed, 150, &other, &mut HashMap::new()).await.is_err();
            if found {
                break;
            }
        }
        assert!(found, "{other:?}");
    }
}

//! Sessions after the login: their claims, and proving anew in them, as a host would call it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, DenyReason, EmailStanding, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    AddressChange, Assurance, Authenticated, Challenge, Code, Contact, DeniedReason, DeviceId, DeviceName, Elevated,
    EmailAddress, Event, EventKind, Login, LoginRef, Mfa, OsRandom, PrimaryVerified, Refusal, Registered, Registration,
    Removal, RemovalReason, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, StepUpRef,
    Timestamp, UserId, insufficient_user_authentication,
};

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword};

const MINUTE: Duration = Duration::from_secs(60);

struct Host {
    clock: FixedClock,
    log: Arc<Mutex<Vec<Event>>>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    store: MemoryStore,
}

impl Host {
    fn new() -> Self {
        let (clock, outbox, store) = (FixedClock::at(1_900_000_000), Outbox::new(), MemoryStore::new());
        let log: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&log);
        let keys = ServerKeys::new(ServerKey::generate(&OsRandom).unwrap());
        let mfa = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        Self { clock, log, mfa, outbox, store }
    }

    fn wait(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    fn code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn mailed(&self) -> Code {
        Code::parse(&self.outbox.last_code().unwrap()).unwrap()
    }

    async fn begin(&self, policy: &Policy) -> Login {
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact(), policy).await.unwrap()
    }

    /// A session of a user who holds nothing, and proved nothing beside the password.
    async fn by_password(&self) -> SessionClaims {
        claims(&passed(self.begin(&off()).await))
    }

    async fn by_mail(&self) -> SessionClaims {
        let Login::Challenge(asked) = self.begin(&email()).await else { panic!() };
        let login = self.mfa.verify_email_code(asked.flow(), &self.mailed(), &email()).await.unwrap();
        claims(&passed(login))
    }

    /// A session of a login that registered a device; its code was used half a minute ago.
    async fn registering(&self) -> (Secret, SessionClaims) {
        let Login::Enroll(enroll) = self.begin(&app()).await else { panic!() };
        let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let (code, name) = (self.code(&secret), DeviceName::default());
        let login = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap();
        self.wait(30);
        (secret, claims(&passed(login)))
    }

    async fn by_app(&self, secret: &Secret) -> SessionClaims {
        let Login::Challenge(asked) = self.begin(&app()).await else { panic!() };
        let login = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &app()).await.unwrap();
        self.wait(30);
        claims(&passed(login))
    }

    async fn step_up(&self, claims: &SessionClaims, freshness: Duration) -> StepUp {
        self.mfa.begin_step_up(claims, contact(), &off(), freshness).await.unwrap()
    }

    async fn asked(&self, claims: &SessionClaims) -> Challenge<StepUpRef> {
        match self.step_up(claims, Duration::ZERO).await {
            StepUp::Challenge(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    async fn elevated(&self, claims: &SessionClaims, secret: &Secret) -> Elevated {
        let asked = self.asked(claims).await;
        let done = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await.unwrap();
        self.wait(30);
        fresh(done)
    }

    async fn holds(&self, claims: &SessionClaims) -> bool {
        matches!(self.mfa.check_session(claims).await.unwrap(), Session::Valid(_))
    }

    async fn device(&self) -> DeviceId {
        self.mfa.devices(&alice()).await.unwrap()[0].id
    }

    async fn remove(&self, elevated: &Elevated, device: DeviceId, policy: &Policy) -> Removal {
        self.mfa.remove_device_with(elevated, device, contact(), policy).await.unwrap()
    }

    /// Registers a device from the profile.
    async fn register(&self, session: &SignedIn, secret: &Secret) -> Registered {
        let begun = self.mfa.begin_registration(session, contact(), &off()).await.unwrap();
        let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
        let open = self.mfa.verify_app_code(asked.flow(), &self.code(secret), &off()).await.unwrap();
        let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
        let second = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
        let (code, name) = (self.code(&second), DeviceName::default());
        match self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &off()).await.unwrap() {
            Registration::Registered(registered) => registered,
            other => panic!("{other:?}"),
        }
    }

    fn events(&self) -> Vec<EventKind> {
        self.log.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

fn app() -> Policy {
    Policy::any_of([App], AfterPassword).unwrap()
}

fn email() -> Policy {
    Policy::any_of([Email], AfterPassword).unwrap()
}

fn off() -> Policy {
    Policy::off(AfterPassword)
}

fn passed(login: Login) -> Authenticated {
    match login {
        Login::Authenticated(passed) => passed,
        other => panic!("{other:?}"),
    }
}

fn fresh(step_up: StepUp) -> Elevated {
    match step_up {
        StepUp::Fresh(elevated) => elevated,
        other => panic!("{other:?}"),
    }
}

fn is_challenge(step_up: &StepUp, step: Step) -> bool {
    matches!(step_up, StepUp::Challenge(asked) if asked.next() == [step])
}

/// What the host keeps, and reads back at the next request.
fn claims(passed: &Authenticated) -> SessionClaims {
    SessionClaims::from_text(&passed.session().rotated().to_text()).unwrap()
}

fn is_ended(step_up: &StepUp) -> bool {
    matches!(step_up, StepUp::Denied(denied) if denied.reason == DeniedReason::SessionEnded)
}

fn wrong(secret: &Secret) -> Code {
    Totp::default().generate(secret, Timestamp::from_secs(0)).unwrap()
}

#[tokio::test]
async fn j06_claims_say_who_how_and_when() {
    let host = Host::new();
    let at = host.clock.time();
    let by_password = host.by_password().await;
    assert_eq!(by_password.to_text(), "fgs1;epoch=0;at=1900000000;user=alice");
    let by_mail = host.by_mail().await;
    assert_eq!((by_mail.evidence().email_code, by_mail.auth_time()), (Some(at), at));
    let (secret, registering) = host.registering().await;
    let device = host.device().await;
    assert_eq!((registering.evidence().enrolled, registering.auth_time()), (Some((device, at)), at));
    let by_app = host.by_app(&secret).await;
    assert_eq!(by_app.evidence().app_code.map(|(id, _)| id), Some(device));
    assert_eq!(by_app.auth_time().as_secs(), at.as_secs() + 30);
}

#[tokio::test]
async fn h16_what_a_mail_proves_is_no_possession() {
    let host = Host::new();
    let by_mail = host.by_mail().await;
    assert_eq!((by_mail.assurance(), by_mail.amr()), (Assurance::EmailCode, &["pwd"][..]));
    assert_eq!(by_mail.assurance().acr(), "urn:factorgate:acr:email-code");
    let (_, registering) = host.registering().await;
    assert_eq!((registering.assurance(), registering.amr()), (Assurance::TwoFactor, &["pwd", "otp", "mfa"][..]));
    assert!(Assurance::TrustedBrowser < Assurance::EmailCode && Assurance::EmailCode < Assurance::TwoFactor);
}

#[tokio::test]
async fn d18_a_registration_leaves_its_own_session_and_ends_every_other_one() {
    let host = Host::new();
    let other = host.by_password().await;
    let (secret, own) = host.registering().await;
    assert!(host.holds(&own).await, "the login that registered the device");
    assert!(!host.holds(&other).await);
    let other = host.by_app(&secret).await;
    assert!(host.holds(&own).await && host.holds(&other).await, "a login ends nothing");

    // From the profile: the session that registers a device goes on.
    let Session::Valid(session) = host.mfa.check_session(&own).await.unwrap() else { panic!() };
    let registered = host.register(&session, &secret).await;
    assert!(!host.holds(&own).await && !host.holds(&other).await);
    let own = own.after(&registered.change);
    assert!(host.holds(&own).await);

    // A session that had ended before is not brought back by it, nor one of another user.
    assert!(
        !host.holds(&SessionClaims::from_text("fgs1;epoch=0;at=1;user=alice").unwrap().after(&registered.change)).await
    );
    let mallory = SessionClaims::from_text("fgs1;epoch=1;at=1;user=mallory").unwrap();
    assert_eq!(mallory.clone().after(&registered.change), mallory);
}

#[tokio::test]
async fn c19_a_changed_password_ends_sessions_open_logins_and_step_ups() {
    let host = Host::new();
    // Also of a user of whom nothing was kept before.
    let session = host.by_password().await;
    assert!(host.holds(&session).await);
    let events = host.mfa.revoke_logins(&alice()).await.unwrap();
    assert_eq!(events.len(), 1);
    assert!(!host.holds(&session).await);
    assert!(is_ended(&host.step_up(&session, MINUTE).await));

    let (secret, session) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    let asked = host.asked(&session).await;
    let elevated = host.elevated(&session, &secret).await;
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert!(!host.holds(&session).await);
    let code = host.code(&secret);
    let ended = host.mfa.verify_app_code(login.flow(), &code, &app()).await.unwrap();
    assert!(matches!(ended, Login::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let ended = host.mfa.verify_app_code(asked.flow(), &code, &app()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
}

#[tokio::test]
async fn c16_the_claims_are_taken_by_saying_that_the_session_has_a_new_id() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let elevated = host.elevated(&session, &secret).await;
    // A step-up is an authentication: it gives the same kind of value.
    let rotate: Option<factorgate::MustRotateSession> = session.raised_by(&elevated);
    assert_eq!(rotate.unwrap().rotated().user(), &alice());
}

#[tokio::test]
async fn d01_a_session_that_has_ended_neither_registers_nor_removes() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let Session::Valid(session) = host.mfa.check_session(&session).await.unwrap() else { panic!() };
    host.mfa.revoke_logins(&alice()).await.unwrap();
    let begun = host.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
    assert!(matches!(begun, Registration::Denied(denied) if denied.reason == DeniedReason::SessionEnded));
    let (device, code) = (host.device().await, host.code(&secret));
    let removal = host.mfa.remove_device(&session, device, &code, contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::SessionEnded, .. }));
    // The host's word is taken, and the code was not spent by the refusal.
    let session = SignedIn::assertion(alice());
    let removal = host.mfa.remove_device(&session, device, &code, contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Removed { .. }));
}

#[tokio::test]
async fn d01_a_session_of_the_password_alone_does_not_register_beside_a_device() {
    let host = Host::new();
    let (_, own) = host.registering().await;
    let by_password = SessionClaims::from_text(&format!("fgs1;epoch=1;at={};user=alice", own.auth_time().as_secs()));
    let Session::Valid(session) = host.mfa.check_session(&by_password.unwrap()).await.unwrap() else { panic!() };
    let begun = host.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
    assert!(matches!(begun, Registration::Challenge(asked) if asked.next() == [Step::AppCode]));
}

#[tokio::test]
async fn d14_the_strongest_factor_is_asked_for_and_nothing_weaker() {
    // Nobody is registered: the address on record.
    let host = Host::new();
    let session = host.by_password().await;
    host.events();
    let StepUp::Challenge(asked) = host.step_up(&session, MINUTE).await else { panic!() };
    assert_eq!(asked.next(), [Step::EmailCode]);
    assert_eq!(host.events(), [EventKind::StepUpBegun, EventKind::CodeIssued]);
    let elevated = fresh(host.mfa.verify_email_code(asked.flow(), &host.mailed(), &off()).await.unwrap());
    assert_eq!((elevated.user(), elevated.assurance()), (&alice(), Assurance::EmailCode));
    assert_eq!(host.events().last(), Some(&EventKind::StepUpCompleted));

    // A device is held: its code, also where the policy lets a mail stand in for it at login.
    let (secret, session) = host.registering().await;
    let lax = Policy::any_of([App, Email], AfterPassword).unwrap().with_email_fallback().unwrap();
    let begun = host.mfa.begin_step_up(&session, contact(), &lax, Duration::ZERO).await.unwrap();
    let StepUp::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::AppCode]);
    let refused = host.mfa.send_email_code(asked.flow(), &lax).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let refused = host.mfa.begin_app_enrollment(asked.flow(), &lax).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::NotOpen)));
    let elevated = fresh(host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &lax).await.unwrap());
    assert_eq!(elevated.assurance(), Assurance::TwoFactor);
}

#[tokio::test]
async fn j05_who_has_nothing_to_prove_is_denied_not_asked_for_ever() {
    let host = Host::new();
    let session = host.by_password().await;
    let tainted = EmailStanding { tainted: true, verified: true };
    let address = EmailAddress::new("alice@example.com").unwrap();
    let contact = Contact::email(address, tainted);
    let denied = host.mfa.begin_step_up(&session, contact, &off(), MINUTE).await.unwrap();
    let StepUp::Denied(denied) = denied else { panic!("{denied:?}") };
    assert!(matches!(denied.reason, DeniedReason::Policy(denial) if denial.reason == DenyReason::NoUsableEmail));

    // Every device is disabled: no mail stands in for it.
    let (secret, session) = host.registering().await;
    for _ in 0..100 {
        host.wait(3600);
        if let StepUp::Challenge(asked) = host.step_up(&session, Duration::ZERO).await {
            let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
        }
    }
    host.wait(3600);
    for freshness in [Duration::ZERO, Duration::MAX] {
        let denied = host.step_up(&session, freshness).await;
        assert!(matches!(denied, StepUp::Denied(denied) if denied.reason == DeniedReason::DevicesDisabled));
    }
}

#[tokio::test]
async fn d14_j06_a_proof_is_fresh_up_to_the_second_and_no_longer() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let session = host.by_app(&secret).await;
    assert_eq!(host.clock.time().saturating_since(session.auth_time()).as_secs(), 30);
    let record = host.store.record(&alice());
    let elevated = fresh(host.step_up(&session, Duration::from_secs(30)).await);
    assert_eq!(elevated.evidence().app_code, session.evidence().app_code);
    assert_eq!(host.store.record(&alice()), record, "nothing was written");
    host.wait(1);
    assert!(is_challenge(&host.step_up(&session, Duration::from_secs(30)).await, Step::AppCode));
    assert!(is_challenge(&host.step_up(&session, Duration::ZERO).await, Step::AppCode));

    // A proof by mail, while no device is held.
    let host = Host::new();
    let session = host.by_mail().await;
    host.wait(60);
    assert!(matches!(host.step_up(&session, MINUTE).await, StepUp::Fresh(_)));
    host.wait(1);
    assert!(is_challenge(&host.step_up(&session, MINUTE).await, Step::EmailCode));
}

#[tokio::test]
async fn d14_claims_are_held_against_the_record() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let session = host.by_app(&secret).await;
    let (device, at) = session.evidence().app_code.unwrap();
    let claimed = |evidence: String| {
        SessionClaims::from_text(&format!("fgs1;epoch=1;at={}{evidence};user=alice", at.as_secs())).unwrap()
    };
    assert!(matches!(host.step_up(&session, MINUTE).await, StepUp::Fresh(_)), "the control");
    for evidence in [
        String::new(),
        // A code of the device that was entered later than the last one that was.
        format!(";app={device}@{}", at.as_secs() + 1),
        // One that is entered in the future, one of a device that nobody holds, a mail.
        format!(";app={device}@{}", u64::MAX),
        format!(";app=99@{}", at.as_secs()),
        format!(";email={}", at.as_secs()),
    ] {
        assert!(is_challenge(&host.step_up(&claimed(evidence.clone()), MINUTE).await, Step::AppCode), "{evidence}");
    }
}

#[tokio::test]
async fn d14_a_trusted_browser_proves_nothing_anew() {
    let host = Host::new();
    let policy = app().with_trusted_browsers();
    let Login::Enroll(enroll) = host.begin(&policy).await else { panic!() };
    let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
    let (code, name) = (host.code(&secret), DeviceName::default());
    let login = passed(host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &policy).await.unwrap());
    let name = factorgate::BrowserName::new("Firefox").unwrap();
    let factorgate::Trust::Trusted { token, browser, .. } =
        host.mfa.trust_browser(&login, &name, &policy).await.unwrap()
    else {
        panic!()
    };
    let primary = PrimaryVerified::assertion(alice());
    let login = host.mfa.begin_login_from(primary, contact(), &policy, Some(&token)).await.unwrap();
    let session = claims(&passed(login));
    assert_eq!(session.assurance(), Assurance::TrustedBrowser);
    assert!(is_challenge(&host.step_up(&session, Duration::MAX).await, Step::AppCode));

    // Once the device was proved, the session does not rest on the trust any more.
    host.wait(30);
    let elevated = host.elevated(&session, &secret).await;
    let raised = session.raised_by(&elevated).unwrap().rotated();
    assert_eq!((raised.assurance(), raised.evidence().trusted_browser), (Assurance::TwoFactor, None));
    assert_eq!(raised.auth_time(), elevated.at());
    host.mfa.revoke_browser(&alice(), browser.id).await.unwrap();
    assert!(host.holds(&raised).await && !host.holds(&session).await);
}

#[tokio::test]
async fn a_step_up_raises_its_own_session_and_no_other() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    host.wait(3600);
    let elevated = host.elevated(&session, &secret).await;
    let raised = session.raised_by(&elevated).unwrap().rotated();
    assert!(raised.auth_time() > session.auth_time());
    assert!(matches!(host.step_up(&raised, MINUTE).await, StepUp::Fresh(_)));
    assert!(is_challenge(&host.step_up(&session, MINUTE).await, Step::AppCode));
    for other in ["fgs1;epoch=1;at=1;user=mallory", "fgs1;epoch=0;at=1;user=alice"] {
        assert!(SessionClaims::from_text(other).unwrap().raised_by(&elevated).is_none(), "{other}");
    }
}

#[tokio::test]
async fn b09_guesses_at_a_step_up_spend_the_one_budget_and_do_not_restore_it() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    for _ in 0..3 {
        let _ = host.mfa.verify_app_code(login.flow(), &wrong(&secret), &app()).await.unwrap();
    }
    let asked = host.asked(&session).await;
    assert_eq!(asked.attempts_left(), 2);
    let again = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
    assert!(matches!(again, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    let _ = host.elevated(&session, &secret).await;
    let asked = host.asked(&session).await;
    assert_eq!(asked.attempts_left(), 1, "only a login restores the budget");
    let locked = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &off()).await.unwrap();
    assert!(matches!(locked, StepUp::Denied(denied) if matches!(denied.reason, DeniedReason::Locked { .. })));
    assert!(matches!(host.begin(&app()).await, Login::Denied(_)));
}

#[tokio::test]
async fn c07_c11_a_step_up_is_no_login_and_a_login_is_no_step_up() {
    let host = Host::new();
    let session = host.by_password().await;
    let StepUp::Challenge(asked) = host.step_up(&session, MINUTE).await else { panic!() };
    let for_step_up = host.mailed();
    host.wait(30);
    let Login::Challenge(login) = host.begin(&email()).await else { panic!() };
    let for_login = host.mailed();

    let cookie = asked.flow().to_cookie();
    let other = LoginRef::from_cookie(cookie.expose_secret()).unwrap();
    let ended = host.mfa.verify_email_code(&other, &for_step_up, &email()).await.unwrap();
    assert!(matches!(ended, Login::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let refused = host.mfa.verify_email_code(login.flow(), &for_step_up, &email()).await.unwrap();
    assert!(matches!(refused, Login::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    let refused = host.mfa.verify_email_code(asked.flow(), &for_login, &email()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
    assert!(matches!(
        host.mfa.verify_email_code(asked.flow(), &for_step_up, &email()).await.unwrap(),
        StepUp::Fresh(_)
    ));
}

#[tokio::test]
async fn t15_a_code_that_logged_in_steps_nobody_up() {
    let host = Host::new();
    let (secret, _) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    let session = claims(&passed(host.mfa.verify_app_code(login.flow(), &host.code(&secret), &app()).await.unwrap()));
    let asked = host.asked(&session).await;
    let refused = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(refused, StepUp::Challenge(again) if again.refusal() == Some(Refusal::WrongCode)));
}

#[tokio::test]
async fn d14_a_device_is_removed_on_a_step_up_and_the_rules_of_removal_hold() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let other = host.by_app(&secret).await;
    let elevated = host.elevated(&session, &secret).await;
    let device = host.device().await;

    let removal = host.remove(&elevated, DeviceId::new(99), &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::UnknownDevice, .. }));
    let removal = host.remove(&elevated, device, &app()).await;
    let must_register = RemovalReason::Policy(RemovalRefused::MustRegister);
    assert!(matches!(removal, Removal::Refused { reason, .. } if reason == must_register), "D13");

    let Removal::Removed { change, .. } = host.remove(&elevated, device, &off()).await else { panic!() };
    assert!(host.mfa.devices(&alice()).await.unwrap().is_empty());
    assert!(host.outbox.sent().last().unwrap().subject.contains("removed"));
    assert!(!host.holds(&session).await && !host.holds(&other).await);
    assert!(host.holds(&session.after(&change)).await);
    let again = host.remove(&elevated, device, &off()).await;
    assert!(matches!(again, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "it counts until a change");
}

#[tokio::test]
async fn d14_a_step_up_counts_for_five_minutes() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let elevated = host.elevated(&session, &secret).await;
    host.wait(271);
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
    host.clock.set(elevated.at().as_secs() - 1);
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
    host.clock.set(elevated.at().as_secs() + 300);
    assert!(matches!(host.remove(&elevated, host.device().await, &off()).await, Removal::Removed { .. }));
}

#[tokio::test]
async fn d16_a_forged_request_has_neither_the_reference_nor_the_code() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    // All that a forged request brings is the session. Freshness zero gives it a challenge, and nothing else.
    let begun = host.step_up(&session, Duration::ZERO).await;
    assert!(is_challenge(&begun, Step::AppCode), "{begun:?}");
    let forged = StepUpRef::from_cookie(&format!("{}.alice", "00".repeat(32))).unwrap();
    let ended = host.mfa.verify_app_code(&forged, &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
}

#[tokio::test]
async fn f01_an_address_is_changed_on_a_step_up_and_what_rests_on_the_old_one_ends() {
    /// The function of a host that writes the address: nobody calls it without the engine's leave.
    fn change_address(permit: factorgate::AddressPermit) -> UserId {
        permit.user().clone()
    }

    let host = Host::new();
    let session = host.by_password().await;
    // The codes of an open login go to the address on record.
    let Login::Challenge(login) = host.begin(&email()).await else { panic!() };
    let code = host.mailed();
    host.wait(30);
    let asked = host.asked(&session).await;
    let elevated = fresh(host.mfa.verify_email_code(asked.flow(), &host.mailed(), &off()).await.unwrap());
    host.events();
    let AddressChange::Permitted { permit, change, .. } = host.mfa.permit_address_change(&elevated).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(change_address(permit), alice());
    assert_eq!(host.events(), [EventKind::AddressChangePermitted]);
    assert!(!host.holds(&session).await);
    assert!(host.holds(&session.after(&change)).await);
    let ended = host.mfa.verify_email_code(login.flow(), &code, &email()).await.unwrap();
    assert!(matches!(ended, Login::Denied(_)));
    let again = host.mfa.permit_address_change(&elevated).await.unwrap();
    assert!(matches!(again, AddressChange::StepUpEnded), "it is good once");
}

#[tokio::test]
async fn an_unverified_address_is_verified_by_the_step_up() {
    let host = Host::new();
    let session = host.by_password().await;
    let contact = Contact::unverified(EmailAddress::new("alice@example.com").unwrap());
    let begun = host.mfa.begin_step_up(&session, contact, &Policy::off(AfterEmailCode), MINUTE).await.unwrap();
    assert!(is_challenge(&begun, Step::VerifyEmail), "{begun:?}");
}

#[tokio::test]
async fn one_user_has_few_open_flows_of_all_kinds_together() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let first = host.asked(&session).await;
    for _ in 0..5 {
        let _ = host.begin(&app()).await;
    }
    assert_eq!(host.mfa.status(&alice()).await.unwrap().open_flows(), 5);
    let ended = host.mfa.verify_app_code(first.flow(), &host.code(&secret), &off()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let last = host.asked(&session).await;
    assert!(matches!(host.mfa.resume(last.flow(), &off()).await.unwrap(), StepUp::Challenge(_)));
    host.mfa.cancel(last.flow()).await.unwrap();
    assert!(matches!(host.mfa.resume(last.flow(), &off()).await.unwrap(), StepUp::Denied(_)));
}

#[test]
fn j04_the_header_of_rfc_9470() {
    let header = insufficient_user_authentication;
    assert_eq!(header(&[], None), "Bearer error=\"insufficient_user_authentication\"");
    assert_eq!(header(&[], Some(MINUTE)), "Bearer error=\"insufficient_user_authentication\", max_age=60");
    assert_eq!(
        header(&[Assurance::TwoFactor, Assurance::EmailCode], Some(Duration::ZERO)),
        "Bearer error=\"insufficient_user_authentication\", \
         acr_values=\"urn:factorgate:acr:two-factor urn:factorgate:acr:email-code\", max_age=0"
    );
    // What is in quotes there is never one quote more, and the names are all different.
    let all = [Assurance::FirstFactor, Assurance::TrustedBrowser, Assurance::EmailCode, Assurance::TwoFactor];
    let names: std::collections::BTreeSet<_> = all.map(Assurance::acr).into();
    assert_eq!(names.len(), all.len());
    let is_scope = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    assert!(names.iter().all(|name| name.chars().all(is_scope)));
}

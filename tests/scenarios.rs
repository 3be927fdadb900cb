//! The flows that a product asks for, S1 to S7, as a host would call them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, DenyReason, FirstRegistration, Policy, RemovalRefused, Step};
use factorgate::testing::{FixedClock, MemoryStore, Outbox, SeededRandom};
use factorgate::{
    Administrator, Assurance, Challenge, Code, Contact, DeniedReason, DeviceName, EmailAddress, Enroll, Event,
    EventKind, Flow, Login, LoginRef, Mfa, Notice, PrimaryVerified, Refusal, Registration, Removal, RemovalReason,
    Secret, ServerKey, ServerKeys, SignedIn, UserId,
};

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

/// A host: an engine on a memory store, and one user, Alice.
struct Host {
    clock: FixedClock,
    events: Arc<Mutex<Vec<Event>>>,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
}

impl Host {
    fn new() -> Self {
        let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let seen = Arc::clone(&events);
        let key = ServerKey::generate(&SeededRandom::new(1)).unwrap();
        let mfa = Mfa::builder(MemoryStore::new(), outbox.clone(), ServerKeys::new(key), Issuer::new("ACME").unwrap())
            .clock(clock.clone())
            .random(SeededRandom::new(2))
            .observer(move |event: &Event| seen.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        Self { clock, events, mfa, outbox }
    }

    async fn log_in(&self, policy: &Policy) -> Login {
        self.mfa.begin_login(PrimaryVerified::assertion(alice()), contact(), policy).await.unwrap()
    }

    /// What the app of a registered device shows now.
    fn app_code(&self, secret: &Secret) -> Code {
        Totp::default().generate(secret, self.clock.time()).unwrap()
    }

    fn mailed_code(&self) -> Code {
        Code::parse(&self.outbox.last_code().expect("a code was mailed")).unwrap()
    }

    fn next_step(&self) {
        self.clock.advance(Duration::from_secs(30));
    }

    /// Registers a device from the profile of Alice, who holds none.
    async fn register(&self, policy: &Policy) -> Secret {
        let begun = self.mfa.begin_registration(&session(), contact(), policy).await.unwrap();
        let Registration::Enroll(enroll) = begun else { panic!("{begun:?}") };
        let secret = secret_of(&enroll);
        let code = self.app_code(&secret);
        let done = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), policy).await.unwrap();
        assert!(matches!(done, Registration::Registered(_)), "{done:?}");
        self.next_step();
        secret
    }
}

fn alice() -> UserId {
    UserId::new("alice").unwrap()
}

fn admin() -> Administrator {
    Administrator::assertion(UserId::new("root").unwrap())
}

fn session() -> SignedIn {
    SignedIn::assertion(alice())
}

fn contact() -> Contact {
    Contact::verified(EmailAddress::new("alice@example.com").unwrap())
}

/// What an app learns by scanning the QR code.
fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Secret {
    Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap()
}

fn challenge(login: Login) -> Challenge<LoginRef> {
    match login {
        Login::Challenge(challenge) => challenge,
        other => panic!("expected a challenge, got {other:?}"),
    }
}

#[tokio::test]
async fn s1_enforcing_mfa_asks_every_user_of_the_company() {
    let host = Host::new();
    let login = host.log_in(&Policy::off(AfterPassword)).await;
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    assert_eq!((passed.assurance(), passed.amr()), (Assurance::FirstFactor, vec!["pwd"]));

    let enforced = Policy::any_of([Email], AfterPassword).unwrap();
    assert_eq!(challenge(host.log_in(&enforced).await).next(), [Step::EmailCode]);
}

#[tokio::test]
async fn s2_the_channels_decide_the_steps() {
    let steps = async |policy: Policy| match Host::new().log_in(&policy).await {
        Login::Challenge(challenge) => challenge.next(),
        Login::Enroll(_) => vec![Step::EnrollApp],
        other => panic!("{other:?}"),
    };
    assert_eq!(steps(Policy::any_of([App], AfterPassword).unwrap()).await, [Step::EnrollApp]);
    assert_eq!(steps(Policy::any_of([Email], AfterPassword).unwrap()).await, [Step::EmailCode]);
    assert_eq!(steps(Policy::any_of([App, Email], AfterPassword).unwrap()).await, [Step::EmailCode, Step::EnrollApp]);
    assert_eq!(steps(Policy::all_of([App, Email], AfterPassword).unwrap()).await, [Step::EmailCode]);

    // All of them, to the end: the mail first, then the registration.
    let (host, all) = (Host::new(), Policy::all_of([App, Email], AfterPassword).unwrap());
    let first = challenge(host.log_in(&all).await);
    let login = host.mfa.verify_email_code(first.flow(), &host.mailed_code(), &all).await.unwrap();
    let Login::Enroll(enroll) = login else { panic!("{login:?}") };
    let code = host.app_code(&secret_of(&enroll));
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &all).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    assert!(passed.evidence().email_code.is_some() && passed.evidence().enrolled.is_some());
}

#[tokio::test]
async fn s3_a_device_can_be_registered_whatever_the_channels() {
    for policy in [
        Policy::off(AfterPassword),
        Policy::any_of([App], AfterPassword).unwrap(),
        Policy::any_of([Email], AfterPassword).unwrap(),
        Policy::any_of([App, Email], AfterPassword).unwrap(),
        Policy::all_of([App, Email], AfterPassword).unwrap(),
    ] {
        let host = Host::new();
        host.register(&policy).await;
        assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1, "{policy:?}");
    }
}

#[tokio::test]
async fn s4_adding_a_smartphone_at_login() {
    let (host, policy) = (Host::new(), Policy::any_of([App], AfterPassword).unwrap());
    let login = host.log_in(&policy).await;
    let Login::Enroll(enroll) = login else { panic!("{login:?}") };
    assert!(enroll.key_uri().expose_secret().starts_with("otpauth://totp/ACME:alice%40example.com?secret="));
    assert!(enroll.key_uri().qr().unwrap().to_svg().starts_with("<svg"));
    assert_eq!(enroll.key_uri().secret_base32().grouped().expose_secret().len(), 32 + 7);

    // The page is loaded again: the same secret. A wrong code: still the same.
    let again = host.mfa.begin_app_enrollment(enroll.flow(), &policy).await.unwrap();
    let Login::Enroll(again) = again else { panic!("{again:?}") };
    assert_eq!(again.key_uri().expose_secret(), enroll.key_uri().expose_secret());
    let (secret, name) = (secret_of(&enroll), DeviceName::new("Pixel").unwrap());
    let wrong = Totp::default().generate(&secret, factorgate::Timestamp::from_secs(0)).unwrap();
    let refused = host.mfa.confirm_app_enrollment(enroll.flow(), &wrong, &name, &policy).await.unwrap();
    let Login::Enroll(refused) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.challenge().refusal(), Some(Refusal::WrongCode));
    assert_eq!(refused.key_uri().expose_secret(), enroll.key_uri().expose_secret());

    let code = host.app_code(&secret);
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &policy).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    assert_eq!(passed.user(), &alice());
    assert_eq!((passed.assurance(), passed.amr()), (Assurance::TwoFactor, vec!["pwd", "otp", "mfa"]));
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::DeviceAdded));
    assert!(passed.events().iter().any(|event| matches!(event.kind, EventKind::DeviceAdded { .. })));
    assert_eq!(host.mfa.devices(&alice()).await.unwrap()[0].name, name);

    // From now on its code is asked for, and opens.
    host.next_step();
    let asked = challenge(host.log_in(&policy).await);
    assert_eq!(asked.next(), [Step::AppCode]);
    let login = host.mfa.verify_app_code(asked.flow(), &host.app_code(&secret), &policy).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
}

#[tokio::test]
async fn s5_an_email_code_is_sent_by_itself_to_the_address_on_record() {
    let (host, policy) = (Host::new(), Policy::any_of([Email], AfterPassword).unwrap());
    let asked = challenge(host.log_in(&policy).await);
    let sent = host.outbox.sent();
    assert_eq!((sent.len(), sent[0].to.as_str()), (1, "alice@example.com"));
    assert!(sent[0].text.contains("10 minutes") && sent[0].text.contains("ACME"));
    let email = asked.email().unwrap();
    assert_eq!(email.masked_address, "a•••@example.com");
    assert_eq!(email.sent.unwrap().expires_at, host.clock.time().saturating_add(Duration::from_secs(600)));

    let login = host.mfa.verify_email_code(asked.flow(), &host.mailed_code(), &policy).await.unwrap();
    let Login::Authenticated(passed) = login else { panic!("{login:?}") };
    assert_eq!((passed.assurance(), passed.amr()), (Assurance::EmailCode, vec!["pwd"]));
}

#[tokio::test]
async fn s5_a_code_is_sent_again_after_a_pause_and_only_the_newest_is_good() {
    let (host, policy) = (Host::new(), Policy::any_of([Email], AfterPassword).unwrap());
    let asked = challenge(host.log_in(&policy).await);
    let first = host.mailed_code();
    let early = challenge(host.mfa.send_email_code(asked.flow(), &policy).await.unwrap());
    let retry_at = host.clock.time().saturating_add(Duration::from_secs(30));
    assert_eq!(early.refusal(), Some(Refusal::TooSoon { retry_at }));
    assert_eq!(host.outbox.sent().len(), 1);

    host.clock.advance(Duration::from_secs(30));
    let resent = challenge(host.mfa.send_email_code(asked.flow(), &policy).await.unwrap());
    assert_eq!((resent.refusal(), host.outbox.sent().len()), (None, 2));
    let old = challenge(host.mfa.verify_email_code(asked.flow(), &first, &policy).await.unwrap());
    assert_eq!((old.refusal(), old.attempts_left()), (Some(Refusal::WrongCode), 5), "a superseded code is no guess");
    let login = host.mfa.verify_email_code(asked.flow(), &host.mailed_code(), &policy).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
}

#[tokio::test]
async fn s6_the_device_is_managed_from_the_profile() {
    let (host, off) = (Host::new(), Policy::off(AfterPassword));
    let secret = host.register(&off).await;

    // The code is asked for at the next login, although the company enforces nothing.
    let asked = challenge(host.log_in(&off).await);
    assert_eq!(asked.next(), [Step::AppCode]);
    let login = host.mfa.verify_app_code(asked.flow(), &host.app_code(&secret), &off).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
    host.next_step();

    // A second device: a code of the first one before.
    let begun = host.mfa.begin_registration(&session(), contact(), &off).await.unwrap();
    let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
    assert_eq!(asked.next(), [Step::AppCode]);
    let proved = host.mfa.verify_app_code(asked.flow(), &host.app_code(&secret), &off).await.unwrap();
    let Registration::Enroll(enroll) = proved else { panic!("{proved:?}") };
    let (second, name) = (secret_of(&enroll), DeviceName::new("Tablet").unwrap());
    let code = host.app_code(&second);
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &off).await.unwrap();
    let Registration::Registered(done) = done else { panic!("{done:?}") };
    let (tablet, _) = done.evidence.enrolled.unwrap();
    host.next_step();

    // Removing it takes a fresh code.
    let remove = async |code: &Code| host.mfa.remove_device(&session(), tablet, code, contact(), &off).await.unwrap();
    let wrong = Totp::default().generate(&second, factorgate::Timestamp::from_secs(0)).unwrap();
    assert!(matches!(remove(&wrong).await, Removal::Refused { reason: RemovalReason::WrongCode, .. }));
    assert!(matches!(remove(&host.app_code(&secret)).await, Removal::Removed { .. }));
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::DeviceRemoved));
    assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn s6_the_last_device_stays_where_the_policy_needs_it() {
    let (host, policy) = (Host::new(), Policy::any_of([App], AfterPassword).unwrap());
    let secret = host.register(&policy).await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let removal =
        host.mfa.remove_device(&session(), device, &host.app_code(&secret), contact(), &policy).await.unwrap();
    let Removal::Refused { reason, .. } = removal else { panic!("{removal:?}") };
    assert_eq!(reason, RemovalReason::Policy(RemovalRefused::MustRegister));
    // The code was not spent by that.
    let asked = challenge(host.log_in(&policy).await);
    let login = host.mfa.verify_app_code(asked.flow(), &host.app_code(&secret), &policy).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
}

#[tokio::test]
async fn s7_a_stolen_password_opens_nothing() {
    let (host, policy) = (Host::new(), Policy::any_of([App], AfterPassword).unwrap());
    let secret = host.register(&policy).await;
    let wrong = Totp::default().generate(&secret, factorgate::Timestamp::from_secs(0)).unwrap();

    // Guessing ends after five codes, whatever the thief begins anew.
    for left in (0..5).rev() {
        let asked = challenge(host.log_in(&policy).await);
        match host.mfa.verify_app_code(asked.flow(), &wrong, &policy).await.unwrap() {
            Login::Challenge(again) => {
                assert_eq!((again.refusal(), again.attempts_left()), (Some(Refusal::WrongCode), left));
            }
            Login::Denied(denied) => {
                assert_eq!(left, 0);
                let until = host.clock.time().saturating_add(Duration::from_secs(60));
                assert_eq!(denied.reason, DeniedReason::Locked { until });
            }
            other => panic!("{other:?}"),
        }
    }
    // While the user is locked, nobody gets in, and the right code is not even looked at.
    assert!(matches!(host.log_in(&policy).await, Login::Denied(_)));
    host.clock.advance(Duration::from_secs(60));
    let asked = challenge(host.log_in(&policy).await);
    let login = host.mfa.verify_app_code(asked.flow(), &host.app_code(&secret), &policy).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
    assert!(host.events.lock().unwrap().iter().any(|event| matches!(event.kind, EventKind::Locked { .. })));
}

#[tokio::test]
async fn s7_a_stolen_password_registers_no_device_where_the_administrator_asks_for_more() {
    let (host, mail_first) = (Host::new(), Policy::any_of([App], AfterEmailCode).unwrap());
    assert_eq!(challenge(host.log_in(&mail_first).await).next(), [Step::EmailCode]);

    let (host, ticket) = (Host::new(), Policy::any_of([App], WithTicket).unwrap());
    let login = host.log_in(&ticket).await;
    let Login::Denied(denied) = login else { panic!("{login:?}") };
    assert!(
        matches!(denied.reason, DeniedReason::Policy(denial) if denial.reason == DenyReason::NoFirstEnrollmentProof)
    );

    let issued = host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    let asked = challenge(host.log_in(&ticket).await);
    assert_eq!(asked.next(), [Step::Ticket]);
    let login = host.mfa.redeem_ticket(asked.flow(), &issued.ticket, &ticket).await.unwrap();
    let Login::Enroll(enroll) = login else { panic!("{login:?}") };
    let code = host.app_code(&secret_of(&enroll));
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), &ticket).await.unwrap();
    assert!(matches!(login, Login::Authenticated(_)), "{login:?}");
}

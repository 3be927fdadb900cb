//! Grace: a deadline that is written once.

use factorgate::policy::{EmailStanding, Grace, GraceDays};

use super::*;

fn days(days: u8) -> GraceDays {
    GraceDays::new(days).unwrap()
}

/// The app is required, and its registration a ticket; both can be put off for `grace` days.
fn deferred(grace: u8) -> Policy {
    Policy::any_of([App], WithTicket).unwrap().with_grace(days(grace))
}

fn begun(kind: &EventKind) -> bool {
    matches!(kind, EventKind::GraceBegun { .. })
}

fn is_denied(login: &Outcome<Login>) -> bool {
    is_denied_for(login, DenyReason::NoFirstEnrollmentProof)
}

/// The deadline, if grace lets the login through.
fn until(login: Outcome<Login>) -> Option<u64> {
    match login {
        Outcome::Done(passed) => passed.grace_until().map(Timestamp::as_secs),
        _ => None,
    }
}

impl Host {
    async fn reset(&self) {
        self.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    }

    /// Registers a device from the profile, with a ticket.
    async fn register_with_ticket(&self, policy: &Policy) -> Secret {
        let ticket = self.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
        let session = self.session_under(policy).await;
        let registration = asked(self.begin_registration(&session).await);
        let flow = registration.flow();
        let _ = self.ticket(flow, &session, ticket.expose_secret().expose_secret()).await;
        let secret = secret_of(&enrolling(self.register_app(flow, &session).await));
        self.open(done(self.confirm(flow, &session, &self.code(&secret)).await));
        self.wait(30);
        secret
    }
}

#[tokio::test]
async fn first_login_begins_the_grace_period() {
    let host = Host::new();
    let passed = done(host.begin(&deferred(14)).await);
    let end = secs(NOW + 14 * DAY);
    assert_eq!((passed.grace_until(), passed.evidence().assurance()), (Some(end), Assurance::FirstFactor));
    assert_eq!(host.events(), [EventKind::GraceBegun { until: end }, EventKind::LoginCompleted]);
    assert_eq!(host.status().await.grace, Grace::Started { at: secs(NOW), until: end });
    let explained = deferred(14).explain(&host.status().await.standing(&contact())).to_string();
    assert!(explained.contains("the user is in grace until 2030-03-31"), "{explained}");

    host.wait(14 * DAY - 1);
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end.as_secs()));
    host.wait(1);
    assert!(is_denied(&host.begin(&deferred(14)).await), "it ends at the deadline");
    assert_eq!(host.count(begun), 0);
}

#[tokio::test]
async fn grace_defers_the_registration_only() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], WithTicket).unwrap().with_grace(days(7));
    let asked = host.challenge(&both).await;
    assert_eq!((asked.next(), asked.grace_until()), (&[Step::EmailCode][..], Some(secs(NOW + 7 * DAY))));
    assert_eq!(host.status().await.grace, Grace::NotStarted, "nobody is signed in yet");
    host.wait(60);
    let login = host.email_code(asked.flow(), &both, &host.mailed()).await;
    assert_eq!(until(login), Some(NOW + 60 + 7 * DAY), "it begins with the login that it lets through");

    // An e-mail code is enough by itself: there is nothing to defer, and no period begins.
    let (host, any) = (Host::new(), Policy::any_of([App, Email], WithTicket).unwrap().with_grace(days(7)));
    let asked = host.challenge(&any).await;
    assert_eq!(asked.grace_until(), None);
    let passed = done(host.email_code(asked.flow(), &any, &host.mailed()).await);
    assert_eq!(passed.grace_until(), None);
    assert_eq!((host.status().await.grace, host.count(begun)), (Grace::NotStarted, 0));
}

#[tokio::test]
async fn nothing_restarts_the_grace_period() {
    let host = Host::new();
    let end = NOW + 14 * DAY;
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end));
    host.wait(DAY);
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a new login, in another browser");
    assert_eq!(until(host.begin(&deferred(90)).await), Some(end), "a role with a longer period");
    assert_eq!(until(host.begin(&Policy::strictest(&deferred(90), [&deferred(30)])).await), Some(end));
    assert_eq!(until(host.begin(&deferred(2)).await), Some(NOW + 2 * DAY), "a shorter one moves it forward");
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "and takes nothing away");

    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "the end of all sessions, and a ticket");
    host.reset().await;
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a reset of a user without a factor");
    assert!(is_in(&host.begin(&off()).await));
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a policy that enforces nothing");
    host.clock.set(end);
    for policy in [deferred(14), deferred(90)] {
        host.reset().await;
        let asked = host.challenge(&policy).await;
        assert_eq!(asked.next(), [Step::Ticket], "after the deadline no reset helps, but its ticket does");
    }
    assert_eq!(host.count(begun), 1);
}

#[tokio::test]
async fn user_who_had_a_device_is_no_longer_in_grace() {
    let host = Host::new();
    let passed = done(host.begin(&deferred(14)).await);
    assert!(passed.grace_until().is_some());
    host.open(passed);
    let grace = host.status().await.grace;
    let secret = host.register_with_ticket(&deferred(14)).await;
    let device = host.device_ids().await[0];
    let elevated = host.elevated_in(&host.session_under(&deferred(14)).await, &secret).await;
    let refused = host.mfa.elevated(&elevated).remove_device(device).await.unwrap();
    assert_eq!(refused.err(), Some(Refusal::LastFactor), "grace is no way to be rid of a device");
    let elevated = host.elevated_in(&host.session_under(&Policy::off(WithTicket)).await, &secret).await;
    let _ = host.mfa.elevated(&elevated).remove_device(device).await.unwrap().unwrap();
    assert!(is_denied(&host.begin(&deferred(14)).await));
    host.reset().await;
    assert_eq!(until(host.begin(&deferred(14)).await), None);
    assert_eq!(host.status().await.grace, grace, "what was written stays");
}

#[tokio::test]
async fn user_who_had_an_external_factor_is_never_in_grace() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.reset().await;
    assert_eq!(until(host.begin(&deferred(14)).await), None);
    assert_eq!((host.status().await.grace, host.count(begun)), (Grace::NotStarted, 0));
}

#[tokio::test]
async fn period_that_ends_while_a_login_is_open_defers_nothing_in_it() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], AfterPassword).unwrap().with_grace(days(1));
    let asked = host.challenge(&both).await;
    let _ = done(host.email_code(asked.flow(), &both, &host.mailed()).await);
    host.wait(DAY - 60);
    let asked = host.challenge(&both).await;
    assert!(asked.grace_until().is_some());
    let code = host.mailed();
    host.wait(60);
    let _ = enrolling(host.email_code(asked.flow(), &both, &code).await);
}

#[tokio::test]
async fn login_begun_without_grace_gets_none() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let asked = host.challenge(&both).await;
    let lenient = both.with_grace(days(90));
    let _ = enrolling(host.email_code(asked.flow(), &lenient, &host.mailed()).await);
    assert_eq!(host.status().await.grace, Grace::NotStarted);
}

#[tokio::test]
async fn only_a_login_begins_the_grace_period() {
    let host = Host::new();
    let tainted = EmailStanding { tainted: true, verified: true };
    let both = Policy::all_of([App, Email], WithTicket).unwrap().with_grace(days(7));
    host.set_contact(Contact::email(EmailAddress::new("alice@example.com").unwrap(), tainted));
    assert!(denied(&host.begin(&both).await).is_some());
    host.set_contact(contact());
    let asked = host.challenge(&both).await;
    let _ = host.mfa.resume(asked.flow(), &both).await.unwrap();
    let _ = host.cancel(asked.flow(), &both).await;
    host.open(done(host.begin(&off()).await));
    let session = host.session_under(&deferred(14)).await;
    let begun = host.begin_registration(&session).await;
    assert!(
        is_denied_for(&begun, DenyReason::NoFirstEnrollmentProof),
        "grace defers a registration, and proves none: {begun:?}"
    );
    assert_eq!(host.step_up_asked(&session).await.next(), [Step::EmailCode]);
    assert_eq!(host.status().await.grace, Grace::NotStarted);
}

//! Grace: a deadline that is written once.

use factorgate::policy::{DenyReason, EmailStanding, Grace, GraceDays};
use factorgate::{Removal, Ticket};

use super::*;

fn days(days: u8) -> GraceDays {
    GraceDays::new(days).unwrap()
}

/// The app is asked for, and who has none needs a ticket; for `grace` days it can be put off.
fn deferred(grace: u8) -> Policy {
    Policy::any_of([App], WithTicket).unwrap().with_grace(days(grace))
}

fn begun(kind: &EventKind) -> bool {
    matches!(kind, EventKind::GraceBegun { .. })
}

fn is_denied(login: &Login) -> bool {
    matches!(denied(login), Some(DeniedReason::Policy(denial)) if denial.reason == DenyReason::NoFirstEnrollmentProof)
}

/// The deadline, if the login is let in by grace.
fn until(login: Login) -> Option<u64> {
    match login {
        Login::Authenticated(passed) => {
            assert_eq!(passed.reminds_enrollment(), passed.grace_until().is_some());
            passed.grace_until().map(Timestamp::as_secs)
        }
        _ => None,
    }
}

impl Host {
    /// Registers a device from the profile, with a ticket.
    async fn register_with(&self, ticket: &Ticket, policy: &Policy) -> Secret {
        let Registration::Challenge(asked) = self.begin_registration(policy).await else { panic!() };
        let open = self.mfa.redeem_ticket(asked.flow(), ticket, policy).await.unwrap();
        let open = match open {
            Registration::Challenge(asked) => self.mfa.begin_app_enrollment(asked.flow(), policy).await.unwrap(),
            open => open,
        };
        let Registration::Enroll(enroll) = open else { panic!("{open:?}") };
        let secret = secret_of(&enroll);
        let (code, name) = (self.code(&secret), DeviceName::default());
        registered(self.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, policy).await.unwrap());
        self.wait(30);
        secret
    }
}

#[tokio::test]
async fn e23_the_first_login_is_let_in_is_reminded_and_begins_the_period() {
    let host = Host::new();
    let login = passed(host.begin(&deferred(14)).await);
    let end = secs(NOW + 14 * DAY);
    assert!(login.reminds_enrollment());
    assert_eq!((login.grace_until(), login.assurance()), (Some(end), Assurance::FirstFactor));
    let kinds: Vec<_> = login.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::GraceBegun { until: end }, EventKind::LoginCompleted]);
    assert_eq!(host.status().await.grace, Grace::Started { at: secs(NOW), until: end });
    let explained = deferred(14).explain(&host.status().await.standing(&contact())).to_string();
    assert!(explained.contains("the user is in grace until 2030-03-31"), "{explained}");

    host.wait(14 * DAY - 1);
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end.as_secs()));
    host.wait(1);
    assert!(is_denied(&host.begin(&deferred(14)).await), "at its end it is over");
    assert_eq!(host.count(begun), 1);
}

#[tokio::test]
async fn e23_what_cannot_be_deferred_is_asked_for_and_the_login_is_no_dead_end() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], WithTicket).unwrap().with_grace(days(7));
    let asked = host.challenge(&both).await;
    assert_eq!((asked.next(), asked.reminds_enrollment()), (vec![Step::EmailCode], true));
    assert_eq!(asked.grace_until(), Some(secs(NOW + 7 * DAY)));
    assert_eq!(host.status().await.grace, Grace::NotStarted, "nobody was let in yet");
    host.wait(60);
    let login = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &both).await.unwrap();
    assert_eq!(until(login), Some(NOW + 60 + 7 * DAY), "it begins with the login that it lets in");

    // An e-mail code answers by itself: there is nothing to defer, and no period begins.
    let (host, any) = (Host::new(), Policy::any_of([App, Email], WithTicket).unwrap().with_grace(days(7)));
    let asked = host.challenge(&any).await;
    assert!(!asked.reminds_enrollment());
    let login = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &any).await.unwrap();
    assert_eq!(passed(login).grace_until(), None);
    assert_eq!((host.status().await.grace, host.count(begun)), (Grace::NotStarted, 0));
}

#[tokio::test]
async fn e19_nothing_begins_the_period_anew() {
    let host = Host::new();
    let end = NOW + 14 * DAY;
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end));
    host.wait(DAY);
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a new login, in another browser");
    assert_eq!(until(host.begin(&deferred(90)).await), Some(end), "a role with a longer period");
    assert_eq!(until(host.begin(&Policy::strictest(&deferred(90), [&deferred(30)])).await), Some(end));
    assert_eq!(until(host.begin(&deferred(2)).await), Some(NOW + 2 * DAY), "a shorter one moves it forward");
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "and takes nothing away");

    host.mfa.revoke_logins(&alice()).await.unwrap();
    host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "the end of all sessions, and a ticket");
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a reset of a user who held nothing");
    assert!(matches!(host.begin(&off()).await, Login::Authenticated(_)));
    assert_eq!(until(host.begin(&deferred(14)).await), Some(end), "a policy that enforces nothing");
    host.clock.set(end);
    for policy in [deferred(14), deferred(90)] {
        host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
        let login = host.begin(&policy).await;
        let Login::Challenge(asked) = &login else { panic!("{login:?}") };
        assert_eq!(asked.next(), [Step::Ticket], "after the deadline no reset helps, but its ticket does");
    }
    assert_eq!(host.count(begun), 1);
}

#[tokio::test]
async fn e19_who_ever_held_a_device_is_in_grace_no_more() {
    let host = Host::new();
    assert!(until(host.begin(&deferred(14)).await).is_some());
    let grace = host.status().await.grace;
    let issued = host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    let secret = host.register_with(&issued.ticket, &deferred(14)).await;
    let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
    let (session, off) = (SignedIn::assertion(alice()), Policy::off(WithTicket));
    let removal = host.mfa.remove_device(&session, device, &host.code(&secret), contact(), &deferred(14)).await;
    assert!(matches!(removal.unwrap(), Removal::Refused { .. }), "grace is no way to be rid of a device");
    let removal = host.mfa.remove_device(&session, device, &host.code(&secret), contact(), &off).await;
    assert!(matches!(removal.unwrap(), Removal::Removed { .. }));
    assert!(is_denied(&host.begin(&deferred(14)).await));
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert_eq!(until(host.begin(&deferred(14)).await), None);
    assert_eq!(host.status().await.grace, grace, "what was written stays");
}

#[tokio::test]
async fn e19_who_ever_held_a_factor_of_the_host_never_is() {
    let host = Host::new();
    host.bind(passkey()).await;
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    assert_eq!(until(host.begin(&deferred(14)).await), None);
    assert_eq!((host.status().await.grace, host.count(begun)), (Grace::NotStarted, 0));
}

#[tokio::test]
async fn e04_a_period_that_ends_while_a_login_is_open_defers_nothing_in_it() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], AfterPassword).unwrap().with_grace(days(1));
    let asked = host.challenge(&both).await;
    let _ = passed(host.mfa.verify_email_code(asked.flow(), &host.mailed(), &both).await.unwrap());
    host.wait(DAY - 60);
    let asked = host.challenge(&both).await;
    assert!(asked.reminds_enrollment());
    let code = host.mailed();
    host.wait(60);
    let login = host.mfa.verify_email_code(asked.flow(), &code, &both).await.unwrap();
    assert!(matches!(login, Login::Enroll(_)), "{login:?}");
}

#[tokio::test]
async fn e04_a_login_that_began_under_a_policy_without_grace_gets_none() {
    let host = Host::new();
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let asked = host.challenge(&both).await;
    let lenient = both.with_grace(days(90));
    let login = host.mfa.verify_email_code(asked.flow(), &host.mailed(), &lenient).await.unwrap();
    assert!(matches!(login, Login::Enroll(_)), "{login:?}");
    assert_eq!(host.status().await.grace, Grace::NotStarted);
}

#[tokio::test]
async fn what_lets_nobody_in_begins_no_period() {
    let host = Host::new();
    let tainted = EmailStanding { tainted: true, verified: true };
    let contact = Contact::email(EmailAddress::new("alice@example.com").unwrap(), tainted);
    let both = Policy::all_of([App, Email], WithTicket).unwrap().with_grace(days(7));
    let login = host.mfa.begin_login(PrimaryVerified::assertion(alice()), contact, &both).await.unwrap();
    assert!(matches!(login, Login::Denied(_)), "{login:?}");
    let asked = host.challenge(&both).await;
    let _ = host.mfa.resume(asked.flow(), &both).await.unwrap();
    host.mfa.cancel(asked.flow()).await.unwrap();
    let begun = host.begin_registration(&deferred(14)).await;
    assert!(matches!(begun, Registration::Denied(_)), "grace defers a registration, and proves none: {begun:?}");
    let session = claims(&passed(host.begin(&off()).await));
    assert!(matches!(host.step_up(&session, Duration::ZERO).await, StepUp::Challenge(_)));
    assert_eq!(host.status().await.grace, Grace::NotStarted);
}

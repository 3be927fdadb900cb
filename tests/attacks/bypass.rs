//! Ways around the policy.

use super::*;

#[tokio::test]
async fn registered_device_is_asked_for_under_every_policy() {
    let host = Host::new();
    host.register().await;
    assert_eq!(host.challenge(&off()).await.next(), [Step::AppCode]);
}

#[tokio::test]
async fn code_of_a_disabled_channel_is_refused() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let login = host.email_code(asked.flow(), &app(), &host.mailed()).await;
    assert!(!is_in(&login), "{login:?}");
}

#[tokio::test]
async fn open_login_meets_the_stricter_of_both_policies() {
    let host = Host::new();
    let all = Policy::all_of([App, Email], AfterPassword).unwrap();
    let asked = host.challenge(&email()).await;
    let login = host.email_code(asked.flow(), &all, &host.mailed()).await;
    assert!(matches!(login, Outcome::Enroll(_)), "{login:?}");

    let host = Host::new();
    let asked = host.challenge(&all).await;
    let login = host.email_code(asked.flow(), &email(), &host.mailed()).await;
    assert!(matches!(login, Outcome::Enroll(_)), "{login:?}");
}

#[tokio::test]
async fn email_code_does_not_replace_a_device() {
    let host = Host::new();
    host.register().await;
    let mails = host.outbox.sent().len();
    let asked = host.challenge(&any()).await;
    assert_eq!(refusal(&host.send_email(asked.flow(), &any()).await), Some(Refusal::NotOpen));
    assert_eq!(host.outbox.sent().len(), mails);
    assert!(host.has_seen(&EventKind::StepNotOpen { step: Step::EmailCode }));
}

#[tokio::test]
async fn tainted_address_gets_no_code_and_the_address_of_a_login_is_fixed() {
    let host = Host::new();
    let tainted = EmailStanding { tainted: true, verified: true };
    let address = EmailAddress::new("thief@example.net").unwrap();
    let row = UserRow::new(alice(), "password 1", Contact::email(address, tainted));
    let login = host.mfa.begin_login(PrimaryVerified::assertion(row), &email()).await.unwrap();
    assert!(matches!(denied(&login), Some(Refusal::Policy(_))));
    assert!(host.outbox.sent().is_empty());

    // No action on an open login takes an address: what is sent again goes where the first one went.
    let asked = host.challenge(&email()).await;
    host.wait(30);
    let _ = host.send_email(asked.flow(), &email()).await;
    assert!(host.outbox.sent().iter().all(|mail| mail.to.as_str() == "alice@example.com"));
    assert_eq!(host.outbox.sent().len(), 2);
}

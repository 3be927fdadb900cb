//! Ways around the policy.

use super::*;

#[tokio::test]
async fn e02_a_device_is_asked_for_where_nothing_is_enforced() {
    let host = Host::new();
    host.register().await;
    assert_eq!(host.challenge(&off()).await.next(), [Step::AppCode]);
}

#[tokio::test]
async fn e03_a_code_of_a_channel_that_was_disabled_is_refused() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let login = host.email(asked.flow(), &host.mailed(), &app()).await;
    assert!(!is_in(&login), "{login:?}");
}

#[tokio::test]
async fn e04_a_policy_that_is_tightened_holds_for_open_logins_and_one_that_is_loosened_does_not() {
    let host = Host::new();
    let all = Policy::all_of([App, Email], AfterPassword).unwrap();
    let asked = host.challenge(&email()).await;
    let login = host.email(asked.flow(), &host.mailed(), &all).await;
    assert!(matches!(login, Login::Enroll(_)), "{login:?}");

    let host = Host::new();
    let asked = host.challenge(&all).await;
    let login = host.email(asked.flow(), &host.mailed(), &email()).await;
    assert!(matches!(login, Login::Enroll(_)), "{login:?}");
}

#[tokio::test]
async fn e05_a_device_is_not_replaced_by_a_mail() {
    let host = Host::new();
    host.register().await;
    let mails = host.outbox.sent().len();
    let asked = host.challenge(&any()).await;
    let login = host.mfa.send_email_code(asked.flow(), &any()).await.unwrap();
    assert_eq!(refusal(&login), Some(Refusal::NotOpen));
    assert_eq!(host.outbox.sent().len(), mails);
    let tried = |event: &Event| matches!(event.kind, EventKind::StepNotOpen { step: Step::EmailCode });
    assert!(host.log.lock().unwrap().iter().any(tried));
}

#[tokio::test]
async fn f01_f02_a_tainted_address_gets_no_code_and_the_address_is_fixed_for_the_login() {
    let host = Host::new();
    let tainted = EmailStanding { tainted: true, verified: true };
    let address = EmailAddress::new("thief@example.net").unwrap();
    let primary = PrimaryVerified::assertion(alice());
    let login = host.mfa.begin_login(primary, Contact::email(address, tainted), &email()).await.unwrap();
    assert!(matches!(denied(&login), Some(DeniedReason::Policy(_))));
    assert!(host.outbox.sent().is_empty());

    // No operation on an open login takes an address: what is sent again goes where the first one went.
    let asked = host.challenge(&email()).await;
    host.wait(30);
    let _ = host.mfa.send_email_code(asked.flow(), &email()).await.unwrap();
    assert!(host.outbox.sent().iter().all(|mail| mail.to.as_str() == "alice@example.com"));
}

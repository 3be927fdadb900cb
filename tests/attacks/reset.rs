//! An administrator's reset, and tickets.

use super::*;

fn with_ticket() -> Policy {
    Policy::any_of([App], WithTicket).unwrap()
}

/// Registers a device with a ticket.
async fn bind_anew(host: &Host, ticket: &factorgate::Ticket) -> Secret {
    let asked = host.challenge(&with_ticket()).await;
    let login = host.mfa.redeem_ticket(asked.flow(), ticket, &with_ticket()).await.unwrap();
    let Login::Enroll(enroll) = login else { panic!("{login:?}") };
    let secret = secret_of(&enroll);
    assert!(is_in(&host.confirm(&enroll, &host.code(&secret)).await));
    host.wait(30);
    secret
}

#[tokio::test]
async fn h15_a_reset_takes_everything_names_its_administrator_and_is_told() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let (device, open) = (host.device_ids().await[0], host.challenge(&app()).await);
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    let by = admin().id().clone();
    let kinds: Vec<_> = reset.events.iter().map(|event| event.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            EventKind::FactorsReset { by: by.clone() },
            EventKind::DeviceRemoved { device },
            EventKind::TicketIssued { by }
        ]
    );
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::FactorsReset));

    let status = host.mfa.status(&alice()).await.unwrap();
    assert!(status.devices.is_empty() && status.recovery_codes.is_none() && status.open_flows() == 0);
    assert!(status.ever_held_factor);
    let ended = Some(DeniedReason::FlowEnded);
    assert_eq!(denied(&host.app(open.flow(), &host.code(&secret), &app()).await), ended);
    assert_eq!(denied(&host.recover(open.flow(), codes.iter().next().unwrap(), &app()).await), ended);
}

#[tokio::test]
async fn d11_h15_after_a_reset_the_password_alone_registers_nothing() {
    let host = Host::new();
    host.register().await;
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    // The policy lets a first device be registered after the password; this one is not the first.
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::EmailCode, Step::Ticket]);
    let early = host.mfa.begin_app_enrollment(asked.flow(), &app()).await.unwrap();
    assert_eq!(refusal(&early), Some(Refusal::NotOpen));
    let secret = bind_anew(&host, &reset.ticket).await;
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&secret), &app()).await));
}

#[tokio::test]
async fn d23_the_owner_gets_the_account_back_from_a_thief_who_has_registered() {
    let host = Host::new();
    let thiefs = host.register().await;
    let codes = host.recovery_codes(&thiefs).await;
    assert!(host.outbox.sent().iter().any(|mail| mail.notice == Some(Notice::DeviceAdded)));
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    let owners = bind_anew(&host, &reset.ticket).await;
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.app(asked.flow(), &host.code(&thiefs), &app()).await), Some(Refusal::WrongCode));
    let login = host.recover(asked.flow(), codes.iter().next().unwrap(), &app()).await;
    assert_eq!(refusal(&login), Some(Refusal::NotOpen));
    assert!(is_in(&host.app(asked.flow(), &host.code(&owners), &app()).await));
}

#[tokio::test]
async fn h15_a_ticket_is_good_once_for_one_user_and_for_a_day_and_the_newest_only() {
    let host = Host::new();
    let redeem = async |user: &UserId, ticket: &factorgate::Ticket| {
        let primary = PrimaryVerified::assertion(user.clone());
        match host.mfa.begin_login(primary, contact(), &with_ticket()).await.unwrap() {
            Login::Challenge(asked) => {
                let login = host.mfa.redeem_ticket(asked.flow(), ticket, &with_ticket()).await.unwrap();
                matches!(login, Login::Enroll(_))
            }
            other => {
                assert!(matches!(denied(&other), Some(DeniedReason::Policy(_))), "{other:?}");
                false
            }
        }
    };
    let issue = async |user: &UserId| host.mfa.issue_ticket(user, &admin()).await.unwrap();
    let bob = UserId::new("bob").unwrap();

    let first = issue(&alice()).await;
    assert_eq!(first.events[0].kind, EventKind::TicketIssued { by: admin().id().clone() });
    let second = issue(&alice()).await;
    let bobs = issue(&bob).await;
    assert!(!redeem(&alice(), &first.ticket).await, "a newer one was issued");
    assert!(!redeem(&alice(), &bobs.ticket).await, "it is another user's");
    assert!(redeem(&alice(), &second.ticket).await);
    assert!(!redeem(&alice(), &second.ticket).await, "it was used");
    host.wait(24 * 60 * 60);
    assert_eq!(host.clock.time(), bobs.expires_at);
    assert!(!redeem(&bob, &bobs.ticket).await, "it is a day old");
}

#[tokio::test]
async fn n20_a_reset_leads_out_of_disabled_devices_and_a_ticket_alone_does_not() {
    let host = Host::new();
    let secret = host.register().await;
    host.wear_out(&app(), async |flow| drop(host.app(flow, &wrong(&secret), &app()).await)).await;
    host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    assert_eq!(denied(&host.begin(&with_ticket()).await), Some(DeniedReason::DevicesDisabled));
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    let bound = bind_anew(&host, &reset.ticket).await;
    let asked = host.challenge(&app()).await;
    assert!(is_in(&host.app(asked.flow(), &host.code(&bound), &app()).await));
}

#[tokio::test]
async fn n20_the_email_channel_is_lifted_by_a_reset_and_by_nothing_else() {
    let host = Host::new();
    host.wear_out(&email(), async |flow| drop(host.email(flow, &not(&host.mailed()), &email()).await)).await;
    assert!(host.has_seen(&EventKind::EmailDisabled));
    let is_disabled = |login: &Login| matches!(denied(login), Some(DeniedReason::Policy(_)));
    host.wait(10 * 365 * 24 * 60 * 60);
    assert!(is_disabled(&host.begin(&email()).await), "time does not lift it");
    host.mfa.revoke_logins(&alice()).await.unwrap();
    host.mfa.issue_ticket(&alice(), &admin()).await.unwrap();
    assert!(is_disabled(&host.begin(&email()).await), "nor does a ticket");
    host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    let asked = host.challenge(&email()).await;
    assert!(is_in(&host.email(asked.flow(), &host.mailed(), &email()).await));
}

#[tokio::test]
async fn b02_a_reset_lifts_the_lock_with_what_was_guessed_at() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    for _ in 0..5 {
        let _ = host.app(asked.flow(), &wrong(&secret), &app()).await;
    }
    assert!(is_locked(&host.begin(&app()).await));
    let reset = host.mfa.reset_by_admin(&alice(), &admin(), contact()).await.unwrap();
    bind_anew(&host, &reset.ticket).await;
}

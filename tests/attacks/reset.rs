//! An administrator's reset, and tickets.

use super::*;

impl Host {
    pub(super) async fn reset(&self) -> String {
        ticket_text(&self.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap())
    }

    /// Registers a device with a ticket.
    pub(super) async fn register_with(&self, ticket: &str) -> Secret {
        let asked = self.challenge(&with_ticket()).await;
        let enroll = enrolling(self.ticket(asked.flow(), &with_ticket(), ticket).await);
        let secret = secret_of(&enroll);
        assert!(is_in(&self.confirm(asked.flow(), &with_ticket(), &self.code(&secret)).await));
        self.wait(30);
        secret
    }
}

#[tokio::test]
async fn reset_removes_everything_names_its_administrator_and_sends_a_notice() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let (device, open) = (host.device_ids().await[0], host.challenge(&app()).await);
    host.events();
    host.reset().await;
    let by = admin().id().clone();
    assert_eq!(
        host.events(),
        [
            EventKind::FactorsReset { by: by.clone() },
            EventKind::DeviceRemoved { device },
            EventKind::TicketIssued { by }
        ]
    );
    assert_eq!(host.last_notice(), Some(Notice::FactorsReset));

    let status = host.status().await;
    assert!(status.devices.is_empty() && status.recovery_codes.is_none() && status.open_flows == 0);
    assert!(status.ever_had_factor);
    let ended = Some(Refusal::FlowEnded);
    assert_eq!(denied(&host.app_code(open.flow(), &app(), &host.code(&secret)).await), ended);
    assert_eq!(denied(&host.recovery_code(open.flow(), &app(), &codes[0]).await), ended);
}

#[tokio::test]
async fn password_alone_registers_nothing_after_a_reset() {
    let host = Host::new();
    host.register().await;
    let ticket = host.reset().await;
    // The policy lets a first device be registered after the password; this one is not the first.
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::EmailCode, Step::Ticket]);
    assert_eq!(refusal(&host.register_app(asked.flow(), &app()).await), Some(Refusal::NotOpen));
    let secret = host.register_with(&ticket).await;
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn owner_gets_the_account_back_from_a_thief_who_has_registered() {
    let host = Host::new();
    let thiefs = host.register().await;
    let codes = host.recovery_codes(&thiefs).await;
    assert!(host.outbox.sent().iter().any(|mail| mail.notice == Some(Notice::DeviceAdded)));
    let ticket = host.reset().await;
    let owners = host.register_with(&ticket).await;
    let asked = host.challenge(&app()).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    assert_eq!(refusal(&host.app_code(asked.flow(), &app(), &host.code(&thiefs)).await), Some(Refusal::WrongCode));
    assert_eq!(refusal(&host.recovery_code(asked.flow(), &app(), &codes[0]).await), Some(Refusal::NotOpen));
    assert!(is_in(&host.app_code(asked.flow(), &app(), &host.code(&owners)).await));
}

#[tokio::test]
async fn ticket_is_valid_once_for_one_user_for_a_day_and_the_newest_only() {
    let host = Host::new();
    let redeem = async |user: &str, ticket: &str| {
        let login = host.mfa.begin_login(PrimaryVerified::assertion(row_of(user)), &with_ticket()).await.unwrap();
        match login {
            Outcome::Challenge(asked) => {
                matches!(host.ticket(asked.flow(), &with_ticket(), ticket).await, Outcome::Enroll(_))
            }
            other => {
                assert!(matches!(denied(&other), Some(Refusal::Policy(_))), "{other:?}");
                false
            }
        }
    };
    let issue =
        async |user: &str| ticket_text(&host.mfa.admin(&admin()).issue_ticket(row_of(user).user()).await.unwrap());
    let first = issue("alice").await;
    assert_eq!(host.events(), [EventKind::TicketIssued { by: admin().id().clone() }]);
    let second = issue("alice").await;
    let bobs = issue("bob").await;
    assert!(!redeem("alice", &first).await, "a newer one was issued");
    assert!(!redeem("alice", &bobs).await, "it is another user's");
    assert!(redeem("alice", &second).await);
    assert!(!redeem("alice", &second).await, "it was used");
    let until = host.mfa.admin(&admin()).status(row_of("bob").user()).await.unwrap().ticket_until;
    host.wait(DAY);
    assert_eq!(until, Some(host.clock.time()));
    assert!(!redeem("bob", &bobs).await, "it is a day old");
}

#[tokio::test]
async fn reset_leads_out_of_disabled_devices_and_a_ticket_alone_does_not() {
    let host = Host::new();
    let secret = host.register().await;
    host.wear_out(&app(), async |flow| drop(host.app_code(flow, &app(), &wrong(&secret)).await)).await;
    host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    assert_eq!(denied(&host.begin(&with_ticket()).await), Some(Refusal::DeviceDisabled));
    let ticket = host.reset().await;
    let secret = host.register_with(&ticket).await;
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn disabled_email_channel_is_enabled_by_a_reset_and_by_nothing_else() {
    let host = Host::new();
    host.wear_out(&email(), async |flow| drop(host.email_code(flow, &email(), &not(&host.mailed())).await)).await;
    let disabled = host.events().into_iter().filter(|kind| *kind == EventKind::EmailDisabled).count();
    assert_eq!(disabled, 1, "by the last of the wrong codes alone");
    let is_disabled = |login: &Outcome<Login>| matches!(denied(login), Some(Refusal::Policy(_)));
    host.wait(10 * 365 * DAY);
    assert!(is_disabled(&host.begin(&email()).await), "time does not");
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    assert!(is_disabled(&host.begin(&email()).await), "a ticket does not");
    host.reset().await;
    let asked = host.challenge(&email()).await;
    assert!(is_in(&host.email_code(asked.flow(), &email(), &host.mailed()).await));
}

#[tokio::test]
async fn reset_lifts_the_lock_with_what_was_guessed_at() {
    let host = Host::new();
    let secret = host.register().await;
    host.lock(&secret).await;
    assert!(is_locked(&host.begin(&app()).await));
    let ticket = host.reset().await;
    host.register_with(&ticket).await;
}

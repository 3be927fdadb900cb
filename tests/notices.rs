//! What a user is told by mail, and what becomes of an operation whose mail is not delivered.

mod host;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::browser::BrowserName;
use factorgate::mail::Notice;
use factorgate::policy::{ExternalFactor, Policy};
use factorgate::testing::{MailFault, MemoryStore};
use factorgate::{Action, EmailAddress, Error, Outcome, Refusal};

use host::*;

fn trusting() -> Policy {
    app().with_trusted_browsers()
}

impl Host {
    /// The notices since this was asked last.
    fn told(&self, already: &mut usize) -> Vec<Notice> {
        let sent = self.outbox.sent();
        let news = sent[*already..].iter().filter_map(|mail| mail.notice).collect();
        *already = sent.len();
        news
    }

    async fn owed(&self) -> usize {
        self.mfa.admin(&admin()).status(&alice()).await.unwrap().owed_notices
    }
}

#[tokio::test]
async fn lock_is_told_once_to_the_address_on_record() {
    let host = Host::new();
    let secret = host.register().await;
    let mut seen = host.outbox.sent().len();
    let asked = host.challenge(&app()).await;
    for _ in 0..4 {
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
        assert_eq!(host.told(&mut seen), []);
    }
    for guess in [wrong(&secret), wrong(&secret), host.code(&secret)] {
        assert!(is_locked(&host.app_code(asked.flow(), &app(), &guess).await));
    }
    assert_eq!(host.told(&mut seen), [Notice::Locked { lasts: Duration::from_secs(60) }]);
    let mail = host.outbox.sent().pop().unwrap();
    assert_eq!(mail.to, EmailAddress::new("alice@example.com").unwrap());
    // One notice a day is enough.
    host.wait(60);
    let asked = host.challenge(&app()).await;
    while !is_locked(&host.app_code(asked.flow(), &app(), &wrong(&secret)).await) {}
    assert_eq!(host.told(&mut seen), []);
    // The last unit is more than a lock.
    for guess in 11..=30 {
        let asked = host.challenge_unblocked(&app()).await;
        let _ = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
        assert_eq!(host.told(&mut seen).is_empty(), guess < 30, "{guess}");
    }
    assert_eq!(host.outbox.sent().pop().unwrap().notice, Some(Notice::NewBrowsersBlocked));
    host.wait(DAY);
    host.mfa.admin(&admin()).unblock(&alice(), &contact()).await.unwrap();
    assert_eq!(host.told(&mut seen), [Notice::Unblocked]);
    assert_eq!(host.challenge(&app()).await.attempts_left(), 5);
}

#[tokio::test]
async fn lock_holds_though_its_notice_is_refused_and_the_notice_stays_owed() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    host.outbox.set_fault(Some(MailFault::Refused));
    let mut last = host.mfa.resume(asked.flow(), &app()).await.unwrap();
    for _ in 0..5 {
        last = host.app_code(asked.flow(), &app(), &wrong(&secret)).await;
    }
    assert!(is_locked(&last), "{last:?}");
    assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
    assert_eq!(host.owed().await, 1);
    host.outbox.set_fault(None);
    assert!(is_locked(&host.app_code(asked.flow(), &app(), &host.code(&secret)).await));
}

#[tokio::test]
async fn trusted_browser_and_a_copy_of_its_token_are_told() {
    let host = Host::new();
    let (_, claims) = host.register_under(&trusting()).await;
    let mut seen = host.outbox.sent().len();
    let name = BrowserName::new("Firefox at work").unwrap();
    let session = host.session_of(&claims, &trusting()).await;
    let token = host.mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap();
    assert_eq!(host.told(&mut seen), [Notice::BrowserTrusted]);
    assert!(host.outbox.sent().pop().unwrap().text.contains("“Firefox at work”"));

    let copy = token.to_cookie();
    assert!(is_in(&host.begin_from(&trusting(), Some(&copy)).await));
    assert_eq!(host.told(&mut seen), [], "a use is no news");
    host.wait(10);
    // Whoever cannot be told is asked for a code all the same.
    host.outbox.set_fault(Some(MailFault::Unknown));
    asked(host.begin_from(&trusting(), Some(&copy)).await);
    assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
    assert_eq!(host.told(&mut seen), [Notice::BrowserTokenReused]);
    assert!(host.outbox.sent().pop().unwrap().text.contains("“Firefox at work”"));
    host.outbox.set_fault(None);
    asked(host.begin_from(&trusting(), Some(&copy)).await);
    assert_eq!(host.told(&mut seen), [], "it is told once, and again only after a minute");
}

#[tokio::test]
async fn old_address_is_told_that_another_one_comes() {
    for fault in [None, Some(MailFault::Refused)] {
        let host = Host::new();
        let secret = host.register().await;
        let elevated = host.elevated(&secret).await;
        let mut seen = host.outbox.sent().len();
        host.outbox.set_fault(fault);
        let permit = host.mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
        let told: &[Notice] = if fault.is_none() { &[Notice::AddressChangePermitted] } else { &[] };
        assert_eq!(host.told(&mut seen), told);
        // The notice of a change that went through before it was delivered still goes to the old address.
        let new = EmailAddress::new("alice@example.net").unwrap();
        host.set_contact(factorgate::Contact::verified(new));
        let passed = host.mfa.elevated(&elevated).finish_address_change(permit, &host.row()).await.unwrap().unwrap();
        let claims = host.open(passed);
        assert!(host.holds(&claims).await);
        host.outbox.set_fault(None);
        host.wait(60);
        host.status().await;
        let sent = host.outbox.sent();
        let told: Vec<_> = sent.iter().filter(|mail| mail.notice == Some(Notice::AddressChangePermitted)).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].to.as_str(), "alice@example.com");
    }
}

#[tokio::test]
async fn change_from_the_profile_is_kept_though_its_notice_is_not_delivered() {
    for fault in [MailFault::Refused, MailFault::Unknown] {
        let host = Host::new();
        let secret = host.register().await;
        let first = host.device_ids().await[0];
        host.outbox.set_fault(Some(fault));
        let second = host.register_another(&secret).await;
        assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
        let claims = host.claims();
        let session = host.session_of(&claims, &app()).await;
        let elevated = host.elevated_in(&session, &second).await;
        let claims = host.open(host.mfa.elevated(&elevated).remove_device(first).await.unwrap().unwrap());
        assert!(host.has_seen(&EventKind::DeviceRemoved { device: first }));
        assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
        assert!(host.holds(&claims).await);
        assert_eq!(host.device_ids().await.len(), 1);
        assert_eq!(host.owed().await, 2);
    }
}

#[tokio::test]
async fn login_completes_only_after_its_notice_was_delivered() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let secret = secret_of(&enroll);
    host.outbox.set_fault(Some(MailFault::Unknown));
    let confirm = Action::ConfirmApp { code: host.code(&secret).into(), name: None };
    let confirmed = host.mfa.submit(enroll.challenge().flow(), &app(), confirm).await;
    assert!(matches!(confirmed, Err(Error::Mailer(_))), "{confirmed:?}");
    assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
    host.outbox.set_fault(None);
    host.wait(30);
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn refused_code_mail_is_an_outcome_and_the_user_asks_again_at_once() {
    let host = Host::new();
    host.outbox.set_fault(Some(MailFault::Refused));
    let open = asked(host.begin(&email()).await);
    assert_eq!(open.refusal(), Some(Refusal::MailRefused));
    let status = open.email().unwrap();
    assert_eq!((status.sent_at, status.expires_at, status.resend_at), (None, None, None));
    assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));

    host.outbox.set_fault(Some(MailFault::Unknown));
    let open = asked(host.send_email(open.flow(), &email()).await);
    assert_eq!(open.refusal(), None, "it may have arrived");
    assert_eq!(open.email().unwrap().sent_at, Some(host.clock.time()));
    let first = host.mailed();
    host.outbox.set_fault(None);
    let open = asked(host.send_email(open.flow(), &email()).await);
    assert_eq!(open.refusal(), None, "there is no pause");
    assert_ne!(host.mailed(), first);
    assert!(is_in(&host.email_code(open.flow(), &email(), &host.mailed()).await));
}

/// The request is dropped after its commit, before anybody knows of a mail: the notice is part of the commit.
#[tokio::test]
async fn notice_of_a_dropped_request_is_delivered_by_the_next_operation() {
    let host = Host::on(MemoryStore::interleaving(), |builder| builder);
    host.register().await;
    let mut seen = host.outbox.sent().len();
    let before = host.store.record(&alice());
    {
        let (by, alice, contact) = (admin(), alice(), contact());
        let admin = host.mfa.admin(&by);
        let mut reset = pin!(admin.reset(&alice, &contact));
        host.outbox.set_fault(Some(MailFault::Refused));
        // Until the commit is made, and no further: the host goes away.
        while host.store.record(&alice) == before {
            assert!(matches!(reset.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
        }
    }
    host.outbox.set_fault(None);
    assert!(host.has_seen(&EventKind::FactorsReset { by: admin().id().clone() }));
    assert_eq!((host.owed().await, host.told(&mut seen)), (1, vec![]), "another request may still send it");
    host.wait(59);
    assert_eq!((host.owed().await, host.told(&mut seen)), (1, vec![]));
    host.wait(1);
    host.status().await;
    assert_eq!((host.owed().await, host.told(&mut seen)), (0, vec![Notice::FactorsReset]));
    host.wait(600);
    host.status().await;
    assert_eq!(host.told(&mut seen), [], "it is sent once");
}

/// A user who never comes back is told by the job that walks over all users.
#[tokio::test]
async fn maintenance_delivers_what_is_owed() {
    let host = Host::new();
    host.register().await;
    host.outbox.set_fault(Some(MailFault::Refused));
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    let mut seen = host.outbox.sent().len();
    host.wait(60);
    assert_eq!(host.mfa.maintenance().send_owed_notices(&alice()).await.unwrap(), 0, "the mail system refuses still");
    assert_eq!(host.owed().await, 1);
    host.outbox.set_fault(None);
    host.wait(60);
    assert_eq!(host.mfa.maintenance().send_owed_notices(&alice()).await.unwrap(), 1);
    assert_eq!((host.owed().await, host.told(&mut seen)), (0, vec![Notice::FactorsReset]));
    assert_eq!(host.mfa.maintenance().send_owed_notices(&alice()).await.unwrap(), 0);
    // Nothing is owed by the login that follows.
    assert!(matches!(host.begin(&app()).await, Outcome::Challenge(_)));
}

/// The request that changes something undertakes to send what an earlier one has left behind.
#[tokio::test]
async fn overdue_notice_is_left_to_the_request_that_undertook_it_last() {
    let host = Host::on(MemoryStore::interleaving(), |builder| builder);
    host.register().await;
    let mut seen = host.outbox.sent().len();
    let (by, alice, contact) = (admin(), alice(), contact());
    let admin = host.mfa.admin(&by);
    let poll_until_written = |mut request: std::pin::Pin<&mut dyn Future<Output = ()>>| {
        let before = host.store.record(&alice);
        while host.store.record(&alice) == before {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    };
    host.outbox.set_fault(Some(MailFault::Refused));
    poll_until_written(pin!(async { drop(admin.reset(&alice, &contact).await) }));
    host.wait(60);
    poll_until_written(pin!(async { drop(admin.issue_ticket(&alice).await) }));
    host.outbox.set_fault(None);
    host.wait(59);
    assert_eq!((host.owed().await, host.told(&mut seen)), (1, vec![]), "the second request may still send it");
    host.wait(1);
    host.status().await;
    assert_eq!((host.owed().await, host.told(&mut seen)), (0, vec![Notice::FactorsReset]));
}

#[tokio::test]
async fn thirteenth_owed_notice_displaces_the_oldest() {
    let host = Host::new();
    host.register().await;
    host.outbox.set_fault(Some(MailFault::Refused));
    let factor = ExternalFactor::possession("push").unwrap();
    let mut seen = host.outbox.sent().len();
    let (by, alice, contact) = (admin(), alice(), contact());
    host.mfa.admin(&by).reset(&alice, &contact).await.unwrap();
    host.mfa.admin(&by).register_external(&alice, factor, &contact).await.unwrap().unwrap();
    for _ in 2..12 {
        host.mfa.admin(&by).reset(&alice, &contact).await.unwrap();
    }
    assert_eq!((host.owed().await, host.has_seen(&EventKind::NoticeDropped)), (12, false));
    host.mfa.admin(&by).reset(&alice, &contact).await.unwrap();
    let dropped = host.events().into_iter().filter(|kind| *kind == EventKind::NoticeDropped).count();
    assert_eq!((host.owed().await, dropped), (12, 1));
    host.outbox.set_fault(None);
    host.wait(60);
    host.status().await;
    let told = host.told(&mut seen);
    assert_eq!((told.len(), told[0]), (12, Notice::FactorAdded { factor }));
}

/// A mail system that is down is not asked again by every request.
#[tokio::test]
async fn undelivered_notice_is_tried_once_a_minute() {
    let host = Host::new();
    host.register().await;
    host.outbox.set_fault(Some(MailFault::Unknown));
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    let mut seen = host.outbox.sent().len();
    for (secs, told) in [(59, 0), (1, 1), (0, 0), (59, 0), (1, 1)] {
        host.wait(secs);
        host.status().await;
        assert_eq!(host.told(&mut seen).len(), told, "{secs}");
    }
}

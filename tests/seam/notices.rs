//! Nothing is silent: owed notices are part of the commit, and events are numbered without gaps.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use factorgate::audit::EventKind;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::mail::{Mail, Mailer, Undelivered};
use factorgate::otpauth::Issuer;
use factorgate::testing::MailFault;

use super::*;

/// A mail server that does not answer while it hangs.
#[derive(Clone, Default)]
struct Hanging {
    outbox: Outbox,
    hangs: Arc<AtomicBool>,
}

impl Mailer for Hanging {
    type Error = <Outbox as Mailer>::Error;

    async fn send(&self, mail: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.outbox.send(mail).await
    }
}

/// The owner is told of a new device although the client hung up while the mail was being sent.
#[tokio::test]
async fn notice_of_a_dropped_request_is_sent_by_the_next_operation() {
    let (kit, mailer, row) = (Kit::new(), Hanging::default(), Row::alice());
    let key = ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap();
    let mfa = Mfa::builder(kit.store.clone(), mailer.clone(), ServerKeys::new(key), Issuer::new("ACME").unwrap())
        .clock(kit.clock.clone())
        .build()
        .unwrap();
    let Outcome::Enroll(enroll) = mfa.begin_login(row.primary(), &app()).await.unwrap() else { panic!("enroll") };
    let phone = kit.scan(enroll.key_uri());
    let confirm = Action::ConfirmApp { code: phone.code().into(), name: None };
    mailer.hangs.store(true, Ordering::SeqCst);
    {
        let policy = app();
        let mut request = pin!(mfa.submit(enroll.challenge().flow(), &policy, confirm));
        let polled = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending), "the mail server does not answer");
        // The client hangs up: the future is dropped here.
    }
    mailer.hangs.store(false, Ordering::SeqCst);
    let by = factorgate::admin::Administrator::assertion(UserId::new("root").unwrap());
    let status = mfa.admin(&by).status(&row.id()).await.unwrap();
    assert_eq!((status.devices.len(), status.owed_notices), (1, 1), "what was decided stands");
    assert!(mailer.outbox.notices().is_empty(), "the request that owes it may still be sending it");

    kit.advance(Duration::from_secs(60));
    mfa.admin(&by).status(&row.id()).await.unwrap();
    assert_eq!(mailer.outbox.notices(), ["device_added"]);
    let status = mfa.admin(&by).status(&row.id()).await.unwrap();
    assert_eq!(status.owed_notices, 0);
    // The log of the dropped request has lost its events; the record has not.
    let recent: Vec<_> = status.recent.iter().rev().map(|event| (event.seq.unwrap(), event.kind.name())).collect();
    assert_eq!(recent, [(1, "login_begun"), (2, "enrollment_begun"), (3, "device_added"), (4, "login_completed")]);
}

/// A sweep over all users sends what a mail system that was down has left behind, with progress; each notice at least once,
/// and after it was delivered no more.
#[tokio::test]
async fn sweep_sends_what_is_owed_once_the_mail_system_is_back() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, claims) = enroll(&kit, &mfa, &row).await;
    let open = session(&mfa, &claims, &row, &app()).await;
    let elevated = step_up(&mfa, &open, &phone).await;
    for fault in [MailFault::Refused, MailFault::Unknown] {
        kit.outbox.set_fault(Some(fault));
        let _ = mfa.elevated(&elevated).permit_address_change().await.unwrap().unwrap();
    }
    let before = kit.outbox.notices().len();
    let maintenance = mfa.maintenance();
    assert_eq!(maintenance.send_owed_notices(&row.id()).await.unwrap(), 0, "a request may still be sending them");

    kit.advance(Duration::from_secs(61));
    assert_eq!(maintenance.send_owed_notices(&row.id()).await.unwrap(), 0, "it is still down");
    kit.outbox.set_fault(None);
    kit.advance(Duration::from_secs(61));
    let users = || [row.id(), UserId::new("nobody").unwrap()];
    let mut progress = Vec::new();
    let walk = maintenance.send_all_owed_notices(users(), |user, sent| {
        progress.push((user.to_string(), *sent.as_ref().unwrap()));
        ControlFlow::Continue(())
    });
    assert_eq!(walk.await.total, 2);
    assert_eq!(progress, [("alice".to_string(), 2), ("nobody".to_string(), 0)]);
    assert!(kit.outbox.notices().len() >= before + 2);
    kit.advance(Duration::from_secs(61));
    assert_eq!(maintenance.send_all_owed_notices(users(), |_, _| ControlFlow::Continue(())).await.total, 0);
    let undelivered = kit.events().iter().filter(|event| event.kind == EventKind::MailUndelivered).count();
    assert_eq!(undelivered, 2, "one event for each notice, however often it fails");
}

/// An operation that owes no notice writes once, and one that owes a notice writes twice.
#[tokio::test]
async fn only_an_owed_notice_costs_a_second_write() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let writes = || kit.store.swaps();
    let (phone, _) = enroll(&kit, &mfa, &row).await;
    assert_eq!(writes(), 3, "begun, confirmed, notice cleared");
    kit.advance(Duration::from_secs(30));
    let (flow, _) = begin(&mfa, &row, &app()).await;
    assert_eq!(writes(), 4);
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    let claims = claims_of(done(mfa.submit(&flow, &app(), code).await.unwrap()), &row);
    assert_eq!(writes(), 5);
    let loads = kit.store.loads();
    session(&mfa, &claims, &row, &app()).await;
    assert_eq!((writes(), kit.store.loads()), (5, loads + 1), "a check reads once and writes nothing");
}

/// Events have numbers without gaps, the observer sees the same ones, and the record keeps the last 16.
#[tokio::test]
async fn recent_events_are_numbered_without_gaps_and_bounded() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let (phone, _) = enroll(&kit, &mfa, &row).await;
    for _ in 0..10 {
        let (flow, _) = begin(&mfa, &row, &app()).await;
        let wrong = Action::AppCode { code: "000000".into(), device: None };
        let _ = mfa.submit(&flow, &app(), wrong).await.unwrap();
        let code = Action::AppCode { code: phone.next_code().into(), device: None };
        let _ = done(mfa.submit(&flow, &app(), code).await.unwrap());
    }
    let numbered: Vec<_> = kit.events().into_iter().filter(|event| event.seq.is_some()).collect();
    assert!(numbered.iter().map(|event| event.seq.unwrap()).eq(1..=numbered.len() as u64));
    let by = factorgate::admin::Administrator::assertion(UserId::new("root").unwrap());
    let recent = mfa.admin(&by).status(&row.id()).await.unwrap().recent;
    let last: Vec<_> = numbered.into_iter().rev().take(16).collect();
    assert_eq!(recent, last);
}

/// A login that registers a device completes only after its notice was delivered; the notice stays owed, and the device
/// stays registered.
#[tokio::test]
async fn login_does_not_complete_while_its_notice_is_undelivered() {
    let (kit, row) = (Kit::new(), Row::alice());
    let mfa = kit.mfa();
    let Outcome::Enroll(enroll) = mfa.begin_login(row.primary(), &app()).await.unwrap() else { panic!("enroll") };
    let phone = kit.scan(enroll.key_uri());
    kit.outbox.refuse(true);
    let confirm = Action::ConfirmApp { code: phone.code().into(), name: None };
    let error = mfa.submit(enroll.challenge().flow(), &app(), confirm).await.unwrap_err();
    assert!(matches!(error, factorgate::Error::Mailer(_)), "{error:?}");
    kit.outbox.refuse(false);
    kit.advance(Duration::from_secs(60));
    let (flow, _) = begin(&mfa, &row, &app()).await;
    assert_eq!(kit.outbox.notices(), ["device_added"], "the next request sends it");
    let code = Action::AppCode { code: phone.next_code().into(), device: None };
    let _ = done(mfa.submit(&flow, &app(), code).await.unwrap());
}

/// A mail server that refuses each mail, and while it does so another server ends the login of the mail.
struct Refusing {
    other: Engine,
    user: UserId,
}

impl Mailer for Refusing {
    type Error = <Outbox as Mailer>::Error;

    async fn send(&self, _: Mail<'_>) -> Result<(), Undelivered<Self::Error>> {
        let by = factorgate::admin::Administrator::assertion(UserId::new("root").unwrap());
        self.other.admin(&by).end_sessions(&self.user).await.unwrap();
        Err(Undelivered::Refused(factorgate::testing::MailFailed))
    }
}

/// A refused mail lifts the pause before the next one, also if its login has ended meanwhile.
#[tokio::test]
async fn refused_mail_of_an_ended_login_holds_no_other_mail_back() {
    let (kit, row) = (Kit::new(), Row::alice());
    let keys = || ServerKeys::new(ServerKey::from_hex(&"0123456789abcdef".repeat(4)).unwrap());
    let issuer = || Issuer::new("ACME").unwrap();
    let other = || {
        let builder = Mfa::builder(kit.store.clone(), kit.outbox.clone(), keys(), issuer());
        builder.clock(kit.clock.clone()).build().unwrap()
    };
    let refusing = Refusing { other: other(), user: row.id() };
    let mfa = Mfa::builder(kit.store.clone(), refusing, keys(), issuer()).clock(kit.clock.clone()).build().unwrap();
    let outcome = mfa.begin_login(row.primary(), &email()).await.unwrap();
    assert_eq!(refusal(&outcome), Some("flow_ended"));
    let (_, outcome) = begin(&other(), &row, &email()).await;
    assert_eq!((refusal(&outcome), kit.outbox.sent().len()), (None, 1), "there is no pause");
}

//! What a user is told by mail, and what becomes of an operation whose mail is not delivered.

mod host;

use factorgate::policy::{Channel, FirstRegistration, Policy};
use factorgate::testing::MailFault;
use factorgate::{
    AddressChange, BrowserName, BrowserToken, Code, DeviceName, EmailAddress, Error, EventKind, Login, Notice,
    Registration, Removal, Session, StepUp, Trust,
};

use host::*;

use std::time::Duration;

fn trusting() -> Policy {
    Policy::any_of([Channel::App], FirstRegistration::AfterPassword).unwrap().with_trusted_browsers()
}

impl Host {
    /// The notices since this was asked last.
    fn told(&self, already: &mut usize) -> Vec<Notice> {
        let sent = self.outbox.sent();
        let news = sent[*already..].iter().filter_map(|mail| mail.notice).collect();
        *already = sent.len();
        news
    }
}

#[tokio::test]
async fn a_lock_is_told_once_to_the_address_on_record() {
    let host = Host::new();
    let secret = host.register().await;
    let mut seen = host.outbox.sent().len();
    let asked = host.challenge(&app()).await;
    for _ in 0..4 {
        let _ = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await.unwrap();
        assert_eq!(host.told(&mut seen), []);
    }
    for guess in [wrong(&secret), wrong(&secret), host.code(&secret)] {
        assert!(denied(&host.mfa.verify_app_code(asked.flow(), &guess, &app()).await.unwrap()).is_some());
    }
    assert_eq!(host.told(&mut seen), [Notice::Locked { lasts: Duration::from_secs(60) }]);
    let mail = host.outbox.sent().pop().unwrap();
    assert_eq!(mail.to, EmailAddress::new("alice@example.com").unwrap());
    // The next lock is another one, and longer.
    host.wait(60);
    let asked = host.challenge(&app()).await;
    while !matches!(host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await.unwrap(), Login::Denied(_)) {}
    assert_eq!(host.told(&mut seen), [Notice::Locked { lasts: Duration::from_secs(120) }]);
}

#[tokio::test]
async fn a_lock_is_a_lock_though_nobody_can_be_told() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    host.outbox.set_fault(Some(MailFault::Refused));
    let mut last = host.mfa.resume(asked.flow(), &app()).await.unwrap();
    for _ in 0..5 {
        last = host.mfa.verify_app_code(asked.flow(), &wrong(&secret), &app()).await.unwrap();
    }
    let Login::Denied(locked) = last else { panic!("{last:?}") };
    assert_eq!(locked.events.last().unwrap().kind, EventKind::MailUndelivered);
    host.outbox.set_fault(None);
    assert!(denied(&host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap()).is_some());
}

#[tokio::test]
async fn h04_a_trusted_browser_is_told_of_and_so_is_a_copy_of_its_token() {
    let host = Host::new();
    let (_, login) = host.register_under(&trusting()).await;
    let mut seen = host.outbox.sent().len();
    let name = BrowserName::new("Firefox at work").unwrap();
    let trust = host.mfa.trust_browser(&login, &name, &trusting()).await.unwrap();
    let Trust::Trusted { token, .. } = trust else { panic!("{trust:?}") };
    assert_eq!(host.told(&mut seen), [Notice::BrowserTrusted]);
    assert!(host.outbox.sent().pop().unwrap().text.contains("“Firefox at work”"));

    let copy = BrowserToken::from_cookie(token.to_cookie().expose_secret()).unwrap();
    assert!(is_in(&host.begin_from(&trusting(), Some(&token)).await));
    assert_eq!(host.told(&mut seen), [], "a use is no news");
    host.wait(10);
    // Who cannot be told is asked for a code all the same.
    host.outbox.set_fault(Some(MailFault::Unknown));
    let Login::Challenge(asked) = host.begin_from(&trusting(), Some(&copy)).await else { panic!() };
    assert_eq!(asked.events().last().unwrap().kind, EventKind::MailUndelivered);
    assert_eq!(host.told(&mut seen), [Notice::BrowserTokenReused]);
    assert!(host.outbox.sent().pop().unwrap().text.contains("“Firefox at work”"));
    host.outbox.set_fault(None);
    assert!(matches!(host.begin_from(&trusting(), Some(&copy)).await, Login::Challenge(_)));
    assert_eq!(host.told(&mut seen), [], "it is told once");
}

#[tokio::test]
async fn f01_the_old_address_is_told_that_another_one_comes() {
    for fault in [None, Some(MailFault::Refused)] {
        let host = Host::new();
        let (secret, login) = host.register_under(&app()).await;
        let asked = host.step_up_asked(&claims(&login)).await;
        let proved = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
        let StepUp::Fresh(elevated) = proved else { panic!("{proved:?}") };
        let mut seen = host.outbox.sent().len();
        host.outbox.set_fault(fault);
        let changed = host.mfa.permit_address_change(&elevated).await.unwrap();
        let AddressChange::Permitted { change, .. } = changed else { panic!("{changed:?}") };
        assert!(host.holds(&claims(&login).after(&change)).await);
        let told: &[Notice] = if fault.is_none() { &[Notice::AddressChangePermitted] } else { &[] };
        assert_eq!(host.told(&mut seen), told);
    }
}

#[tokio::test]
async fn a_change_from_the_profile_is_answered_though_its_notice_is_not_delivered() {
    for fault in [MailFault::Refused, MailFault::Unknown] {
        let host = Host::new();
        let (secret, login) = host.register_under(&app()).await;
        host.outbox.set_fault(Some(fault));
        let Session::Valid(signed_in) = host.mfa.check_session(&claims(&login)).await.unwrap() else { panic!() };

        let begun = host.mfa.begin_registration(&signed_in, contact(), &app()).await.unwrap();
        let Registration::Challenge(asked) = begun else { panic!("{begun:?}") };
        let shown = host.mfa.verify_app_code(asked.flow(), &host.code(&secret), &app()).await.unwrap();
        let Registration::Enroll(enroll) = shown else { panic!("{shown:?}") };
        let second = secret_of(&enroll);
        let (code, name) = (host.code(&second), DeviceName::new("Tablet").unwrap());
        let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &app()).await.unwrap();
        let Registration::Registered(registered) = done else { panic!("{done:?}") };
        assert_eq!(registered.events.last().unwrap().kind, EventKind::MailUndelivered);
        let session = claims(&login).after(&registered.change);

        host.wait(30);
        let Session::Valid(signed_in) = host.mfa.check_session(&session).await.unwrap() else { panic!() };
        let device = host.mfa.devices(&alice()).await.unwrap()[0].id;
        let code: Code = host.code(&second);
        let removal = host.mfa.remove_device(&signed_in, device, &code, contact(), &app()).await.unwrap();
        let Removal::Removed { change, events } = removal else { panic!("{removal:?}") };
        assert_eq!(events.last().unwrap().kind, EventKind::MailUndelivered);
        assert!(host.holds(&session.after(&change)).await);
        assert_eq!(host.mfa.devices(&alice()).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_login_is_not_completed_while_its_notice_is_not_delivered() {
    let host = Host::new();
    let enroll = host.enroll(&app()).await;
    let (secret, name) = (secret_of(&enroll), DeviceName::default());
    host.outbox.set_fault(Some(MailFault::Unknown));
    let confirmed = host.mfa.confirm_app_enrollment(enroll.flow(), &host.code(&secret), &name, &app()).await;
    assert!(matches!(confirmed, Err(Error::Mailer(_))), "{confirmed:?}");
    assert_eq!(host.events().last(), Some(&EventKind::MailUndelivered));
    host.outbox.set_fault(None);
    host.wait(30);
    let _ = host.log_in(&secret, &app()).await;
}

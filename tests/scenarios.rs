//! The flows that a product asks for, S1 to S7, as a host calls them.

mod host;

use std::time::Duration;

use factorgate::audit::EventKind;
use factorgate::login::Assurance;
use factorgate::mail::Notice;
use factorgate::policy::{Channel, DenyReason, FirstRegistration, Policy, Step};
use factorgate::{Action, Outcome, Refusal};

use host::*;

use Channel::{App, Email};
use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

/// S1: MFA is enforced for all users of a company.
#[tokio::test]
async fn enforced_mfa_asks_every_user() {
    let host = Host::new();
    let passed = done(host.begin(&off()).await);
    assert_eq!((passed.evidence().assurance(), passed.evidence().amr()), (Assurance::FirstFactor, vec!["pwd"]));
    assert_eq!(host.challenge(&email()).await.next(), [Step::EmailCode]);
}

/// S2: the administrator chooses the channels.
#[tokio::test]
async fn channels_decide_the_steps() {
    let steps = async |policy: Policy| match Host::new().begin(&policy).await {
        Outcome::Challenge(challenge) => challenge.next().to_vec(),
        Outcome::Enroll(_) => vec![Step::EnrollApp],
        other => panic!("{other:?}"),
    };
    assert_eq!(steps(app()).await, [Step::EnrollApp]);
    assert_eq!(steps(email()).await, [Step::EmailCode]);
    assert_eq!(steps(Policy::any_of([App, Email], AfterPassword).unwrap()).await, [Step::EmailCode, Step::EnrollApp]);
    assert_eq!(steps(Policy::all_of([App, Email], AfterPassword).unwrap()).await, [Step::EmailCode]);
}

/// S2: with all channels, the e-mail code comes first, then the registration.
#[tokio::test]
async fn all_channels_are_completed_in_order() {
    let (host, all) = (Host::new(), Policy::all_of([App, Email], AfterPassword).unwrap());
    let first = host.challenge(&all).await;
    let enroll = enrolling(host.email_code(first.flow(), &all, &host.mailed()).await);
    let code = host.code(&secret_of(&enroll));
    let passed = done(host.confirm(first.flow(), &all, &code).await);
    assert!(passed.evidence().email_code.is_some() && passed.evidence().registered.is_some());
}

/// S3: a user can register a device whatever the channels are.
#[tokio::test]
async fn device_can_be_registered_under_every_policy() {
    for policy in [
        off(),
        app(),
        email(),
        Policy::any_of([App, Email], AfterPassword).unwrap(),
        Policy::all_of([App, Email], AfterPassword).unwrap(),
    ] {
        let host = Host::new();
        // The login, with a registration only where the policy requires one.
        let (mut outcome, mut held) = (host.begin(&policy).await, None);
        let passed = loop {
            outcome = match outcome {
                Outcome::Challenge(asked) => {
                    if asked.email().unwrap().sent_at.is_none() {
                        let _ = host.send_email(asked.flow(), &policy).await;
                    }
                    host.email_code(asked.flow(), &policy, &host.mailed()).await
                }
                Outcome::Enroll(enroll) => {
                    let secret = held.insert(secret_of(&enroll));
                    host.confirm(enroll.challenge().flow(), &policy, &host.code(secret)).await
                }
                Outcome::Done(passed) => break passed,
                denied => panic!("{denied:?}"),
            };
        };
        host.open(passed);
        host.wait(30);
        let before = host.device_ids().await.len();

        // From the profile, under the same policy.
        let session = host.session_under(&policy).await;
        let mut begun = host.begin_registration(&session).await;
        if let Outcome::Challenge(asked) = &begun {
            let held = held.as_ref().expect("only a device is asked for");
            begun = host.app_code(asked.flow(), &session, &host.code(held)).await;
        }
        let enroll = enrolling(begun);
        let code = host.code(&secret_of(&enroll));
        let _ = done(host.confirm(enroll.challenge().flow(), &session, &code).await);
        assert_eq!(host.device_ids().await.len(), before + 1, "{policy:?}");
    }
}

/// S4: a user adds a smartphone at the login.
#[tokio::test]
async fn smartphone_is_added_at_login() {
    let (host, policy) = (Host::new(), app());
    let enroll = host.enroll(&policy).await;
    let flow = enroll.challenge().flow();
    assert!(enroll.key_uri().expose_secret().starts_with("otpauth://totp/ACME:alice%40example.com?secret="));
    assert!(enroll.key_uri().qr().unwrap().to_svg().starts_with("<svg"));
    assert_eq!(enroll.key_uri().secret_base32().grouped().expose_secret().len(), 32 + 7);

    // A page that is loaded again, and a wrong code, leave the secret as it is.
    let again = enrolling(host.register_app(flow, &policy).await);
    assert_eq!(again.key_uri().expose_secret(), enroll.key_uri().expose_secret());
    let secret = secret_of(&enroll);
    let refused = enrolling(host.confirm(flow, &policy, &wrong(&secret)).await);
    assert_eq!(refused.challenge().refusal(), Some(Refusal::WrongCode));
    assert_eq!(refused.key_uri().expose_secret(), enroll.key_uri().expose_secret());

    host.events();
    let confirm = Action::ConfirmApp { code: host.code(&secret).into(), name: Some("Pixel".into()) };
    let passed = done(host.submit(flow, &policy, confirm).await);
    assert_eq!(passed.user(), &alice());
    let (assurance, amr) = (passed.evidence().assurance(), passed.evidence().amr());
    assert_eq!((assurance, amr), (Assurance::TwoFactor, vec!["pwd", "otp", "mfa"]));
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::DeviceAdded));
    assert!(host.events().iter().any(|event| matches!(event, EventKind::DeviceAdded { .. })));
    assert_eq!(host.status().await.devices[0].name.as_str(), "Pixel");

    // The next login asks for a code of the device.
    host.wait(30);
    let asked = host.challenge(&policy).await;
    assert_eq!(asked.next(), [Step::AppCode]);
    let _ = done(host.app_code(asked.flow(), &policy, &host.code(&secret)).await);
}

/// S5: an e-mail code at the login.
#[tokio::test]
async fn email_code_is_sent_at_once_to_the_address_on_record() {
    let (host, policy) = (Host::new(), email());
    let asked = host.challenge(&policy).await;
    let sent = host.outbox.sent();
    assert_eq!((sent.len(), sent[0].to.as_str()), (1, "alice@example.com"));
    assert!(sent[0].text.contains("10 minutes") && sent[0].text.contains("ACME"));
    let (email, now) = (asked.email().unwrap(), host.clock.time());
    assert_eq!((email.masked_address.as_str(), email.sent_at), ("a•••@example.com", Some(now)));
    assert_eq!(email.expires_at, Some(now.saturating_add(Duration::from_secs(600))));

    let passed = done(host.email_code(asked.flow(), &policy, &host.mailed()).await);
    assert_eq!((passed.evidence().assurance(), passed.evidence().amr()), (Assurance::EmailCode, vec!["pwd"]));
}

/// S5: a user requests another e-mail code.
#[tokio::test]
async fn only_the_newest_email_code_is_accepted() {
    let (host, policy) = (Host::new(), email());
    let asked = host.challenge(&policy).await;
    let first = host.mailed();
    let early = host.send_email(asked.flow(), &policy).await;
    let retry_at = host.clock.time().saturating_add(Duration::from_secs(30));
    assert_eq!(refusal(&early), Some(Refusal::TooSoon { retry_at }));
    assert_eq!(host.outbox.sent().len(), 1);

    host.wait(30);
    let resent = host.send_email(asked.flow(), &policy).await;
    assert_eq!((refusal(&resent), host.outbox.sent().len()), (None, 2));
    let old = host::asked(host.email_code(asked.flow(), &policy, &first).await);
    assert_eq!((old.refusal(), old.attempts_left()), (Some(Refusal::WrongCode), 4), "it costs what a wrong one costs");
    let _ = done(host.email_code(asked.flow(), &policy, &host.mailed()).await);
}

/// S6: the device is managed from the profile.
#[tokio::test]
async fn devices_are_added_and_removed_from_the_profile() {
    let (host, off) = (Host::new(), off());
    let session = host.session().await;
    let enroll = enrolling(host.begin_registration(&session).await);
    let secret = secret_of(&enroll);
    host.open(done(host.confirm(enroll.challenge().flow(), &session, &host.code(&secret)).await));
    host.wait(30);

    // The next login asks for its code, although the company enforces nothing.
    assert_eq!(host.challenge(&off).await.next(), [Step::AppCode]);
    host.log_in(&secret, &off).await;

    // A second device needs a code of the first one.
    let session = host.session().await;
    assert_eq!(asked(host.begin_registration(&session).await).next(), [Step::AppCode]);
    let second = host.register_another(&secret).await;
    let tablet = *host.device_ids().await.last().unwrap();

    // A removal needs a step-up.
    let session = host.session().await;
    let asked = host.step_up_asked(&session).await;
    let refused = host.app_code(asked.flow(), &session, &wrong(&second)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    let elevated = done(host.app_code(asked.flow(), &session, &host.code(&secret)).await);
    host.open(host.mfa.elevated(&elevated).remove_device(tablet).await.unwrap().unwrap());
    assert_eq!(host.outbox.sent().last().unwrap().notice, Some(Notice::DeviceRemoved));
    assert_eq!(host.device_ids().await.len(), 1);
    assert!(host.holds(&host.claims()).await);
}

/// S6: the last device cannot be removed if the policy requires one.
#[tokio::test]
async fn last_device_stays_if_the_policy_requires_one() {
    let (host, policy) = (Host::new(), app());
    let secret = host.register().await;
    let session = host.session_under(&policy).await;
    let device = host.device_ids().await[0];
    let can_remove = host.mfa.profile(&session).can_remove(device).await.unwrap();
    assert_eq!(can_remove, Err(Refusal::LastFactor));
    let elevated = host.elevated_in(&session, &secret).await;
    let removed = host.mfa.elevated(&elevated).remove_device(device).await.unwrap();
    assert_eq!(removed.err(), Some(Refusal::LastFactor));
    assert_eq!(host.device_ids().await, [device]);
    host.log_in(&secret, &policy).await;
}

/// S7: a stolen password opens nothing.
#[tokio::test]
async fn guesses_are_counted_over_all_logins() {
    let (host, policy) = (Host::new(), app());
    let secret = host.register().await;
    let until = host.clock.time().saturating_add(Duration::from_secs(60));
    for left in (0..5).rev() {
        let begun = host.challenge(&policy).await;
        let outcome = host.app_code(begun.flow(), &policy, &wrong(&secret)).await;
        if left == 0 {
            assert_eq!(refusal(&outcome), Some(Refusal::Locked { until }));
        } else {
            let again = asked(outcome);
            assert_eq!((again.refusal(), again.attempts_left()), (Some(Refusal::WrongCode), left));
        }
    }
    // During the lock not even the right code is compared.
    assert_eq!(refusal(&host.begin(&policy).await), Some(Refusal::Locked { until }));
    assert!(host.has_seen(&EventKind::Locked { until }));
    host.wait(60);
    host.log_in(&secret, &policy).await;
}

/// S7: a stolen password registers no device if the administrator requires a proof before the first registration.
#[tokio::test]
async fn password_alone_registers_no_device() {
    let (host, mail_first) = (Host::new(), Policy::any_of([App], AfterEmailCode).unwrap());
    assert_eq!(host.challenge(&mail_first).await.next(), [Step::EmailCode]);

    let (host, ticket) = (Host::new(), Policy::any_of([App], WithTicket).unwrap());
    let Some(Refusal::Policy(denial)) = denied(&host.begin(&ticket).await) else { panic!() };
    assert_eq!(denial.reason, DenyReason::NoFirstEnrollmentProof);
    assert_eq!(host.events(), [EventKind::LoginDenied { reason: denial.reason }]);

    let issued = host.mfa.admin(&admin()).issue_ticket(&alice()).await.unwrap();
    let asked = host.challenge(&ticket).await;
    assert_eq!(asked.next(), [Step::Ticket]);
    let enroll = enrolling(host.ticket(asked.flow(), &ticket, issued.expose_secret().expose_secret()).await);
    let code = host.code(&secret_of(&enroll));
    let _ = done(host.confirm(asked.flow(), &ticket, &code).await);
}

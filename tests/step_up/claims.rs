//! What a host keeps with a session, and what ends it.

use super::*;

#[tokio::test]
async fn j06_claims_say_who_how_and_when() {
    let host = Host::new();
    let at = host.clock.time();
    let by_password = host.by_password().await;
    assert_eq!(by_password.to_text(), "fgs1;epoch=0;at=1900000000;user=alice");
    let by_mail = host.by_mail().await;
    assert_eq!((by_mail.evidence().email_code, by_mail.auth_time()), (Some(at), at));
    let (secret, registering) = host.registering().await;
    let device = host.device().await;
    assert_eq!((registering.evidence().enrolled, registering.auth_time()), (Some((device, at)), at));
    let by_app = host.by_app(&secret).await;
    assert_eq!(by_app.evidence().app_code.map(|(id, _)| id), Some(device));
    assert_eq!(by_app.auth_time().as_secs(), at.as_secs() + 30);
}

#[tokio::test]
async fn h16_what_a_mail_proves_is_no_possession() {
    let host = Host::new();
    let by_mail = host.by_mail().await;
    assert_eq!((by_mail.assurance(), by_mail.amr()), (Assurance::EmailCode, vec!["pwd"]));
    assert_eq!(by_mail.assurance().acr(), "urn:factorgate:acr:email-code");
    let (_, registering) = host.registering().await;
    assert_eq!((registering.assurance(), registering.amr()), (Assurance::TwoFactor, vec!["pwd", "otp", "mfa"]));
    assert!(Assurance::TrustedBrowser < Assurance::EmailCode && Assurance::EmailCode < Assurance::TwoFactor);
}

#[tokio::test]
async fn d18_a_registration_leaves_its_own_session_and_ends_every_other_one() {
    let host = Host::new();
    let other = host.by_password().await;
    let (secret, own) = host.registering().await;
    assert!(host.holds(&own).await, "the login that registered the device");
    assert!(!host.holds(&other).await);
    let other = host.by_app(&secret).await;
    assert!(host.holds(&own).await && host.holds(&other).await, "a login ends nothing");

    // From the profile: the session that registers a device goes on.
    let Session::Valid(session) = host.mfa.check_session(&own).await.unwrap() else { panic!() };
    let registered = host.register_in_profile(&session, &secret).await;
    assert!(!host.holds(&own).await && !host.holds(&other).await);
    let own = own.after(&registered.change);
    assert!(host.holds(&own).await);

    // A session that had ended before is not brought back by it, nor one of another user.
    assert!(
        !host.holds(&SessionClaims::from_text("fgs1;epoch=0;at=1;user=alice").unwrap().after(&registered.change)).await
    );
    let mallory = SessionClaims::from_text("fgs1;epoch=1;at=1;user=mallory").unwrap();
    assert_eq!(mallory.clone().after(&registered.change), mallory);
}

#[tokio::test]
async fn c19_a_changed_password_ends_sessions_open_logins_and_step_ups() {
    let host = Host::new();
    // Also of a user of whom nothing was kept before.
    let session = host.by_password().await;
    assert!(host.holds(&session).await);
    let revocation = host.mfa.revoke_logins(&alice()).await.unwrap();
    assert_eq!(revocation.events.len(), 1);
    assert!(!host.holds(&session).await);
    assert!(host.holds(&session.clone().after(&revocation.change)).await, "the one that has changed it goes on");
    assert!(is_ended(&host.step_up(&session, MINUTE).await));

    let (secret, session) = host.registering().await;
    let Login::Challenge(login) = host.begin(&app()).await else { panic!() };
    let asked = host.step_up_asked(&session).await;
    let elevated = host.elevated(&session, &secret).await;
    host.mfa.revoke_logins(&alice()).await.unwrap();
    assert!(!host.holds(&session).await);
    let code = host.code(&secret);
    let ended = host.mfa.verify_app_code(login.flow(), &code, &app()).await.unwrap();
    assert!(matches!(ended, Login::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let ended = host.mfa.verify_app_code(asked.flow(), &code, &app()).await.unwrap();
    assert!(matches!(ended, StepUp::Denied(denied) if denied.reason == DeniedReason::FlowEnded));
    let removal = host.remove(&elevated, host.device().await, &off()).await;
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::StepUpEnded, .. }), "{removal:?}");
}

#[tokio::test]
async fn c16_the_claims_are_taken_by_saying_that_the_session_has_a_new_id() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let elevated = host.elevated(&session, &secret).await;
    // A step-up is an authentication: it gives the same kind of value.
    let rotate: Option<factorgate::MustRotateSession> = session.raised_by(&elevated);
    assert_eq!(rotate.unwrap().rotated().user(), &alice());
}

#[tokio::test]
async fn d01_a_session_that_has_ended_neither_registers_nor_removes() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    let Session::Valid(session) = host.mfa.check_session(&session).await.unwrap() else { panic!() };
    host.mfa.revoke_logins(&alice()).await.unwrap();
    let begun = host.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
    assert!(matches!(begun, Registration::Denied(denied) if denied.reason == DeniedReason::SessionEnded));
    let (device, code) = (host.device().await, host.code(&secret));
    let removal = host.mfa.remove_device(&session, device, &code, contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Refused { reason: RemovalReason::SessionEnded, .. }));
    // The host's word is taken, and the code was not spent by the refusal.
    let session = SignedIn::assertion(alice());
    let removal = host.mfa.remove_device(&session, device, &code, contact(), &off()).await.unwrap();
    assert!(matches!(removal, Removal::Removed { .. }));
}

#[tokio::test]
async fn d01_a_session_of_the_password_alone_does_not_register_beside_a_device() {
    let host = Host::new();
    let (_, own) = host.registering().await;
    let by_password = SessionClaims::from_text(&format!("fgs1;epoch=1;at={};user=alice", own.auth_time().as_secs()));
    let Session::Valid(session) = host.mfa.check_session(&by_password.unwrap()).await.unwrap() else { panic!() };
    let begun = host.mfa.begin_registration(&session, contact(), &off()).await.unwrap();
    assert!(matches!(begun, Registration::Challenge(asked) if asked.next() == [Step::AppCode]));
}

#[tokio::test]
async fn d14_a_trusted_browser_proves_nothing_anew() {
    let host = Host::new();
    let policy = app().with_trusted_browsers();
    let Login::Enroll(enroll) = host.begin(&policy).await else { panic!() };
    let secret = Secret::from_base32(enroll.key_uri().secret_base32().expose_secret()).unwrap();
    let (code, name) = (host.code(&secret), DeviceName::default());
    let login = passed(host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, &policy).await.unwrap());
    let name = factorgate::BrowserName::new("Firefox").unwrap();
    let factorgate::Trust::Trusted { token, browser, .. } =
        host.mfa.trust_browser(&login, &name, &policy).await.unwrap()
    else {
        panic!()
    };
    let primary = PrimaryVerified::assertion(alice());
    let login = host.mfa.begin_login_from(primary, contact(), &policy, Some(&token)).await.unwrap();
    let session = claims(&passed(login));
    assert_eq!(session.assurance(), Assurance::TrustedBrowser);
    assert!(is_challenge(&host.step_up(&session, Duration::MAX).await, Step::AppCode));

    // Once the device was proved, the session does not rest on the trust any more.
    host.wait(30);
    let elevated = host.elevated(&session, &secret).await;
    let raised = session.raised_by(&elevated).unwrap().rotated();
    assert_eq!((raised.assurance(), raised.evidence().trusted_browser), (Assurance::TwoFactor, None));
    assert_eq!(raised.auth_time(), elevated.at());
    host.mfa.revoke_browser(&alice(), browser.id).await.unwrap();
    assert!(host.holds(&raised).await && !host.holds(&session).await);
}

#[tokio::test]
async fn a_step_up_raises_its_own_session_and_no_other() {
    let host = Host::new();
    let (secret, session) = host.registering().await;
    host.wait(3600);
    let elevated = host.elevated(&session, &secret).await;
    let raised = session.raised_by(&elevated).unwrap().rotated();
    assert!(raised.auth_time() > session.auth_time());
    assert!(matches!(host.step_up(&raised, MINUTE).await, StepUp::Fresh(_)));
    assert!(is_challenge(&host.step_up(&session, MINUTE).await, Step::AppCode));
    for other in ["fgs1;epoch=1;at=1;user=mallory", "fgs1;epoch=0;at=1;user=alice"] {
        assert!(SessionClaims::from_text(other).unwrap().raised_by(&elevated).is_none(), "{other}");
    }
}

#[test]
fn j04_the_header_of_rfc_9470() {
    let header = insufficient_user_authentication;
    assert_eq!(header(&[], None), "Bearer error=\"insufficient_user_authentication\"");
    assert_eq!(header(&[], Some(MINUTE)), "Bearer error=\"insufficient_user_authentication\", max_age=60");
    assert_eq!(
        header(&[Assurance::TwoFactor, Assurance::EmailCode], Some(Duration::ZERO)),
        "Bearer error=\"insufficient_user_authentication\", \
         acr_values=\"urn:factorgate:acr:two-factor urn:factorgate:acr:email-code\", max_age=0"
    );
    // What is in quotes there is never one quote more, and the names are all different.
    let all = [Assurance::FirstFactor, Assurance::TrustedBrowser, Assurance::EmailCode, Assurance::TwoFactor];
    let names: std::collections::BTreeSet<_> = all.map(Assurance::acr).into();
    assert_eq!(names.len(), all.len());
    let is_scope = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    assert!(names.iter().all(|name| name.chars().all(is_scope)));
}

#[tokio::test]
async fn claims_as_data_are_their_text_and_nothing_else_is_read() {
    let host = Host::new();
    let session = host.by_mail().await;
    let json = serde_json::to_string(&session).unwrap();
    assert_eq!(json, format!("\"{}\"", session.to_text()));
    assert_eq!(serde_json::from_str::<SessionClaims>(&json).unwrap(), session);
    for bad in ["\"\"", "{}", "null", "\"fgs2;epoch=0;at=1;user=a\""] {
        assert!(serde_json::from_str::<SessionClaims>(bad).is_err(), "{bad}");
    }
}

proptest::proptest! {
    /// What is read is what would be written: no two texts are the same claims.
    #[test]
    fn a_text_of_any_kind_is_read_or_refused(text in "(fgs1)?(;(epoch|at|app|email|user|browser)=[0-9@ab]{0,4}){0,6}|.{0,40}") {
        if let Ok(claims) = SessionClaims::from_text(&text) {
            proptest::prop_assert_eq!(claims.to_text(), text);
        }
    }
}

//! What is left of a session, or of a trusted browser, when it should be nothing.

use super::*;

#[tokio::test]
async fn password_reset_keeps_the_factors_and_ends_sessions_and_trust() {
    // The row is bound: the call is for what else the host wants, and cannot be forgotten to any effect.
    for told in [true, false] {
        let host = Host::new();
        let secret = host.register().await;
        let (token, claims) = host.trust(&secret).await;
        host.set_password("password 2");
        if told {
            host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
        }
        assert!(matches!(host.check(&claims, &off()).await, SessionCheck::Ended), "{told}");
        let asked = asked(host.begin_from(&trusting(), Some(&token.to_cookie())).await);
        assert_eq!(asked.next(), [Step::AppCode], "{told}");
    }
}

/// A lock of unknown browsers does not shut the owner's own one out.
#[tokio::test]
async fn trusted_browser_signs_in_during_a_lock_of_unknown_ones() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, _) = host.trust(&secret).await;
    host.lock(&secret).await;
    assert!(is_in(&host.begin_from(&trusting(), Some(&token.to_cookie())).await));
}

#[tokio::test]
async fn cookie_of_one_kind_is_refused_as_another() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, _) = host.trust(&secret).await;
    let asked = host.challenge(&app()).await;
    assert!(BrowserToken::from_cookie(&asked.flow().to_cookie()).is_err());
    assert!(FlowRef::<Login>::from_cookie(&token.to_cookie()).is_err());
    // Cut to the length of a login's token, it names no login.
    let bytes = URL_SAFE_NO_PAD.decode(token.to_cookie()).unwrap();
    for cut in [&bytes[1..33], &bytes[17..49]] {
        let forged = forged(cut.try_into().unwrap(), "alice");
        let login = host.app_code(&forged, &app(), &host.code(&secret)).await;
        assert_eq!(denied(&login), Some(Refusal::FlowEnded));
    }
}

#[tokio::test]
async fn old_session_changes_nothing_without_a_code() {
    let host = Host::new();
    let secret = host.register().await;
    let (_, claims) = host.trust(&secret).await;
    host.wait(24 * 60 * 60);
    let session = host.session_of(&claims, &off()).await;
    let asked = asked(host.step_up(&session, Duration::from_secs(300)).await);
    assert_eq!(asked.next(), [Step::AppCode]);
    let refused = host.app_code(asked.flow(), &session, &wrong(&secret)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    let name = BrowserName::new("Safari").unwrap();
    let session = host.session_of(&claims, &trusting()).await;
    let trust = host.mfa.profile(&session).trust_browser(&name).await.unwrap();
    assert_eq!(trust.err(), Some(Refusal::TrustNotAllowed), "the proof is older than 10 minutes");
    assert_eq!(host.device_ids().await.len(), 1);
}

#[tokio::test]
async fn step_up_expires_after_five_minutes() {
    for (secs, expected) in [(300, None), (301, Some(Refusal::StepUpExpired))] {
        let host = Host::new();
        let secret = host.register().await;
        let (session, device) = (host.session().await, host.device_ids().await[0]);
        let elevated = host.elevated_in(&session, &secret).await;
        host.wait(secs - 30);
        let dangerous = host.mfa.elevated(&elevated);
        let name = DeviceName::new("Mine").unwrap();
        assert_eq!(dangerous.rename_device(device, &name).await.unwrap().err(), expected, "{secs}");
        assert_eq!(dangerous.new_recovery_codes().await.unwrap().err(), expected, "{secs}");
        assert_eq!(dangerous.permit_address_change().await.unwrap().err(), expected, "{secs}");
        assert_eq!(dangerous.remove_device(device).await.unwrap().err(), expected, "{secs}");
    }
}

#[tokio::test]
async fn recovered_session_owes_a_device_and_can_do_nothing_else() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &trusting()).await;
    let assurance = claims.evidence().assurance();
    assert_eq!((assurance, assurance.acr()), (Assurance::Recovered, "urn:factorgate:acr:recovered"));

    // Under a policy that asks for nothing as well: the user has a device.
    for policy in [trusting(), off()] {
        let check = host.check(&claims, &policy).await;
        assert_eq!(check.session().err(), Some(Refusal::StepsOwed));
    }
    let owing = host.owing(&claims, &trusting()).await;
    let asked = asked(host.begin_completion(&owing).await);
    assert_eq!(asked.next(), [Step::EnrollApp, Step::AppCode]);
    let refused = host.recovery_code(asked.flow(), &owing, &codes[2]).await;
    assert_eq!(refusal(&refused), Some(Refusal::NotOpen));

    // The new device ends the session that was recovered, and continues in its own.
    let device = host.device_ids().await[0];
    let enroll = enrolling(host.replace_app(asked.flow(), &owing, device).await);
    let secret = secret_of(&enroll);
    let whole = host.open(done(host.confirm(asked.flow(), &owing, &host.code(&secret)).await));
    assert!(matches!(host.check(&claims, &off()).await, SessionCheck::Ended));
    assert_eq!(whole.evidence().assurance(), Assurance::TwoFactor);
    let session = host.session_of(&whole, &trusting()).await;
    let name = BrowserName::new("Firefox").unwrap();
    assert!(host.mfa.profile(&session).trust_browser(&name).await.unwrap().is_ok());
}

#[tokio::test]
async fn recovered_session_is_completed_by_the_device_that_was_found() {
    let host = Host::new();
    let secret = host.register().await;
    let codes = host.recovery_codes(&secret).await;
    let claims = host.recover(&codes[1], &app()).await;
    let owing = host.owing(&claims, &app()).await;
    let asked = asked(host.begin_completion(&owing).await);
    let refused = host.app_code(asked.flow(), &owing, &wrong(&secret)).await;
    assert_eq!(refusal(&refused), Some(Refusal::WrongCode));
    let whole = host.open(done(host.app_code(asked.flow(), &owing, &host.code(&secret)).await));
    assert_eq!(whole.evidence().assurance(), Assurance::TwoFactor);
    assert!(host.check(&whole, &app()).await.session().is_ok());
}

#[tokio::test]
async fn administrators_reset_ends_sessions_and_trust() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    assert!(host.status().await.browsers.is_empty());
    assert!(matches!(host.check(&claims, &off()).await, SessionCheck::Ended));
    let login = host.begin_from(&trusting(), Some(&token.to_cookie())).await;
    assert!(!is_in(&login), "{login:?}");
}

#[tokio::test]
async fn step_up_is_worth_nothing_once_its_session_has_ended() {
    let host = Host::new();
    let secret = host.register().await;
    let (session, device) = (host.session().await, host.device_ids().await[0]);
    let elevated = host.elevated_in(&session, &secret).await;
    let new = host.mfa.elevated(&elevated).new_recovery_codes().await.unwrap().unwrap();
    let open = host.step_up_asked(&session).await;

    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    let expired = Some(Refusal::StepUpExpired);
    let (dangerous, name) = (host.mfa.elevated(&elevated), DeviceName::new("Mine").unwrap());
    assert_eq!(dangerous.new_recovery_codes().await.unwrap().err(), expired);
    assert_eq!(dangerous.rename_device(device, &name).await.unwrap().err(), expired);
    assert_eq!(dangerous.remove_device(device).await.unwrap().err(), expired);
    assert_eq!(dangerous.permit_address_change().await.unwrap().err(), expired);
    let code = new.expose_secrets()[0].expose_secret().into();
    let confirmed = host.mfa.profile(&session).confirm_recovery_codes(&code).await.unwrap();
    assert_eq!(confirmed, Err(Refusal::SessionEnded));
    let begun = host.begin_registration(&session).await;
    assert_eq!(denied(&begun), Some(Refusal::SessionEnded));
    // A flow of the session has ended with it, and no code was spent by that.
    assert_eq!(denied(&host.app_code(open.flow(), &session, &host.code(&secret)).await), Some(Refusal::FlowEnded));
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn session_of_the_future_has_ended() {
    let host = Host::new();
    let secret = host.register().await;
    let claims = host.log_in(&secret, &app()).await;
    for (ahead, holds) in [(60, true), (61, false)] {
        host.clock.set(claims.auth_time().as_secs() - ahead);
        assert_eq!(host.holds(&claims).await, holds, "{ahead} seconds ahead");
    }
}

#[tokio::test]
async fn stricter_policy_makes_an_open_session_owe_steps() {
    let host = Host::new();
    let asked = host.challenge(&email()).await;
    let claims = host.open(done(host.email_code(asked.flow(), &email(), &host.mailed()).await));
    assert!(host.check(&claims, &email()).await.session().is_ok());
    let both = Policy::all_of([App, Email], AfterPassword).unwrap();
    let owing = host.owing(&claims, &both).await;
    // What the session has proved counts: the device alone is missing.
    let enroll = enrolling(host.begin_completion(&owing).await);
    let flow = enroll.challenge().flow();
    let whole = host.open(done(host.confirm(flow, &owing, &host.code(&secret_of(&enroll))).await));
    assert!(host.check(&whole, &both).await.session().is_ok());
    assert!(matches!(host.check(&claims, &email()).await, SessionCheck::Ended), "a new device ends the others");
}

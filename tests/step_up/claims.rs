//! What a host keeps with a session, and what ends it.

use factorgate::browser::BrowserName;
use factorgate::mail::Notice;

use super::*;

#[tokio::test]
async fn claims_say_who_how_and_when() {
    let host = Host::new();
    let at = host.clock.time();
    let by_password = host.by_password().await.to_text();
    assert!(by_password.starts_with("fgs1;epoch=0;at=1900000000;number="), "{by_password}");
    assert!(by_password.ends_with(";user=alice") && !by_password.contains("app="), "{by_password}");
    let by_mail = host.by_mail().await;
    let address = EmailAddress::new("alice@example.com").unwrap();
    assert_eq!((&by_mail.evidence().email_code, by_mail.auth_time()), (&Some((address, at)), at));
    let (secret, registering) = host.register_under(&app()).await;
    let device = host.device().await;
    assert_eq!((registering.evidence().registered, registering.auth_time()), (Some((device, at)), at));
    let by_app = host.log_in(&secret, &app()).await;
    assert_eq!(by_app.evidence().app_code.map(|(id, _)| id), Some(device));
    assert_eq!(by_app.auth_time().as_secs(), at.as_secs() + 30);
    assert_ne!(by_app.number(), registering.number());
}

#[tokio::test]
async fn email_code_is_no_second_factor() {
    let host = Host::new();
    let by_mail = host.by_mail().await;
    assert_eq!((by_mail.evidence().assurance(), by_mail.evidence().amr()), (Assurance::EmailCode, vec!["pwd"]));
    assert_eq!(by_mail.evidence().assurance().acr(), "urn:factorgate:acr:email-code");
    let (_, registering) = host.register_under(&app()).await;
    let evidence = registering.evidence();
    assert_eq!((evidence.assurance(), evidence.amr()), (Assurance::TwoFactor, vec!["pwd", "otp", "mfa"]));
    assert!(Assurance::TrustedBrowser < Assurance::EmailCode && Assurance::EmailCode < Assurance::TwoFactor);
}

#[tokio::test]
async fn registration_ends_every_other_session() {
    let host = Host::new();
    let other = host.by_password().await;
    let (secret, own) = host.register_under(&app()).await;
    assert!(host.holds(&own).await, "the login that registered the device");
    assert!(!host.holds(&other).await);
    let other = host.log_in(&secret, &app()).await;
    assert!(host.holds(&own).await && host.holds(&other).await, "a login ends nothing");

    // From the profile: the session that registers a device continues with new claims.
    host.register_another(&secret).await;
    assert!(host.is_ended(&own).await && host.is_ended(&other).await);
    assert!(host.holds(&host.claims()).await);
    assert_eq!(host.claims().number(), other.number());
}

#[tokio::test]
async fn password_changed_keeps_its_own_session_and_ends_the_others() {
    let host = Host::new();
    let (secret, other) = host.register_under(&app()).await;
    let own = host.log_in(&secret, &app()).await;
    let (login, session) = (host.challenge(&app()).await, host.session().await);
    let step_up = host.step_up_asked(&session).await;
    let elevated = host.elevated(&secret).await;

    host.events();
    host.set_password("password 2");
    let passed = host.mfa.profile(&session).password_changed(&host.row()).await.unwrap().unwrap();
    let continued = host.open(passed);
    assert_eq!(continued.number(), own.number());
    assert_eq!(host.events().len(), 1);
    assert!(host.holds(&continued).await);
    for ended in [&own, &other] {
        assert!(host.is_ended(ended).await);
        // Not even a request that still has the old row continues.
        let check = host.mfa.check_session(ended, &row_of("alice"), &off()).await.unwrap();
        assert!(matches!(check, SessionCheck::Ended), "{check:?}");
    }
    let code = host.code(&secret);
    let ended = host.app_code(login.flow(), &app(), &code).await;
    assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
    let ended = host.app_code(step_up.flow(), &host.session().await, &code).await;
    assert_eq!(denied(&ended), Some(Refusal::FlowEnded));
    assert_eq!(host.remove(&elevated, host.device().await).await.err(), Some(Refusal::StepUpExpired));
}

#[tokio::test]
async fn session_ends_with_its_row_though_nobody_reports_the_change() {
    let host = Host::new();
    let claims = host.by_mail().await;
    host.set_password("password 2");
    assert!(host.is_ended(&claims).await);
    host.set_password("password 1");
    assert!(host.holds(&claims).await, "the control");
    host.set_contact(Contact::verified(EmailAddress::new("new@example.com").unwrap()));
    assert!(host.is_ended(&claims).await);
    host.set_contact(Contact::unverified(EmailAddress::new("alice@example.com").unwrap()));
    assert!(host.holds(&claims).await, "whether the address is verified is no part of it");
}

#[tokio::test]
async fn login_with_a_row_of_before_the_password_change_is_refused() {
    let host = Host::new();
    let (secret, _) = host.register_under(&app()).await;
    let session = host.session().await;
    let stale = PrimaryVerified::assertion(host.row());
    host.set_password("password 2");
    let _ = host.mfa.profile(&session).password_changed(&host.row()).await.unwrap().unwrap();
    let refused = host.mfa.begin_login(stale, &app()).await.unwrap();
    assert_eq!(denied(&refused), Some(Refusal::AccountChanged));
    assert!(host.has_seen(&EventKind::StaleRowRefused));
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn completed_login_opens_no_session_for_another_row() {
    let host = Host::new();
    let passed = done(host.begin(&off()).await);
    host.set_password("password 2");
    assert_eq!(passed.into_session(&host.row()).err(), Some(Refusal::AccountChanged));
    let passed = done(host.begin(&off()).await);
    assert_eq!(passed.into_session(&row_of("bob")).err(), Some(Refusal::AccountChanged));
}

#[tokio::test]
async fn ended_session_neither_registers_nor_steps_up() {
    let host = Host::new();
    let (secret, _) = host.register_under(&app()).await;
    let session = host.session().await;
    let elevated = host.elevated_in(&session, &secret).await;
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    assert!(host.is_ended(&host.claims()).await);
    assert_eq!(denied(&host.begin_registration(&session).await), Some(Refusal::SessionEnded));
    assert_eq!(denied(&host.step_up(&session, MINUTE).await), Some(Refusal::SessionEnded));
    let device = host.device().await;
    assert_eq!(host.remove(&elevated, device).await.err(), Some(Refusal::StepUpExpired));
    let profile = host.mfa.profile(&session);
    assert_eq!(profile.sign_out_elsewhere().await.unwrap().err(), Some(Refusal::SessionEnded));
    let name = BrowserName::new("Firefox").unwrap();
    assert_eq!(profile.trust_browser(&name).await.unwrap().err(), Some(Refusal::SessionEnded));
    let code = NOBODYS.into();
    assert_eq!(profile.confirm_recovery_codes(&code).await.unwrap().err(), Some(Refusal::SessionEnded));
    assert_eq!(host.device_ids().await, [device]);
}

#[tokio::test]
async fn session_without_a_device_proof_does_not_register_beside_a_device() {
    let host = Host::new();
    let (_, own) = host.register_under(&app()).await;
    let device = host.device().await;
    // A session of the password alone, in the epoch of now.
    let proof = format!(";registered={device}@{}", own.auth_time().as_secs());
    let session = host.check(&edited(&own, &proof, ""), &off()).await;
    assert_eq!(session.session().err(), Some(Refusal::StepsOwed), "it owes the device's code");
    let session = host.session_of(&own, &off()).await;
    assert!(asks_for(&host.begin_registration(&session).await, Step::AppCode), "an earlier proof does not count");
}

#[tokio::test]
async fn trusted_browser_is_no_fresh_proof() {
    let host = Host::new();
    let policy = app().with_trusted_browsers();
    let (secret, _) = host.register_under(&policy).await;
    let name = BrowserName::new("Firefox").unwrap();
    let session = host.session_under(&policy).await;
    let token = host.mfa.profile(&session).trust_browser(&name).await.unwrap().unwrap();
    assert!(matches!(host.outbox.sent().last().unwrap().notice, Some(Notice::BrowserTrusted)));
    let claims = host.open(done(host.begin_from(&policy, Some(&token.to_cookie())).await));
    assert_eq!(claims.evidence().assurance(), Assurance::TrustedBrowser);
    let session = host.session_under(&policy).await;
    assert!(asks_for(&host.step_up(&session, Duration::MAX).await, Step::AppCode));

    // Once the device was verified, the session no longer rests on the trust.
    host.wait(30);
    let elevated = host.elevated_in(&session, &secret).await;
    let at = elevated.at();
    let raised = host.open(elevated);
    assert_eq!(raised.evidence().assurance(), Assurance::TwoFactor);
    assert_eq!((raised.evidence().trusted_browser, raised.auth_time()), (None, at));
    let browser = host.status().await.browsers[0].id;
    let session = host.session_under(&policy).await;
    host.mfa.profile(&session).revoke_browser(browser).await.unwrap().unwrap();
    assert!(host.holds(&raised).await && host.is_ended(&claims).await);
}

#[tokio::test]
async fn step_up_raises_its_own_session_only() {
    let host = Host::new();
    let (secret, before) = host.register_under(&app()).await;
    host.wait(3600);
    let raised = host.open(host.elevated(&secret).await);
    assert!(raised.auth_time() > before.auth_time());
    assert_eq!((raised.number(), raised.user()), (before.number(), before.user()));
    let (old, new) = (host.session_of(&before, &off()).await, host.session_of(&raised, &off()).await);
    assert!(matches!(host.step_up(&new, MINUTE).await, Outcome::Done(_)));
    assert!(asks_for(&host.step_up(&old, MINUTE).await, Step::AppCode));
}

#[tokio::test]
async fn step_up_of_one_session_is_not_continued_in_another() {
    let host = Host::new();
    let (secret, first) = host.register_under(&app()).await;
    let second = host.log_in(&secret, &app()).await;
    let (first, second) = (host.session_of(&first, &off()).await, host.session_of(&second, &off()).await);
    let asked = host.step_up_asked(&first).await;
    let refused = host.app_code(asked.flow(), &second, &host.code(&secret)).await;
    assert_eq!(denied(&refused), Some(Refusal::FlowEnded));
    let _ = done(host.app_code(asked.flow(), &first, &host.code(&secret)).await);
}

#[tokio::test]
async fn step_up_of_one_user_is_not_continued_in_the_session_of_another() {
    let mut host = Host::new();
    let (_, alices) = host.register_under(&app()).await;
    let alices = host.session_of(&alices, &off()).await;
    host.user = factorgate::UserId::new("bob").unwrap();
    let (secret, bobs) = host.register_under(&app()).await;
    let bobs = host.session_of(&bobs, &off()).await;
    let asked = host.step_up_asked(&bobs).await;
    let refused = host.app_code(asked.flow(), &alices, &host.code(&secret)).await;
    assert_eq!(denied(&refused), Some(Refusal::FlowEnded));
    let elevated = done(host.app_code(asked.flow(), &bobs, &host.code(&secret)).await);
    assert_eq!(elevated.user(), &host.user);
}

#[test]
fn challenge_header_follows_rfc_9470() {
    let header = insufficient_user_authentication;
    assert_eq!(header(&[], None), "Bearer error=\"insufficient_user_authentication\"");
    assert_eq!(header(&[], Some(MINUTE)), "Bearer error=\"insufficient_user_authentication\", max_age=60");
    assert_eq!(
        header(&[Assurance::TwoFactor, Assurance::EmailCode], Some(Duration::ZERO)),
        "Bearer error=\"insufficient_user_authentication\", \
         acr_values=\"urn:factorgate:acr:two-factor urn:factorgate:acr:email-code\", max_age=0"
    );
    // The names are distinct and need no escaping.
    let all = [
        Assurance::FirstFactor,
        Assurance::TrustedBrowser,
        Assurance::EmailCode,
        Assurance::Recovered,
        Assurance::TwoFactor,
        Assurance::PhishingResistant,
    ];
    let names: std::collections::BTreeSet<_> = all.map(Assurance::acr).into();
    assert_eq!(names.len(), all.len());
    let is_scope = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    assert!(names.iter().all(|name| name.chars().all(is_scope)));
}

#[tokio::test]
async fn claims_serialize_as_their_text() {
    let host = Host::new();
    let claims = host.by_mail().await;
    let json = serde_json::to_string(&claims).unwrap();
    assert_eq!(json, format!("\"{}\"", claims.to_text()));
    assert_eq!(serde_json::from_str::<SessionClaims>(&json).unwrap(), claims);
    for bad in ["\"\"", "{}", "null", "\"fgs2;epoch=0;at=1;user=a\""] {
        assert!(serde_json::from_str::<SessionClaims>(bad).is_err(), "{bad}");
    }
}

proptest::proptest! {
    /// What is read is what would be written: no two texts are the same claims.
    #[test]
    fn text_of_any_kind_is_read_or_refused(
        text in "(fgs1)?(;(epoch|at|number|row|app|email|user|browser)=[0-9@ab.]{0,4}){0,6}|.{0,40}",
    ) {
        if let Ok(claims) = SessionClaims::from_text(&text) {
            proptest::prop_assert_eq!(claims.to_text(), text);
        }
    }
}

//! What users do beside the plain login: lost and new smartphones, trusted browsers, step-ups, grace, passkeys.

use std::time::Duration;

use factorgate::browser::BrowserName;
use factorgate::login::Assurance;
use factorgate::policy::{
    AuthenticationMethod, Channel, Exemption, ExternalEvidence, ExternalFactor, FirstRegistration, GraceDays, Policy,
    Step,
};
use factorgate::session::{SessionCheck, insufficient_user_authentication};
use factorgate::{Action, Login, Outcome, PrimaryVerified, Refusal};

use crate::{
    Host, Result, asked, asks_for, contact, done, email_code, enrolling, expect, open, refusal, root, row, secret_of,
    title, user,
};

/// A user whose smartphone is lost.
pub(super) async fn recovery(policy: &Policy) -> Result {
    title("Recovery", "A lost smartphone, and codes on paper");
    let host = Host::new()?;
    let lost = host.register("heidi", policy).await?;
    let claims = host.sign_in("heidi", &lost, policy).await?;
    let session = host.session("heidi", &claims, policy).await?;
    let elevated = done(host.mfa.profile(&session).begin_step_up(Duration::from_secs(60)).await?)?;
    let new = host.mfa.elevated(&elevated).new_recovery_codes().await??;
    let codes: Vec<String> = new.expose_secrets().iter().map(|code| code.expose_secret().to_lowercase()).collect();
    println!("  shown once: {}, and {} more", codes[0], codes.len() - 1);
    let login = host.begin("heidi", policy).await?;
    expect("they are not active until one of them is typed", asks_for(&login, &[Step::AppCode]))?;
    host.mfa.profile(&session).confirm_recovery_codes(&codes[0].as_str().into()).await??;
    let login = host.begin("heidi", policy).await?;
    expect("then they are", asks_for(&login, &[Step::AppCode, Step::RecoveryCode]))?;

    host.plan(policy, "heidi").await?;
    let recovery_code = || Action::RecoveryCode { code: codes[1].as_str().into() };
    let asked = asked(login)?;
    let passed = done(host.mfa.submit(asked.flow(), policy, recovery_code()).await?)?;
    println!("  amr {:?}, {:?}", passed.evidence().amr(), passed.evidence().assurance());
    host.tell_mail()?;
    let again = crate::asked(host.begin("heidi", policy).await?)?;
    let login = host.mfa.submit(again.flow(), policy, recovery_code()).await?;
    expect("a code is accepted once", refusal(&login) == Some(Refusal::WrongCode))?;

    let claims = open(passed, "heidi")?;
    let check = host.mfa.check_session(&claims, &row("heidi")?, policy).await?;
    let owing = check.owing()?;
    expect("the session owes a new smartphone", check.session().is_err())?;
    let begun = host.mfa.begin_completion(owing).await?;
    let flow = begun.flow().ok_or("no completion")?;
    let device = host.status("heidi").await?.devices.pop().ok_or("no device")?.id;
    let enroll = enrolling(host.mfa.submit(flow, owing, Action::RegisterApp { replace: Some(device) }).await?)?;
    let confirm = Action::ConfirmApp { code: host.code(&secret_of(&enroll)?)?.into(), name: None };
    let claims = open(done(host.mfa.submit(flow, owing, confirm).await?)?, "heidi")?;
    let devices = host.status("heidi").await?.devices;
    expect("the new one replaces the lost one", devices.len() == 1 && devices[0].id != device)?;
    expect("and the session is valid", host.holds("heidi", &claims, policy).await?)
}

/// A user who has bought a new smartphone.
pub(super) async fn replacement(policy: &Policy) -> Result {
    title("Replacement", "A new smartphone in place of the old one");
    let host = Host::new()?;
    let old = host.register("ivan", policy).await?;
    let claims = host.sign_in("ivan", &old, policy).await?;
    let session = host.session("ivan", &claims, policy).await?;
    let device = host.status("ivan").await?.devices.pop().ok_or("no device")?.id;
    let removable = host.mfa.profile(&session).can_remove(device).await?;
    expect("the last smartphone cannot be removed", removable == Err(Refusal::LastFactor))?;

    let asked = asked(host.mfa.profile(&session).begin_registration().await?)?;
    expect("a registration asks for a code of the old one first", asked.next() == [Step::AppCode])?;
    enrolling(host.app_code(asked.flow(), &session, &old).await?)?;
    let replace = Action::RegisterApp { replace: Some(device) };
    let enroll = enrolling(host.mfa.submit(asked.flow(), &session, replace).await?)?;
    let code = host.code(&secret_of(&enroll)?)?.into();
    let confirm = Action::ConfirmApp { code, name: Some("Ivan's new phone".into()) };
    let claims = open(done(host.mfa.submit(asked.flow(), &session, confirm).await?)?, "ivan")?;
    let devices = host.status("ivan").await?.devices;
    host.tell_mail()?;
    expect("the new one has replaced it", devices.len() == 1 && devices[0].id != device)?;
    expect("and the session continues", host.holds("ivan", &claims, policy).await?)
}

/// A user who has nothing left to prove.
pub(super) async fn reset(policy: &Policy) -> Result {
    title("Reset", "An administrator resets the factors");
    let host = Host::new()?;
    host.register("judy", policy).await?;
    let ticket = host.mfa.admin(&root()?).reset(&user("judy")?, &contact("judy")?).await?;
    host.tell("judy", 3).await?;
    expect("the smartphone is removed", host.status("judy").await?.devices.is_empty())?;
    host.plan(policy, "judy").await?;
    let asked = asked(host.begin("judy", policy).await?)?;
    expect("the password alone registers none", !asked.next().contains(&Step::EnrollApp))?;
    let typed = Action::Ticket { code: ticket.expose_secret().expose_secret().into() };
    let login = host.mfa.submit(asked.flow(), policy, typed).await?;
    expect("the ticket permits a registration", asks_for(&login, &[Step::EmailCode, Step::EnrollApp]))?;
    let enroll = enrolling(host.mfa.submit(asked.flow(), policy, Action::RegisterApp { replace: None }).await?)?;
    host.confirm(&enroll, policy).await?;
    expect("a new smartphone is registered", host.status("judy").await?.devices.len() == 1)
}

/// A user who does not want to type a code each day.
pub(super) async fn trusted_browser() -> Result {
    title("Trust", "A trusted browser replaces the code");
    let host = Host::new()?;
    let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword)?.with_trusted_browsers();
    let secret = host.register("kevin", &policy).await?;
    let claims = host.sign_in("kevin", &secret, &policy).await?;
    let session = host.session("kevin", &claims, &policy).await?;
    let token = host.mfa.profile(&session).trust_browser(&BrowserName::new("Firefox at work")?).await??;
    let browser = host.status("kevin").await?.browsers.pop().ok_or("not trusted")?;
    println!("  trusted: {} ({}), until {}", browser.name, browser.id, browser.until.as_secs());
    let cookie = token.to_cookie();
    let from = async |cookie: &str| -> Result<Outcome<Login>> {
        let primary = PrimaryVerified::assertion(row("kevin")?).from_browser(Some(cookie));
        Ok(host.mfa.begin_login(primary, &policy).await?)
    };
    let passed = done(from(&cookie).await?)?;
    let evidence = passed.evidence();
    println!("  amr {:?}, acr {:?}, {:?}", evidence.amr(), evidence.assurance().acr(), evidence.assurance());
    expect("the password opens the dashboard", evidence.assurance() == Assurance::TrustedBrowser)?;
    expect("and the browser gets its next token", passed.browser().is_some())?;
    let login = host.begin("kevin", &policy).await?;
    expect("any other browser is asked for a code", asks_for(&login, &[Step::AppCode]))?;
    host.clock.advance(Duration::from_secs(10));
    let login = from(&cookie).await?;
    expect("a copy of the first token opens nothing", asks_for(&login, &[Step::AppCode]))?;
    expect("and ends the trust, because one of the two is a thief", host.status("kevin").await?.browsers.is_empty())?;
    host.tell_mail()
}

/// A user who is signed in, and does something dangerous.
pub(super) async fn step_up() -> Result {
    title("Step-up", "A dangerous operation needs a fresh proof");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterPassword);
    let secret = host.register("laura", &off).await?;
    let (other, claims) = (host.sign_in("laura", &secret, &off).await?, host.sign_in("laura", &secret, &off).await?);
    println!("  stored with the session: {claims}");
    let freshness = Duration::from_secs(5 * 60);
    host.clock.advance(Duration::from_secs(60 * 60));
    println!(
        "  an API answers 401 with: {}",
        insufficient_user_authentication(&[Assurance::TwoFactor], Some(freshness))
    );
    let session = host.session("laura", &claims, &off).await?;
    let asked = asked(host.mfa.profile(&session).begin_step_up(freshness).await?)?;
    expect("after an hour the app is asked for again", asked.next() == [Step::AppCode])?;
    let elevated = done(host.app_code(asked.flow(), &session, &secret).await?)?;
    let device = host.status("laura").await?.devices.pop().ok_or("no device")?.id;
    let continued = open(host.mfa.elevated(&elevated).remove_device(device).await??, "laura")?;
    host.tell_mail()?;
    expect("then the smartphone is removed", host.status("laura").await?.devices.is_empty())?;
    expect("every other session has ended", !host.holds("laura", &other, &off).await?)?;
    expect("and this one continues", host.holds("laura", &continued, &off).await?)
}

/// Users without a smartphone, in a company that requires one.
pub(super) async fn grace_and_exemption() -> Result {
    title("Grace", "Two weeks for the first registration, and an exemption after them");
    let host = Host::new()?;
    let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?.with_grace(GraceDays::new(14)?);
    let day = Duration::from_secs(24 * 60 * 60);
    let passed = done(host.begin("mallory", &policy).await?)?;
    let until = passed.grace_until().ok_or("no deadline")?;
    println!("  the registration can be put off until {}", until.as_secs());
    let claims = open(passed, "mallory")?;
    host.plan(&policy, "mallory").await?;
    host.clock.advance(13 * day);
    let passed = done(host.begin("mallory", &policy).await?)?;
    expect("no later login moves the deadline", passed.grace_until() == Some(until))?;
    expect("the session stays valid until then", host.holds("mallory", &claims, &policy).await?)?;
    host.clock.advance(day);
    let login = host.begin("mallory", &policy).await?;
    expect("at the deadline the registration is owed", matches!(login, Outcome::Denied(_)))?;
    let check = host.mfa.check_session(&claims, &row("mallory")?, &policy).await?;
    expect("by the open session as well", matches!(check, SessionCheck::Owes(_)))?;

    let now = host.clock.time();
    let exemption = Exemption::new("O. Petrova", "the smartphone is on its way", now, now.saturating_add(7 * day))?;
    host.mfa.admin(&root()?).exempt(&user("mallory")?, Some(&exemption)).await??;
    println!("  event: {}", host.status("mallory").await?.recent.first().ok_or("no event")?);
    host.plan(&policy, "mallory").await?;
    let login = host.begin("mallory", &policy).await?;
    expect("an administrator exempts the user for a week", matches!(login, Outcome::Done(_)))?;
    host.clock.advance(7 * day);
    let login = host.begin("mallory", &policy).await?;
    expect("and no longer", matches!(login, Outcome::Denied(_)))
}

/// A user with a factor that the host verifies.
pub(super) async fn passkey() -> Result {
    title("Passkey", "An external factor, which the host verifies");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterEmailCode);
    let passkey = ExternalFactor::phishing_resistant("passkey")?;
    let methods = [AuthenticationMethod::HardwareKey, AuthenticationMethod::UserPresence];
    let checked = || ExternalEvidence::assertion(passkey, methods, host.clock.time());
    let claims = open(done(host.begin("niaj", &off).await?)?, "niaj")?;
    let session = host.session("niaj", &claims, &off).await?;
    let asked = asked(host.mfa.profile(&session).begin_registration().await?)?;
    let code = host.outbox.last_code().ok_or("no mail")?;
    enrolling(host.mfa.submit(asked.flow(), &session, email_code(&code)).await?)?;
    let done_ = host.mfa.assert_external(asked.flow(), &session, Ok(checked()?)).await?;
    expect("it is registered as a smartphone is, after an e-mail code", matches!(done_, Outcome::Done(_)))?;
    host.tell_mail()?;
    host.plan(&off, "niaj").await?;
    let asked = crate::asked(host.begin("niaj", &off).await?)?;
    expect("from now on it is asked for", asked.next() == [Step::External(passkey)])?;
    let failed = crate::asked(host.mfa.assert_external(asked.flow(), &off, Err(passkey)).await?)?;
    expect("a failed check is counted as a wrong code is", failed.attempts_left() == 4)?;
    let passed = done(host.mfa.assert_external(asked.flow(), &off, Ok(checked()?)).await?)?;
    println!("  amr {:?}, {:?}", passed.evidence().amr(), passed.evidence().assurance());
    let assurance = passed.evidence().assurance();
    expect("a successful one opens the dashboard", assurance == Assurance::PhishingResistant)?;

    let claims = open(passed, "niaj")?;
    let enforced = Policy::any_of([Channel::External(passkey)], FirstRegistration::WithTicket)?;
    for (policy, what, removed) in [
        (&enforced, "the last factor stays if the policy requires one", false),
        (&off, "and goes on a step-up if it does not", true),
    ] {
        let session = host.session("niaj", &claims, policy).await?;
        let elevated = done(host.mfa.profile(&session).begin_step_up(Duration::from_secs(60)).await?)?;
        expect(what, host.mfa.elevated(&elevated).remove_external(passkey).await?.is_ok() == removed)?;
    }
    Ok(())
}

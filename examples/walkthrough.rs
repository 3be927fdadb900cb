//! Plays every flow from the password to the dashboard in the terminal: `cargo run --example walkthrough`.
//!
//! It ends with 0 only if every step came out as it should. With `--features dangerous-export` a user moves out as well.

#[path = "walkthrough/administration.rs"]
mod administration;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use factorgate::otp::Totp;
use factorgate::otpauth::Issuer;
use factorgate::policy::{
    AuthenticationMethod, Channel, Exemption, ExternalEvidence, ExternalFactor, FirstRegistration, GraceDays, Policy,
    Step,
};
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Administrator, Assurance, Authenticated, BrowserName, BrowserToken, Change, Code, Contact, DeviceName,
    EmailAddress, Enroll, Flow, Login, LoginRef, Mfa, OsRandom, PrimaryVerified, RecoveryCode, Registration, Removable,
    Removal, Secret, ServerKey, ServerKeys, Session, SessionClaims, SignedIn, StepUp, Timestamp, Trust, UserId,
    insufficient_user_authentication,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match walk().await {
        Ok(()) => {
            println!("\nEvery step came out as it should.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nNot as it should be: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn walk() -> Result {
    use Channel::{App, Email};
    use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

    title("S1", "The company enforces MFA");
    let host = Host::new()?;
    let off = Policy::off(AfterPassword);
    host.plan(&off, "erin").await?;
    let login = host.log_in("erin", &off).await?;
    expect("nothing is owed: the password opens the dashboard", matches!(login, Login::Authenticated(_)))?;
    let enforced = Policy::any_of([Email], AfterPassword)?;
    host.plan(&enforced, "erin").await?;
    let login = host.log_in("erin", &enforced).await?;
    expect("now an e-mail code is owed", asks_for(&login, &[Step::EmailCode]))?;

    title("S2", "The channels decide the steps");
    for (name, policy, steps) in [
        ("app only", Policy::any_of([App], AfterEmailCode)?, &[Step::EmailCode][..]),
        ("e-mail only", Policy::any_of([Email], AfterPassword)?, &[Step::EmailCode]),
        ("both, any of them", Policy::any_of([App, Email], AfterPassword)?, &[Step::EmailCode, Step::EnrollApp]),
        ("both, all of them", Policy::all_of([App, Email], AfterPassword)?, &[Step::EmailCode]),
    ] {
        println!("  {name}:");
        host.plan(&policy, "frank").await?;
        let login = Host::new()?.log_in("frank", &policy).await?;
        expect("the steps are those of the plan", asks_for(&login, steps))?;
    }

    title("S3", "A smartphone can be registered whatever the channels are");
    for policy in [&off, &enforced] {
        let host = Host::new()?;
        host.register_from_profile("grace", policy).await?;
        expect("it is registered", host.mfa.devices(&user("grace")?).await?.len() == 1)?;
    }

    title("S4", "Adding a smartphone at login");
    let app_only = Policy::any_of([App], AfterPassword)?;
    host.plan(&app_only, "alice").await?;
    let Login::Enroll(enroll) = host.log_in("alice", &app_only).await? else { return Err("no registration".into()) };
    for line in enroll.key_uri().qr()?.to_unicode().lines() {
        // Dark on white, whatever the colors of the terminal are.
        println!("  \x1b[30;107m{line}\x1b[0m");
    }
    println!("  or type the key: {}", enroll.key_uri().secret_base32().grouped().expose_secret());
    let (phone, name) = (secret_of(&enroll)?, DeviceName::new("Alice's phone")?);
    let wrong = Totp::default().generate(&phone, Timestamp::from_secs(0)).ok_or("no code")?;
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &wrong, &name, &app_only).await?;
    expect("a wrong code registers nothing", matches!(login, Login::Enroll(_)))?;
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &host.code(&phone)?, &name, &app_only).await?;
    let Login::Authenticated(passed) = login else { return Err("the right code did not open".into()) };
    println!("  amr {:?}, {:?}", passed.amr(), passed.assurance());
    expect("the right one opens the dashboard", passed.user().as_str() == "alice")?;

    title("S5", "An e-mail code at login");
    let Login::Challenge(asked) = host.log_in("bob", &enforced).await? else { return Err("no challenge".into()) };
    let mail = host.outbox.sent().pop().ok_or("no mail")?;
    println!("  mail to {}: {}", mail.to.masked(), mail.subject);
    expect("it was sent by itself, to the address on record", mail.to.as_str() == "bob@example.com")?;
    let code = Code::parse(&mail.code.ok_or("no code in the mail")?)?;
    let login = host.mfa.verify_email_code(asked.flow(), &code, &enforced).await?;
    expect("the code opens the dashboard", matches!(login, Login::Authenticated(_)))?;
    let login = host.mfa.verify_email_code(asked.flow(), &code, &enforced).await?;
    expect("and it opens nothing a second time", matches!(login, Login::Denied(_)))?;

    title("S6", "Managing the device from the profile");
    let secret = host.register_from_profile("carol", &off).await?;
    host.plan(&off, "carol").await?;
    let login = host.log_in("carol", &off).await?;
    expect("its code is asked for, although nothing is enforced", asks_for(&login, &[Step::AppCode]))?;
    let session = SignedIn::assertion(user("carol")?);
    let device = host.mfa.devices(session.user()).await?.pop().ok_or("no device")?;
    println!("  registered: {} ({})", device.name, device.id);
    let code = host.code(&secret)?;
    let removal = host.mfa.remove_device(&session, device.id, &code, contact("carol")?, &app_only).await?;
    if let Removal::Refused { reason, .. } = &removal {
        println!("  refused: {}", std::error::Error::source(reason).map_or(reason.to_string(), ToString::to_string));
    }
    expect("the last device stays where the policy needs it", matches!(removal, Removal::Refused { .. }))?;
    let removal = host.mfa.remove_device(&session, device.id, &code, contact("carol")?, &off).await?;
    expect("and goes where it does not, on a fresh code", matches!(removal, Removal::Removed { .. }))?;

    title("S7", "A stolen password opens nothing");
    let mut denied = false;
    for _ in 0..5 {
        host.clock.advance(Duration::from_secs(30));
        let Login::Challenge(asked) = host.log_in("alice", &app_only).await? else { return Err("no challenge".into()) };
        denied = matches!(host.mfa.verify_app_code(asked.flow(), &wrong, &app_only).await?, Login::Denied(_));
    }
    expect("five wrong codes lock, though each was of a login of its own", denied)?;
    let login = host.log_in("alice", &app_only).await?;
    if let Login::Denied(denied) = &login {
        println!("  refused: {}", denied.reason);
    }
    expect("and then nobody gets in", matches!(login, Login::Denied(_)))?;
    let ticket = Policy::any_of([App], WithTicket)?;
    host.plan(&ticket, "dave").await?;
    let login = host.log_in("dave", &ticket).await?;
    expect("nor does a password register a device where a ticket is asked for", matches!(login, Login::Denied(_)))?;
    let issued = host.mfa.issue_ticket(&user("dave")?, &Administrator::assertion(user("root")?)).await?;
    let Login::Challenge(asked) = host.log_in("dave", &ticket).await? else { return Err("no challenge".into()) };
    let login = host.mfa.redeem_ticket(asked.flow(), &issued.ticket, &ticket).await?;
    expect("with the ticket it does", matches!(login, Login::Enroll(_)))?;

    recovery(&app_only).await?;
    replacement(&app_only).await?;
    reset(&app_only).await?;
    trusted_browser().await?;
    step_up().await?;
    grace_and_exemption().await?;
    passkey().await?;
    administration::company().await?;
    administration::import(&app_only).await?;
    #[cfg(feature = "dangerous-export")]
    administration::export(&app_only).await?;
    administration::rotation(&app_only).await?;
    administration::coverage(&app_only).await
}

/// A user whose device is lost.
async fn recovery(policy: &Policy) -> Result {
    title("Recovery", "A lost smartphone, and codes on paper");
    let host = Host::new()?;
    let lost = host.register_from_profile("heidi", policy).await?;
    let session = SignedIn::assertion(user("heidi")?);
    let shown = host.mfa.begin_recovery_codes(&session, &host.code(&lost)?).await?;
    let Change::Made { value: new, .. } = shown else { return Err("no recovery codes".into()) };
    let codes: Vec<&RecoveryCode> = new.codes.iter().collect();
    let [first, second, ..] = codes[..] else { return Err("too few recovery codes".into()) };
    println!("  shown once: {}, and {} more", first.expose_secret().expose_secret(), codes.len() - 1);
    let login = host.log_in("heidi", policy).await?;
    expect("until one of them is typed they are not in force", asks_for(&login, &[Step::AppCode]))?;
    let typed = RecoveryCode::parse(&first.expose_secret().expose_secret().to_lowercase())?;
    let confirmed = host.mfa.confirm_recovery_codes(&session, &typed, contact("heidi")?).await?;
    expect("then they are", matches!(confirmed, Change::Made { .. }))?;

    host.plan(policy, "heidi").await?;
    let Login::Challenge(asked) = host.log_in("heidi", policy).await? else { return Err("no challenge".into()) };
    let login = host.mfa.verify_recovery_code(asked.flow(), second, policy).await?;
    let Login::Authenticated(passed) = login else { return Err("the recovery code did not open".into()) };
    let recovery = passed.recovery().ok_or("the login does not lead to a registration")?;
    println!("  amr {:?}, {:?}, {:?}", passed.amr(), passed.assurance(), recovery.codes_left());
    expect("a code opens in place of the app", recovery.codes_left().get() == 9)?;
    println!("  mail: {}", host.outbox.sent().pop().ok_or("no mail")?.subject);
    let Login::Challenge(again) = host.log_in("heidi", policy).await? else { return Err("no challenge".into()) };
    let login = host.mfa.verify_recovery_code(again.flow(), second, policy).await?;
    expect("and once", matches!(login, Login::Challenge(_)))?;

    let device = host.mfa.devices(session.user()).await?.pop().ok_or("no device")?;
    let begun = host.mfa.replace_device(recovery.registration(), device.id, policy).await?;
    let Registration::Enroll(enroll) = begun else { return Err("no registration".into()) };
    let (code, name) = (host.code(&secret_of(&enroll)?)?, DeviceName::new("Heidi's new phone")?);
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, policy).await?;
    expect("the login leads to a new device, in place of the lost one", matches!(done, Registration::Registered(_)))
}

/// A user who has bought a new smartphone.
async fn replacement(policy: &Policy) -> Result {
    title("Replacement", "A new smartphone in place of the old one");
    let host = Host::new()?;
    let old = host.register_from_profile("ivan", policy).await?;
    let session = SignedIn::assertion(user("ivan")?);
    let device = host.mfa.devices(session.user()).await?.pop().ok_or("no device")?.id;
    let removable = host.mfa.can_remove(session.user(), device, &contact("ivan")?, policy).await?;
    println!("  may it be removed? {removable:?}");
    expect("the last device stays where the policy needs it", matches!(removable, Removable::No { .. }))?;

    let begun = host.mfa.begin_registration(&session, contact("ivan")?, policy).await?;
    let Registration::Challenge(asked) = begun else { return Err("nothing is asked for".into()) };
    let named = host.mfa.replace_device(asked.flow(), device, policy).await?;
    expect("a code of the old one is asked for first", matches!(named, Registration::Challenge(_)))?;
    let proved = host.mfa.verify_app_code(asked.flow(), &host.code(&old)?, policy).await?;
    let Registration::Enroll(enroll) = proved else { return Err("no registration".into()) };
    let (code, name) = (host.code(&secret_of(&enroll)?)?, DeviceName::new("Ivan's new phone")?);
    let done = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &name, policy).await?;
    let devices = host.mfa.devices(session.user()).await?;
    expect("the new one is there", matches!(done, Registration::Registered(_)) && devices.len() == 1)?;
    println!("  mail: {}", host.outbox.sent().pop().ok_or("no mail")?.subject);
    expect("and the old one is gone", devices.iter().all(|held| held.id != device))
}

/// A user who has nothing left to prove.
async fn reset(policy: &Policy) -> Result {
    title("Reset", "An administrator resets the factors");
    let host = Host::new()?;
    host.register_from_profile("judy", policy).await?;
    let root = Administrator::assertion(user("root")?);
    let reset = host.mfa.reset_by_admin(&user("judy")?, &root, contact("judy")?).await?;
    for event in &reset.events {
        println!("  event: {event}");
    }
    println!("  mail: {}", host.outbox.sent().pop().ok_or("no mail")?.subject);
    expect("the device is gone", host.mfa.devices(&user("judy")?).await?.is_empty())?;
    host.plan(policy, "judy").await?;
    let Login::Challenge(asked) = host.log_in("judy", policy).await? else { return Err("no challenge".into()) };
    expect("the password alone registers none", !asked.next().contains(&Step::EnrollApp))?;
    let login = host.mfa.redeem_ticket(asked.flow(), &reset.ticket, policy).await?;
    expect("the ticket opens the way", asks_for(&login, &[Step::EmailCode, Step::EnrollApp]))?;
    let login = host.mfa.begin_app_enrollment(asked.flow(), policy).await?;
    let Login::Enroll(enroll) = login else { return Err("the ticket does not lead to a registration".into()) };
    let code = host.code(&secret_of(&enroll)?)?;
    let login = host.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), policy).await?;
    expect("and to a new device", matches!(login, Login::Authenticated(_)))
}

/// A user who does not want to type a code each day.
async fn trusted_browser() -> Result {
    title("Trust", "A browser that the user trusts stands for the code");
    let host = Host::new()?;
    let policy = Policy::any_of([Channel::App], FirstRegistration::AfterPassword)?.with_trusted_browsers();
    let secret = host.register_from_profile("kevin", &policy).await?;
    let passed = host.log_in_by_app("kevin", &secret, &policy).await?;
    let trust = host.mfa.trust_browser(&passed, &BrowserName::new("Firefox at work")?, &policy).await?;
    let Trust::Trusted { token, browser, .. } = trust else { return Err("not trusted".into()) };
    println!("  trusted: {} ({}), until {}", browser.name, browser.id, browser.until.as_secs());
    let from = async |token: &BrowserToken| -> Result<Login> {
        let primary = PrimaryVerified::assertion(user("kevin")?);
        Ok(host.mfa.begin_login_from(primary, contact("kevin")?, &policy, Some(token)).await?)
    };
    let Login::Authenticated(passed) = from(&token).await? else { return Err("the trust lifted nothing".into()) };
    println!("  amr {:?}, acr {:?}, {:?}", passed.amr(), passed.assurance().acr(), passed.assurance());
    expect("the password opens the dashboard", passed.assurance() == Assurance::TrustedBrowser)?;
    expect("and the browser gets its next token", passed.browser_token().is_some())?;
    let login = host.log_in("kevin", &policy).await?;
    expect("any other browser is asked for a code", asks_for(&login, &[Step::AppCode]))?;
    host.clock.advance(Duration::from_secs(10));
    let login = from(&token).await?;
    expect("a copy of the first token opens nothing", asks_for(&login, &[Step::AppCode]))?;
    let trusted = host.mfa.browsers(&user("kevin")?).await?;
    expect("and ends the trust, for nobody knows whose it was", trusted.is_empty())
}

/// A user who is signed in, and does something that matters.
async fn step_up() -> Result {
    title("Step-up", "What matters takes a fresh proof");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterPassword);
    let secret = host.register_from_profile("laura", &off).await?;
    let passed = host.log_in_by_app("laura", &secret, &off).await?;
    // The host keeps a line of text with the session, under a new id.
    let text = passed.session().rotated().to_text();
    println!("  kept with the session: {text}");
    let claims = SessionClaims::from_text(&text)?;
    let freshness = Duration::from_secs(5 * 60);
    host.clock.advance(Duration::from_secs(60 * 60));
    println!(
        "  an API answers 401 with: {}",
        insufficient_user_authentication(&[Assurance::TwoFactor], Some(freshness))
    );
    let begun = host.mfa.begin_step_up(&claims, contact("laura")?, &off, freshness).await?;
    let StepUp::Challenge(asked) = begun else { return Err("an old proof was taken".into()) };
    expect("after an hour the app is asked for again", asked.next() == [Step::AppCode])?;
    let done = host.mfa.verify_app_code(asked.flow(), &host.code(&secret)?, &off).await?;
    let StepUp::Fresh(elevated) = done else { return Err("the right code did not count".into()) };
    let device = host.mfa.devices(elevated.user()).await?.pop().ok_or("no device")?;
    let removal = host.mfa.remove_device_with(&elevated, device.id, contact("laura")?, &off).await?;
    let Removal::Removed { change, .. } = removal else { return Err("the device is still there".into()) };
    expect("the device is removed on it", host.mfa.devices(elevated.user()).await?.is_empty())?;
    let ended = matches!(host.mfa.check_session(&claims).await?, Session::Ended);
    expect("every session of the user has ended", ended)?;
    let goes_on = matches!(host.mfa.check_session(&claims.after(&change)).await?, Session::Valid(_));
    expect("but the one that did it", goes_on)
}

/// Users who have no smartphone yet, in a company that asks for one.
async fn grace_and_exemption() -> Result {
    title("Grace", "Two weeks for the first registration, and an exemption after them");
    let host = Host::new()?;
    let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?.with_grace(GraceDays::new(14)?);
    let day = Duration::from_secs(24 * 60 * 60);
    let Login::Authenticated(passed) = host.log_in("mallory", &policy).await? else {
        return Err("not in grace".into());
    };
    let until = passed.grace_until().ok_or("no deadline")?;
    println!("  put off until {}", until.as_secs());
    expect("the first login is let in, with a reminder", passed.reminds_enrollment())?;
    host.plan(&policy, "mallory").await?;
    host.clock.advance(13 * day);
    let login = host.log_in("mallory", &policy).await?;
    let same = matches!(&login, Login::Authenticated(passed) if passed.grace_until() == Some(until));
    expect("no later login moves the deadline", same)?;
    host.clock.advance(day);
    let login = host.log_in("mallory", &policy).await?;
    expect("at the deadline the registration is owed", matches!(login, Login::Denied(_)))?;

    let (now, root) = (host.clock.time(), Administrator::assertion(user("root")?));
    let exemption = Exemption::new("O. Petrova", "the smartphone is on its way", now, now.saturating_add(7 * day))?;
    let granted = host.mfa.grant_exemption(&user("mallory")?, &exemption, &root).await?;
    if let Change::Made { events, .. } = &granted {
        println!("  event: {}", events.first().ok_or("no event")?);
    }
    host.plan(&policy, "mallory").await?;
    let login = host.log_in("mallory", &policy).await?;
    expect("an administrator exempts the user for a week", matches!(login, Login::Authenticated(_)))?;
    host.clock.advance(7 * day);
    let login = host.log_in("mallory", &policy).await?;
    expect("and no longer", matches!(login, Login::Denied(_)))
}

/// A user with a factor that the host checks by itself.
async fn passkey() -> Result {
    title("Passkey", "A factor that the host checks");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterEmailCode);
    let passkey = ExternalFactor::phishing_resistant("passkey")?;
    let checked = |at: Timestamp| {
        ExternalEvidence::assertion(
            passkey,
            [AuthenticationMethod::HardwareKey, AuthenticationMethod::UserPresence],
            at,
        )
    };
    let session = SignedIn::assertion(user("niaj")?);
    let begun = host.mfa.begin_registration(&session, contact("niaj")?, &off).await?;
    let Registration::Challenge(asked) = begun else { return Err("nothing is asked for".into()) };
    let code = Code::parse(&host.outbox.last_code().ok_or("no mail")?)?;
    let _ = host.mfa.verify_email_code(asked.flow(), &code, &off).await?;
    let done = host.mfa.register_external(asked.flow(), &checked(host.clock.time())?, &off).await?;
    expect("it is registered as a smartphone is, after a code by mail", matches!(done, Registration::Registered(_)))?;
    println!("  mail: {}", host.outbox.sent().pop().ok_or("no mail")?.subject);
    host.plan(&off, "niaj").await?;
    let Login::Challenge(asked) = host.log_in("niaj", &off).await? else { return Err("no challenge".into()) };
    expect("from now on it is asked for", asked.next() == [Step::External(passkey)])?;
    let login = host.mfa.external_failed(asked.flow(), passkey, &off).await?;
    let counted = matches!(&login, Login::Challenge(asked) if asked.attempts_left() == 4);
    expect("a check that has failed is counted as a wrong code is", counted)?;
    let login = host.mfa.assert_external(asked.flow(), &checked(host.clock.time())?, &off).await?;
    let Login::Authenticated(passed) = login else { return Err("the host was not believed".into()) };
    println!("  amr {:?}, {:?}", passed.amr(), passed.assurance());
    expect("the host's word opens the dashboard", passed.assurance() == Assurance::PhishingResistant)?;

    let claims = passed.session().rotated();
    let enforced = Policy::any_of([Channel::External(passkey)], FirstRegistration::WithTicket)?;
    let begun = host.mfa.begin_step_up(&claims, contact("niaj")?, &off, Duration::from_secs(60)).await?;
    let StepUp::Fresh(elevated) = begun else { return Err("the proof is not fresh".into()) };
    let removal = host.mfa.remove_external(&elevated, passkey, contact("niaj")?, &enforced).await?;
    expect("the last factor stays where the policy needs it", matches!(removal, Removal::Refused { .. }))?;
    let removal = host.mfa.remove_external(&elevated, passkey, contact("niaj")?, &off).await?;
    expect("and goes where it does not, on a step-up", matches!(removal, Removal::Removed { .. }))
}

/// What an application brings: a store, a mailer, a key.
struct Host {
    clock: FixedClock,
    mfa: Mfa<MemoryStore, Outbox>,
    outbox: Outbox,
    store: MemoryStore,
}

impl Host {
    fn new() -> Result<Self> {
        Self::with(MemoryStore::new(), ServerKeys::new(ServerKey::generate(&OsRandom)?))
    }

    fn with(store: MemoryStore, keys: ServerKeys) -> Result<Self> {
        let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
        let builder = Mfa::builder(store.clone(), outbox.clone(), keys, Issuer::new("ACME")?);
        Ok(Self { mfa: builder.clock(clock.clone()).build()?, clock, outbox, store })
    }

    async fn log_in(&self, name: &str, policy: &Policy) -> Result<Login> {
        Ok(self.mfa.begin_login(PrimaryVerified::assertion(user(name)?), contact(name)?, policy).await?)
    }

    async fn log_in_by_app(&self, name: &str, secret: &Secret, policy: &Policy) -> Result<Authenticated> {
        let Login::Challenge(asked) = self.log_in(name, policy).await? else { return Err("no challenge".into()) };
        let login = self.mfa.verify_app_code(asked.flow(), &self.code(secret)?, policy).await?;
        self.clock.advance(Duration::from_secs(30));
        match login {
            Login::Authenticated(passed) => Ok(passed),
            other => Err(format!("the right code did not open: {other:?}").into()),
        }
    }

    /// Prints what the policy asks of a user, and why.
    async fn plan(&self, policy: &Policy, name: &str) -> Result {
        let standing = self.mfa.status(&user(name)?).await?.standing(&contact(name)?);
        for line in policy.explain(&standing).to_string().lines() {
            println!("    {line}");
        }
        Ok(())
    }

    async fn register_from_profile(&self, name: &str, policy: &Policy) -> Result<Secret> {
        let session = SignedIn::assertion(user(name)?);
        let begun = self.mfa.begin_registration(&session, contact(name)?, policy).await?;
        let Registration::Enroll(enroll) = begun else { return Err("no registration".into()) };
        let secret = secret_of(&enroll)?;
        let code = self.code(&secret)?;
        let done = self.mfa.confirm_app_enrollment(enroll.flow(), &code, &DeviceName::default(), policy).await?;
        expect("the device is confirmed by its code", matches!(done, Registration::Registered(_)))?;
        // A code is good once: the next one comes in half a minute.
        self.clock.advance(Duration::from_secs(30));
        Ok(secret)
    }

    /// What the app shows now.
    fn code(&self, secret: &Secret) -> Result<Code> {
        Totp::default().generate(secret, self.clock.time()).ok_or_else(|| "no code before T0".into())
    }
}

fn user(name: &str) -> Result<UserId> {
    Ok(UserId::new(name)?)
}

fn contact(name: &str) -> Result<Contact> {
    Ok(Contact::verified(EmailAddress::new(&format!("{name}@example.com"))?))
}

/// What an app learns from the QR code.
fn secret_of<R: Flow>(enroll: &Enroll<R>) -> Result<Secret> {
    Ok(Secret::from_base32(enroll.key_uri().secret_base32().expose_secret())?)
}

fn asks_for(login: &Login, steps: &[Step]) -> bool {
    let next = |challenge: &factorgate::Challenge<LoginRef>| challenge.next() == steps;
    match login {
        Login::Challenge(challenge) => next(challenge),
        Login::Enroll(enroll) => next(enroll.challenge()),
        Login::Authenticated(_) | Login::Denied(_) => false,
    }
}

fn title(id: &str, text: &str) {
    println!("\n{id}  {text}");
}

fn expect(what: &str, holds: bool) -> Result {
    println!("  [{}] {what}", if holds { "ok" } else { "NO" });
    if holds { Ok(()) } else { Err(what.into()) }
}

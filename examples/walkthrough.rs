//! Plays every flow from the password to the dashboard in the terminal: `cargo run --example walkthrough`.
//!
//! It exits with 0 only if every step has the expected outcome. With `--features dangerous-export` a user is exported as
//! well.

#[path = "walkthrough/administration.rs"]
mod administration;
#[path = "walkthrough/sessions.rs"]
mod sessions;
#[path = "walkthrough/users.rs"]
mod users;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use factorgate::admin::Administrator;
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otp::{Secret, Totp};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy, Step};
use factorgate::session::UserStatus;
use factorgate::testing::{FixedClock, MemoryStore, Outbox};
use factorgate::{
    Action, Authenticated, Challenge, Contact, EmailAddress, Enroll, Flow, FlowRef, Login, Mfa, Outcome,
    PrimaryVerified, Refusal, Session, SessionClaims, Timestamp, UserId, UserRow,
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match walk().await {
        Ok(()) => {
            println!("\nEvery step had the expected outcome.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("\nUnexpected: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn walk() -> Result {
    let app_only = Policy::any_of([Channel::App], FirstRegistration::AfterPassword)?;
    scenarios(&app_only).await?;
    users::recovery(&app_only).await?;
    users::replacement(&app_only).await?;
    users::reset(&app_only).await?;
    users::trusted_browser().await?;
    users::step_up().await?;
    users::grace_and_exemption().await?;
    users::passkey().await?;
    sessions::stale_sign_in(&app_only).await?;
    sessions::stricter_policy().await?;
    sessions::dropped_request(&app_only).await?;
    administration::company().await?;
    administration::import(&app_only).await?;
    #[cfg(feature = "dangerous-export")]
    administration::export(&app_only).await?;
    administration::rotation(&app_only).await?;
    administration::coverage(&app_only).await
}

/// The flows that a product asks for, S1 to S7.
async fn scenarios(app_only: &Policy) -> Result {
    use Channel::{App, Email};
    use FirstRegistration::{AfterEmailCode, AfterPassword, WithTicket};

    title("S1", "The company enforces MFA");
    let host = Host::new()?;
    let off = Policy::off(AfterPassword);
    host.plan(&off, "erin").await?;
    let login = host.begin("erin", &off).await?;
    expect("nothing is owed: the password opens the dashboard", matches!(login, Outcome::Done(_)))?;
    let enforced = Policy::any_of([Email], AfterPassword)?;
    host.plan(&enforced, "erin").await?;
    let login = host.begin("erin", &enforced).await?;
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
        let login = Host::new()?.begin("frank", &policy).await?;
        expect("the login asks for the steps of the plan", asks_for(&login, steps))?;
    }

    title("S3", "A smartphone can be registered whatever the channels are");
    for policy in [&off, &enforced] {
        let host = Host::new()?;
        host.register("grace", policy).await?;
        expect("it is registered", host.status("grace").await?.devices.len() == 1)?;
    }

    title("S4", "Adding a smartphone at login");
    host.plan(app_only, "alice").await?;
    let enroll = enrolling(host.begin("alice", app_only).await?)?;
    for line in enroll.key_uri().qr()?.to_unicode().lines() {
        // Dark on white, whatever the colors of the terminal are.
        println!("  \x1b[30;107m{line}\x1b[0m");
    }
    println!("  or type the key: {}", enroll.key_uri().secret_base32().grouped().expose_secret());
    let (phone, flow) = (secret_of(&enroll)?, enroll.challenge().flow());
    let wrong = code_at(&phone, Timestamp::from_secs(0))?;
    let confirm = |code: String| Action::ConfirmApp { code: code.into(), name: Some("Alice's phone".into()) };
    let login = host.mfa.submit(flow, app_only, confirm(wrong.clone())).await?;
    expect("a wrong code registers nothing", matches!(login, Outcome::Enroll(_)))?;
    let passed = done(host.mfa.submit(flow, app_only, confirm(host.code(&phone)?)).await?)?;
    println!("  amr {:?}, {:?}", passed.evidence().amr(), passed.evidence().assurance());
    expect("the right one opens the dashboard", passed.user().as_str() == "alice")?;
    let cookie = passed.browser().ok_or("no cookie")?.to_cookie();
    println!("  the browser is known from now on, by a cookie of {} characters", cookie.len());

    title("S5", "An e-mail code at login");
    let asked = asked(host.begin("bob", &enforced).await?)?;
    let mail = host.outbox.sent().pop().ok_or("no mail")?;
    println!("  mail to {}: {}", mail.to.masked(), mail.subject);
    expect("it was sent at once, to the address on record", mail.to.as_str() == "bob@example.com")?;
    let code = mail.code.ok_or("no code in the mail")?;
    let login = host.mfa.submit(asked.flow(), &enforced, email_code(&code)).await?;
    expect("the code opens the dashboard", matches!(login, Outcome::Done(_)))?;
    let login = host.mfa.submit(asked.flow(), &enforced, email_code(&code)).await?;
    expect("and opens nothing a second time", refusal(&login) == Some(Refusal::FlowEnded))?;

    title("S6", "Managing the device from the profile");
    let secret = host.register("carol", &off).await?;
    host.plan(&off, "carol").await?;
    let login = host.begin("carol", &off).await?;
    expect("the login asks for its code, although nothing is enforced", asks_for(&login, &[Step::AppCode]))?;
    let claims = host.sign_in("carol", &secret, &off).await?;
    let device = host.status("carol").await?.devices.pop().ok_or("no device")?;
    println!("  registered: {} ({})", device.name, device.id);
    for (policy, removable) in [(app_only, false), (&off, true)] {
        let session = host.session("carol", &claims, policy).await?;
        let elevated = done(host.mfa.profile(&session).begin_step_up(Duration::from_secs(60)).await?)?;
        let removed = host.mfa.elevated(&elevated).remove_device(device.id).await?;
        match &removed {
            Ok(_) => expect("and goes after a fresh code if it does not", removable)?,
            Err(refusal) => {
                println!("  refused: {refusal}");
                expect("the last device stays if the policy requires one", !removable)?;
            }
        }
    }

    title("S7", "A stolen password opens nothing");
    let mut login = None;
    for _ in 0..5 {
        host.clock.advance(Duration::from_secs(30));
        let asked = self::asked(host.begin("alice", app_only).await?)?;
        login = Some(host.mfa.submit(asked.flow(), app_only, app_code(&wrong)).await?);
    }
    let locked = matches!(login.as_ref().and_then(refusal), Some(Refusal::Locked { .. }));
    expect("five wrong codes lock all unknown browsers, even in separate logins", locked)?;
    let refused = refusal(&host.begin("alice", app_only).await?).ok_or("not locked")?;
    println!("  refused: {refused}, until {}", refused.retry_at().map_or(0, Timestamp::as_secs));
    let known = PrimaryVerified::assertion(row("alice")?).from_browser(Some(&cookie));
    let own = self::asked(host.mfa.begin_login(known, app_only).await?)?;
    let login = host.mfa.submit(own.flow(), app_only, app_code(&host.code(&phone)?)).await?;
    expect("and do not shut out the browser of the owner", matches!(login, Outcome::Done(_)))?;
    let ticket = Policy::any_of([App], WithTicket)?;
    host.plan(&ticket, "dave").await?;
    let login = host.begin("dave", &ticket).await?;
    expect("a password registers no device if a ticket is required", matches!(login, Outcome::Denied(_)))?;
    let issued = host.mfa.admin(&root()?).issue_ticket(&user("dave")?).await?;
    let asked = self::asked(host.begin("dave", &ticket).await?)?;
    let typed = Action::Ticket { code: issued.expose_secret().expose_secret().into() };
    let login = host.mfa.submit(asked.flow(), &ticket, typed).await?;
    expect("with the ticket it does", matches!(login, Outcome::Enroll(_)))
}

/// What an application brings: a store, a mailer, a key, and the rows of its users.
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

    /// Begins a login after the password was right.
    async fn begin(&self, name: &str, policy: &Policy) -> Result<Outcome<Login>> {
        Ok(self.mfa.begin_login(PrimaryVerified::assertion(row(name)?), policy).await?)
    }

    /// Signs in by a code of the device. The next code comes in half a minute.
    async fn sign_in(&self, name: &str, secret: &Secret, policy: &Policy) -> Result<SessionClaims> {
        let asked = asked(self.begin(name, policy).await?)?;
        let passed = done(self.mfa.submit(asked.flow(), policy, app_code(&self.code(secret)?)).await?)?;
        self.clock.advance(Duration::from_secs(30));
        Ok(passed.into_session(&row(name)?)?)
    }

    /// The session of a request.
    async fn session(&self, name: &str, claims: &SessionClaims, policy: &Policy) -> Result<Session> {
        Ok(self.mfa.check_session(claims, &row(name)?, policy).await?.into_session()?)
    }

    /// Whether a session is valid.
    async fn holds(&self, name: &str, claims: &SessionClaims, policy: &Policy) -> Result<bool> {
        Ok(self.mfa.check_session(claims, &row(name)?, policy).await?.session().is_ok())
    }

    async fn status(&self, name: &str) -> Result<UserStatus> {
        Ok(self.mfa.admin(&root()?).status(&user(name)?).await?)
    }

    /// Prints what the policy asks of a user, and why.
    async fn plan(&self, policy: &Policy, name: &str) -> Result {
        let standing = self.status(name).await?.standing(&contact(name)?);
        for line in policy.explain(&standing).to_string().lines() {
            println!("    {line}");
        }
        Ok(())
    }

    /// Prints the newest events of a user, and the newest mail.
    async fn tell(&self, name: &str, events: usize) -> Result {
        for event in self.status(name).await?.recent.iter().take(events).rev() {
            println!("  event: {event}");
        }
        self.tell_mail()
    }

    fn tell_mail(&self) -> Result {
        println!("  mail: {}", self.outbox.sent().pop().ok_or("no mail")?.subject);
        Ok(())
    }

    /// Registers a smartphone: at the login if the policy requires one, and from the profile otherwise.
    async fn register(&self, name: &str, policy: &Policy) -> Result<Secret> {
        let mut login = self.begin(name, policy).await?;
        if let Outcome::Challenge(asked) = &login {
            let code = self.outbox.last_code().ok_or("no mail")?;
            login = self.mfa.submit(asked.flow(), policy, email_code(&code)).await?;
        }
        let secret = match login {
            Outcome::Enroll(enroll) => self.confirm(&enroll, policy).await?,
            login => {
                let claims = done(login)?.into_session(&row(name)?)?;
                let session = self.session(name, &claims, policy).await?;
                let enroll = enrolling(self.mfa.profile(&session).begin_registration().await?)?;
                self.confirm(&enroll, &session).await?
            }
        };
        // A code is accepted once: the next one comes in half a minute.
        self.clock.advance(Duration::from_secs(30));
        Ok(secret)
    }

    async fn confirm<F: Flow>(&self, enroll: &Enroll<F>, by: &F::By) -> Result<Secret> {
        let secret = secret_of(enroll)?;
        let confirm = Action::ConfirmApp { code: self.code(&secret)?.into(), name: None };
        let outcome = self.mfa.submit(enroll.challenge().flow(), by, confirm).await?;
        expect("a code of the smartphone confirms it", matches!(outcome, Outcome::Done(_)))?;
        Ok(secret)
    }

    /// Submits a code of the device.
    async fn app_code<F: Flow>(&self, flow: &FlowRef<F>, by: &F::By, secret: &Secret) -> Result<Outcome<F>> {
        Ok(self.mfa.submit(flow, by, app_code(&self.code(secret)?)).await?)
    }

    /// What the app shows now.
    fn code(&self, secret: &Secret) -> Result<String> {
        code_at(secret, self.clock.time())
    }
}

fn code_at(secret: &Secret, at: Timestamp) -> Result<String> {
    let code = Totp::default().generate(secret, at).ok_or("no code before T0")?;
    Ok(code.expose_secret().expose_secret().to_owned())
}

fn app_code(code: &str) -> Action {
    Action::AppCode { code: code.into(), device: None }
}

fn email_code(code: &str) -> Action {
    Action::EmailCode { code: code.into() }
}

fn root() -> Result<Administrator> {
    Ok(Administrator::assertion(user("root")?))
}

fn user(name: &str) -> Result<UserId> {
    Ok(UserId::new(name)?)
}

fn contact(name: &str) -> Result<Contact> {
    Ok(Contact::verified(EmailAddress::new(&format!("{name}@example.com"))?))
}

/// The user's row, as a host reads it from its database.
fn row(name: &str) -> Result<UserRow> {
    Ok(UserRow::new(user(name)?, "password version 1", contact(name)?))
}

/// What an app learns from the QR code.
fn secret_of<F: Flow>(enroll: &Enroll<F>) -> Result<Secret> {
    Ok(Secret::from_base32(enroll.key_uri().secret_base32().expose_secret())?)
}

fn asked<F: Flow>(outcome: Outcome<F>) -> Result<Challenge<F>> {
    match outcome {
        Outcome::Challenge(asked) => Ok(asked),
        other => Err(format!("no challenge: {other:?}").into()),
    }
}

fn enrolling<F: Flow>(outcome: Outcome<F>) -> Result<Enroll<F>> {
    match outcome {
        Outcome::Enroll(enroll) => Ok(enroll),
        other => Err(format!("no registration: {other:?}").into()),
    }
}

fn done<F: Flow>(outcome: Outcome<F>) -> Result<F::Done> {
    match outcome {
        Outcome::Done(done) => Ok(done),
        other => Err(format!("not complete: {other:?}").into()),
    }
}

fn refusal<F: Flow>(outcome: &Outcome<F>) -> Option<Refusal> {
    match outcome {
        Outcome::Challenge(asked) => asked.refusal(),
        Outcome::Denied(denied) => Some(denied.refusal()),
        Outcome::Enroll(enroll) => enroll.challenge().refusal(),
        Outcome::Done(_) => None,
    }
}

fn asks_for<F: Flow>(outcome: &Outcome<F>, steps: &[Step]) -> bool {
    match outcome {
        Outcome::Challenge(asked) => asked.next() == steps,
        Outcome::Enroll(enroll) => enroll.challenge().next() == steps,
        Outcome::Done(_) | Outcome::Denied(_) => false,
    }
}

/// Opens a session as the one function of a host does that writes sessions.
fn open(passed: impl Into<Authenticated>, name: &str) -> Result<SessionClaims> {
    let claims = passed.into().into_session(&row(name)?)?;
    // The host stores a line of text with the session, under a new id.
    Ok(SessionClaims::from_text(&claims.to_text())?)
}

fn title(id: &str, text: &str) {
    println!("\n{id}  {text}");
}

fn expect(what: &str, holds: bool) -> Result {
    println!("  [{}] {what}", if holds { "ok" } else { "NO" });
    if holds { Ok(()) } else { Err(what.into()) }
}

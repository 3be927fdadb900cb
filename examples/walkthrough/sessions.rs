//! What happens around a session: a password change, a stricter policy, a request that is dropped.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::mail::{Mail, Undelivered};
use factorgate::otpauth::Issuer;
use factorgate::policy::{Channel, FirstRegistration, Policy, Step};
use factorgate::session::SessionCheck;
use factorgate::testing::{FixedClock, MailFailed, MemoryStore, Outbox};
use factorgate::{Action, Mailer, Mfa, PrimaryVerified, Refusal, UserRow};

use crate::{
    Host, Result, asked, code_at, contact, done, email_code, enrolling, expect, open, refusal, root, row, secret_of,
    title, user,
};

/// A user who changes the password while somebody signs in with the old one.
pub(super) async fn stale_sign_in(policy: &Policy) -> Result {
    title("Password change", "A sign-in that read the old row is refused");
    let host = Host::new()?;
    let secret = host.register("olivia", policy).await?;
    let other = host.sign_in("olivia", &secret, policy).await?;
    let claims = host.sign_in("olivia", &secret, policy).await?;
    let session = host.session("olivia", &claims, policy).await?;

    // Two servers read the old row and verify the stolen password, which takes a while.
    let (stale, late) = (row("olivia")?, row("olivia")?);
    let login = asked(host.mfa.begin_login(PrimaryVerified::assertion(late), policy).await?)?;
    // Meanwhile the password is changed.
    let new = UserRow::new(user("olivia")?, "password version 2", contact("olivia")?);
    let continued = host.mfa.profile(&session).password_changed(&new).await??.into_session(&new)?;
    let refused = host.mfa.begin_login(PrimaryVerified::assertion(stale), policy).await?;
    println!("  refused: {}", refusal(&refused).ok_or("the old password was accepted")?);
    expect("the stale sign-in is refused", refusal(&refused) == Some(Refusal::AccountChanged))?;
    let refused = host.app_code(login.flow(), policy, &secret).await?;
    expect("and so is one that had begun", refusal(&refused) == Some(Refusal::FlowEnded))?;
    let ended = host.mfa.check_session(&other, &new, policy).await?;
    expect("every other session has ended", matches!(ended, SessionCheck::Ended))?;
    let valid = host.mfa.check_session(&continued, &new, policy).await?;
    expect("and the one that changed the password continues", matches!(valid, SessionCheck::Valid(_)))
}

/// A company whose administrator enforces e-mail codes while users are signed in.
pub(super) async fn stricter_policy() -> Result {
    title("Stricter policy", "An open session owes what the policy asks now");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterPassword);
    let enforced = Policy::any_of([Channel::Email], FirstRegistration::AfterPassword)?;
    let claims = open(done(host.begin("pat", &off).await?)?, "pat")?;
    expect("the password alone opened a session", host.holds("pat", &claims, &off).await?)?;
    let check = host.mfa.check_session(&claims, &row("pat")?, &enforced).await?;
    let owing = check.owing()?;
    for path in owing.plan().paths() {
        let steps: Vec<String> = path.steps().iter().map(|step| step.name()).collect();
        println!("  the session owes: {}", steps.join(", then "));
    }
    expect("the session can no longer reach the profile", check.session().err() == Some(Refusal::StepsOwed))?;
    let asked = asked(host.mfa.begin_completion(owing).await?)?;
    expect("its completion asks for an e-mail code", asked.next() == [Step::EmailCode])?;
    let code = host.outbox.last_code().ok_or("no mail")?;
    let claims = open(done(host.mfa.submit(asked.flow(), owing, email_code(&code)).await?)?, "pat")?;
    expect("and with it the session is valid", host.holds("pat", &claims, &enforced).await?)
}

/// A mailer that never answers while it hangs.
#[derive(Clone)]
struct HangingMailer {
    hangs: Arc<AtomicBool>,
    outbox: Outbox,
}

impl Mailer for HangingMailer {
    type Error = MailFailed;

    async fn send(&self, mail: Mail<'_>) -> std::result::Result<(), Undelivered<MailFailed>> {
        if self.hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        self.outbox.send(mail).await
    }
}

/// A client that hangs up between the commit and the mail.
pub(super) async fn dropped_request(policy: &Policy) -> Result {
    title("Dropped request", "A notice is part of the commit and is sent later");
    let (clock, outbox) = (FixedClock::at(1_900_000_000), Outbox::new());
    let mailer = HangingMailer { hangs: Arc::default(), outbox: outbox.clone() };
    let keys = ServerKeys::new(ServerKey::generate(&OsRandom)?);
    let builder = Mfa::builder(MemoryStore::new(), mailer.clone(), keys, Issuer::new("ACME")?);
    let mfa = builder.clock(clock.clone()).build()?;
    let (victor, by) = (user("victor")?, root()?);

    let enroll = enrolling(mfa.begin_login(PrimaryVerified::assertion(row("victor")?), policy).await?)?;
    let code = code_at(&secret_of(&enroll)?, clock.time())?;
    let confirm = Action::ConfirmApp { code: code.into(), name: Some("A thief's phone".into()) };
    mailer.hangs.store(true, Ordering::SeqCst);
    let request = mfa.submit(enroll.challenge().flow(), policy, confirm);
    let dropped = tokio::time::timeout(Duration::from_millis(20), request).await;
    expect("the client hangs up before the mail is sent", dropped.is_err() && outbox.sent().is_empty())?;
    mailer.hangs.store(false, Ordering::SeqCst);

    let status = mfa.admin(&by).status(&victor).await?;
    expect(
        "the smartphone is registered, and its notice is owed",
        (status.devices.len(), status.owed_notices) == (1, 1),
    )?;
    let sent = mfa.maintenance().send_owed_notices(&victor).await?;
    expect("for a minute it is left to the request that owes it", sent == 0)?;
    clock.advance(Duration::from_secs(60));
    let sent = mfa.maintenance().send_owed_notices(&victor).await?;
    println!("  mail: {}", outbox.sent().pop().ok_or("no mail")?.subject);
    expect("then a sweep sends it", sent == 1 && outbox.notices() == ["device_added"])?;
    let sent = mfa.maintenance().send_owed_notices(&victor).await?;
    expect("and nothing is owed any more", sent == 0 && mfa.admin(&by).status(&victor).await?.owed_notices == 0)
}

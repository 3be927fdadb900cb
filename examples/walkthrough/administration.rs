//! What an administrator does for all users: groups, imports, a new server key, coverage.

use std::ops::ControlFlow;
use std::time::Duration;

use factorgate::device::DeviceName;
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::login::Assurance;
use factorgate::mail::Notice;
use factorgate::migrate::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::{Secret, Totp};
use factorgate::policy::{Attack, Channel, FirstRegistration, Policy, Preview, Step, Summary};
use factorgate::testing::MemoryStore;
use factorgate::{Action, Refusal, Timestamp};

use crate::{Host, Result, app_code, asked, asks_for, code_at, contact, done, expect, refusal, root, title, user};

/// A company with a stricter group, and what its administrator learns before saving.
pub(super) async fn company() -> Result {
    title("Company", "A group with more steps, and a policy that would lock out every administrator");
    let host = Host::new()?;
    let company = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
    let accounting = Policy::all_of([Channel::App, Channel::Email], FirstRegistration::WithTicket)?;
    let folded = Policy::strictest(&company, [&accounting]);
    host.plan(&folded, "sybil").await?;
    let login = host.begin("sybil", &company).await?;
    expect("a colleague signs in by e-mail", asks_for(&login, &[Step::EmailCode]))?;
    let login = host.begin("sybil", &folded).await?;
    println!("  accounting: {}", refusal(&login).ok_or("accounting signed in")?);
    let weaker = Policy::strictest(&folded, [&Policy::off(FirstRegistration::AfterPassword)]);
    expect("a policy that asks for less changes nothing", weaker == folded)?;

    let administrator = host.status("sybil").await?.standing(&contact("sybil")?);
    let refused = Preview::new(&company, &folded).check_administrators([administrator]);
    expect("a policy that would lock out every administrator is not saved", refused.is_err())?;

    let off = Policy::off(FirstRegistration::AfterPassword);
    let secret = host.register("sybil", &off).await?;
    let standing = host.status("sybil").await?.standing(&contact("sybil")?);
    let odds = folded.odds(&standing, &Attack::default());
    println!("  guessing both codes: {:.1e} a year", odds.per_year);
    let of_one = company.odds(&standing, &Attack::default());
    expect("two codes are guessed less often than one", odds.per_year < of_one.per_year)?;

    let claims = host.sign_in("sybil", &secret, &company).await?;
    host.mfa.admin(&root()?).end_sessions(&user("sybil")?).await?;
    expect("an administrator ends every session", !host.holds("sybil", &claims, &company).await?)?;

    let asked = asked(host.begin("sybil", &company).await?)?;
    let wrong = code_at(&secret, Timestamp::from_secs(0))?;
    for _ in 0..5 {
        let _ = host.mfa.submit(asked.flow(), &company, app_code(&wrong)).await?;
    }
    let told = host.outbox.sent().pop().ok_or("no mail")?;
    println!("  mail: {}", told.subject);
    expect(
        "five wrong codes are a lock, of which the user gets a notice",
        matches!(told.notice, Some(Notice::Locked { .. })),
    )
}

/// A user of another system.
pub(super) async fn import(policy: &Policy) -> Result {
    title("Import", "A user of another system registers nothing again");
    let host = Host::new()?;
    let secret = Secret::from_legacy_base32("JBSWY3DPEHPK3PXP")?;
    let last = Totp::default().step_at(host.clock.time()).ok_or("before T0")?;
    let device = ImportedDevice::new(Secret::from_legacy_bytes(secret.expose_secret())?, Totp::default());
    let import = Import::new(device.named(DeviceName::new("Trent's phone")?).last_step(last))
        .with_recovery_code(LegacyRecoveryCode::parse("6pjh5sm3")?)?;
    host.mfa.admin(&root()?).import(&user("trent")?, &import).await??;
    for event in host.status("trent").await?.recent.iter().rev() {
        println!("  event: {event}");
    }
    let again = host.mfa.admin(&root()?).import(&user("trent")?, &import).await?;
    expect("a second import changes nothing", again == Err(Refusal::HasFactor))?;
    expect("no mail is sent", host.outbox.sent().is_empty())?;
    let asked = asked(host.begin("trent", policy).await?)?;
    let login = host.app_code(asked.flow(), policy, &secret).await?;
    expect("a code that was used there is refused", refusal(&login) == Some(Refusal::WrongCode))?;
    host.clock.advance(Duration::from_secs(30));
    let claims = host.sign_in("trent", &secret, policy).await?;
    expect("the next one is accepted", claims.evidence().assurance() == Assurance::TwoFactor)?;
    let asked = crate::asked(host.begin("trent", policy).await?)?;
    let typed = Action::RecoveryCode { code: " 6pjh5sm3 ".into() };
    let passed = done(host.mfa.submit(asked.flow(), policy, typed).await?)?;
    expect("and so is the recovery code of there", passed.evidence().assurance() == Assurance::Recovered)
}

/// A server whose key is changed.
pub(super) async fn rotation(policy: &Policy) -> Result {
    title("Rotation", "A new server key");
    let old = ServerKey::generate(&OsRandom)?;
    let text = old.to_hex();
    let again = || ServerKey::from_hex(text.expose_secret());
    let before = Host::with(MemoryStore::new(), ServerKeys::new(old))?;
    let secret = before.register("nina", policy).await?;
    before.register("oscar", policy).await?;
    let new = ServerKeys::new(ServerKey::generate(&OsRandom)?).with_retired(again()?);
    println!("  {new:?}");
    let host = Host::with(before.store.clone(), new)?;
    // The flows that were open under the old key have expired.
    host.clock.advance(Duration::from_secs(60 * 60));
    host.sign_in("nina", &secret, policy).await?;
    let maintenance = host.mfa.maintenance();
    let usage = maintenance.key_usage(&user("nina")?).await?;
    expect("a login re-encrypts the record", usage.sealed_under != Some(again()?.id()))?;
    let users = [user("nina")?, user("oscar")?];
    let walk = maintenance.reencrypt_all(users, |_, _| ControlFlow::Continue(())).await;
    for line in walk.to_string().lines() {
        println!("  {line}");
    }
    expect("a walk does it for the others", (walk.total.changed, walk.total.current) == (1, 1))?;
    let needed = walk.total.needed.contains_key(&again()?.id());
    expect("and the old key is no longer needed", walk.failed == 0 && !needed)
}

/// A user who changes to another system.
#[cfg(feature = "dangerous-export")]
pub(super) async fn export(policy: &Policy) -> Result {
    title("Export", "The devices of a user can be moved to another system");
    let here = Host::new()?;
    let secret = here.register("ursula", policy).await?;
    let root = root()?;
    let export = here.mfa.admin(&root).export(&user("ursula")?).await?;
    let device = export.devices.into_iter().next().ok_or("no device")?;
    println!("  exported: {} ({})", device.name, device.id);
    let import = Import::new(ImportedDevice::new(device.secret, device.totp).last_step(device.last_step));
    let there = Host::new()?;
    there.clock.advance(Duration::from_secs(30));
    there.mfa.admin(&root).import(&user("ursula")?, &import).await??;
    let claims = there.sign_in("ursula", &secret, policy).await?;
    expect("the smartphone works there", claims.evidence().assurance() == Assurance::TwoFactor)
}

/// An administrator who wants to know how many users have a second factor.
pub(super) async fn coverage(policy: &Policy) -> Result {
    title("Coverage", "What users have, and what another policy would change");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterPassword);
    host.register("peggy", &off).await?;
    let users = ["peggy", "quentin", "rupert"].map(|name| Ok((user(name)?, contact(name)?)));
    let users: Vec<_> = users.into_iter().collect::<Result<_>>()?;
    let (preview, mut summary) = (Preview::new(&off, policy), Summary::default());
    let maintenance = host.mfa.maintenance();
    let walk = maintenance.coverage(users, &off, |covered| {
        summary.count(&preview.finding(&covered.user, &covered.standing));
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    for line in walk.to_string().lines() {
        println!("  {line}");
    }
    expect("one of three users has a factor", (walk.total.users, walk.total.registered()) == (3, 1))?;
    expect("and two would have to register if it were enforced", summary.must_register == 2)
}

//! What an administrator does for all users: moving in, a new server key, and who is covered.

use std::ops::ControlFlow;
use std::time::Duration;

use factorgate::moving::{Import, ImportedDevice, LegacyRecoveryCode};
use factorgate::otp::Totp;
use factorgate::policy::{Channel, FirstRegistration, Guessing, Policy, Preview, Step, Summary};
use factorgate::testing::MemoryStore;
use factorgate::{
    Administrator, Assurance, DeviceName, Imported, Login, Notice, OsRandom, Secret, ServerKey, ServerKeys, Session,
    Timestamp,
};

use crate::{Host, Result, asks_for, contact, expect, title, user};

/// A company with a stricter group, and what its administrator is told before saving.
pub(super) async fn company() -> Result {
    title("Company", "A group asks for more, and nothing is saved that nobody could take back");
    let host = Host::new()?;
    let company = Policy::any_of([Channel::App, Channel::Email], FirstRegistration::AfterEmailCode)?;
    let accounting = Policy::all_of([Channel::App, Channel::Email], FirstRegistration::WithTicket)?;
    let folded = Policy::strictest(&company, [&accounting]);
    host.plan(&folded, "sybil").await?;
    let login = host.log_in("sybil", &company).await?;
    expect("a colleague gets in by mail", asks_for(&login, &[Step::EmailCode]))?;
    let login = host.log_in("sybil", &folded).await?;
    let Login::Denied(denied) = login else { return Err("accounting got in".into()) };
    println!("  accounting: {}", denied.reason);
    let weaker = Policy::strictest(&folded, [&Policy::off(FirstRegistration::AfterPassword)]);
    expect("a policy that asks for less changes nothing", weaker == folded)?;

    let administrator = host.mfa.status(&user("sybil")?).await?.standing(&contact("sybil")?);
    let refused = Preview::new(&company, &folded).check_administrators([administrator]);
    expect("what would lock out every administrator is not saved", refused.is_err())?;

    let secret = host.register_from_profile("sybil", &Policy::off(FirstRegistration::AfterPassword)).await?;
    let standing = host.mfa.status(&user("sybil")?).await?.standing(&contact("sybil")?);
    let odds = folded.odds(&standing, &Guessing::default());
    println!("  guessing both codes: {:.1e} a year", odds.per_year);
    expect(
        "two codes are guessed less often than one",
        odds.per_year < company.odds(&standing, &Guessing::default()).per_year,
    )?;

    let passed = host.log_in_by_app("sybil", &secret, &company).await?;
    let (own, other) = (passed.session().rotated(), passed.session().rotated());
    let revocation = host.mfa.revoke_logins(passed.user()).await?;
    let ended = matches!(host.mfa.check_session(&other).await?, Session::Ended);
    expect("a changed password ends every session", ended)?;
    let goes_on = matches!(host.mfa.check_session(&own.after(&revocation.change)).await?, Session::Valid(_));
    expect("but the one in which it was changed", goes_on)?;

    let Login::Challenge(asked) = host.log_in("sybil", &company).await? else { return Err("no challenge".into()) };
    let wrong = Totp::default().generate(&secret, Timestamp::from_secs(0)).ok_or("before T0")?;
    while !matches!(host.mfa.verify_app_code(asked.flow(), &wrong, &company).await?, Login::Denied(_)) {}
    let told = host.outbox.sent().pop().ok_or("nobody was told")?;
    println!("  mail: {}", told.subject);
    expect("who guesses is locked out, and the user is told", matches!(told.notice, Some(Notice::Locked { .. })))
}

/// A user who comes from another system.
pub(super) async fn import(policy: &Policy) -> Result {
    title("Import", "A user of another system registers nothing anew");
    let host = Host::new()?;
    let secret = Secret::from_legacy_base32("JBSWY3DPEHPK3PXP")?;
    let last = Totp::default().step_at(host.clock.time()).ok_or("before T0")?;
    let device = ImportedDevice::new(Secret::from_legacy_bytes(secret.expose_secret())?, Totp::default());
    let import = Import::new(device.named(DeviceName::new("Trent's phone")?).last_step(last))
        .with_recovery_code(LegacyRecoveryCode::parse("6pjh5sm3")?)?;
    let root = Administrator::assertion(user("root")?);
    let Imported::Made { events } = host.mfa.import(&user("trent")?, &import, &root).await? else {
        return Err("nothing was imported".into());
    };
    for event in &events {
        println!("  event: {event}");
    }
    let again = host.mfa.import(&user("trent")?, &import, &root).await?;
    expect("run again it changes nothing", matches!(again, Imported::Unchanged { .. }))?;
    expect("nobody is mailed", host.outbox.sent().is_empty())?;
    let Login::Challenge(asked) = host.log_in("trent", policy).await? else { return Err("no challenge".into()) };
    let login = host.mfa.verify_app_code(asked.flow(), &host.code(&secret)?, policy).await?;
    expect("the code that was used there opens nothing", matches!(login, Login::Challenge(_)))?;
    host.clock.advance(Duration::from_secs(30));
    let passed = host.log_in_by_app("trent", &secret, policy).await?;
    expect("the next one does", passed.assurance() == Assurance::TwoFactor)?;
    let Login::Challenge(asked) = host.log_in("trent", policy).await? else { return Err("no challenge".into()) };
    let typed = LegacyRecoveryCode::parse(" 6pjh5sm3 ")?;
    let login = host.mfa.verify_legacy_recovery_code(asked.flow(), &typed, policy).await?;
    expect("and so does the recovery code, as it was printed there", matches!(login, Login::Authenticated(_)))
}

/// A server whose key is changed.
pub(super) async fn rotation(policy: &Policy) -> Result {
    title("Rotation", "A new server key");
    let old = ServerKey::generate(&OsRandom)?;
    let text = old.to_hex();
    let again = || ServerKey::from_hex(text.expose_secret());
    let before = Host::with(MemoryStore::new(), ServerKeys::new(old))?;
    let secret = before.register_from_profile("nina", policy).await?;
    before.register_from_profile("oscar", policy).await?;
    let new = ServerKeys::new(ServerKey::generate(&OsRandom)?).with_retired(again()?);
    println!("  {new:?}");
    let host = Host::with(before.store.clone(), new)?;
    host.clock.advance(Duration::from_secs(60));
    let _ = host.log_in_by_app("nina", &secret, policy).await?;
    expect(
        "a login seals the record anew",
        host.mfa.key_usage(&user("nina")?).await?.sealed_under != Some(again()?.id()),
    )?;
    let users = [user("nina")?, user("oscar")?];
    let walk = host.mfa.reseal_all(users, |_, _| ControlFlow::Continue(())).await;
    for line in walk.to_string().lines() {
        println!("  {line}");
    }
    expect("a walk does it for who did not log in", (walk.total.changed, walk.total.current) == (1, 1))?;
    let needed = walk.total.needed.contains_key(&again()?.id());
    expect("and the old key is needed no more", walk.failed == 0 && !needed)
}

/// A user who goes to another system.
#[cfg(feature = "dangerous-export")]
pub(super) async fn export(policy: &Policy) -> Result {
    title("Export", "What a user has registered can be taken elsewhere");
    let here = Host::new()?;
    let secret = here.register_from_profile("ursula", policy).await?;
    let root = Administrator::assertion(user("root")?);
    let export = here.mfa.export(&user("ursula")?, &root).await?;
    for event in &export.events {
        println!("  event: {event}");
    }
    let device = export.devices.into_iter().next().ok_or("no device")?;
    let import = Import::new(ImportedDevice::new(device.secret, device.totp).last_step(device.last_step));
    let there = Host::new()?;
    there.clock.advance(Duration::from_secs(30));
    let Imported::Made { .. } = there.mfa.import(&user("ursula")?, &import, &root).await? else {
        return Err("nothing was imported".into());
    };
    let passed = there.log_in_by_app("ursula", &secret, policy).await?;
    expect("the smartphone goes along", passed.assurance() == Assurance::TwoFactor)
}

/// An administrator who wants to know who is covered.
pub(super) async fn coverage(policy: &Policy) -> Result {
    title("Coverage", "Who holds what, and what another policy would do to them");
    let host = Host::new()?;
    let off = Policy::off(FirstRegistration::AfterPassword);
    host.register_from_profile("peggy", &off).await?;
    let users = ["peggy", "quentin", "rupert"].map(|name| Ok((user(name)?, contact(name)?)));
    let users: Vec<_> = users.into_iter().collect::<Result<_>>()?;
    let (preview, mut summary) = (Preview::new(&off, policy), Summary::default());
    let walk = host.mfa.coverage(users, &off, |covered| {
        summary.count(&preview.finding(&covered.user, &covered.standing));
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    for line in walk.to_string().lines() {
        println!("  {line}");
    }
    expect("one of three is covered", (walk.total.users, walk.total.registered()) == (3, 1))?;
    expect("and two would have to register, were it enforced", summary.must_register == 2)
}

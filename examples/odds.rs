//! The chance to sign in by guessing: as the library computes it, and as 100,000 attacked accounts show it.
//!
//! `cargo run --release --example odds` takes about three minutes. `-- 1000` attacks that many accounts.

use std::error::Error;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use factorgate::admin::Administrator;
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Digits, Secret, Totp, Window};
use factorgate::policy::{
    Attack, Attacker, Channel, DeviceStanding, EmailStanding, FirstRegistration, Policy, Standing,
};
use factorgate::testing::Kit;
use factorgate::{Action, Contact, EmailAddress, Outcome, PrimaryVerified, UserId, UserRow};

const YEAR: u64 = 365 * 24 * 60 * 60;

fn main() -> Result<(), Box<dyn Error>> {
    table()?;
    let accounts = std::env::args().nth(1).map_or(Ok(100_000), |number| number.parse())?;
    simulate(accounts)
}

fn one_in(chance: f64) -> String {
    match chance {
        chance if chance >= 1.0 => "certain".to_owned(),
        chance if chance <= 0.0 => "none".to_owned(),
        chance => format!("1 in {:.0}", 1.0 / chance),
    }
}

/// What [`Policy::odds`] says, for each attacker.
fn table() -> Result<(), Box<dyn Error>> {
    let first = FirstRegistration::AfterEmailCode;
    let mut user = Standing::new();
    user.device = DeviceStanding::Confirmed { recovery_codes: false };
    user.email = Some(EmailStanding { verified: true, tainted: false });
    let policies = [
        ("app code", Policy::any_of([Channel::App], first)?),
        ("app or e-mail code", Policy::any_of([Channel::App, Channel::Email], first)?.with_email_fallback()?),
        ("app and e-mail code", Policy::all_of([Channel::App, Channel::Email], first)?),
    ];
    let attackers = [
        ("an attacker with the password", Attacker::Password),
        ("the password and the mailbox", Attacker::Mailbox),
        ("the password and a cookie, copied once", Attacker::CopiedCookie),
        ("the password, and an owner who is tricked", Attacker::FinishedByOwner),
    ];
    for (asked, policy) in &policies {
        println!("{:40}{:>18}{:>18}", format!("Asked for: {asked}"), "within a day", "within a year");
        for (name, attacker) in attackers {
            let mut attack = Attack::default();
            attack.attacker = attacker;
            let odds = policy.odds(&user, &attack);
            println!("  {name:38}{:>18}{:>18}", one_in(odds.per_day), one_in(odds.per_year));
        }
        println!();
    }
    println!("An app code, by an attacker with the password, within a year:");
    for (name, digits, past, future) in [
        ("6 digits, no step around", Digits::SIX, 0, 0),
        ("6 digits, one step around (default)", Digits::SIX, 1, 1),
        ("6 digits, two steps around", Digits::SIX, 2, 2),
        ("8 digits, one step around", Digits::EIGHT, 1, 1),
    ] {
        let mut attack = Attack::default();
        (attack.app_digits, attack.window) = (digits, Window::new(past, future)?);
        println!("  {name:38}{:>36}", one_in(policies[0].1.odds(&user, &attack).per_year));
    }
    Ok(())
}

/// Attacks accounts of a real engine for a year each, and compares how many are opened.
fn simulate(accounts: u32) -> Result<(), Box<dyn Error>> {
    let policy = Policy::any_of([Channel::App], FirstRegistration::WithTicket)?;
    let mut user = Standing::new();
    user.device = DeviceStanding::Confirmed { recovery_codes: false };
    let chance = policy.odds(&user, &Attack::default()).per_year;
    println!("\nAttacking {accounts} accounts, as often as anything is compared, for a year each:");
    let (next, opened, guesses) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
    let (began, threads) = (Instant::now(), std::thread::available_parallelism()?.get());
    let work = || -> Result<(), String> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= accounts {
                return Ok(());
            }
            let (made, is_open) = attack(number, &policy).map_err(|error| error.to_string())?;
            guesses.fetch_add(made, Ordering::Relaxed);
            opened.fetch_add(u32::from(is_open), Ordering::Relaxed);
            if (number + 1) % (accounts / 10).max(1) == 0 {
                let seconds = began.elapsed().as_secs();
                println!("  {} of {accounts}, {} opened, {seconds} s", number + 1, opened.load(Ordering::Relaxed));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
    })?;
    let (opened, expected) = (f64::from(opened.into_inner()), chance * f64::from(accounts));
    let tolerance = 4.0 * (expected * (1.0 - chance)).sqrt();
    println!("{opened} were opened; {expected:.1} ± {tolerance:.1} are expected.");
    println!("{:.2} guesses an account.", guesses.into_inner() as f64 / f64::from(accounts));
    if (opened - expected).abs() > tolerance {
        return Err("the simulation contradicts the odds".into());
    }
    Ok(())
}

/// Guesses at one account for a year. Returns the guesses, and whether one was right.
fn attack(number: u32, policy: &Policy) -> Result<(u64, bool), Box<dyn Error>> {
    let kit = Kit::new();
    let mfa = kit.mfa();
    let user = UserId::new(&number.to_string())?;
    // Another secret for each account, and the same in each run.
    let mut bytes = [0; 20];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(at as u32 * 7).to_le_bytes()[3];
    }
    let device = ImportedDevice::new(Secret::from_bytes(&bytes)?, Totp::default());
    let root = Administrator::host("simulation")?;
    mfa.wait(mfa.admin(&root).import(&user, &Import::new(device)))??;
    let contact = Contact::verified(EmailAddress::new("user@example.com")?);
    let row = || Ok::<_, Box<dyn Error>>(UserRow::new(UserId::new(&number.to_string())?, "1", contact.clone()));
    kit.advance(Duration::from_secs(60));
    let end = kit.clock.time().as_secs() + YEAR;
    let mut guesses = 0;
    while kit.clock.time().as_secs() < end {
        let begun = mfa.wait(mfa.begin_login(PrimaryVerified::assertion(row()?), policy))?;
        let Outcome::Challenge(asked) = begun else { return Err("no code is asked for".into()) };
        if let Some(at) = asked.refusal().and_then(|refusal| refusal.retry_at()) {
            kit.clock.set(at.as_secs());
            continue;
        }
        guesses += 1;
        let code = format!("{:06}", (u64::from(number) * 7_919 + guesses * 104_729) % 1_000_000);
        let action = Action::AppCode { code: code.into(), device: None };
        if let Outcome::Done(_) = mfa.wait(mfa.submit(asked.flow(), policy, action))? {
            return Ok((guesses, true));
        }
    }
    Ok((guesses, false))
}

//! Codes that confirm a new address, before it is used. They are the portal's own: to the engine the address is unknown.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use factorgate::EmailAddress;
use factorgate::env::{OsRandom, RandomUnavailable, SecureRandom as _};
use subtle::ConstantTimeEq as _;

/// How long a code is valid.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong codes after which a code is void.
const ATTEMPTS: u32 = 5;
/// The most codes that are sent for a user in an hour, and the pause between two.
const PER_HOUR: usize = 5;
const HOUR: Duration = Duration::from_secs(60 * 60);
const PAUSE: Duration = Duration::from_secs(30);

/// The addresses that wait for their code, each by the session that has asked for it.
#[derive(Default)]
pub(crate) struct Confirmations(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: HashMap<u64, Waiting>,
    /// When codes were sent for a user.
    sent: HashMap<i64, Vec<Instant>>,
}

struct Waiting {
    email: EmailAddress,
    code: String,
    since: Instant,
    attempts: u32,
}

/// What became of a code that was entered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    /// The address is confirmed. The code is spent.
    Right(EmailAddress),
    Wrong,
    /// There is no code to compare with: it has expired, or there were too many wrong ones.
    Over,
}

impl Confirmations {
    /// Generates a code for an address, in place of an earlier one. `None`: too many were sent.
    pub(crate) fn begin(
        &self,
        session: u64,
        user: i64,
        email: &EmailAddress,
    ) -> Result<Option<String>, RandomUnavailable> {
        let code = generate()?;
        let mut state = self.lock();
        let now = Instant::now();
        state.waiting.retain(|_, waiting| waiting.since.elapsed() < LIFETIME);
        state.sent.retain(|_, times| times.iter().any(|at| at.elapsed() < HOUR));
        let times = state.sent.entry(user).or_default();
        times.retain(|at| at.elapsed() < HOUR);
        if times.len() >= PER_HOUR || times.last().is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(None);
        }
        times.push(now);
        let waiting = Waiting { email: email.clone(), code: code.clone(), since: now, attempts: 0 };
        state.waiting.insert(session, waiting);
        Ok(Some(code))
    }

    /// The address that waits for its code.
    pub(crate) fn address(&self, session: u64) -> Option<EmailAddress> {
        let state = self.lock();
        let waiting = state.waiting.get(&session).filter(|waiting| waiting.since.elapsed() < LIFETIME);
        waiting.map(|waiting| waiting.email.clone())
    }

    pub(crate) fn enter(&self, session: u64, typed: &str) -> Confirmed {
        let mut state = self.lock();
        let Some(mut waiting) = state.waiting.remove(&session).filter(|waiting| waiting.since.elapsed() < LIFETIME)
        else {
            return Confirmed::Over;
        };
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        if bool::from(digits.as_bytes().ct_eq(waiting.code.as_bytes())) {
            return Confirmed::Right(waiting.email);
        }
        waiting.attempts += 1;
        if waiting.attempts >= ATTEMPTS {
            return Confirmed::Over;
        }
        state.waiting.insert(session, waiting);
        Confirmed::Wrong
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Eight digits, each code as likely as any other.
fn generate() -> Result<String, RandomUnavailable> {
    const CODES: u32 = 100_000_000;
    loop {
        let mut bytes = [0; 4];
        OsRandom.fill(&mut bytes)?;
        let number = u32::from_be_bytes(bytes);
        // What lies beyond the last whole multiple would make small codes more likely.
        if number < u32::MAX / CODES * CODES {
            return Ok(format!("{:08}", number % CODES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> EmailAddress {
        EmailAddress::new(text).unwrap()
    }

    #[test]
    fn code_confirms_its_address_once_and_in_its_session_only() {
        let confirmations = Confirmations::default();
        let code = confirmations.begin(1, 7, &address("a@x.example")).unwrap().unwrap();
        assert_eq!((code.len(), confirmations.enter(2, &code)), (8, Confirmed::Over));
        let spaced = format!(" {} {}", &code[..4], &code[4..]);
        assert_eq!(confirmations.enter(1, &spaced), Confirmed::Right(address("a@x.example")));
        assert_eq!(confirmations.enter(1, &code), Confirmed::Over);
    }

    #[test]
    fn five_wrong_codes_void_the_right_one() {
        let confirmations = Confirmations::default();
        let code = confirmations.begin(1, 7, &address("a@x.example")).unwrap().unwrap();
        for _ in 0..4 {
            assert_eq!(confirmations.enter(1, "x"), Confirmed::Wrong);
        }
        assert_eq!(confirmations.enter(1, "x"), Confirmed::Over);
        assert_eq!(confirmations.enter(1, &code), Confirmed::Over);
    }

    #[test]
    fn next_code_waits_whatever_the_session() {
        let confirmations = Confirmations::default();
        assert!(confirmations.begin(1, 7, &address("a@x.example")).unwrap().is_some());
        assert!(confirmations.begin(2, 7, &address("b@x.example")).unwrap().is_none());
        assert!(confirmations.begin(3, 8, &address("b@x.example")).unwrap().is_some(), "another user does not wait");
    }
}

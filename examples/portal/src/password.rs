//! Passwords: Argon2id with the parameters that OWASP recommends, never on a thread that serves others.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::config::ForTests;
use crate::error::Failure;
use crate::token::Token;

/// NIST SP 800-63B-4 section 3.1.1.2: a password that may be the only factor has at least 15 characters.
pub(crate) const MIN_CHARACTERS: usize = 15;
/// Long enough for every passphrase, short enough to be hashed at once.
pub(crate) const MAX_BYTES: usize = 512;

/// Hashes take 19 MiB each: no more than this many are made at a time, the rest waits.
const AT_A_TIME: usize = 4;

/// What tests hash with: 512 KiB, once.
const CHEAP: Result<Params, argon2::Error> = Params::new(512, 1, 1, None);

/// Makes and checks hashes.
#[derive(Clone)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    /// Checked where there is no account, so that the answer takes as long.
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) async fn new(for_tests: &ForTests) -> Result<Self, Failure> {
        let params = if for_tests.cheap_hashes { CHEAP.map_err(Failure::internal)? } else { Params::DEFAULT };
        let argon2 = Argon2::new(Algorithm::default(), Version::default(), params);
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        let passwords = Self { argon2, dummy: "".into(), turns };
        let dummy = passwords.hash(Token::mint()?.to_text()).await?;
        Ok(Self { dummy: dummy.into(), ..passwords })
    }

    pub(crate) async fn hash(&self, password: String) -> Result<String, Failure> {
        let argon2 = self.argon2.clone();
        self.in_turn(move || argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|error| Failure::internal(error.to_string()))
    }

    /// Whether `password` is the one `hash` was made of. Without a hash: no, after the same work.
    pub(crate) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Failure> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.dummy.as_ref().to_owned());
        let right = self
            .in_turn(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(right && known)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(Failure::internal)?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(Failure::internal)
    }
}

/// Why a password is not taken; `None` if it is.
pub(crate) fn objection(password: &str) -> Option<&'static str> {
    if password.chars().count() < MIN_CHARACTERS {
        Some("That is too short: use at least 15 characters.")
    } else if password.len() > MAX_BYTES {
        Some("That is too long: use at most 512 bytes.")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_is_right() {
        let passwords = Passwords::new(&ForTests::default()).await.unwrap();
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse battery".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horse batterz".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse battery".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_account_costs_the_same_work() {
        let passwords = Passwords::new(&ForTests::default()).await.unwrap();
        let hash = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        let parameters = |hash: &str| hash.split('$').take(4).map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(parameters(&passwords.dummy), parameters(&hash));
    }

    #[test]
    fn length_is_the_only_rule() {
        assert!(objection("fourteen chars").is_some());
        assert!(objection("fifteen chars !").is_none());
        assert!(objection("üüüüüüüüüüüüüüü").is_none());
        assert!(objection(&"a".repeat(513)).is_some());
    }
}

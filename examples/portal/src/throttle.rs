//! How often a password may be tried: for each account, and from each client address. What is refused costs no hash.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest as _, Sha256};

/// Tries for one account at once, and how long it takes until one more is allowed.
const ACCOUNT: (u32, Duration) = (20, Duration::from_secs(30));
/// The same for one client address, behind which there may be a whole company.
const CLIENT: (u32, Duration) = (200, Duration::from_secs(1));
/// Accounts and addresses that are kept before those are dropped whose tries are all allowed again.
const MOST: usize = 10_000;

/// Counts the tries.
pub(crate) struct Throttle {
    accounts: DefaultKeyedRateLimiter<[u8; 32]>,
    clients: DefaultKeyedRateLimiter<IpAddr>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self { accounts: RateLimiter::keyed(quota(ACCOUNT)), clients: RateLimiter::keyed(quota(CLIENT)) }
    }

    /// Whether a password may be tried now. Whether the account exists makes no difference, and a right password restores
    /// nothing.
    pub(crate) fn allows(&self, account: &str, client: IpAddr) -> bool {
        if self.accounts.len() + self.clients.len() > MOST {
            self.accounts.retain_recent();
            self.clients.retain_recent();
        }
        // The text may be of any length: a digest of it is kept.
        let account = Sha256::digest(account.trim().to_lowercase()).into();
        self.clients.check_key(&client).is_ok() && self.accounts.check_key(&account).is_ok()
    }
}

fn quota((burst, refill): (u32, Duration)) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(refill).unwrap_or_else(|| Quota::per_second(burst)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_throttled_whatever_its_spelling_and_others_are_not() {
        let (throttle, here, there) = (Throttle::new(), IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let allowed = (0..30).filter(|_| throttle.allows("Ada@x.example ", here)).count();
        assert_eq!(allowed, 20);
        assert!(!throttle.allows("ada@x.example", there), "from no address");
        assert!(throttle.allows("bo@x.example", here));
    }

    #[test]
    fn client_is_throttled_whatever_the_account() {
        let (throttle, here, there) = (Throttle::new(), IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let allowed = (0..250).filter(|n| throttle.allows(&format!("{n}@x.example"), here)).count();
        assert!((200..=205).contains(&allowed), "{allowed}");
        assert!(throttle.allows("0@x.example", there));
    }
}

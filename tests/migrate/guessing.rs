//! Guesses at imported recovery codes: each is paid for before a slow hash is computed, and nothing of them leaks.

use factorgate::audit::{CodeFault, Factor};
use factorgate::limits::Guessing;
use factorgate::mail::Notice;
use factorgate::testing::StoreFault;

use super::*;

const ROUNDS: usize = 50;
const LIMIT: usize = Guessing::LOCK_AFTER as usize;

fn wrongs(host: &Host) -> usize {
    let wrong = EventKind::CodeRefused { factor: Factor::Recovery, fault: CodeFault::Wrong };
    host.kinds().iter().filter(|kind| **kind == wrong).count()
}

/// Sends the same code `count` times at once in one login. Returns how many logins were completed.
async fn all_at_once(host: &Host, count: usize, text: &'static str) -> usize {
    let cookie = host.challenge().await.flow().to_cookie();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (mfa, flow) = (Arc::clone(&host.mfa), FlowRef::<Login>::from_cookie(&cookie).unwrap());
            tokio::spawn(async move { mfa.submit(&flow, &app(), recovery(text)).await.unwrap() })
        })
        .collect();
    let mut completed = 0;
    for task in tasks {
        completed += usize::from(passed(&task.await.unwrap()));
    }
    completed
}

#[tokio::test]
async fn no_hash_is_checked_without_a_login_or_while_the_user_is_locked() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE", "HASHED-TWO"])).await;
    let asked = host.challenge().await;
    for _ in 0..LIMIT {
        let _ = host.recovery_code(asked.flow(), "nobodys").await;
    }
    assert_eq!((host.checks(), wrongs(&host)), (2 * LIMIT, LIMIT));
    for text in ["nobodys", "hashed-one"] {
        let login = host.recovery_code(asked.flow(), text).await;
        let Outcome::Challenge(again) = login else { panic!("{login:?}") };
        assert!(matches!(again.refusal(), Some(Refusal::Locked { .. })), "{again:?}");
    }
    assert_eq!(host.checks(), 2 * LIMIT);
    host.wait(61);
    let _ = host.mfa.submit(asked.flow(), &app(), Action::Cancel).await.unwrap();
    let _ = host.recovery_code(asked.flow(), "nobodys").await;
    assert_eq!(host.checks(), 2 * LIMIT, "no open login, no check");
    assert!(passed(&host.recover("plain-one").await));
    assert_eq!(host.checks(), 2 * LIMIT, "a code in plain needs none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_guesses_never_exceed_the_budget() {
    for _ in 0..ROUNDS {
        let host = Host::on(MemoryStore::interleaving(), is_upper_case);
        host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
        assert_eq!(all_at_once(&host, 32, "nobodys").await, 0);
        assert_eq!((host.checks(), wrongs(&host)), (LIMIT, LIMIT));
    }
}

/// The control, with requests that take turns: on a store that applies every write more are checked.
#[tokio::test]
async fn control_parallel_guesses_exceed_the_budget() {
    let careless = Host::on(MemoryStore::ignoring_expected(), |_, _| false);
    careless.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    all_at_once(&careless, 32, "nobodys").await;
    assert!(careless.checks() > LIMIT, "{}", careless.checks());
}

const ONE_OF_TWO: [(&str, &str); 2] = [("the-code", "OTHER"), ("other1", "THE-CODE")];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn imported_code_is_accepted_once_by_parallel_requests() {
    for (plain, hashed) in ONE_OF_TWO {
        for _ in 0..ROUNDS {
            let host = Host::on(MemoryStore::interleaving(), is_upper_case);
            host.imported(&with_codes(&[plain], &[hashed])).await;
            assert_eq!(all_at_once(&host, 16, "the-code").await, 1);
            assert_eq!(host.left().await, 1);
        }
    }
}

/// The control, with requests that take turns: on a store that applies every write it is accepted more often.
#[tokio::test]
async fn control_imported_code_is_accepted_more_than_once() {
    for (plain, hashed) in ONE_OF_TWO {
        let careless = Host::on(MemoryStore::ignoring_expected(), is_upper_case);
        careless.imported(&with_codes(&[plain], &[hashed])).await;
        let accepted = all_at_once(&careless, 16, "the-code").await;
        assert!(accepted > 1, "{accepted}");
    }
}

#[tokio::test]
async fn right_hashed_code_is_refunded_even_as_the_last_attempt() {
    let host = Host::new();
    host.imported(&with_codes(&[], &["HASHED-ONE", "HASHED-TWO"])).await;
    let asked = host.challenge().await;
    for _ in 1..LIMIT {
        let login = host.recovery_code(asked.flow(), "nobodys").await;
        let Outcome::Challenge(again) = login else { panic!("{login:?}") };
        assert_eq!(again.refusal(), Some(Refusal::WrongCode));
    }
    let login = host.recovery_code(asked.flow(), "hashed-two").await;
    assert!(passed(&login), "{login:?}");
    let status = host.status().await;
    assert_eq!((status.locked_until, status.owed_notices), (None, 0));
    let told: Vec<_> = host.outbox.sent().iter().filter_map(|mail| mail.notice).collect();
    assert_eq!(told, [Notice::RecoveryCodeUsed { left: 1 }], "nobody is told of a lock");
}

#[tokio::test]
async fn wrong_hashed_code_as_the_last_attempt_is_told() {
    let host = Host::new();
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    for _ in 0..LIMIT {
        let _ = host.recovery_code(asked.flow(), "nobodys").await;
    }
    let status = host.status().await;
    assert!(status.locked_until.is_some() && status.owed_notices == 0);
    assert_eq!(host.outbox.notices(), ["locked"]);
}

#[tokio::test]
async fn right_code_after_99_wrong_ones_is_accepted() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    wear_out(&host, Guessing::CONSECUTIVE_CAP - 1).await;
    assert!(passed(&host.recover("hashed-one").await));
    assert_eq!(host.left().await, 1);
    wear_out(&host, Guessing::CONSECUTIVE_CAP - 1).await;
    assert!(passed(&host.recover("plain-one").await), "it has reset the count");
}

#[tokio::test]
async fn imported_codes_are_disabled_after_100_wrong_ones() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    wear_out(&host, Guessing::CONSECUTIVE_CAP).await;
    let checked = host.checks();
    for text in ["plain-one", "hashed-one"] {
        assert!(!passed(&host.recover(text).await), "{text}");
    }
    assert_eq!((host.checks(), host.left().await), (checked, 0));
    assert!(host.kinds().contains(&EventKind::RecoveryCodesDisabled));
}

/// Guesses wrong so many times, however long the locks are.
async fn wear_out(host: &Host, guesses: u32) {
    for _ in 0..guesses {
        host.wait(14 * 24 * 3600);
        let (asked, before) = (host.challenge().await, wrongs(host));
        let _ = host.recovery_code(asked.flow(), "nobodys").await;
        assert_eq!(wrongs(host), before + 1);
    }
    host.wait(14 * 24 * 3600);
}

#[tokio::test]
async fn no_hash_is_checked_if_the_store_fails() {
    let host = Host::new();
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    for fault in [StoreFault::Load, StoreFault::Swap, StoreFault::AfterSwap] {
        host.store.set_fault(Some(fault));
        let result = host.mfa.submit(asked.flow(), &app(), recovery("hashed-one")).await;
        assert!(result.is_err(), "{fault:?}");
        host.store.set_fault(None);
        assert_eq!(host.checks(), 0, "{fault:?}");
    }
    // The guess of the last one was stored, and stays counted.
    for _ in 1..LIMIT {
        let _ = host.recovery_code(asked.flow(), "nobodys").await;
    }
    assert!(host.status().await.locked_until.is_some());
    host.wait(60);
    assert!(passed(&host.recover("hashed-one").await));
}

#[tokio::test]
async fn store_failure_after_the_check_spends_the_guess_and_not_the_code() {
    let store = MemoryStore::new();
    let failing = store.clone();
    let host = Host::on(store, move |typed, hash| {
        failing.set_fault(Some(StoreFault::Swap));
        is_upper_case(typed, hash)
    });
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    let result = host.mfa.submit(asked.flow(), &app(), recovery("hashed-one")).await;
    assert!(matches!(result, Err(factorgate::Error::Store(_))), "{result:?}");
    host.store.set_fault(None);
    assert_eq!(host.left().await, 1);
    for _ in 1..LIMIT {
        host.store.set_fault(None);
        assert!(host.status().await.locked_until.is_none());
        let _ = host.mfa.submit(asked.flow(), &app(), recovery("nobodys")).await;
    }
    host.store.set_fault(None);
    assert!(host.status().await.locked_until.is_some(), "the guess was counted");
}

#[tokio::test]
async fn codes_hashes_and_keys_are_shown_and_stored_nowhere() {
    let host = Host::new();
    let import = with_codes(&["plain-one"], &["HASHED-ONE"]);
    host.imported(&import).await;
    let login = host.recover("hashed-one").await;
    let shown = format!("{import:?} {login:?} {:?} {:?}", host.mfa, host.log.lock().unwrap());
    let lines: String = host.log.lock().unwrap().iter().map(ToString::to_string).collect();
    let stored = host.store.record(&alice()).unwrap();
    for secret in ["plain-one", "HASHED-ONE", "hashed-one", "12345678901234567890"] {
        assert!(!shown.contains(secret) && !lines.contains(secret), "{secret}: {shown}");
        assert!(!stored.sealed().windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
}

/// The user cancels the login while the hash is compared: the code was right, and costs nothing.
#[tokio::test]
async fn right_hashed_code_is_refunded_though_its_login_has_ended() {
    type Cancel = Box<dyn FnOnce() + Send>;
    let store = MemoryStore::new();
    let cancel: Arc<Mutex<Option<Cancel>>> = Arc::default();
    let on_check = Arc::clone(&cancel);
    let host = Host::on(store, move |typed, hash| {
        if let Some(cancel) = on_check.lock().unwrap().take() {
            cancel();
        }
        is_upper_case(typed, hash)
    });
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    let (mfa, cookie) = (Arc::clone(&host.mfa), asked.flow().to_cookie());
    *cancel.lock().unwrap() = Some(Box::new(move || {
        let flow = FlowRef::<Login>::from_cookie(&cookie).unwrap();
        let ended = mfa.wait(mfa.submit(&flow, &app(), Action::Cancel));
        assert!(matches!(ended, Ok(Outcome::Denied(_))), "{ended:?}");
    }));
    let login = host.recovery_code(asked.flow(), "hashed-one").await;
    assert!(matches!(login, Outcome::Denied(_)), "{login:?}");
    assert_eq!((host.challenge().await.attempts_left() as usize, host.left().await), (LIMIT, 1));
}

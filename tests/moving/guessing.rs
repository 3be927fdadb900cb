//! Guesses at imported recovery codes: each is paid for before a slow hash is computed, and what leaks of them.

use factorgate::testing::StoreFault;
use factorgate::{CodeFault, EventKind, Factor, FailureBudget};

use super::*;

const ROUNDS: usize = 50;
const LIMIT: usize = FailureBudget::DEFAULT_LIMIT as usize;

fn wrongs(host: &Host) -> usize {
    let wrong = EventKind::CodeRefused { factor: Factor::Recovery, fault: CodeFault::Wrong };
    host.log.lock().unwrap().iter().filter(|event| event.kind == wrong).count()
}

/// Sends the same code at the same time in one login, `count` times; gives how many were let in.
async fn all_at_once(host: &Host, count: usize, text: &'static str) -> usize {
    let cookie = host.challenge().await.flow().to_cookie().expose_secret().to_owned();
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (mfa, flow) = (Arc::clone(&host.mfa), LoginRef::from_cookie(&cookie).unwrap());
            tokio::spawn(async move { mfa.verify_legacy_recovery_code(&flow, &legacy(text), &app()).await.unwrap() })
        })
        .collect();
    let mut let_in = 0;
    for task in tasks {
        let_in += usize::from(passed(&task.await.unwrap()));
    }
    let_in
}

#[tokio::test]
async fn h11_no_hash_is_checked_for_who_lacks_the_password_or_while_the_user_is_locked() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE", "HASHED-TWO"])).await;
    let asked = host.challenge().await;
    for _ in 0..LIMIT {
        let _ = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("nobodys"), &app()).await.unwrap();
    }
    assert_eq!((host.checks(), wrongs(&host)), (2 * LIMIT, LIMIT));
    for text in ["nobodys", "hashed-one"] {
        let login = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy(text), &app()).await.unwrap();
        assert!(matches!(login, Login::Denied(_)), "{login:?}");
    }
    assert_eq!(host.checks(), 2 * LIMIT);
    host.wait(61);
    let gone = LoginRef::from_cookie(asked.flow().to_cookie().expose_secret()).unwrap();
    host.mfa.cancel(&gone).await.unwrap();
    let _ = host.mfa.verify_legacy_recovery_code(&gone, &legacy("nobodys"), &app()).await.unwrap();
    assert_eq!(host.checks(), 2 * LIMIT, "no open login, no check");
    assert!(passed(&host.recover("plain-one").await));
    assert_eq!(host.checks(), 2 * LIMIT, "a code in plain takes none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn b7_h11_of_32_wrong_guesses_at_once_five_are_checked() {
    let mut control = 0;
    for _ in 0..ROUNDS {
        let host = Host::new();
        host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
        assert_eq!(all_at_once(&host, 32, "nobodys").await, 0);
        assert_eq!((host.checks(), wrongs(&host)), (LIMIT, LIMIT));
        // On a store that takes every write more are checked.
        let careless = Host::on(MemoryStore::ignoring_expected(), |_, _| false);
        careless.imported(&with_codes(&[], &["HASHED-ONE"])).await;
        all_at_once(&careless, 32, "nobodys").await;
        control += usize::from(careless.checks() > LIMIT);
    }
    assert!(control > 0, "the control must fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a03_one_imported_code_lets_in_once_however_many_requests_carry_it() {
    for (plain, hashed) in [("the-code", "OTHER"), ("other1", "THE-CODE")] {
        let mut control = 0;
        for _ in 0..ROUNDS {
            let host = Host::new();
            host.imported(&with_codes(&[plain], &[hashed])).await;
            assert_eq!(all_at_once(&host, 16, "the-code").await, 1);
            assert_eq!(host.left().await, 1);
            let careless = Host::on(MemoryStore::ignoring_expected(), |typed, hash| typed.to_uppercase() == hash);
            careless.imported(&with_codes(&[plain], &[hashed])).await;
            control += usize::from(all_at_once(&careless, 16, "the-code").await > 1);
        }
        assert!(control > 0, "the control must fail");
    }
}

#[tokio::test]
async fn a_right_guess_is_given_back_the_last_one_before_a_lock_as_well() {
    let host = Host::new();
    host.imported(&with_codes(&[], &["HASHED-ONE", "HASHED-TWO"])).await;
    let asked = host.challenge().await;
    for left in (1..LIMIT as u32).rev() {
        let login = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("nobodys"), &app()).await.unwrap();
        let Login::Challenge(again) = login else { panic!("{login:?}") };
        assert_eq!(again.attempts_left(), left);
    }
    let login = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("hashed-two"), &app()).await.unwrap();
    assert!(passed(&login), "{login:?}");
    assert!(!host.log.lock().unwrap().iter().any(|event| matches!(event.kind, EventKind::Locked { .. })));
    assert_eq!(host.mfa.status(&alice()).await.unwrap().locked_until, None);
}

#[tokio::test]
async fn n20_a_right_one_after_99_wrong_ones_is_good() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    wear_out(&host, FailureBudget::CONSECUTIVE_CAP - 1).await;
    assert!(passed(&host.recover("hashed-one").await));
    assert_eq!(host.left().await, 1);
    assert!(!host.log.lock().unwrap().iter().any(|event| event.kind == EventKind::RecoveryCodesDisabled));
}

#[tokio::test]
async fn n20_after_100_wrong_ones_no_imported_code_is_good() {
    let host = Host::new();
    host.imported(&with_codes(&["plain-one"], &["HASHED-ONE"])).await;
    wear_out(&host, FailureBudget::CONSECUTIVE_CAP).await;
    let checked = host.checks();
    for text in ["plain-one", "hashed-one"] {
        assert!(!passed(&host.recover(text).await), "{text}");
    }
    assert_eq!((host.checks(), host.left().await), (checked, 0));
    assert!(host.log.lock().unwrap().iter().any(|event| event.kind == EventKind::RecoveryCodesDisabled));
}

/// Guesses wrong so many times, however long the locks are.
async fn wear_out(host: &Host, guesses: u32) {
    for _ in 0..guesses {
        let asked = loop {
            match host.begin(&app()).await {
                Login::Challenge(asked) => break asked,
                _ => host.wait(3600),
            }
        };
        let _ = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("nobodys"), &app()).await.unwrap();
    }
    host.wait(3600);
}

#[tokio::test]
async fn when_the_store_fails_no_hash_is_checked_and_nobody_gets_in() {
    let host = Host::new();
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    for fault in [StoreFault::Load, StoreFault::Swap, StoreFault::AfterSwap] {
        host.store.set_fault(Some(fault));
        let result = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("hashed-one"), &app()).await;
        assert!(result.is_err(), "{fault:?}");
        host.store.set_fault(None);
        assert_eq!(host.checks(), 0, "{fault:?}");
    }
    // Of the last one the guess was stored, and stays counted.
    let Login::Challenge(again) = host.mfa.resume(asked.flow(), &app()).await.unwrap() else { panic!() };
    assert_eq!(again.attempts_left() as usize, LIMIT - 1);
    assert!(passed(&host.recover("hashed-one").await));
}

#[tokio::test]
async fn when_the_store_fails_after_the_check_the_guess_is_spent_and_the_code_is_not() {
    let store = MemoryStore::new();
    let failing = store.clone();
    let host = Host::on(store, move |typed, hash| {
        failing.set_fault(Some(StoreFault::Swap));
        typed.to_uppercase() == hash
    });
    host.imported(&with_codes(&[], &["HASHED-ONE"])).await;
    let asked = host.challenge().await;
    let result = host.mfa.verify_legacy_recovery_code(asked.flow(), &legacy("hashed-one"), &app()).await;
    assert!(matches!(result, Err(factorgate::Error::Store(_))), "{result:?}");
    host.store.set_fault(None);
    let Login::Challenge(again) = host.mfa.resume(asked.flow(), &app()).await.unwrap() else { panic!() };
    assert_eq!((again.attempts_left() as usize, host.left().await), (LIMIT - 1, 1));
}

#[tokio::test]
async fn no_hash_no_code_and_no_key_is_in_what_is_shown_or_stored() {
    let host = Host::new();
    let import = with_codes(&["plain-one"], &["HASHED-ONE"]);
    let imported = host.import(&import).await;
    let login = host.recover("hashed-one").await;
    let shown = format!("{import:?} {imported:?} {login:?} {:?} {:?}", host.mfa, host.log.lock().unwrap());
    let lines: String = host.log.lock().unwrap().iter().map(ToString::to_string).collect();
    let stored = host.store.record(&alice()).unwrap();
    for secret in ["plain-one", "HASHED-ONE", "hashed-one", "12345678901234567890"] {
        assert!(!shown.contains(secret) && !lines.contains(secret), "{secret}: {shown}");
        assert!(!stored.sealed().windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
}

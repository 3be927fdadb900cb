//! Requests that were begun with a row that has changed since.

use super::*;

/// A login that was begun before the password was reset, and is continued after it.
#[tokio::test]
async fn login_with_the_old_row_opens_no_session() {
    let host = Host::new();
    let secret = host.register().await;
    let asked = host.challenge(&app()).await;
    host.set_password("password 2");
    // The host has not told the engine yet: the login completes, and the session does not open.
    let passed = done(host.app_code(asked.flow(), &app(), &host.code(&secret)).await);
    assert_eq!(passed.into_session(&host.row()).err(), Some(Refusal::AccountChanged));
}

/// The password was read, then reset, and only then does the login begin.
#[tokio::test]
async fn login_is_not_begun_with_a_row_that_was_replaced() {
    let host = Host::new();
    let secret = host.register().await;
    let read = host.row();
    host.set_password("password 2");
    host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
    let login = host.mfa.begin_login(PrimaryVerified::assertion(read), &app()).await.unwrap();
    assert_eq!(denied(&login), Some(Refusal::AccountChanged));
    assert!(host.has_seen(&EventKind::StaleRowRefused));
    host.log_in(&secret, &app()).await;
}

#[tokio::test]
async fn change_of_the_row_ends_flows_sessions_and_trust() {
    let new_address = Contact::verified(EmailAddress::new("alice@example.net").unwrap());
    for (password, contact) in [("password 2", contact()), ("password 1", new_address)] {
        let host = Host::new();
        let secret = host.register().await;
        let (token, claims) = host.trust(&secret).await;
        let session = host.session_of(&claims, &off()).await;
        let (login, step_up) = (host.challenge(&app()).await, host.step_up_asked(&session).await);
        host.set_password(password);
        host.set_contact(contact);
        host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
        let ended = Some(Refusal::FlowEnded);
        assert_eq!(denied(&host.app_code(login.flow(), &app(), &host.code(&secret)).await), ended);
        assert_eq!(denied(&host.app_code(step_up.flow(), &session, &host.code(&secret)).await), ended);
        assert!(!host.holds(&claims).await);
        let login = host.begin_from(&trusting(), Some(&token.to_cookie())).await;
        assert!(!is_in(&login), "{login:?}");
        // The control: nothing of the factors is lost, and no code was spent.
        host.log_in(&secret, &app()).await;
    }
}

#[tokio::test]
async fn user_who_changes_the_password_stays_signed_in_alone() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, other) = host.trust(&secret).await;
    let claims = host.log_in(&secret, &app()).await;
    let session = host.session_of(&claims, &off()).await;
    host.set_password("password 2");
    let passed = host.mfa.profile(&session).password_changed(&host.row()).await.unwrap().unwrap();
    let claims = host.open(passed);
    assert!(host.holds(&claims).await && !host.holds(&other).await);
    assert!(!is_in(&host.begin_from(&trusting(), Some(&token.to_cookie())).await));
}

#[tokio::test]
async fn erased_user_leaves_a_tombstone() {
    let host = Host::new();
    let secret = host.register().await;
    let (token, claims) = host.trust(&secret).await;
    let open = host.challenge(&app()).await;
    host.mfa.admin(&admin()).erase_user(&alice()).await.unwrap();
    let status = host.status().await;
    assert!(status.erased && status.devices.is_empty() && status.browsers.is_empty());
    assert!(!host.holds(&claims).await);
    assert_eq!(denied(&host.app_code(open.flow(), &app(), &host.code(&secret)).await), Some(Refusal::FlowEnded));
    for policy in [app(), off(), email()] {
        let login = host.begin_from(&policy, Some(&token.to_cookie())).await;
        assert_eq!(denied(&login), Some(Refusal::AccountChanged));
    }
    let numbers: Vec<u64> = host.log.lock().unwrap().iter().filter_map(|event| event.seq).collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "the log shows no gap: {numbers:?}");
    // A host that never reuses an id can forget it. An old session is none of the new record.
    assert!(host.mfa.maintenance().forget_tombstone(&alice()).await.unwrap());
    assert!(!host.status().await.erased);
    assert!(!host.holds(&claims).await);
}

#[tokio::test]
async fn replaced_row_is_refused_for_ten_minutes() {
    let host = Host::new();
    host.register().await;
    let _ = host.challenge(&app()).await;
    host.set_password("password 2");
    host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
    for (secs, refused) in [(0, true), (599, true), (1, false)] {
        host.wait(secs);
        let login = host.mfa.begin_login(PrimaryVerified::assertion(row_of("alice")), &app()).await.unwrap();
        assert_eq!(denied(&login) == Some(Refusal::AccountChanged), refused, "{secs}: {login:?}");
    }
}

#[tokio::test]
async fn nothing_is_stored_of_an_erased_user() {
    let host = Host::new();
    host.register().await;
    host.mfa.admin(&admin()).erase_user(&alice()).await.unwrap();
    host.events();
    let tombstone = host.store.record(&alice()).unwrap();
    host.mfa.admin(&admin()).erase_user(&alice()).await.unwrap();
    host.mfa.admin(&admin()).reset(&alice(), &contact()).await.unwrap();
    assert_eq!((host.events(), host.store.record(&alice())), (vec![], Some(tombstone.clone())));
    // The event of a report is kept, and the row that was reported is not.
    host.mfa.admin(&admin()).end_sessions(&alice()).await.unwrap();
    let ended = host.store.record(&alice()).unwrap();
    host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
    let changed = host.store.record(&alice()).unwrap();
    let growth = |from: &Record, to: &Record| to.sealed().len() - from.sealed().len();
    assert_eq!(growth(&ended, &changed), growth(&tombstone, &ended));
}

#[tokio::test]
async fn row_that_is_reported_twice_is_not_refused() {
    let host = Host::new();
    let secret = host.register().await;
    host.set_password("password 2");
    for _ in 0..2 {
        host.mfa.admin(&admin()).account_changed(&host.row()).await.unwrap();
    }
    host.log_in(&secret, &app()).await;
}

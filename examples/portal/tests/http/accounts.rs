//! Accounts that are disabled, enabled again, and deleted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portal::{Config, Database, ForTests, Running};

use crate::people::{User, ada, admin};
use crate::wire::{Answer, OnDisk, Visit, config, get, mailed_code, post, start};

const ADA: &str = "name=Ada&email=ada%40larkfield.example&password=correct+horse+battery";
const WRONG: &str = "email=ada%40larkfield.example&password=wrong+horse+battery";

/// Posts the form of the sign-in page in a new browser.
async fn sign_in(portal: &Running, fields: &str) -> (Visit, Answer) {
    let visit = Visit::begin(portal).await;
    let answer = post(portal, "/sign-in", &visit.cookie, &format!("{fields}&csrf={}", visit.csrf)).await;
    (visit, answer)
}

/// The page that answers a sign-in, without the token of its browser.
async fn refused(portal: &Running, fields: &str) -> (u16, String) {
    let (visit, answer) = sign_in(portal, fields).await;
    assert!(!answer.sets("__Host-session") && !answer.sets("__Host-login"), "{:?}", answer.headers);
    (answer.status, answer.body.replace(&visit.csrf, ""))
}

async fn log(portal: &Running, admin: &Visit) -> String {
    get(portal, "/admin/audit", &admin.cookie).await.body
}

#[tokio::test]
async fn a_disabled_user_is_signed_out_and_refused_as_by_a_wrong_password() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = ada(&portal).await;
    let wrong = refused(&portal, WRONG).await;
    assert_eq!(wrong.0, 422);
    assert_eq!(get(&portal, "/admin/users/2/disable", &admin.visit.cookie).await.status, 200);
    assert_eq!(get(&portal, "/profile", &ada.cookie).await.status, 200, "a look at the page does nothing");

    let disabled = admin.post(&portal, "/admin/users/2/disable", "").await;
    assert_eq!((disabled.status, disabled.header("location")), (303, Some("/admin/users")), "{}", disabled.body);
    assert_eq!(get(&portal, "/profile", &ada.cookie).await.header("location"), Some("/sign-in"));
    assert_eq!(refused(&portal, ADA).await, wrong, "the answer says nothing of the account");
    assert!(get(&portal, "/admin/users", &admin.visit.cookie).await.body.contains("id=\"enable-2\""));

    let enabled = admin.post(&portal, "/admin/users/2/enable", "").await;
    assert_eq!((enabled.status, enabled.header("location")), (303, Some("/admin/users")), "{}", enabled.body);
    assert_eq!(get(&portal, "/profile", &ada.cookie).await.status, 303, "the old session does not come back");
    assert_eq!(sign_in(&portal, ADA).await.1.header("location"), Some("/dashboard"));
    let log = log(&portal, &admin.visit).await;
    for words in [
        "Disabled the account of Ada. Before: enabled. Now: disabled",
        "Enabled the account of Ada. Before: disabled. Now: enabled",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn a_sign_in_that_is_under_way_ends_when_the_account_is_disabled() {
    let for_tests = ForTests::default();
    let clock = Arc::clone(&for_tests.clock_ahead);
    let portal = portal::serve(Config { for_tests, ..config(Database::Memory) }).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    let _ada = ada(&portal).await;
    admin.decide(&portal, "enforce=yes&email=on&first=after_email_code").await;
    for disable in [false, true] {
        let (visit, begun) = sign_in(&portal, ADA).await;
        assert_eq!(begun.header("location"), Some("/sign-in/email"));
        let code = mailed_code(&portal).await;
        if disable {
            admin.post(&portal, "/admin/users/2/disable", "").await;
        }
        let cookies = begun.cookies_after(&visit.cookie);
        let entered = post(&portal, "/sign-in/email", &cookies, &format!("csrf={}&code={code}", visit.csrf)).await;
        let expected = if disable { "/sign-in" } else { "/dashboard" };
        assert_eq!(entered.header("location"), Some(expected), "{}", entered.body);
        assert_eq!(entered.sets("__Host-session"), !disable);
        // The next code comes after a pause.
        clock.fetch_add(31, Ordering::Relaxed);
    }
    portal.stop().await;
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_behind_and_the_address_gets_a_new_account() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = User::register(&portal, ada(&portal).await).await;
    let settings = "enforce=yes&app=on&first=after_password";
    let saved = admin.post(&portal, "/admin/users/2/security", settings).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let (visit, begun) = sign_in(&portal, ADA).await;
    assert_eq!(begun.header("location"), Some("/sign-in/app"), "the smartphone is asked for");

    let deleted = admin.post(&portal, "/admin/users/2/delete", "").await;
    assert_eq!((deleted.status, deleted.header("location")), (303, Some("/admin/users")), "{}", deleted.body);
    assert_eq!(get(&portal, "/profile", &ada.visit.cookie).await.header("location"), Some("/sign-in"));
    let form = format!("csrf={}&code={}", visit.csrf, ada.code(1));
    let late = post(&portal, "/sign-in/app", &begun.cookies_after(&visit.cookie), &form).await;
    assert!(late.header("location") == Some("/sign-in") && !late.sets("__Host-session"), "{:?}", late.headers);
    assert_eq!(refused(&portal, ADA).await, refused(&portal, WRONG).await);
    assert_eq!(get(&portal, "/admin/users/2/reset", &admin.visit.cookie).await.status, 404);
    let mut db = portal.open().await;
    for table in ["sessions", "passkeys", "memberships", "erasures"] {
        let left: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table} WHERE user_id = 2")))
                .fetch_one(&mut db)
                .await
                .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let left: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM policies WHERE scope = 'user-2'").fetch_one(&mut db).await.unwrap();
    assert_eq!(left, 0, "the settings of the user are deleted");
    let log = log(&portal, &admin.visit).await;
    assert!(log.contains("Deleted the account of Ada. Before: enabled. Now: deleted"), "{log}");

    // The address is another user's now, who has no smartphone.
    let nobody = Visit::begin(&portal).await;
    assert_eq!(post(&portal, "/sign-up", &nobody.cookie, &format!("{ADA}&csrf={}", nobody.csrf)).await.status, 303);
    assert_eq!(sign_in(&portal, ADA).await.1.header("location"), Some("/dashboard"));
    let id: i64 = sqlx::query_scalar("SELECT id FROM users WHERE name = 'Ada'").fetch_one(&mut db).await.unwrap();
    assert_eq!(id, 3);
    assert_eq!(get(&portal, "/profile", &ada.visit.cookie).await.status, 303, "the old session is not the new user's");
    portal.stop().await;
}

#[tokio::test]
async fn users_delete_their_own_account_after_a_fresh_proof() {
    let portal = OnDisk::start().await;
    let admin = admin(&portal).await;
    let ada = ada(&portal).await;
    let page = get(&portal, "/profile/delete", &ada.cookie).await;
    assert!(page.status == 200 && page.body.contains("Delete your account?"), "{}", page.body);
    // Ada has signed in by the password alone, so a code by mail is asked for. Until then the account is there.
    let asked = post(&portal, "/profile/delete", &ada.cookie, &format!("csrf={}", ada.csrf)).await;
    assert_eq!(asked.header("location"), Some("/profile/prove/email"), "{}", asked.body);
    let cookies = asked.cookies_after(&ada.cookie);
    let wrong = post(&portal, "/profile/prove/email", &cookies, &format!("csrf={}&code=1234", ada.csrf)).await;
    assert_eq!((wrong.status, get(&portal, "/profile", &ada.cookie).await.status), (422, 200));
    let code = mailed_code(&portal).await;
    let done = post(&portal, "/profile/prove/email", &cookies, &format!("csrf={}&code={code}", ada.csrf)).await;
    assert_eq!((done.status, done.header("location")), (303, Some("/sign-in")), "{}", done.body);
    assert_eq!(done.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=account-deleted"));
    for cookie in [&ada.cookie, &done.cookie().unwrap()] {
        assert_eq!(get(&portal, "/profile", cookie).await.header("location"), Some("/sign-in"));
    }
    assert_eq!(refused(&portal, ADA).await, refused(&portal, WRONG).await);
    let log = log(&portal, &admin).await;
    assert!(
        log.contains("User 2") && log.contains("Deleted the account of Ada. Before: enabled. Now: deleted"),
        "{log}"
    );
    portal.stop().await;
}

#[tokio::test]
async fn the_only_administrator_stays() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    for path in ["/admin/users/1/disable", "/admin/users/1/delete", "/profile/delete"] {
        let refused = admin.post(&portal, path, "").await;
        assert!(refused.status == 422 && refused.body.contains("only administrator"), "{path}: {}", refused.body);
        assert_eq!(get(&portal, "/admin/users", &admin.visit.cookie).await.status, 200, "{path}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_is_completed() {
    let notices_every = Duration::from_millis(20);
    let portal = portal::serve(Config { notices_every, ..config(Database::Memory) }).await.unwrap();
    let admin = admin(&portal).await;
    let _ada = User::register(&portal, ada(&portal).await).await;
    let db = portal.database();
    // What the deletion writes before the engine is called.
    let mut rows = db.begin().await.unwrap();
    sqlx::query("DELETE FROM users WHERE id = 2").execute(&mut *rows).await.unwrap();
    sqlx::query("INSERT INTO erasures (user_id) VALUES (2)").execute(&mut *rows).await.unwrap();
    rows.commit().await.unwrap();
    let begun = Instant::now();
    while !log(&portal, &admin).await.contains("Everything about the user was erased") {
        assert!(begun.elapsed() < Duration::from_secs(30), "the factors are still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = async || -> i64 {
        sqlx::query_scalar("SELECT COUNT(*) FROM erasures").fetch_one(portal.database()).await.unwrap()
    };
    while left().await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the deletion is done again and again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    portal.stop().await;
}

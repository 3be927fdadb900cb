//! What frames every page: headers, cookies, forms, sessions, files.

use std::os::unix::fs::PermissionsExt as _;

use portal::{Database, StartError};
use sha2::{Digest as _, Sha256};

use crate::wire::{Folder, PASSWORD, Visit, credentials, get, post, start};

#[tokio::test]
async fn every_response_forbids_script_framing_caching_and_sniffing() {
    let portal = start(Database::Memory).await.unwrap();
    for path in ["/sign-in", "/sign-up", "/mailbox", "/no/such/page", "/dashboard", "/mailbox/1/html"] {
        let answer = get(&portal, path, "").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("base-uri 'none'"), "{path}: {policy}");
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{path}: {policy}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(!answer.body.contains("<script") && !answer.body.contains(" style="), "{path}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn a_form_without_the_token_of_its_browser_does_nothing() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let other = Visit::begin(&portal).await;
    let fields = credentials(PASSWORD);
    for body in [fields.clone(), format!("{fields}&csrf="), format!("{fields}&csrf={}", other.csrf)] {
        let answer = post(&portal, "/sign-in", &browser.cookie, &body).await;
        assert_eq!(answer.status, 403, "{body}");
        assert!(!answer.sets("__Host-session"));
    }
    let without_cookie = post(&portal, "/sign-in", "", &format!("{fields}&csrf={}", browser.csrf)).await;
    assert_eq!(without_cookie.status, 403);

    // The control: with its own token the same form works.
    let right = post(&portal, "/sign-in", &browser.cookie, &format!("{fields}&csrf={}", browser.csrf)).await;
    assert_eq!((right.status, right.header("location")), (303, Some("/dashboard")));
    portal.stop().await;
}

#[tokio::test]
async fn signing_in_changes_the_session_id_and_signing_out_ends_it() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let inside = browser.sign_in(&portal, PASSWORD).await;
    assert_ne!(inside.cookie, browser.cookie, "an id from before the sign-in is never a session's");
    assert_ne!(inside.csrf, browser.csrf);
    assert_eq!(get(&portal, "/dashboard", &browser.cookie).await.status, 303, "the old id opens nothing");
    assert_eq!(get(&portal, "/dashboard", &inside.cookie).await.status, 200);

    // A form from before the sign-in is no form of the session.
    let stale = post(&portal, "/sign-out", &inside.cookie, &format!("csrf={}", browser.csrf)).await;
    assert_eq!(stale.status, 403);
    let out = post(&portal, "/sign-out", &inside.cookie, &format!("csrf={}", inside.csrf)).await;
    assert_eq!(out.header("location"), Some("/sign-in"));
    assert_eq!(get(&portal, "/dashboard", &inside.cookie).await.status, 303, "the session is over on the server");
    portal.stop().await;
}

#[tokio::test]
async fn cookies_are_closed_to_scripts_neighbors_and_other_sites() {
    let portal = start(Database::Memory).await.unwrap();
    let answer = get(&portal, "/sign-in", "").await;
    let line = answer.headers.iter().find(|(name, _)| name == "set-cookie").map(|(_, value)| value).unwrap();
    for part in ["__Host-session=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("Domain"), "{line}");
    portal.stop().await;
}

#[tokio::test]
async fn only_administrators_reach_the_administrators_pages() {
    let portal = start(Database::Memory).await.unwrap();
    let nobody = Visit::begin(&portal).await;
    let pages = ["/admin/security", "/admin/users", "/admin/users/1/reset", "/admin/audit", "/admin/keys"];
    for path in pages {
        assert_eq!(get(&portal, path, &nobody.cookie).await.header("location"), Some("/sign-in"), "{path}");
    }
    let fields = format!("name=Ada&email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", nobody.csrf);
    assert_eq!(post(&portal, "/sign-up", &nobody.cookie, &fields).await.status, 303);
    let fields = format!("email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", nobody.csrf);
    let user = nobody.entered(&portal, post(&portal, "/sign-in", &nobody.cookie, &fields).await).await;
    for path in pages {
        assert_eq!(get(&portal, path, &user.cookie).await.status, 404, "{path}");
    }
    let settings = format!("enforce=no&first=after_password&csrf={}", user.csrf);
    assert_eq!(post(&portal, "/admin/security", &user.cookie, &settings).await.status, 404);
    portal.stop().await;
}

#[tokio::test]
async fn what_is_typed_is_shown_as_text() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let typed = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let body = format!("name={typed}&email={typed}&password=x&csrf={}", browser.csrf);
    let answer = post(&portal, "/sign-up", &browser.cookie, &body).await;
    assert_eq!(answer.status, 422);
    assert!(!answer.body.contains("<script") && answer.body.contains("&#60;script"), "{}", answer.body);
    portal.stop().await;
}

#[tokio::test]
async fn an_endless_form_is_not_read() {
    let portal = start(Database::Memory).await.unwrap();
    let browser = Visit::begin(&portal).await;
    let body = format!("csrf={}&email={}&password=x", browser.csrf, "a".repeat(100_000));
    assert_eq!(post(&portal, "/sign-in", &browser.cookie, &body).await.status, 400);
    portal.stop().await;
}

#[tokio::test]
async fn files_are_their_owners_and_a_lost_key_is_not_replaced() {
    let folder = Folder::new();
    let database = folder.0.join("portal.db");
    start(Database::File(database.clone())).await.unwrap().stop().await;
    for name in ["portal.db", "portal.key"] {
        let mode = std::fs::metadata(folder.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let key = std::fs::read_to_string(folder.0.join("portal.key")).unwrap();
    start(Database::File(database.clone())).await.unwrap().stop().await;
    assert_eq!(std::fs::read_to_string(folder.0.join("portal.key")).unwrap(), key, "a second start keeps the key");
    std::fs::remove_file(folder.0.join("portal.key")).unwrap();
    assert!(matches!(start(Database::File(database)).await, Err(StartError::KeyLost(_))));
}

#[tokio::test]
async fn no_session_id_is_in_the_database() {
    let folder = Folder::new();
    let portal = start(Database::File(folder.0.join("portal.db"))).await.unwrap();
    let inside = Visit::begin(&portal).await.sign_in(&portal, PASSWORD).await;
    let id = inside.cookie.split_once('=').unwrap().1.to_owned();
    let raw: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&id[2 * i..2 * i + 2], 16).unwrap()).collect();
    let digest = Sha256::new().chain_update(&raw).chain_update(b"session").finalize();
    portal.stop().await;
    let mut digests = 0;
    for file in std::fs::read_dir(&folder.0).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        digests += bytes.windows(32).filter(|window| window == &digest.as_slice()).count();
        assert!(!bytes.windows(64).any(|window| window == id.as_bytes()), "the id as text");
        assert!(!bytes.windows(32).any(|window| window == raw), "the id as bytes");
    }
    assert!(digests > 0, "the search finds what is there");
}

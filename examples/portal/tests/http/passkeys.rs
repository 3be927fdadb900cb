//! A passkey, as a program sees it that has none and sends what it likes.

use portal::{Database, Running};

use crate::people::decided;
use crate::wire::{Answer, Visit, get, post, start};

const OFF: &str = "enforce=no&first=after_password";
/// What a browser would send, and signed by nobody.
const FORGED: &str = "%7B%22id%22%3A%22AA%22%2C%22rawId%22%3A%22AA%22%2C%22type%22%3A%22public-key%22%2C%22response%22%3A\
                      %7B%22attestationObject%22%3A%22oA%22%2C%22clientDataJSON%22%3A%22e30%22%7D%7D";
const NEW: &str = "/profile/devices/new-passkey";

/// An administrator, before the page on which a passkey is made; and the cookies that lead to it.
async fn before_a_passkey(portal: &Running) -> (Visit, String) {
    let admin = decided(portal, OFF).await;
    let begun = post(portal, "/profile/passkeys", &admin.cookie, &format!("csrf={}", admin.csrf)).await;
    assert_eq!(begun.header("location"), Some(NEW), "{}", begun.body);
    let (flow, kind) = (begun.cookie_of("__Host-registration=").unwrap(), begun.cookie_of("__Host-kind=").unwrap());
    let cookies = format!("{}; {flow}; {kind}", admin.cookie);
    (admin, cookies)
}

fn challenge(page: &Answer) -> &str {
    let (_, rest) = page.body.split_once("&#34;challenge&#34;:&#34;").unwrap();
    rest.split("&#34;").next().unwrap()
}

#[tokio::test]
async fn the_page_of_a_passkey_runs_the_portals_own_script_and_nothing_else() {
    let portal = start(Database::Memory).await.unwrap();
    let (_, cookies) = before_a_passkey(&portal).await;
    let page = get(&portal, NEW, &cookies).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(page.body.contains(r#"<script src="/assets/passkey.js" defer></script>"#), "{}", page.body);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let script = get(&portal, "/assets/passkey.js", "").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    portal.stop().await;
}

#[tokio::test]
async fn what_no_authenticator_has_signed_registers_nothing() {
    let portal = start(Database::Memory).await.unwrap();
    let (admin, cookies) = before_a_passkey(&portal).await;
    let first = get(&portal, NEW, &cookies).await;
    let again = get(&portal, NEW, &cookies).await;
    assert_eq!(challenge(&first), challenge(&again), "a second tab does not void the first");
    let form = |credential: &str| format!("csrf={}&name=Mine&credential={credential}", admin.csrf);

    let forged = post(&portal, NEW, &cookies, &form(FORGED)).await;
    assert!(forged.status == 422 && forged.body.contains("be registered here"), "{}", forged.body);
    assert_ne!(challenge(&forged), challenge(&first), "a challenge is used once, right or wrong");
    for nothing in ["", "%7B%7D", "null"] {
        let answer = post(&portal, NEW, &cookies, &form(nothing)).await;
        assert!(answer.status == 422 && answer.body.contains("No passkey has answered"), "{}", answer.body);
    }
    let other = Visit::begin(&portal).await;
    let without = post(&portal, NEW, &cookies, &form(FORGED).replace(&admin.csrf, &other.csrf)).await;
    assert_eq!(without.status, 403);
    let profile = get(&portal, "/profile", &admin.cookie).await;
    assert!(profile.body.contains("No passkey is registered"), "{}", profile.body);
    portal.stop().await;
}

#[tokio::test]
async fn where_no_passkey_is_asked_for_none_is_taken() {
    let portal = start(Database::Memory).await.unwrap();
    let (admin, cookies) = before_a_passkey(&portal).await;
    // Nothing is under way, or something else is.
    for path in ["/sign-in/passkey", "/profile/prove/passkey"] {
        let answer = post(&portal, path, &admin.cookie, &format!("csrf={}&credential={FORGED}", admin.csrf)).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(!answer.sets("__Host-session"), "{path}");
    }
    let answer =
        post(&portal, "/profile/devices/passkey", &cookies, &format!("csrf={}&credential={FORGED}", admin.csrf)).await;
    assert_eq!(answer.header("location"), Some(NEW), "there is no passkey to prove");
    // Of another user's passkey, or of none, there is no page.
    for path in ["/profile/passkeys/1/remove", "/profile/passkeys/-1/remove"] {
        assert_eq!(post(&portal, path, &admin.cookie, &format!("csrf={}", admin.csrf)).await.status, 404, "{path}");
    }
    // Without the wish for a passkey the same registration is that of a smartphone.
    let (plain, _) = cookies.rsplit_once("; ").unwrap();
    assert_eq!(get(&portal, NEW, plain).await.header("location"), Some("/profile/devices/register"));
    portal.stop().await;
}

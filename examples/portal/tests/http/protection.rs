//! Recovery codes, trusted browsers, step-up and reset, as a program sees them that sends what it likes.

use portal::Database;

use crate::people::{OFF, User, ada, admin};
use crate::wire::{Answer, OnDisk, PASSWORD, Visit, credentials, get, post, start};

#[tokio::test]
async fn no_form_does_anything_without_the_token_of_its_browser() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let made = admin.post(&portal, "/admin/groups", "name=Accounting").await;
    assert_eq!(made.header("location"), Some("/admin/groups/1"), "{}", made.body);
    portal.age_proofs().await;
    let other = Visit::begin(&portal).await;
    for path in [
        "/admin/groups",
        "/admin/groups/1",
        "/admin/groups/1/remove",
        "/admin/groups/1/security",
        "/admin/groups/1/security/withdraw",
        "/admin/moving",
        "/admin/moving/begin",
        "/admin/security",
        "/admin/security/preview",
        "/admin/users/1/delete",
        "/admin/users/1/disable",
        "/admin/users/1/enable",
        "/admin/users/1/exemption",
        "/admin/users/1/exemption/begin",
        "/admin/users/1/exemption/withdraw",
        "/admin/users/1/reset",
        "/admin/users/1/security",
        "/admin/users/1/security/withdraw",
        "/admin/users/1/ticket",
        "/admin/users/1/unblock",
        "/profile/address",
        "/profile/address/begin",
        "/profile/browsers/2/revoke",
        "/profile/browsers/revoke",
        "/profile/delete",
        "/profile/devices/1/remove",
        "/profile/devices/1/rename",
        "/profile/devices/1/replace",
        "/profile/passkeys",
        "/profile/passkeys/1/remove",
        "/profile/recovery-codes",
        "/profile/recovery-codes/confirm",
    ] {
        let fields = format!("{OFF}&email=thief%40example.com&name=x&code={}", admin.code(1));
        for csrf in ["", &other.csrf] {
            let answer = post(&portal, path, &admin.visit.cookie, &format!("csrf={csrf}&{fields}")).await;
            assert_eq!(answer.status, 403, "{path}");
        }
    }
    assert_eq!(get(&portal, "/profile", &admin.visit.cookie).await.status, 200, "and nothing has happened");
    let groups = get(&portal, "/admin/groups", &admin.visit.cookie).await.body;
    assert!(groups.contains("Accounting") && groups.contains("0 members") && !groups.contains("Settings of its own"));
    // The control: with the token the same form is taken, and asks for a proof.
    let asked = admin.post(&portal, "/profile/recovery-codes", "").await;
    assert_eq!((asked.status, asked.header("location")), (303, Some("/profile/prove/app")));
    portal.stop().await;
}

#[tokio::test]
async fn what_belongs_to_another_user_is_not_there() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    portal.age_proofs().await;
    let ada = ada(&portal).await;
    let form = format!("csrf={}&name=Mine&code=123456", ada.csrf);
    for path in [
        "/profile/devices/1/remove",
        "/profile/devices/1/rename",
        "/profile/devices/1/replace",
        "/profile/browsers/2/revoke",
        "/admin/users/1/delete",
        "/admin/users/1/disable",
        "/admin/users/1/enable",
        "/admin/users/1/exemption",
        "/admin/users/1/exemption/withdraw",
        "/admin/users/1/reset",
        "/admin/users/1/security",
        "/admin/users/1/unblock",
        "/admin/groups",
        "/admin/moving",
    ] {
        assert_eq!(post(&portal, path, &ada.cookie, &form).await.status, 404, "{path}");
    }
    for path in [
        "/profile/devices/18446744073709551615/remove",
        "/admin/users/-1/reset",
        "/admin/users/99/delete",
        "/admin/users/99/disable",
        "/admin/users/99/reset",
        "/admin/users/99/security",
        "/admin/groups/99",
        "/admin/groups/x/security",
    ] {
        assert_eq!(get(&portal, path, &admin.visit.cookie).await.status, 404, "{path}");
    }

    // The step-up of one user is none of another's, nor a login or a registration.
    let asked = admin.post(&portal, "/profile/recovery-codes", "").await;
    let reference = asked.cookie_of("__Host-step-up").unwrap();
    let page = "/profile/prove/app";
    let own = get(&portal, page, &format!("{}; {reference}", admin.visit.cookie)).await;
    assert_eq!(own.status, 200);
    let others = get(&portal, page, &format!("{}; {reference}", ada.cookie)).await;
    assert_eq!(others.header("location"), Some("/profile"));
    let renamed = reference.replace("__Host-step-up", "__Host-registration");
    let as_registration = get(&portal, "/profile/devices/app", &format!("{}; {renamed}", admin.visit.cookie)).await;
    assert_eq!(as_registration.header("location"), Some("/profile"));
    portal.stop().await;
}

#[tokio::test]
async fn an_intent_that_was_made_up_does_nothing_and_codes_are_shown_to_a_fresh_proof_alone() {
    let portal = OnDisk::start().await;
    let user = User::register(&portal, admin(&portal).await).await;
    portal.age_proofs().await;
    let asked = user.post(&portal, "/profile/recovery-codes", "").await;
    let reference = asked.cookie_of("__Host-step-up").unwrap();
    let form = |code: &str| format!("csrf={}&code={code}", user.visit.csrf);
    let made_up = format!("{}; {reference}; __Host-intent=remove-7", user.visit.cookie);
    let answer = post(&portal, "/profile/prove/app", &made_up, &form(&user.code(0))).await;
    assert_eq!(answer.status, 404, "there is no such device");
    let raised = answer.cookie().unwrap();
    assert_eq!(get(&portal, "/profile", &raised).await.status, 200, "the session goes on, under a new id");
    assert_eq!(get(&portal, "/profile", &user.visit.cookie).await.status, 303);

    let user = User { visit: Visit::begin(&portal).await, ..user };
    let login =
        post(&portal, "/sign-in", &user.visit.cookie, &format!("{}&csrf={}", credentials(PASSWORD), user.visit.csrf))
            .await;
    let cookies = format!("{}; {}", user.visit.cookie, login.cookie_of("__Host-login").unwrap());
    let entered =
        post(&portal, "/sign-in/app", &cookies, &format!("csrf={}&code={}", user.visit.csrf, user.code(1))).await;
    let user = User { visit: user.visit.entered(&portal, entered).await, ..user };
    let shown = user.post(&portal, "/profile/recovery-codes", "").await;
    assert!(shown.status == 200 && shown.body.matches("<code>").count() == 10, "{}", shown.body);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    assert!(!shown.body.contains("<script") && !shown.body.contains(" style="));
    let (_, rest) = shown.body.split_once("<code>").unwrap();
    let code = rest.split("</code>").next().unwrap();
    let wrong = user.post(&portal, "/profile/recovery-codes/confirm", "code=0000-0000-0000-0000").await;
    assert!(wrong.status == 422 && !wrong.body.contains(code), "they are shown once");
    let confirmed = user.post(&portal, "/profile/recovery-codes/confirm", &format!("code={code}")).await;
    assert_eq!(confirmed.header("location"), Some("/profile"));
    portal.stop().await;
}

#[tokio::test]
async fn the_cookie_of_a_trusted_browser_is_closed_and_is_one_users() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, admin(&portal).await).await;
    let ada = ada(&portal).await;
    let browser = Visit::begin(&portal).await;
    let password = format!("{}&csrf={}", credentials(PASSWORD), browser.csrf);
    let login = post(&portal, "/sign-in", &browser.cookie, &password).await;
    let cookies = format!("{}; {}", browser.cookie, login.cookie_of("__Host-login").unwrap());
    let form = format!("csrf={}&code={}&trust=on", browser.csrf, user.code(0));
    let entered = post(&portal, "/sign-in/app", &cookies, &form).await;
    let line = |answer: &Answer| {
        let mut lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.clone());
        lines.find(|line| line.starts_with("__Host-browser-1=")).unwrap()
    };
    let set = line(&entered);
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.split("; ").any(|held| held == part), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    let inside = browser.entered(&portal, entered).await;

    // Another user at the same browser is asked as ever, and takes nothing away.
    let trusted = set.clone();
    let trusted = trusted.split(';').next().unwrap();
    let fields = format!("email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", browser.csrf);
    let others = post(&portal, "/sign-in", &format!("{}; {trusted}", browser.cookie), &fields).await;
    assert_eq!(others.header("location"), Some("/dashboard"));
    assert!(!others.sets("__Host-browser"));
    assert!(get(&portal, "/profile", &inside.cookie).await.body.contains("/profile/browsers/2/revoke"));
    assert_eq!(
        post(&portal, "/profile/browsers/2/revoke", &ada.cookie, &format!("csrf={}", ada.csrf)).await.status,
        404
    );

    // Its own user is not asked; the cookie is replaced, and kept for a year.
    let again = post(&portal, "/sign-in", &format!("{}; {trusted}", browser.cookie), &password).await;
    assert_eq!(again.header("location"), Some("/dashboard"));
    let next = line(&again);
    assert!(!next.contains(trusted) && next.contains("HttpOnly"), "{next}");
    for line in [set, next] {
        let age: u64 = line.rsplit_once("Max-Age=").unwrap().1.parse().unwrap();
        assert!(age == 365 * 24 * 60 * 60, "{line}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn settings_that_lock_out_every_administrator_are_saved_by_name_alone() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = admin(&portal).await;
    let strict = format!("csrf={}&enforce=yes&app=on&first=with_ticket", admin.csrf);
    let refused = post(&portal, "/admin/security", &admin.cookie, &strict).await;
    assert!(refused.status == 422 && refused.body.contains("no administrator could sign in again"));
    let still = Visit::begin(&portal).await.sign_in(&portal, PASSWORD).await;
    assert_eq!(get(&portal, "/dashboard", &still.cookie).await.status, 200);
    let named = post(&portal, "/admin/security", &admin.cookie, &format!("{strict}&accept_lockout=yes")).await;
    assert_eq!(named.status, 303);
    let browser = Visit::begin(&portal).await;
    let out =
        post(&portal, "/sign-in", &browser.cookie, &format!("{}&csrf={}", credentials(PASSWORD), browser.csrf)).await;
    assert_eq!(out.status, 403, "{}", out.body);
    portal.stop().await;
}

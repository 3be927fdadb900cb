//! What an administrator does to an account takes a fresh proof, and an administrator.

use portal::Running;

use crate::people::{User, ada, admin};
use crate::wire::{Answer, OnDisk, Visit, get, post};

/// The forms that weaken an account, open it, or end it: of Ada, who has a smartphone, and of Bo, who has none.
const WEAKENING: [(&str, &str); 7] = [
    ("/admin/users/3/exemption", "reason=Waits&days=7"),
    ("/admin/users/3/ticket", ""),
    ("/admin/users/2/reset", ""),
    (
        "/admin/moving",
        "rows=%7B%22email%22%3A%22bo%40larkfield.example%22%2C%22otp_secret%22%3A%22JBSWY3DPEHPK3PXPJBSWY3DP%22%7D",
    ),
    ("/admin/users/3/disable", ""),
    ("/admin/users/3/enable", ""),
    ("/admin/users/3/delete", ""),
];

const PROVE: &str = "/profile/prove/app";

/// What is known of the users.
async fn users(portal: &Running, admin: &Visit) -> String {
    let page = get(portal, "/admin/users", &admin.cookie).await;
    assert_eq!(page.status, 200);
    page.body.split_once("<ul class=\"people\">").unwrap().1.replace(&admin.csrf, "")
}

/// The cookies of a step-up that was begun: of its flow, and of what is intended.
fn step_up(visit: &Visit, asked: &Answer) -> String {
    assert_eq!((asked.status, asked.header("location")), (303, Some(PROVE)), "{}", asked.body);
    let cookie = |name| asked.cookie_of(name).unwrap();
    format!("{}; {}; {}", visit.cookie, cookie("__Host-step-up"), cookie("__Host-intent"))
}

#[tokio::test]
async fn without_a_fresh_proof_nothing_is_done_to_an_account() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = User::register(&portal, ada(&portal).await).await;
    let nobody = Visit::begin(&portal).await;
    let bo = format!("name=Bo&email=bo%40larkfield.example&password=correct+horse+battery&csrf={}", nobody.csrf);
    assert_eq!(post(&portal, "/sign-up", &nobody.cookie, &bo).await.status, 303);
    portal.age_proofs().await;
    let before = users(&portal, &admin.visit).await;
    let csrf = format!("csrf={}", admin.visit.csrf);
    for (path, fields) in WEAKENING {
        let cookies = step_up(&admin.visit, &admin.post(&portal, path, fields).await);
        // A step-up that was begun, and is not finished, is no proof.
        let again = post(&portal, path, &cookies, &format!("{csrf}&{fields}")).await;
        let cookies = step_up(&admin.visit, &again);
        let refused = post(&portal, PROVE, &cookies, &format!("{csrf}&code=12345")).await;
        assert_eq!(refused.status, 422, "{path}");
        assert_eq!(users(&portal, &admin.visit).await, before, "{path}");
    }
    assert_eq!(get(&portal, "/profile", &ada.visit.cookie).await.status, 200, "the session goes on");

    // The control: with a code of now it is done, and while that is fresh the others are.
    let reset = WEAKENING[2];
    let cookies = step_up(&admin.visit, &admin.post(&portal, reset.0, reset.1).await);
    let done = post(&portal, PROVE, &cookies, &format!("{csrf}&code={}", admin.code(0))).await;
    assert!(done.status == 200 && done.body.contains("id=\"ticket-text\""), "{}", done.body);
    assert_eq!(get(&portal, "/profile", &ada.visit.cookie).await.status, 303, "the session has ended");
    let cookie = done.cookie().unwrap();
    let raised = Visit { csrf: get(&portal, "/admin/users", &cookie).await.csrf(), cookie };
    let mut known = users(&portal, &raised).await;
    assert_ne!(known, before);
    for (path, fields) in WEAKENING.into_iter().filter(|form| *form != reset) {
        post(&portal, path, &raised.cookie, &format!("csrf={}&{fields}", raised.csrf)).await;
        let now = users(&portal, &raised).await;
        assert_ne!(now, known, "{path}");
        known = now;
    }
    portal.stop().await;
}

#[tokio::test]
async fn the_word_for_an_administrators_act_does_nothing_for_a_user() {
    for intent in ["exempt-1", "move-in", "reset-1", "ticket-1"] {
        let portal = OnDisk::start().await;
        let admin = User::register(&portal, admin(&portal).await).await;
        let ada = User::register(&portal, ada(&portal).await).await;
        portal.age_proofs().await;
        let before = users(&portal, &admin.visit).await;
        let asked = ada.post(&portal, "/profile/recovery-codes", "").await;
        let cookies = step_up(&ada.visit, &asked).replace("__Host-intent=codes", &format!("__Host-intent={intent}"));
        let form = format!("csrf={}&code={}", ada.visit.csrf, ada.code(0));
        let answer = post(&portal, PROVE, &cookies, &form).await;
        assert_eq!(answer.status, 404, "{intent}");
        assert!(answer.cookie().is_some(), "the proof itself was right");
        assert_eq!(users(&portal, &admin.visit).await, before, "{intent}");
        assert_eq!(get(&portal, "/profile", &admin.visit.cookie).await.status, 200, "{intent}");
        portal.stop().await;
    }
}

/// The forms that change what is asked for, of whom, and under which key; and what the audit log says of each.
const DECIDING: [(&str, &str, &str); 9] = [
    (
        "/admin/security",
        "enforce=yes&app=on&email=on&first=after_email_code",
        "for the company. Before: not enforced, any of: none; first registration: password; allowed: trusted browsers; \
         time to register: none. Now: enforced, any of: app, e-mail; first registration: e-mail code; allowed: none; \
         time to register: none",
    ),
    ("/admin/groups", "name=Vault", "Created the group Vault"),
    ("/admin/groups/1", "member=2", "Decided who is in the group Vault. Added: Ada. Removed: nobody"),
    (
        "/admin/groups/1/security",
        "enforce=yes&app=on&first=after_email_code",
        "for the group Vault. Before: nothing. Now: enforced, any of: app;",
    ),
    ("/admin/groups/1/security/withdraw", "", "for the group Vault. Before: enforced, any of: app;"),
    ("/admin/groups/1", "member=1", "Decided who is in the group Vault. Added: Administrator. Removed: Ada"),
    ("/admin/groups/1/remove", "", "Deleted the group Vault of 1 members. Before: nothing"),
    ("/admin/users/2/exemption/withdraw", "", "Changed the exemption of Ada. Before: none. Now: none"),
    ("/admin/keys/reencrypt", "", ""),
];

#[tokio::test]
async fn what_is_asked_for_is_changed_after_a_fresh_proof_and_the_log_shows_before_and_now() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let _ada = ada(&portal).await;
    portal.age_proofs().await;
    let csrf = format!("csrf={}", admin.visit.csrf);
    let seen = async |cookie: &str| {
        let (security, groups) =
            (get(&portal, "/admin/security", cookie).await, get(&portal, "/admin/groups", cookie).await);
        assert_eq!((security.status, groups.status), (200, 200));
        let csrf = security.csrf();
        (security.body.replace(&csrf, ""), groups.body.replace(&csrf, ""))
    };
    let before = seen(&admin.visit.cookie).await;
    // What needs a group that is not there yet is no such page.
    let there = |path: &str| !path.starts_with("/admin/groups/");
    for (path, fields, _) in DECIDING.into_iter().filter(|(path, ..)| there(path)) {
        let cookies = step_up(&admin.visit, &admin.post(&portal, path, fields).await);
        let wrong = post(&portal, PROVE, &cookies, &format!("{csrf}&code=12345")).await;
        assert_eq!(wrong.status, 422, "{path}");
        assert_eq!(seen(&admin.visit.cookie).await, before, "{path}");
    }
    // The control: after the code it is done, with what was typed before; and while that is fresh the others are.
    let (path, fields, _) = DECIDING[0];
    let cookies = step_up(&admin.visit, &admin.post(&portal, path, fields).await);
    let done = post(&portal, PROVE, &cookies, &format!("{csrf}&code={}", admin.code(0))).await;
    assert_eq!(done.header("location"), Some("/admin/security"), "{}", done.body);
    let cookie = done.cookie().unwrap();
    assert_ne!(seen(&cookie).await, before);
    let raised = get(&portal, "/admin/users", &cookie).await.csrf();
    for (path, fields, _) in &DECIDING[1..] {
        let answer = post(&portal, path, &cookie, &format!("csrf={raised}&{fields}")).await;
        let to = answer.header("location").unwrap_or_default();
        assert!(
            answer.status < 400 && !to.starts_with("/profile/prove"),
            "{path}: {} {to} {}",
            answer.status,
            answer.body
        );
    }
    let log = get(&portal, "/admin/audit", &cookie).await.body;
    for (path, _, words) in DECIDING {
        assert!(log.contains(words), "{path}: {words}: {log}");
    }
    portal.stop().await;
}

#[tokio::test]
async fn a_plan_of_an_administrator_is_carried_out_once_and_by_its_own_session() {
    let portal = OnDisk::start().await;
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = User::register(&portal, ada(&portal).await).await;
    portal.age_proofs().await;
    let asked = admin.post(&portal, "/admin/groups", "name=Vault").await;
    assert_eq!(asked.header("location"), Some(PROVE));
    // The word for it in another session does nothing.
    let own = ada.post(&portal, "/profile/recovery-codes", "").await;
    let cookies = step_up(&ada.visit, &own).replace("__Host-intent=codes", "__Host-intent=planned");
    let form = format!("csrf={}&code={}", ada.visit.csrf, ada.code(0));
    let answer = post(&portal, PROVE, &cookies, &form).await;
    assert_eq!(answer.cookie_of("__Host-notice").as_deref(), Some("__Host-notice=proof-over"), "{:?}", answer.headers);
    assert!(!get(&portal, "/admin/groups", &admin.visit.cookie).await.body.contains("Vault"));
    portal.stop().await;
}

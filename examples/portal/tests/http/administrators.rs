//! What an administrator does to an account takes a fresh proof, and an administrator.

use portal::Running;

use crate::people::{User, ada, admin};
use crate::wire::{Answer, OnDisk, Visit, get, post};

/// The forms that weaken an account, or open it: of Ada, who has a smartphone, and of Bo, who has none.
const WEAKENING: [(&str, &str); 4] = [
    ("/admin/users/3/exemption", "reason=Waits&days=7"),
    ("/admin/users/3/ticket", ""),
    ("/admin/users/2/reset", ""),
    (
        "/admin/moving",
        "rows=%7B%22email%22%3A%22bo%40larkfield.example%22%2C%22otp_secret%22%3A%22JBSWY3DPEHPK3PXPJBSWY3DP%22%7D",
    ),
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
    let (last, rest) = (WEAKENING[2], [WEAKENING[0], WEAKENING[1], WEAKENING[3]]);
    let cookies = step_up(&admin.visit, &admin.post(&portal, last.0, last.1).await);
    let done = post(&portal, PROVE, &cookies, &format!("{csrf}&code={}", admin.code(0))).await;
    assert!(done.status == 200 && done.body.contains("id=\"ticket-text\""), "{}", done.body);
    assert_eq!(get(&portal, "/profile", &ada.visit.cookie).await.status, 303, "the session has ended");
    let cookie = done.cookie().unwrap();
    let raised = Visit { csrf: get(&portal, "/admin/users", &cookie).await.csrf(), cookie };
    let mut known = users(&portal, &raised).await;
    assert_ne!(known, before);
    for (path, fields) in rest {
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

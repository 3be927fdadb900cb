//! What a session may do: all while it is valid, its own completion while it owes steps, and nothing by a forged cookie.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portal::{Database, Running};

use crate::people::{User, ada, admin};
use crate::wire::{Answer, OnDisk, PASSWORD, Visit, credentials, get, mailed_code, post, start};

/// Every page that takes a cookie of a flow, with the cookie, and where a request without a flow is led.
const FLOWS: [(&str, &str, &str); 4] = [
    ("/sign-in/app", "__Host-login", "/sign-in"),
    ("/profile/devices/app", "__Host-registration", "/profile"),
    ("/profile/prove/app", "__Host-step-up", "/profile"),
    ("/completion/app", "__Host-completion", "/dashboard"),
];

/// What could stand in a cookie: cut, forged, of other users, and of users whom no database knows.
fn forgeries(real: &str) -> Vec<String> {
    let mut all: Vec<String> = ["", "x", "%00", "AAAA", "..", "\"", "é"].map(str::to_owned).to_vec();
    all.push(real.chars().take(real.len() / 2).collect());
    all.push(format!("{real}AAAA"));
    // The reference names its user in the clear: any name can be put there.
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(real).unwrap();
    let (head, user) = bytes.split_at(bytes.len() - 1);
    assert_eq!(user, b"1", "the last byte is the user");
    for name in ["7777", "x", "-1", "9223372036854775808", "1' OR '1'='1", "../1"] {
        all.push(BASE64_URL_SAFE_NO_PAD.encode([head, name.as_bytes()].concat()));
    }
    all
}

#[tokio::test]
async fn a_forged_cookie_of_a_flow_leads_to_where_the_flow_begins() {
    let portal = OnDisk::start().await;
    let user = User::register(&portal, admin(&portal).await).await;
    portal.age_proofs().await;
    let asked = user.post(&portal, "/profile/recovery-codes", "").await;
    let real = asked.cookie_of("__Host-step-up").unwrap();
    let (_, real) = real.split_once('=').unwrap();
    // The control: the real one opens the page of its flow.
    let own = get(&portal, "/profile/prove/app", &format!("{}; __Host-step-up={real}", user.visit.cookie)).await;
    assert_eq!(own.status, 200);
    for forged in forgeries(real) {
        for (page, cookie, begin) in FLOWS {
            let cookies = format!("{}; {cookie}={forged}", user.visit.cookie);
            let form = format!("csrf={}&code=123456", user.visit.csrf);
            for answer in [get(&portal, page, &cookies).await, post(&portal, page, &cookies, &form).await] {
                assert_eq!((answer.status, answer.header("location")), (303, Some(begin)), "{page} {forged}");
            }
        }
    }
    portal.stop().await;
}

/// The administrator signs in by a recovery code: a browser, and the answer.
async fn recovered(portal: &Running, code: &str) -> (Visit, Answer) {
    let visit = Visit::begin(portal).await;
    let login =
        post(portal, "/sign-in", &visit.cookie, &format!("{}&csrf={}", credentials(PASSWORD), visit.csrf)).await;
    let cookies = format!("{}; {}", visit.cookie, login.cookie_of("__Host-login").unwrap());
    let form = format!("csrf={}&code={code}", visit.csrf);
    let answer = post(portal, "/sign-in/recovery", &cookies, &form).await;
    (visit, answer)
}

#[tokio::test]
async fn a_recovered_session_can_only_register_a_device() {
    let portal = start(Database::Memory).await.unwrap();
    let user = User::register(&portal, admin(&portal).await).await;
    let codes = user.recovery_codes(&portal).await;
    let (_, answer) = recovered(&portal, &codes[1]).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/completion")), "{}", answer.body);
    let cookie = answer.cookie().unwrap();
    let page = get(&portal, "/completion", &cookie).await;
    assert!(page.status == 200 && page.body.contains("9 recovery codes left"), "{}", page.body);
    let csrf = page.csrf();
    for path in ["/dashboard", "/profile", "/admin/security", "/admin/users", "/admin/audit", "/profile/recovery-codes"]
    {
        let answer = get(&portal, path, &cookie).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/completion")), "{path}");
    }
    let settings = "enforce=no&first=after_password";
    for (path, fields) in [
        ("/admin/security", settings),
        ("/admin/users/1/reset", ""),
        ("/profile/devices", ""),
        ("/profile/passkeys", ""),
        ("/profile/devices/1/remove", ""),
        ("/profile/recovery-codes", ""),
        ("/profile/password", "current=the+administrator%27s+own&new=a+new+one+of+words"),
        ("/profile/address", "email=thief%40example.com"),
    ] {
        let answer = post(&portal, path, &cookie, &format!("csrf={csrf}&{fields}")).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/completion")), "{path}");
    }
    // With a new device in the place of the old one the session is a whole one.
    let begun = post(&portal, "/completion/begin", &cookie, &format!("csrf={csrf}&replace=1")).await;
    assert_eq!(begun.header("location"), Some("/completion/register"), "{}", begun.body);
    let flow = begun.cookie_of("__Host-completion").unwrap();
    let user = User::shown(&portal, Visit { cookie, csrf }, "/completion/register", &flow).await;
    let cookies = format!("{}; {flow}", user.visit.cookie);
    let form = format!("csrf={}&code={}&name=New", user.visit.csrf, user.code(0));
    let done = post(&portal, "/completion/register", &cookies, &form).await;
    assert_eq!(done.header("location"), Some("/completion/all-set"), "{}", done.body);
    assert!(done.sets("__Host-browser-1="), "the next sign-in comes from a known browser");
    let profile = get(&portal, "/profile", &done.cookie().unwrap()).await;
    assert_eq!(profile.body.matches("<p class=\"device-name\">").count(), 1, "the old one is replaced");
    assert!(profile.body.contains("<p class=\"device-name\">New</p>"));
    portal.stop().await;
}

#[tokio::test]
async fn a_stricter_policy_lets_open_sessions_only_complete_it() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = ada(&portal).await;
    assert_eq!(get(&portal, "/profile", &ada.cookie).await.status, 200, "the password was enough");
    admin.decide(&portal, "enforce=yes&app=on&email=on&first=after_email_code").await;

    assert_eq!(get(&portal, "/profile", &ada.cookie).await.header("location"), Some("/completion"));
    let form = format!("csrf={}", ada.csrf);
    let refused = post(&portal, "/profile/devices", &ada.cookie, &form).await;
    assert_eq!(refused.header("location"), Some("/completion"), "no device by the password alone");
    let page = get(&portal, "/completion", &ada.cookie).await;
    assert!(page.status == 200 && page.body.contains("id=\"owed\""), "{}", page.body);
    assert!(
        get(&portal, "/mailbox", "").await.body.matches("Your Larkfield code").count() == 1,
        "a look sends nothing"
    );
    let begun = post(&portal, "/completion/begin", &ada.cookie, &form).await;
    assert_eq!(begun.header("location"), Some("/completion/email"), "{}", begun.body);
    let cookies = format!("{}; {}", ada.cookie, begun.cookie_of("__Host-completion").unwrap());
    let code = mailed_code(&portal).await;
    let done = post(&portal, "/completion/email", &cookies, &format!("{form}&code={code}")).await;
    assert_eq!(done.header("location"), Some("/dashboard"), "{}", done.body);
    assert_eq!(get(&portal, "/profile", &done.cookie().unwrap()).await.status, 200);
    assert_eq!(get(&portal, "/profile", &ada.cookie).await.status, 303, "the session has a new id");
    // The administrator has a smartphone, and owes nothing.
    assert_eq!(get(&portal, "/profile", &admin.visit.cookie).await.status, 200);
    portal.stop().await;
}

#[tokio::test]
async fn sessions_that_owe_a_step_are_counted_and_can_be_ended() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = ada(&portal).await;
    let page = get(&portal, "/admin/security", &admin.visit.cookie).await.body;
    assert!(!page.contains("id=\"owing\""), "{page}");
    admin.decide(&portal, "enforce=yes&email=on&first=after_email_code").await;
    let page = get(&portal, "/admin/security", &admin.visit.cookie).await.body;
    assert!(page.contains("1 open session owes"), "{page}");
    assert_eq!(get(&portal, "/completion", &ada.cookie).await.status, 200, "until then it can be completed");
    let ended = admin.post(&portal, "/admin/security/end-sessions", "").await;
    assert_eq!(ended.header("location"), Some("/admin/security"), "{}", ended.body);
    assert_eq!(get(&portal, "/completion", &ada.cookie).await.header("location"), Some("/sign-in"));
    let page = get(&portal, "/admin/security", &admin.visit.cookie).await;
    assert!(page.status == 200 && !page.body.contains("id=\"owing\""), "the administrator's own session goes on");
    let log = get(&portal, "/admin/audit", &admin.visit.cookie).await.body;
    assert!(log.contains("Ended 1 sessions that owed a step, for the company"), "{log}");
    portal.stop().await;
}

#[tokio::test]
async fn a_session_that_owes_steps_can_sign_out() {
    let portal = start(Database::Memory).await.unwrap();
    let admin = User::register(&portal, admin(&portal).await).await;
    let ada = ada(&portal).await;
    admin.decide(&portal, "enforce=yes&email=on&first=after_email_code").await;
    let out = post(&portal, "/sign-out", &ada.cookie, &format!("csrf={}", ada.csrf)).await;
    assert_eq!(out.header("location"), Some("/sign-in"));
    assert_eq!(get(&portal, "/completion", &ada.cookie).await.header("location"), Some("/sign-in"));
    portal.stop().await;
}

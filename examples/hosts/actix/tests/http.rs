//! Signs in to the started host over HTTP.

#[path = "../../client.rs"]
mod client;

use std::process::Command;

use client::{ALICE, APP, BOB, Browser, EMAIL, Host, Phone, login, sign_up, with_app, with_step_up};
use serde_json::{Value, json};

fn start() -> Host {
    Host::start(Command::new(env!("CARGO_BIN_EXE_host-actix")))
}

#[test]
fn wrong_code_is_a_refusal_in_the_flow() {
    let host = start();
    let mut browser = Browser::new(&host);
    sign_up(&mut browser, "alice");
    for (form, status) in [(json!({"name": "alice", "email": BOB}), 409), (json!({"name": "bob", "email": "bob"}), 400)]
    {
        assert_eq!(browser.send("POST /sign-up", form).0, status, "a taken name, and what is no address");
    }
    assert_eq!(login(&mut browser, "alice", "wrong password").0, 401);
    assert_eq!(login(&mut browser, "mallory", "wrong password").0, 401);
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401, "the password alone opens nothing");

    login(&mut browser, "alice", "correct horse");
    let code = host.mailed_code(ALICE);
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    for (typed, refusal, left) in [(wrong, "wrong_code", 4), ("12", "malformed", 4)] {
        let (status, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": typed}));
        let challenge = &page["challenge"];
        assert_eq!(
            (status, &challenge["refusal"]["code"], &challenge["attempts_left"]),
            (200, &json!(refusal), &json!(left))
        );
    }
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
    let mut other = Browser::new(&host);
    let (status, page) = other.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert_eq!((status, &page["refusal"]["code"]), (409, &json!("flow_ended")), "the code is nothing without the flow");
    let (_, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert!(page["enroll"]["uri"].is_string(), "{page}");
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401, "the policy asks for an app");
}

#[test]
fn new_password_ends_other_sessions() {
    let host = start();
    let (mut browser, mut other) = (Browser::new(&host), Browser::new(&host));
    let mut phone = with_app(&host, &mut browser, "alice");
    let (_, page) = login(&mut other, "alice", "correct horse");
    assert_eq!(page["challenge"]["next"], json!(["app_code"]));
    let (status, _) = other.send("POST /login/flow", json!({"action": "app_code", "code": phone.code()}));
    assert_eq!(status, 200);
    let (status, page) = other.send("GET /devices", Value::Null);
    assert_eq!((status, &page["devices"][0]["name"]), (200, &json!("Phone")));

    let new = json!({"password": "battery staple"});
    let (status, page) = with_step_up(&mut browser, &mut phone, "PUT /password", &new);
    assert_eq!((status, page), (200, json!({"signed_in": "alice"})));
    let (status, page) = other.send("GET /devices", Value::Null);
    assert_eq!((status, &page["refusal"]["code"]), (401, &json!("session_ended")));
    assert_eq!(browser.send("GET /devices", Value::Null).0, 200, "the session that changed it continues");
    assert_eq!(login(&mut other, "alice", "correct horse").0, 401);

    assert_eq!(with_step_up(&mut browser, &mut phone, "DELETE /account", &Value::Null).0, 200);
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
    assert_eq!(login(&mut browser, "alice", "battery staple").0, 401);
}

#[test]
fn stricter_policy_makes_a_session_owe() {
    let host = start();
    let (mut admin, mut browser) = (Browser::new(&host), Browser::new(&host));
    let mut phone = with_app(&host, &mut admin, "alice");
    let policy = |text: &str| serde_json::from_str::<Value>(text).expect("a policy");
    assert_eq!(with_step_up(&mut admin, &mut phone, "PUT /policy", &policy(EMAIL)).0, 200);

    sign_up(&mut browser, "bob");
    login(&mut browser, "bob", "correct horse");
    let code = host.mailed_code(BOB);
    let (_, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert_eq!(page, json!({"signed_in": "bob"}));
    assert_eq!(browser.send("GET /devices", Value::Null).0, 200);

    assert_eq!(with_step_up(&mut admin, &mut phone, "PUT /policy", &policy(APP)).0, 200);
    let (status, page) = browser.send("GET /devices", Value::Null);
    assert_eq!((status, &page["refusal"]["code"]), (409, &json!("steps_owed")));
    let (_, page) = browser.send("POST /completion", Value::Null);
    assert_eq!(page["flow"], json!("completion"), "{page}");
    let mut second = Phone::register(&page["enroll"]);
    let confirm = json!({"action": "confirm_app", "code": second.code()});
    let (status, page) = browser.send("POST /completion/flow", confirm);
    assert_eq!((status, page), (200, json!({"signed_in": "bob"})));
    assert_eq!(browser.send("GET /devices", Value::Null).0, 200);
    assert_eq!(with_step_up(&mut browser, &mut second, "PUT /policy", &policy(EMAIL)).0, 403, "no administrator");
}

//! Signs in to the started host over HTTP.
//!
//! The tests that need PostgreSQL are ignored unless they are asked for: `cargo test -p host-axum -- --include-ignored`. They
//! start a server of their own; Debian's package is `postgresql`.

#[path = "../../../client.rs"]
mod client;
mod servers;

use std::process::Command;

use client::{ALICE, APP, BOB, Browser, EMAIL, Host, Lines, Phone, login, sign_up, with_app, with_step_up};
use serde_json::{Value, json};
use servers::{Postgres, mail_server};

/// The host on a development machine: in memory, with printed mails.
fn start() -> Host {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-axum"));
    command.env_remove("DATABASE_URL");
    Host::start(command)
}

/// The host in production: on PostgreSQL, with mails by SMTP.
fn start_on(postgres: &Postgres) -> Host {
    let (mut command, lines) = (Command::new(env!("CARGO_BIN_EXE_host-axum")), Lines::default());
    command.env("DATABASE_URL", postgres.url()).env("MFA_KEY", "0123456789abcdef".repeat(4));
    command.env("SMTP_URL", mail_server(Lines::clone(&lines))).env("MAIL_FROM", "no-reply@example.com");
    Host::start_with_lines(command, lines)
}

/// Each test in memory, and on a PostgreSQL server of its own.
macro_rules! on_both_databases {
    ($($test:ident)+) => {
        mod in_memory {$(
            #[test]
            fn $test() {
                super::$test(&super::start());
            }
        )+}

        mod on_postgres {$(
            #[test]
            #[ignore = "needs PostgreSQL, Debian's package postgresql"]
            fn $test() {
                let postgres = super::Postgres::start();
                super::$test(&super::start_on(&postgres));
            }
        )+}
    };
}
on_both_databases! {
    wrong_code_is_a_refusal_in_the_flow
    new_password_ends_other_sessions
    stricter_policy_makes_a_session_owe
}

/// What a server that is started anew finds in the database.
#[test]
#[ignore = "needs PostgreSQL, Debian's package postgresql"]
fn users_and_factors_outlive_the_host() {
    let postgres = Postgres::start();
    let host = start_on(&postgres);
    let mut phone = with_app(&host, &mut Browser::new(&host), "alice");
    drop(host);
    let host = start_on(&postgres);
    let mut browser = Browser::new(&host);
    let (_, page) = login(&mut browser, "alice", "correct horse");
    assert_eq!(page["challenge"]["next"], json!(["app_code"]), "{page}");
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
    let (status, page) = browser.send("POST /login/flow", json!({"action": "app_code", "code": phone.code()}));
    assert_eq!((status, page), (200, json!({"signed_in": "alice"})));
}

fn wrong_code_is_a_refusal_in_the_flow(host: &Host) {
    let mut browser = Browser::new(host);
    sign_up(&mut browser, "alice");
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
    let (_, page) = browser.send("GET /login/flow", Value::Null);
    assert_eq!(page["challenge"]["next"], json!(["verify_email"]), "a page that is loaded again finds the flow");
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
    let mut other = Browser::new(host);
    let (status, page) = other.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert_eq!((status, &page["refusal"]["code"]), (409, &json!("flow_ended")), "the code is nothing without the flow");
    let (_, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert!(page["enroll"]["uri"].is_string(), "{page}");
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401, "the policy asks for an app");
}

#[test]
fn mail_server_that_is_not_reached_refuses_the_code() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-axum"));
    // Nobody listens on this port once the listener is dropped.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    command.env("DATABASE_URL", "sqlite::memory:").env("MFA_KEY", "0123456789abcdef".repeat(4));
    command.env("SMTP_URL", format!("smtp://127.0.0.1:{port}")).env("MAIL_FROM", "no-reply@example.com");
    let host = Host::start(command);
    let mut browser = Browser::new(&host);
    sign_up(&mut browser, "alice");
    let (status, page) = login(&mut browser, "alice", "correct horse");
    let challenge = &page["challenge"];
    assert_eq!((status, &challenge["refusal"]["code"]), (200, &json!("mail_refused")), "{page}");
    assert_eq!((&challenge["email"]["sent_at"], &challenge["email"]["resend_at"]), (&Value::Null, &Value::Null));
}

fn new_password_ends_other_sessions(host: &Host) {
    let (mut browser, mut other) = (Browser::new(host), Browser::new(host));
    let mut phone = with_app(host, &mut browser, "alice");
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

    let status = with_step_up(&mut browser, &mut phone, "PUT /address", &json!({"email": "new@example.com"})).0;
    assert_eq!(status, 200);
    let (status, page) = with_step_up(&mut browser, &mut phone, "POST /recovery-codes", &Value::Null);
    assert_eq!((status, page["codes"].as_array().map(Vec::len)), (200, Some(10)));
    let (status, _) = browser.send("PUT /recovery-codes", json!({"code": page["codes"][0]}));
    assert_eq!(status, 204);
    assert_eq!(browser.send("POST /logout", Value::Null).0, 204);
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
}

fn stricter_policy_makes_a_session_owe(host: &Host) {
    let (mut admin, mut browser) = (Browser::new(host), Browser::new(host));
    let mut phone = with_app(host, &mut admin, "alice");
    let policy = |text: &str| serde_json::from_str::<Value>(text).expect("a policy");
    assert_eq!(with_step_up(&mut admin, &mut phone, "PUT /policy", &policy(EMAIL)).0, 204);

    sign_up(&mut browser, "bob");
    login(&mut browser, "bob", "correct horse");
    let code = host.mailed_code(BOB);
    let (_, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    assert_eq!(page, json!({"signed_in": "bob"}));
    assert_eq!(browser.send("GET /devices", Value::Null).0, 200);

    assert_eq!(with_step_up(&mut admin, &mut phone, "PUT /policy", &policy(APP)).0, 204);
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

    let (status, page) = with_step_up(&mut admin, &mut phone, "DELETE /devices/1", &Value::Null);
    assert_eq!((status, &page["refusal"]["code"]), (409, &json!("last_factor")));
    assert_eq!(with_step_up(&mut admin, &mut phone, "PUT /policy", &policy(EMAIL)).0, 204);
    let (status, page) = with_step_up(&mut admin, &mut phone, "DELETE /devices/1", &Value::Null);
    assert_eq!((status, page), (200, json!({"signed_in": "alice"})));
    assert_eq!(admin.send("GET /devices", Value::Null).1["devices"], json!([]));

    assert_eq!(with_step_up(&mut browser, &mut second, "DELETE /account", &Value::Null).0, 204);
    assert_eq!(browser.send("GET /devices", Value::Null).0, 401);
    assert_eq!(login(&mut browser, "bob", "correct horse").0, 401);
}

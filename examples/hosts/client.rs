//! What the tests of the hosts share: a started host, browsers, and a phone with an authenticator app.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use factorgate::Timestamp;
use factorgate::otp::{Secret, Totp};
use serde_json::{Value, json};

pub(crate) const ALICE: &str = "alice@example.com";
pub(crate) const BOB: &str = "bob@example.com";
pub(crate) const APP: &str =
    r#"{"version": 1, "requires": [{"any_of": ["app"]}], "first_registration": "after_email_code"}"#;
pub(crate) const EMAIL: &str =
    r#"{"version": 1, "requires": [{"any_of": ["email"]}], "first_registration": "after_email_code"}"#;

const PATIENCE: Duration = Duration::from_secs(30);

/// What a host prints, or what a mail server receives from it.
pub(crate) type Lines = Arc<Mutex<Vec<String>>>;

/// A started host. It prints its address, and the mails that it would send.
pub(crate) struct Host {
    process: Child,
    printed: Lines,
    url: String,
}

impl Host {
    /// Starts the host on a free port.
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with_lines(command, Lines::default())
    }

    /// Starts the host. Its mails are among `printed`, whoever puts them there.
    pub(crate) fn start_with_lines(mut command: Command, printed: Lines) -> Self {
        let mut process = command.env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).spawn().expect("the host starts");
        let (output, lines) = (process.stdout.take().expect("its output"), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().expect("the lines").push(line);
            }
        });
        let mut host = Self { process, printed, url: String::new() };
        host.url = host.printed(|line| Some(line.split_once(" listens on ")?.1.to_owned()));
        host
    }

    /// Returns the code of the last mail to `address`, and removes the mail.
    pub(crate) fn mailed_code(&self, address: &str) -> String {
        self.printed(|line| (line == format!("To: {address}")).then_some(()));
        let code = self.printed(|line| Some(line.split_once(" code is ")?.1.split_once('.')?.0.to_owned()));
        self.printed.lock().expect("the lines").clear();
        code
    }

    fn printed<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = self.printed.lock().expect("the lines").iter().rev().find_map(|line| find(line)) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "the host has not printed what is expected");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.process.kill().expect("the host runs");
        self.process.wait().expect("the host ends");
    }
}

/// A browser with its cookies.
pub(crate) struct Browser<'a> {
    host: &'a Host,
    agent: ureq::Agent,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(host: &'a Host) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { host, agent, cookies: BTreeMap::new() }
    }

    /// Sends a request. Returns the status and the JSON of the answer, or null.
    pub(crate) fn send(&mut self, request: &str, body: Value) -> (u16, Value) {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.host.url))
            .header("cookie", cookies.join("; "))
            .header("content-type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut response = self.agent.run(request.body(body).expect("a request")).expect("an answer");
        for cookie in response.headers().get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().expect("text").split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                // Lax, if a link from elsewhere must find it.
                let same_site = ["SameSite=Strict", "SameSite=Lax"].iter().any(|site| attributes.contains(site));
                assert!(attributes.contains("HttpOnly") && same_site, "{attributes}");
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let text = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or_default())
    }
}

/// An authenticator app. It never shows a code twice.
pub(crate) struct Phone {
    secret: Secret,
    last: u64,
}

impl Phone {
    /// Types in the secret that a registration has shown.
    pub(crate) fn register(enroll: &Value) -> Self {
        let secret = Secret::from_base32(enroll["secret"].as_str().expect("a secret")).expect("base32");
        Self { secret, last: 0 }
    }

    /// Returns the code of the first step that was not shown and that the host accepts: one step early or late.
    pub(crate) fn code(&mut self) -> String {
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
            // Late in a step the step before is too old by the time the code arrives.
            let earliest = if now % 30 < 25 { now / 30 - 1 } else { now / 30 };
            let step = earliest.max(self.last + 1);
            if step <= now / 30 + 1 {
                self.last = step;
                let code = Totp::default().generate(&self.secret, Timestamp::from_secs(step * 30)).expect("a code");
                return code.expose_secret().expose_secret().to_owned();
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

pub(crate) fn sign_up(browser: &mut Browser<'_>, name: &str) {
    let form = json!({"name": name, "password": "correct horse", "email": format!("{name}@example.com")});
    assert_eq!(browser.send("POST /sign-up", form).0, 201);
}

pub(crate) fn login(browser: &mut Browser<'_>, name: &str, password: &str) -> (u16, Value) {
    browser.send("POST /login", json!({"name": name, "password": password}))
}

/// Signs up and registers an app.
pub(crate) fn with_app(host: &Host, browser: &mut Browser<'_>, name: &str) -> Phone {
    sign_up(browser, name);
    let (status, page) = login(browser, name, "correct horse");
    assert_eq!((status, &page["flow"], &page["challenge"]["next"]), (200, &json!("login"), &json!(["verify_email"])));
    let code = host.mailed_code(&format!("{name}@example.com"));
    let (_, page) = browser.send("POST /login/flow", json!({"action": "email_code", "code": code}));
    let mut phone = Phone::register(&page["enroll"]);
    let confirm = json!({"action": "confirm_app", "code": phone.code(), "name": "Phone"});
    let (status, page) = browser.send("POST /login/flow", confirm);
    assert_eq!((status, page), (200, json!({"signed_in": name})));
    phone
}

/// Completes the step-up that `request` needs, and repeats the request.
pub(crate) fn with_step_up(browser: &mut Browser<'_>, phone: &mut Phone, request: &str, body: &Value) -> (u16, Value) {
    let (status, page) = browser.send(request, body.clone());
    if page["flow"] != "step-up" {
        return (status, page);
    }
    assert_eq!((status, &page["challenge"]["next"]), (403, &json!(["app_code"])));
    let (status, page) = browser.send("POST /step-up/flow", json!({"action": "app_code", "code": phone.code()}));
    assert_eq!(status, 200, "{page}");
    browser.send(request, body.clone())
}

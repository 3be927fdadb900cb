//! A security key that is not there: the virtual authenticator of WebDriver (Web Authentication section 11).

use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};

use crate::support::Browser;

/// An authenticator that makes passkeys and verifies its user by itself.
pub(crate) struct SecurityKey<'a> {
    browser: &'a Browser,
    id: String,
}

impl<'a> SecurityKey<'a> {
    /// The one that is built into the machine.
    pub(crate) async fn plug_in(browser: &'a Browser) -> Self {
        Self::of_transport(browser, "internal").await
    }

    /// One on a cable beside it.
    pub(crate) async fn plug_in_another(browser: &'a Browser) -> Self {
        Self::of_transport(browser, "usb").await
    }

    async fn of_transport(browser: &'a Browser, transport: &str) -> Self {
        let kind = json!({
            "protocol": "ctap2", "transport": transport, "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        let id = send(browser, http::Method::POST, "authenticator", kind).await;
        Self { browser, id: id.as_str().unwrap().to_owned() }
    }

    pub(crate) async fn unplug(self) {
        send(self.browser, http::Method::DELETE, &format!("authenticator/{}", self.id), Value::Null).await;
    }

    /// Whether the finger on the sensor is the user's.
    pub(crate) async fn knows_its_user(&self, verified: bool) {
        self.send(http::Method::POST, "uv", json!({"isUserVerified": verified})).await;
    }

    /// The credentials in it, with their keys: what somebody has who has copied it.
    pub(crate) async fn copy(&self) -> Vec<Value> {
        self.send(http::Method::GET, "credentials", Value::Null).await.as_array().unwrap().clone()
    }

    /// Puts copied credentials in the place of its own.
    pub(crate) async fn restore(&self, copy: &[Value]) {
        self.send(http::Method::DELETE, "credentials", Value::Null).await;
        for credential in copy {
            self.send(http::Method::POST, "credential", credential.clone()).await;
        }
    }

    async fn send(&self, method: http::Method, path: &str, body: Value) -> Value {
        send(self.browser, method, &format!("authenticator/{}/{path}", self.id), body).await
    }
}

async fn send(browser: &Browser, method: http::Method, path: &str, body: Value) -> Value {
    browser.client.issue_cmd(Command { method, path: path.to_owned(), body }).await.unwrap()
}

#[derive(Debug)]
struct Command {
    method: http::Method,
    path: String,
    body: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/webauthn/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (self.method.clone(), (!self.body.is_null()).then(|| self.body.to_string()))
    }
}

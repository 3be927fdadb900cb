//! An administrator and a user, with smartphones.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use factorgate::Timestamp;
use factorgate::otp::{Secret, Totp};
use portal::Running;

use crate::wire::{Answer, PASSWORD, Visit, get, post, proved};

pub(crate) const OFF: &str = "enforce=no&first=after_password&trusted_browsers=on";

/// A user with a smartphone, and what is on it.
pub(crate) struct User {
    pub(crate) visit: Visit,
    pub(crate) secret: Secret,
}

impl User {
    /// Registers a smartphone from the profile, on the code before the one of now: two more are good at once.
    pub(crate) async fn register(portal: &Running, visit: Visit) -> Self {
        let begun = post(portal, "/profile/devices", &visit.cookie, &format!("csrf={}", visit.csrf)).await;
        let flow = begun.cookie_of("__Host-registration").unwrap();
        let user = Self::shown(portal, visit, "/profile/devices/register", &flow).await;
        let cookies = format!("{}; {flow}", user.visit.cookie);
        // The code before the one of now expires with the step: a slow machine needs time to send it.
        while seconds() % 30 >= 20 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let body = format!("csrf={}&code={}&name=Phone", user.visit.csrf, user.code(-1));
        let done = post(portal, "/profile/devices/register", &cookies, &body).await;
        assert_eq!(done.header("location"), Some("/profile/devices/all-set"), "{}", done.body);
        user
    }

    /// A user to whom the page of a flow shows a secret.
    pub(crate) async fn shown(portal: &Running, visit: Visit, page: &str, flow: &str) -> Self {
        let page = get(portal, page, &format!("{}; {flow}", visit.cookie)).await.body;
        let (_, shown) = page.split_once("id=\"secret\"").unwrap();
        let (shown, _) = shown.split_once("</p>").unwrap();
        let groups = shown.split("<span>").skip(1).map(|group| group.split("</span>").next().unwrap());
        Self { visit, secret: Secret::from_base32(&groups.collect::<String>()).unwrap() }
    }

    /// Creates recovery codes and activates them, on the registration of a moment ago.
    pub(crate) async fn recovery_codes(&self, portal: &Running) -> Vec<String> {
        let shown = self.post(portal, "/profile/recovery-codes", "").await;
        let (_, body) = match shown.body.split_once("id=\"recovery-codes-list\"") {
            Some(parts) => parts,
            None => panic!("{} {:?}", shown.body, shown.header("location")),
        };
        let codes: Vec<String> =
            body.split("<code>").skip(1).map(|rest| rest.split("</code>").next().unwrap().to_owned()).collect();
        assert_eq!(codes.len(), 10);
        let confirmed = self.post(portal, "/profile/recovery-codes/confirm", &format!("code={}", codes[0])).await;
        assert_eq!(confirmed.header("location"), Some("/profile"), "{}", confirmed.body);
        codes
    }

    /// As an administrator, decides what the company asks for.
    pub(crate) async fn decide(&self, portal: &Running, settings: &str) {
        let saved = self.post(portal, "/admin/security", settings).await;
        assert_eq!(saved.header("location"), Some("/admin/security"), "{}", saved.body);
    }

    /// The code of a step before or after the one of now.
    pub(crate) fn code(&self, steps: i64) -> String {
        let at = Timestamp::from_secs(seconds().checked_add_signed(30 * steps).unwrap());
        Totp::default().generate(&self.secret, at).unwrap().expose_secret().expose_secret().to_owned()
    }

    pub(crate) async fn post(&self, portal: &Running, path: &str, body: &str) -> Answer {
        post(portal, path, &self.visit.cookie, &format!("csrf={}&{body}", self.visit.csrf)).await
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) async fn admin(portal: &Running) -> Visit {
    decided(portal, OFF).await
}

/// The administrator, who has decided what the company asks for.
pub(crate) async fn decided(portal: &Running, settings: &str) -> Visit {
    let admin = Visit::begin(portal).await.sign_in(portal, PASSWORD).await;
    let (admin, saved) = proved(portal, admin, "/admin/security", settings).await;
    assert_eq!(saved.header("location"), Some("/admin/security"), "{}", saved.body);
    admin
}

pub(crate) async fn ada(portal: &Running) -> Visit {
    let nobody = Visit::begin(portal).await;
    let fields = format!("name=Ada&email=ada%40larkfield.example&password=correct+horse+battery&csrf={}", nobody.csrf);
    assert_eq!(post(portal, "/sign-up", &nobody.cookie, &fields).await.status, 303);
    nobody.entered(portal, post(portal, "/sign-in", &nobody.cookie, &fields).await).await
}

//! The user's own account, and the devices that protect it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use factorgate::browser::{BrowserId, BrowserInfo};
use factorgate::device::DeviceInfo;
use factorgate::recovery::RecoveryCodesLeft;

use super::{Page, Shell, date_time, moment, show};
use crate::app::App;
use crate::passkeys::{self, Held};
use crate::session::SignedIn;

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile", get(profile))
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage {
    shell: Shell,
    name: String,
    email: String,
    email_verified: bool,
    devices: Vec<Device>,
    passkeys: Vec<Passkey>,
    /// The passkeys take no answer any more.
    passkeys_disabled: bool,
    /// `None` where there are none, and never were.
    codes: Option<RecoveryCodesLeft>,
    browsers: Vec<Browser>,
    /// Until when nobody can sign in from a new browser, after too many wrong codes.
    blocked: Option<String>,
    /// Whether the company lets a browser be trusted.
    trust: bool,
}

struct Device {
    id: u64,
    name: String,
    since: String,
    used: Option<String>,
    disabled: bool,
}

struct Passkey {
    id: i64,
    name: String,
    since: String,
    used: Option<String>,
}

struct Browser {
    id: u64,
    name: String,
    since: String,
    until: String,
    used: Option<String>,
    /// The session rests on it: this is where the user sits.
    here: bool,
}

async fn profile(State(app): State<App>, signed_in: SignedIn) -> Page {
    let status = app.mfa.profile(signed_in.engine()?).status().await?;
    let SignedIn { visitor, session } = signed_in;
    // What the engine does not know of is none: a removal was cut off.
    let held = if status.external.is_empty() { Vec::new() } else { passkeys::of(&app.db, session.user.id).await? };
    let here = session.claims.evidence().trusted_browser.map(|(browser, _)| browser);
    show(&ProfilePage {
        shell: Shell::new(&app, &visitor, "Profile", "profile"),
        devices: status.devices.into_iter().map(Device::from).collect(),
        passkeys: held.into_iter().map(Passkey::from).collect(),
        passkeys_disabled: status.external.iter().any(|held| held.disabled),
        codes: status.recovery_codes,
        blocked: status.new_browsers_blocked_until.map(moment),
        browsers: status.browsers.into_iter().map(|browser| Browser::new(browser, here)).collect(),
        trust: session.policy.allows_trusted_browsers(),
        name: session.user.name,
        email: session.user.email.as_str().to_owned(),
        email_verified: session.user.email_verified,
    })
}

impl From<DeviceInfo> for Device {
    fn from(device: DeviceInfo) -> Self {
        Self {
            id: device.id.get(),
            name: device.name.as_str().to_owned(),
            since: moment(device.added_at),
            used: device.last_used_at.map(moment),
            disabled: device.disabled,
        }
    }
}

impl From<Held> for Passkey {
    fn from(passkey: Held) -> Self {
        Self {
            id: passkey.id,
            name: passkey.name,
            since: date_time(passkey.added_at),
            used: passkey.used_at.map(date_time),
        }
    }
}

impl Browser {
    fn new(browser: BrowserInfo, here: Option<BrowserId>) -> Self {
        Self {
            id: browser.id.get(),
            name: browser.name.as_str().to_owned(),
            since: moment(browser.since),
            until: moment(browser.until),
            used: browser.last_used_at.map(moment),
            here: here == Some(browser.id),
        }
    }
}

//! The user's own account, and the devices that protect it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use factorgate::DeviceInfo;

use super::{Page, Shell, moment, show};
use crate::app::App;
use crate::mfa;
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
}

struct Device {
    id: u64,
    name: String,
    since: String,
    used: Option<String>,
    disabled: bool,
}

async fn profile(State(app): State<App>, SignedIn { visitor, session }: SignedIn) -> Page {
    let devices = mfa::devices(&app, &session.user).await?;
    show(&ProfilePage {
        shell: Shell::new(&app, &visitor, "Profile", "profile"),
        devices: devices.into_iter().map(Device::from).collect(),
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

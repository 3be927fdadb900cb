//! A smartphone that is registered: its name and its removal, both after a step-up.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::device::{DeviceId, DeviceInfo, DeviceName};
use factorgate::{Elevated, Refusal};
use serde::Deserialize;

use super::plans::Plan;
use super::step_up::{self, Intent};
use super::steps::name_refused;
use super::{Page, Shell, go_and_say, show, show_again};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::refusals::{self, Kind};
use crate::session::{self, SignedIn};
use crate::{db, mfa};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/profile/devices/{id}/remove", get(ask_to_remove).post(begin_to_remove))
        .route("/profile/devices/{id}/rename", get(ask_for_name).post(rename))
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage {
    shell: Shell,
    id: u64,
    name: String,
    kept: Option<Kept>,
}

/// Why the device stays.
struct Kept {
    why: String,
    /// The user can replace it, or register another one.
    replace: bool,
}

async fn ask_to_remove(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let kept = kept(&app, &signed_in, device.id).await?;
    show(&remove_page(&app, &signed_in, &device, kept))
}

async fn begin_to_remove(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let device = find(&app, &signed_in, id).await?;
    // Nobody is asked for a code to be told that it was in vain.
    match kept(&app, &signed_in, device.id).await? {
        Some(kept) => show_again(&remove_page(&app, &signed_in, &device, Some(kept))),
        None => step_up::go_on(&app, &signed_in, Intent::RemoveDevice(id)).await,
    }
}

/// Removes the device, the proof being fresh.
pub(super) async fn remove(app: &App, signed_in: &SignedIn, id: u64, elevated: &Elevated) -> Page {
    let device = find(app, signed_in, id).await?;
    match app.mfa.elevated(elevated).remove_device(device.id).await? {
        Ok(passed) => {
            session::go_on(app, &signed_in.visitor, passed).await?;
            let untold = mfa::is_untold(app, &signed_in.session.user).await?;
            go_and_say("/profile", if untold { Notice::Untold } else { Notice::DeviceRemoved })
        }
        Err(Refusal::StepUpExpired) => go_and_say("/profile", Notice::ProofOver),
        Err(refusal) => show_again(&remove_page(app, signed_in, &device, Some(Kept::by(refusal)?))),
    }
}

async fn kept(app: &App, signed_in: &SignedIn, device: DeviceId) -> Result<Option<Kept>, Failure> {
    let removable = app.mfa.profile(signed_in.engine()?).can_remove(device).await?;
    removable.err().map(Kept::by).transpose()
}

impl Kept {
    fn by(refusal: Refusal) -> Result<Self, Failure> {
        let why = refusals::told(refusal, Kind::Other, db::time()?).sentence();
        Ok(Self { why, replace: refusal == Refusal::LastFactor })
    }
}

fn remove_page(app: &App, signed_in: &SignedIn, device: &DeviceInfo, kept: Option<Kept>) -> RemovePage {
    RemovePage {
        shell: Shell::new(app, &signed_in.visitor, "Remove a device", "profile"),
        id: device.id.get(),
        name: device.name.as_str().to_owned(),
        kept,
    }
}

#[derive(Template)]
#[template(path = "rename.html")]
struct RenamePage {
    shell: Shell,
    id: u64,
    old: String,
    name: String,
    name_error: Option<String>,
}

#[derive(Deserialize)]
struct NewName {
    name: String,
}

async fn ask_for_name(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let name = device.name.as_str().to_owned();
    show(&rename_page(&app, &signed_in, &device, name, None))
}

/// A familiar name could make the user remove the wrong device: a fresh proof is asked for.
async fn rename(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(form): Posted<NewName>,
) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let Ok(name) = DeviceName::new(&form.name) else {
        return show_again(&rename_page(&app, &signed_in, &device, form.name, Some(name_refused())));
    };
    step_up::carry_out(&app, &signed_in, Plan::Rename(id, name)).await
}

/// Renames the device, the proof being fresh.
pub(super) async fn rename_to(
    app: &App,
    signed_in: &SignedIn,
    id: u64,
    name: &DeviceName,
    elevated: &Elevated,
) -> Page {
    let device = find(app, signed_in, id).await?;
    match app.mfa.elevated(elevated).rename_device(device.id, name).await? {
        Ok(()) => go_and_say("/profile", Notice::DeviceRenamed),
        Err(_) => go_and_say("/profile", Notice::ProofOver),
    }
}

fn rename_page(
    app: &App,
    signed_in: &SignedIn,
    device: &DeviceInfo,
    name: String,
    name_error: Option<String>,
) -> RenamePage {
    RenamePage {
        shell: Shell::new(app, &signed_in.visitor, "Rename a device", "profile"),
        id: device.id.get(),
        old: device.name.as_str().to_owned(),
        name,
        name_error,
    }
}

/// A device of the user who is signed in.
pub(super) async fn find(app: &App, signed_in: &SignedIn, id: u64) -> Result<DeviceInfo, Failure> {
    let devices = mfa::devices(app, &signed_in.session.user).await?;
    devices.into_iter().find(|device| device.id == DeviceId::new(id)).ok_or(Failure::NotFound)
}

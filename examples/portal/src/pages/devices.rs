//! A smartphone that is registered: another name, on a code of it; its removal, on a fresh proof.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::policy::RemovalRefused;
use factorgate::{
    Alternative, Change, ChangeRefused, Code, DeviceId, DeviceInfo, DeviceName, Elevated, Removable, Removal,
    RemovalReason,
};
use serde::Deserialize;

use super::step_up::{self, Intent};
use super::{Page, Shell, go_and_say, moment, sentence, show, show_again};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{self, SignedIn};
use crate::{mfa, policies};

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

/// Why the device stays, and what its user can do instead.
struct Kept {
    why: String,
    register: bool,
    replace: bool,
    also: Vec<String>,
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
    let policy = policies::of(&app.db, signed_in.session.user.id).await?;
    let contact = mfa::contact(&signed_in.session.user);
    match app.mfa.remove_device_with(elevated, device.id, contact, &policy).await? {
        Removal::Removed { change, events } => {
            session::go_on(&app.db, signed_in, &change).await?;
            go_and_say("/profile", Notice::DeviceRemoved.of(&events))
        }
        Removal::Refused { reason, .. } => {
            let kept = Kept { why: why(reason), register: false, replace: false, also: Vec::new() };
            show_again(&remove_page(app, signed_in, &device, Some(kept)))
        }
    }
}

async fn kept(app: &App, signed_in: &SignedIn, device: DeviceId) -> Result<Option<Kept>, Failure> {
    let user = &signed_in.session.user;
    let policy = policies::of(&app.db, user.id).await?;
    let removable = app.mfa.can_remove(&mfa::user_id(user)?, device, &mfa::contact(user), &policy).await?;
    let Removable::No { reason, instead } = removable else { return Ok(None) };
    let also = instead.iter().filter_map(|other| match other {
        Alternative::AskAdministrator => Some("Ask your administrator to reset your sign-in.".to_owned()),
        Alternative::RecoveryCode => Some("Use a recovery code when you add another device.".to_owned()),
        Alternative::RemoveDisabled => Some("Remove the devices that are disabled first.".to_owned()),
        Alternative::Wait { until } => Some(format!("Wait until {}.", moment(*until))),
        _ => None,
    });
    Ok(Some(Kept {
        why: why(reason),
        register: instead.contains(&Alternative::RegisterAnother),
        replace: instead.contains(&Alternative::Replace),
        also: also.collect(),
    }))
}

/// Why the device stays, told to its user.
fn why(reason: RemovalReason) -> String {
    match reason {
        RemovalReason::Policy(RemovalRefused::MustRegister) => {
            "Your company asks for a smartphone, and this is your only one. Register another device first.".to_owned()
        }
        RemovalReason::Policy(_) => {
            "Without this device you could not sign in again. Register another device first.".to_owned()
        }
        other => sentence(&other),
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
    error: Option<String>,
}

#[derive(Deserialize)]
struct NewName {
    name: String,
    code: String,
}

async fn ask_for_name(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let name = device.name.as_str().to_owned();
    show(&rename_page(&app, &signed_in, &device, name, None, None))
}

async fn rename(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(form): Posted<NewName>,
) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let again = |typed: String, name_error, error| {
        show_again(&rename_page(&app, &signed_in, &device, typed, name_error, error))
    };
    let (name, code) = match (DeviceName::new(&form.name), Code::parse(&form.code)) {
        (Ok(name), Ok(code)) => (name, code),
        (name, code) => {
            return again(
                form.name,
                name.err().map(|invalid| sentence(&invalid)),
                code.err().map(|invalid| sentence(&invalid)),
            );
        }
    };
    match app.mfa.rename_device(&signed_in.session.valid, device.id, &name, &code).await? {
        Change::Made { .. } => go_and_say("/profile", Notice::DeviceRenamed),
        Change::Refused { reason: ChangeRefused::SessionEnded, .. } => go_and_say("/sign-in", Notice::SessionOver),
        Change::Refused { reason, .. } => again(form.name, None, Some(sentence(&reason))),
    }
}

fn rename_page(
    app: &App,
    signed_in: &SignedIn,
    device: &DeviceInfo,
    name: String,
    name_error: Option<String>,
    error: Option<String>,
) -> RenamePage {
    RenamePage {
        shell: Shell::new(app, &signed_in.visitor, "Rename a device", "profile"),
        id: device.id.get(),
        old: device.name.as_str().to_owned(),
        name,
        name_error,
        error,
    }
}

/// A device of the user who is signed in.
pub(super) async fn find(app: &App, signed_in: &SignedIn, id: u64) -> Result<DeviceInfo, Failure> {
    let devices = mfa::devices(app, &signed_in.session.user).await?;
    devices.into_iter().find(|device| device.id == DeviceId::new(id)).ok_or(Failure::NotFound)
}

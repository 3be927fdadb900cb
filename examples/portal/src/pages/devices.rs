//! The removal of a smartphone, on a fresh code.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::policy::RemovalRefused;
use factorgate::{Code, DeviceId, DeviceInfo, Error, Removal, RemovalReason};
use serde::Deserialize;

use super::{Page, Shell, go_and_say, sentence, show, show_again};
use crate::app::App;
use crate::error::{Failure, chain};
use crate::forms::Posted;
use crate::mfa;
use crate::notice::Notice;
use crate::session::{self, SignedIn};
use crate::settings::Settings;

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile/devices/{id}/remove", get(page).post(remove))
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage {
    shell: Shell,
    id: u64,
    name: String,
    /// What is wrong with the code.
    error: Option<String>,
    /// Why it cannot be done, whatever the code.
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Typed {
    code: String,
}

async fn page(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = find(&app, &signed_in, id).await?;
    show(&drawn(&app, &signed_in, &device, None, None))
}

async fn remove(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    let device = find(&app, &signed_in, id).await?;
    let again = |error, refused| show_again(&drawn(&app, &signed_in, &device, error, refused));
    let code = match Code::parse(&code) {
        Ok(code) => code,
        Err(invalid) => return again(Some(sentence(&invalid)), None),
    };
    let user = &signed_in.session.user;
    let asserted = factorgate::SignedIn::assertion(mfa::user_id(user)?);
    let policy = Settings::policy(&app.db).await?;
    let notice = match app.mfa.remove_device(&asserted, device.id, &code, mfa::contact(user), &policy).await {
        Ok(Removal::Removed { .. }) => Notice::DeviceRemoved,
        Ok(Removal::Refused { reason: reason @ (RemovalReason::Malformed | RemovalReason::WrongCode), .. }) => {
            return again(Some(sentence(&reason)), None);
        }
        Ok(Removal::Refused { reason: RemovalReason::Policy(refused), .. }) => {
            return again(None, Some(in_words(refused).to_owned()));
        }
        Ok(Removal::Refused { reason, .. }) => return again(None, Some(sentence(&reason))),
        // It is removed all the same.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            Notice::DeviceRemovedUntold
        }
        Err(error) => return Err(error.into()),
    };
    session::close_others(&app.db, user.id, Some(&signed_in.visitor.token)).await?;
    go_and_say("/profile", notice)
}

/// Why the policy keeps the device, told to its user.
fn in_words(refused: RemovalRefused) -> &'static str {
    match refused {
        RemovalRefused::MustRegister => {
            "Your company asks for a smartphone, and this is your only one. Register another device first."
        }
        _ => "Without this device you could not sign in again. Register another device first.",
    }
}

async fn find(app: &App, signed_in: &SignedIn, id: u64) -> Result<DeviceInfo, Failure> {
    let devices = mfa::devices(app, &signed_in.session.user).await?;
    devices.into_iter().find(|device| device.id == DeviceId::new(id)).ok_or(Failure::NotFound)
}

fn drawn(
    app: &App,
    signed_in: &SignedIn,
    device: &DeviceInfo,
    error: Option<String>,
    refused: Option<String>,
) -> RemovePage {
    RemovePage {
        shell: Shell::new(app, &signed_in.visitor, "Remove a device", "profile"),
        id: device.id.get(),
        name: device.name.as_str().to_owned(),
        error,
        refused,
    }
}

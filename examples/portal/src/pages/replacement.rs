//! A new smartphone in the place of another one, which works until the new one is confirmed.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::policy::{Policy, Step};
use factorgate::{DeniedReason, DeviceId, Registration, RegistrationRef};
use serde::Deserialize;

use super::journey::Journey;
use super::{Page, Shell, devices, registration, show};
use crate::app::App;
use crate::forms::Posted;
use crate::mfa::EngineError;
use crate::policies;
use crate::session::SignedIn;

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile/devices/{id}/replace", get(page).post(replace))
}

#[derive(Template)]
#[template(path = "replace.html")]
struct ReplacePage {
    shell: Shell,
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Start {
    /// The sign-in with a recovery code has opened a registration already.
    recovered: Option<String>,
}

async fn page(State(app): State<App>, signed_in: SignedIn, Path(id): Path<u64>) -> Page {
    let device = devices::find(&app, &signed_in, id).await?;
    show(&ReplacePage {
        shell: Shell::new(&app, &signed_in.visitor, "Replace a device", "profile"),
        id,
        name: device.name.as_str().to_owned(),
    })
}

async fn replace(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<u64>,
    Posted(Start { recovered }): Posted<Start>,
) -> Page {
    let visitor = &signed_in.visitor;
    let device = devices::find(&app, &signed_in, id).await?.id;
    let policy = policies::of(&app.db, signed_in.session.user.id).await?;
    let paid = visitor.cookie(RegistrationRef::COOKIE).and_then(RegistrationRef::read);
    let paid = paid.filter(|flow| recovered.is_some() && flow.is_of(visitor));
    let outcome = match &paid {
        Some(flow) => in_place_of(&app, flow, device, &policy).await,
        None => anew(&app, &signed_in, device, &policy).await,
    };
    let outcome = match outcome {
        // What the recovery code has paid for is over: it takes another proof.
        Ok(Registration::Denied(denied)) if paid.is_some() && denied.reason == DeniedReason::FlowEnded => {
            anew(&app, &signed_in, device, &policy).await
        }
        outcome => outcome,
    };
    registration::go_on(&app, signed_in.visitor.clone(), outcome, false).await
}

async fn anew(app: &App, signed_in: &SignedIn, device: DeviceId, policy: &Policy) -> Result<Registration, EngineError> {
    match registration::begun(app, signed_in, policy).await? {
        Registration::Challenge(asked) => in_place_of(app, asked.flow(), device, policy).await,
        Registration::Enroll(enroll) => in_place_of(app, enroll.flow(), device, policy).await,
        outcome @ (Registration::Denied(_) | Registration::Registered(_)) => Ok(outcome),
    }
}

/// Names the device whose place is taken, and shows the secret if nothing else is owed.
async fn in_place_of(
    app: &App,
    flow: &RegistrationRef,
    device: DeviceId,
    policy: &Policy,
) -> Result<Registration, EngineError> {
    match app.mfa.replace_device(flow, device, policy).await? {
        Registration::Challenge(asked) if asked.next() == [Step::EnrollApp] => {
            app.mfa.begin_app_enrollment(flow, policy).await
        }
        outcome => Ok(outcome),
    }
}

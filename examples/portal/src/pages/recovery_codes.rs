//! Recovery codes: made on a fresh proof, shown once, in force when one of them was typed.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::login::Typed as Code;
use factorgate::recovery::RecoveryCodesLeft;
use factorgate::{Elevated, Refusal};
use serde::Deserialize;

use super::step_up::{self, Intent};
use super::{Page, SIGN_IN, Shell, go_and_say, moment, show, show_again, show_once};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::refusals::{self, Kind};
use crate::session::SignedIn;
use crate::{db, mfa};

const PATH: &str = "/profile/recovery-codes";

pub(super) fn router() -> Router<App> {
    Router::new().route(PATH, get(page).post(begin)).route("/profile/recovery-codes/confirm", post(confirm))
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    shell: Shell,
    has_device: bool,
    left: Option<RecoveryCodesLeft>,
}

/// The codes themselves, once; and the field for one of them, until it is right.
#[derive(Template)]
#[template(path = "new_recovery_codes.html")]
struct NewCodesPage {
    shell: Shell,
    email: String,
    codes: Vec<String>,
    until: String,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Typed {
    code: String,
}

async fn page(State(app): State<App>, signed_in: SignedIn) -> Page {
    let status = app.mfa.profile(signed_in.engine()?).status().await?;
    show(&CodesPage {
        shell: Shell::new(&app, &signed_in.visitor, "Recovery codes", "profile"),
        has_device: !status.devices.is_empty(),
        left: status.recovery_codes,
    })
}

async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    step_up::go_on(&app, &signed_in, Intent::MakeRecoveryCodes).await
}

/// The answer is the page itself: the codes are kept nowhere, and a redirect could not carry them.
pub(super) async fn make(app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
    match app.mfa.elevated(elevated).new_recovery_codes().await? {
        Ok(new) => {
            let codes = new.expose_secrets().iter().map(|code| code.expose_secret().to_owned()).collect();
            show_once(&drawn(app, signed_in, codes, moment(new.expires_at), None))
        }
        // There is no device any more, or the proof is too old: the page says which.
        Err(_) => go_and_say(PATH, Notice::ProofOver),
    }
}

async fn confirm(State(app): State<App>, signed_in: SignedIn, Posted(Typed { code }): Posted<Typed>) -> Page {
    match app.mfa.profile(signed_in.engine()?).confirm_recovery_codes(&Code::from(code)).await? {
        Ok(()) => {
            let untold = mfa::is_untold(&app, &signed_in.session.user).await?;
            go_and_say("/profile", if untold { Notice::Untold } else { Notice::CodesInForce })
        }
        Err(Refusal::SessionEnded) => go_and_say(SIGN_IN, Notice::SessionOver),
        Err(Refusal::NothingToConfirm) => go_and_say(PATH, Notice::CodesOver),
        Err(refusal) => {
            let told = refusals::told(refusal, Kind::Recovery, db::time()?);
            let error = match refusal {
                Refusal::WrongCode => "That isn't one of your new codes. Check what you have saved.".to_owned(),
                _ => told.sentence(),
            };
            show_again(&drawn(&app, &signed_in, Vec::new(), String::new(), Some(error)))
        }
    }
}

fn drawn(app: &App, signed_in: &SignedIn, codes: Vec<String>, until: String, error: Option<String>) -> NewCodesPage {
    NewCodesPage {
        shell: Shell::new(app, &signed_in.visitor, "Your recovery codes", "profile"),
        email: signed_in.session.user.email.as_str().to_owned(),
        codes,
        until,
        error,
    }
}

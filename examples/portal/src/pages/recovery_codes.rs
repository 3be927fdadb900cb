//! Recovery codes: made on a fresh proof, shown once, in force when one of them was typed.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::{Change, ChangeRefused, Elevated, RecoveryCode, RecoveryCodesLeft};
use serde::Deserialize;

use super::step_up::{self, Intent};
use super::{Page, Shell, go_and_say, moment, sentence, show, show_again};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::mfa;
use crate::notice::Notice;
use crate::session::SignedIn;

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

async fn page(State(app): State<App>, SignedIn { visitor, session }: SignedIn) -> Page {
    let status = mfa::status(&app, &session.user).await?;
    show(&CodesPage {
        shell: Shell::new(&app, &visitor, "Recovery codes", "profile"),
        has_device: !status.devices.is_empty(),
        left: status.recovery_codes,
    })
}

async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    step_up::go_on(&app, &signed_in, Intent::MakeRecoveryCodes).await
}

/// The answer is the page itself: the codes are kept nowhere, and a redirect could not carry them.
pub(super) async fn make(app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
    match app.mfa.begin_recovery_codes_with(elevated).await? {
        Change::Made { value: new, .. } => {
            let codes = new.codes.iter().map(|code| code.expose_secret().expose_secret().to_owned()).collect();
            show(&drawn(app, signed_in, codes, moment(new.expires_at), None))
        }
        // There is no device any more, or the proof is too old: the page says which.
        Change::Refused { .. } => go_and_say(PATH, Notice::ProofOver),
    }
}

async fn confirm(State(app): State<App>, signed_in: SignedIn, Posted(Typed { code }): Posted<Typed>) -> Page {
    let session = &signed_in.session;
    let again = |error: String| show_again(&drawn(&app, &signed_in, Vec::new(), String::new(), Some(error)));
    let code = match RecoveryCode::parse(&code) {
        Ok(code) => code,
        Err(invalid) => return again(sentence(&invalid)),
    };
    match app.mfa.confirm_recovery_codes(&session.valid, &code, mfa::contact(&session.user)).await? {
        Change::Made { events, .. } => go_and_say("/profile", Notice::CodesInForce.of(&events)),
        Change::Refused { reason: ChangeRefused::WrongCode, .. } => {
            again("That is none of your new codes. Look at what you have kept.".to_owned())
        }
        Change::Refused { reason: ChangeRefused::NothingToConfirm, .. } => go_and_say(PATH, Notice::CodesOver),
        Change::Refused { reason, .. } => again(sentence(&reason)),
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

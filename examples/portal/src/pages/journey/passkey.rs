//! The pages of a flow on which a passkey answers, or a new one is made.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse as _};
use factorgate::{DeviceName, Registration, RegistrationRef};
use serde::Deserialize;

use super::{Journey, Place, Underway, policy_of, refused, settle};
use crate::app::App;
use crate::forms::Posted;
use crate::headers::WITH_SCRIPT;
use crate::pages::steps::{Attempt, Frame};
use crate::pages::{Page, Shell, sentence};
use crate::session::Visitor;
use crate::webauthn::{self, Answered};
use crate::{accounts, mfa, passkeys};

#[derive(Template)]
#[template(path = "passkey.html")]
struct PasskeyPage {
    shell: Shell,
    frame: Frame,
    action: String,
    /// Why it is asked for, where the user could wonder.
    reason: &'static str,
    /// What the script gives to the browser.
    options: String,
    /// Where the portal has to be opened for it.
    origin: String,
    error: Option<String>,
    /// What the new passkey is called; nothing, where one is asked for.
    name: Option<String>,
    name_error: Option<String>,
}

pub(in crate::pages) async fn draw<R: Journey>(
    app: &App,
    visitor: &Visitor,
    flow: &R,
    mut shell: Shell,
    frame: Frame,
    place: Place,
    attempt: Attempt,
) -> Page {
    let status = attempt.status();
    let user = mfa::row_id(flow.owner())?;
    let held = passkeys::credentials(&app.db, user).await?;
    let reference = flow.text();
    let reference = reference.expose_secret();
    let (options, name) = if place == Place::NewPasskey {
        let user = accounts::find(&app.db, user).await?;
        shell.title = "New passkey";
        let name = attempt.name.unwrap_or_else(|| "My passkey".to_owned());
        (app.webauthn.offer(reference, &user, &held)?, Some(name))
    } else {
        (app.webauthn.ask(reference, &held)?, None)
    };
    let page = PasskeyPage {
        shell,
        frame,
        action: place.path::<R>(),
        reason: R::reason(visitor),
        options,
        origin: app.webauthn.origin().to_owned(),
        error: attempt.error,
        name,
        name_error: attempt.name_error,
    };
    Ok((status, [(header::CONTENT_SECURITY_POLICY, WITH_SCRIPT)], Html(page.render()?)).into_response())
}

#[derive(Deserialize)]
pub(in crate::pages) struct NewPasskey {
    name: String,
    credential: String,
}

/// Registers the passkey that a browser has made. The engine comes first: no passkey is good before it has agreed.
pub(in crate::pages) async fn register(
    State(app): State<App>,
    underway: Underway<RegistrationRef>,
    Posted(form): Posted<NewPasskey>,
) -> Page {
    const AT: Place = Place::NewPasskey;
    let policy = policy_of(&app, &underway.flow).await?;
    let named = |attempt: Attempt| Attempt { name: Some(form.name.clone()), ..attempt };
    let name = match DeviceName::new(&form.name) {
        Ok(name) => name,
        Err(invalid) => {
            let attempt = Attempt { name_error: Some(sentence(&invalid)), ..Attempt::default() };
            return refused(&app, underway, &policy, AT, named(attempt)).await;
        }
    };
    let passkey = match app.webauthn.accept(underway.flow.text().expose_secret(), &form.credential) {
        Answered::Right(passkey) if !passkeys::is_taken(&app.db, &passkey).await? => passkey,
        Answered::Right(_) | Answered::Wrong => {
            return refused(&app, underway, &policy, AT, named(Attempt::unfit())).await;
        }
        Answered::Unasked => return refused(&app, underway, &policy, AT, named(Attempt::unasked())).await,
        Answered::Unreadable => return refused(&app, underway, &policy, AT, named(Attempt::unanswered())).await,
    };
    let user = accounts::find(&app.db, mfa::row_id(underway.flow.user())?).await?;
    let first = mfa::status(&app, &user).await?.external.is_empty();
    let outcome = app.mfa.register_external(&underway.flow, &webauthn::evidence()?, &policy).await?;
    if matches!(outcome, Registration::Registered(_)) {
        passkeys::add(&app.db, user.id, &passkey, &name, first).await?;
    }
    settle(&app, &underway.visitor, RegistrationRef::stage(outcome), None).await
}

//! The pages of a flow on which a passkey answers, or a new one is made.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse as _};
use factorgate::Outcome;
use factorgate::device::DeviceName;
use factorgate::login::Registration;
use serde::Deserialize;

use super::{Journey, Opened, Place, Underway, judged, settle, shown};
use crate::app::App;
use crate::forms::Posted;
use crate::headers::WITH_SCRIPT;
use crate::pages::steps::{Attempt, Frame};
use crate::pages::{Page, Shell};
use crate::webauthn::{self, Answered};
use crate::{mfa, passkeys};

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
    underway: &Underway<R>,
    mut shell: Shell,
    frame: Frame,
    place: Place,
    attempt: Attempt,
) -> Page {
    let status = attempt.status();
    let user = &underway.user;
    let held = passkeys::credentials(&app.db, user.id).await?;
    let reference = &underway.flow.to_cookie();
    let (options, name) = if place == Place::NewPasskey {
        shell.title = "New passkey";
        let name = attempt.name.unwrap_or_else(|| "My passkey".to_owned());
        (app.webauthn.offer(reference, user, &held)?, Some(name))
    } else {
        (app.webauthn.ask(reference, &held)?, None)
    };
    let page = PasskeyPage {
        shell,
        frame,
        action: place.path::<R>(),
        reason: R::reason(&underway.visitor),
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
    underway: Underway<Registration>,
    Posted(form): Posted<NewPasskey>,
) -> Page {
    const AT: Place = Place::NewPasskey;
    let named = |attempt: Attempt| Attempt { name: Some(form.name.clone()), ..attempt };
    let Ok(name) = DeviceName::new(&form.name) else {
        return shown(&app, underway, AT, named(Attempt::misnamed())).await;
    };
    let outcome = app.mfa.resume(&underway.flow, underway.by()?).await?;
    if !Opened::of(&outcome, &underway.visitor).is_some_and(|opened| opened.has(AT)) {
        return settle(&app, &underway.visitor, outcome, None).await;
    }
    let passkey = match app.webauthn.accept(&underway.flow.to_cookie(), &form.credential) {
        Answered::Right(passkey) if !passkeys::is_taken(&app.db, &passkey).await? => passkey,
        Answered::Right(_) | Answered::Wrong => return shown(&app, underway, AT, named(Attempt::unfit())).await,
        Answered::Unasked => return shown(&app, underway, AT, named(Attempt::unasked())).await,
        Answered::Unreadable => return shown(&app, underway, AT, named(Attempt::unanswered())).await,
    };
    let first = mfa::status(&app, &underway.user).await?.external.is_empty();
    let outcome = app.mfa.assert_external(&underway.flow, underway.by()?, Ok(webauthn::evidence()?)).await;
    if matches!(outcome, Ok(Outcome::Done(_))) {
        passkeys::add(&app.db, underway.user.id, &passkey, &name, first).await?;
    }
    judged(&app, underway, outcome, AT, named(Attempt::default())).await
}

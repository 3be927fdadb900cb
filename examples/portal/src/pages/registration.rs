//! The registration of a smartphone from the profile, whatever the company enforces.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use factorgate::policy::Policy;
use factorgate::{EventKind, Registered, Registration, RegistrationRef, SecretText, UserId};

use super::journey::{self, Journey, Place, Stage, passkey};
use super::sign_in::show_all_set;
use super::{Page, go, go_and_say};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::mfa::EngineError;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::{accounts, cookie, mfa, passkeys, policies};

pub(super) fn router() -> Router<App> {
    let new_passkey = Place::NewPasskey.path::<RegistrationRef>();
    journey::router::<RegistrationRef>()
        .route("/profile/devices", post(begin))
        .route("/profile/devices/all-set", get(all_set))
        .route("/profile/passkeys", post(begin_passkey))
        .route(&new_passkey, journey::page::<RegistrationRef>(Place::NewPasskey).post(passkey::register))
}

async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    let policy = policies::of(&app.db, signed_in.session.user.id).await?;
    let outcome = begun(&app, &signed_in, &policy).await;
    go_on(&app, signed_in.visitor, outcome, false).await
}

async fn begin_passkey(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    let user = &signed_in.session.user;
    if passkeys::of(&app.db, user.id).await?.len() >= passkeys::MAX {
        return go_and_say("/profile", Notice::DeviceLimit);
    }
    let policy = policies::of(&app.db, user.id).await?;
    let outcome = begun(&app, &signed_in, &policy).await;
    go_on(&app, signed_in.visitor, outcome, true).await
}

/// What is proved first is the same for both: `passkey` says what is registered after it.
pub(super) async fn go_on(
    app: &App,
    mut visitor: Visitor,
    outcome: Result<Registration, EngineError>,
    passkey: bool,
) -> Page {
    visitor.adds_passkey = passkey;
    let mut response = journey::begun::<RegistrationRef>(app, &visitor, outcome).await?;
    remember_kind(response.headers_mut(), passkey)?;
    Ok(response)
}

/// Tells the next requests what is registered.
pub(super) fn remember_kind(headers: &mut HeaderMap, passkey: bool) -> Result<(), Failure> {
    if passkey { cookie::set(headers, cookie::KIND, "passkey", None) } else { cookie::clear(headers, cookie::KIND) }
}

pub(super) async fn begun(app: &App, signed_in: &SignedIn, policy: &Policy) -> Result<Registration, EngineError> {
    let session = &signed_in.session;
    app.mfa.begin_registration(&session.valid, mfa::contact(&session.user), policy).await
}

async fn all_set(State(app): State<App>, signed_in: SignedIn) -> Page {
    show_all_set(&app, &signed_in, "/profile", "Back to your profile").await
}

impl Journey for RegistrationRef {
    const COOKIE: &'static str = cookie::REGISTRATION;
    const AT: &'static str = "/profile/devices";
    const START: &'static str = "/profile";
    const TITLE: &'static str = "New device";
    const ENTRY: &'static str = "profile";
    const CANCEL: &'static str = "Cancel the registration";
    const QUESTION: &'static str = "How do you want to prove that it is you, before a device is added?";
    const OVER: Notice = Notice::RegistrationOver;
    const ADDS_PASSKEYS: bool = true;

    type Done = Registered;

    journey::reference!();

    fn stage(outcome: Registration) -> Stage<Self> {
        match outcome {
            Registration::Challenge(challenge) => Stage::Challenge(challenge),
            Registration::Denied(denied) => Stage::Denied(denied.reason),
            Registration::Enroll(enroll) => Stage::Enroll(enroll),
            Registration::Registered(registered) => Stage::Done(registered),
        }
    }

    async fn finish(app: &App, visitor: &Visitor, registered: Registered) -> Page {
        let session = visitor.session.clone().ok_or(Failure::NotFound)?;
        accounts::note_address(&app.db, session.user.id, &registered.evidence).await?;
        // What was opened without the smartphone was opened by less than is asked for now.
        let signed_in = SignedIn { visitor: visitor.clone(), session };
        session::go_on(&app.db, &signed_in, &registered.change).await?;
        let has = |is_it: fn(&EventKind) -> bool| registered.events.iter().any(|event| is_it(&event.kind));
        if has(|kind| matches!(kind, EventKind::ExternalAdded { .. })) {
            go_and_say("/profile", Notice::PasskeyAdded.of(&registered.events))
        } else if has(|kind| matches!(kind, EventKind::DeviceReplaced { .. })) {
            go_and_say("/profile/devices/all-set", Notice::DeviceReplaced.of(&registered.events))
        } else if has(|kind| matches!(kind, EventKind::MailUndelivered)) {
            go_and_say("/profile/devices/all-set", Notice::Untold)
        } else {
            Ok(go("/profile/devices/all-set"))
        }
    }
}

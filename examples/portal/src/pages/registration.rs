//! The registration of a smartphone or a passkey from the profile, whatever the company enforces.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::Authenticated;
use factorgate::audit::EventKind;
use factorgate::login::Registration;

use super::journey::{self, Journey, Place, passkey};
use super::sign_in::show_all_set;
use super::{Page, go, go_and_say};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor, Wish};
use crate::{accounts, cookie, mfa, passkeys};

pub(super) fn router() -> Router<App> {
    let new_passkey = Place::NewPasskey.path::<Registration>();
    journey::router::<Registration>()
        .route("/profile/devices", post(begin))
        .route("/profile/devices/all-set", get(all_set))
        .route("/profile/passkeys", post(begin_passkey))
        .route(&new_passkey, journey::page::<Registration>(Place::NewPasskey).post(passkey::register))
}

async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    begun(&app, signed_in, Wish::Device).await
}

async fn begin_passkey(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    if passkeys::of(&app.db, signed_in.session.user.id).await?.len() >= passkeys::MAX {
        return go_and_say("/profile", Notice::DeviceLimit);
    }
    begun(&app, signed_in, Wish::Passkey).await
}

/// Begins a registration. What is verified first is the same for all wishes.
pub(super) async fn begun(app: &App, mut signed_in: SignedIn, wish: Wish) -> Page {
    signed_in.visitor.wish = wish;
    let session = signed_in.engine()?;
    let outcome = app.mfa.profile(session).begin_registration().await;
    let mut response = journey::begun::<Registration>(app, &signed_in.visitor, session, outcome).await?;
    wish.remember(response.headers_mut())?;
    Ok(response)
}

async fn all_set(State(app): State<App>, signed_in: SignedIn) -> Page {
    show_all_set(&app, &signed_in, "/profile", "Back to your profile").await
}

impl Journey for Registration {
    const COOKIE: &'static str = cookie::REGISTRATION;
    const AT: &'static str = "/profile/devices";
    const START: &'static str = "/profile";
    const TITLE: &'static str = "New device";
    const ENTRY: &'static str = "profile";
    const CANCEL: &'static str = "Cancel the registration";
    const QUESTION: &'static str = "How do you want to confirm that it's you, before a device is added?";
    const OVER: Notice = Notice::RegistrationOver;
    const ADDS_PASSKEYS: bool = true;
    const REPLACES: bool = true;

    async fn finish(app: &App, visitor: &Visitor, passed: Authenticated) -> Page {
        let user = visitor.session.as_ref().map(|session| session.user.clone()).ok_or(Failure::SignedOut)?;
        accounts::note_address(&app.db, user.id, passed.verified_address()).await?;
        let status = mfa::status(app, &user).await?;
        let newest = status.recent.iter().find_map(|event| match event.kind {
            EventKind::ExternalAdded { .. } => Some(Notice::PasskeyAdded),
            EventKind::DeviceReplaced { .. } => Some(Notice::DeviceReplaced),
            EventKind::DeviceAdded { .. } => Some(Notice::DeviceAdded),
            _ => None,
        });
        let told = |notice| if status.owed_notices > 0 { Notice::Untold } else { notice };
        let mut response = match newest {
            Some(Notice::PasskeyAdded) => go_and_say("/profile", told(Notice::PasskeyAdded))?,
            Some(Notice::DeviceReplaced) => go_and_say("/profile/devices/all-set", told(Notice::DeviceReplaced))?,
            _ if status.owed_notices > 0 => go_and_say("/profile/devices/all-set", Notice::Untold)?,
            _ => go("/profile/devices/all-set"),
        };
        session::remember_browser(response.headers_mut(), passed.browser())?;
        // What was opened without the smartphone was opened by less than is asked for now.
        session::go_on(app, visitor, passed).await?;
        Wish::Device.remember(response.headers_mut())?;
        Ok(response)
    }
}

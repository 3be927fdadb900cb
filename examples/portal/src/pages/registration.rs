//! The registration of a smartphone from the profile, whatever the company enforces.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::policy::Policy;
use factorgate::{Event, EventKind, Registered, Registration, RegistrationRef, SecretText, UserId};

use super::journey::{self, Journey, Stage};
use super::sign_in::show_all_set;
use super::{Page, go, go_and_say};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::mfa::EngineError;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::settings::Settings;
use crate::{accounts, cookie, mfa};

pub(super) fn router() -> Router<App> {
    journey::router::<RegistrationRef>()
        .route("/profile/devices", post(begin))
        .route("/profile/devices/all-set", get(all_set))
}

async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    let policy = Settings::policy(&app.db).await?;
    let outcome = begun(&app, &signed_in, &policy).await;
    journey::begun::<RegistrationRef>(&app, &signed_in.visitor, outcome).await
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

    type Done = Registered;

    fn read(cookie: &str) -> Option<Self> {
        Self::from_cookie(cookie).ok()
    }

    fn text(&self) -> SecretText {
        self.to_cookie()
    }

    fn owner(&self) -> &UserId {
        self.user()
    }

    /// The user who is signed in: another one may have used this browser before.
    fn is_of(&self, visitor: &Visitor) -> bool {
        visitor.session.as_ref().is_some_and(|session| session.claims.user() == self.user())
    }

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
        if registered.evidence.email_code.is_some() {
            accounts::mark_email_verified(&app.db, session.user.id).await?;
        }
        // What was opened without the smartphone was opened by less than is asked for now.
        let signed_in = SignedIn { visitor: visitor.clone(), session };
        session::go_on(&app.db, &signed_in, &registered.change).await?;
        let replaced = |event: &Event| matches!(event.kind, EventKind::DeviceReplaced { .. });
        match registered.events.iter().any(replaced) {
            true => go_and_say("/profile/devices/all-set", Notice::DeviceReplaced),
            false => Ok(go("/profile/devices/all-set")),
        }
    }

    /// The claims of this session do not hold any more, and there is no word of the change to go on with.
    async fn finish_untold(_: &App, _: &Visitor) -> Page {
        go_and_say("/sign-in", Notice::RegisteredUntold)
    }
}

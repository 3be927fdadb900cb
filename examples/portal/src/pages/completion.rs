//! A session that owes steps: after a recovery code, or because the company asks for more now. It reaches these pages, and
//! no others.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::audit::EventKind;
use factorgate::login::{Assurance, Completion};
use factorgate::policy::{Plan, Step};
use factorgate::recovery::RecoveryCodesLeft;
use factorgate::session::Owing;
use factorgate::{Action, Authenticated, Outcome, Refusal};
use serde::Deserialize;

use super::journey::{self, Journey};
use super::{COMPLETION, Page, SIGN_IN, Shell, go, go_and_say, show, steps};
use crate::app::App;
use crate::error::Failure;
use crate::forms::Posted;
use crate::notice::Notice;
use crate::session::{self, Session, Visitor, Wish};
use crate::{accounts, cookie, mfa};

pub(super) fn router() -> Router<App> {
    journey::router::<Completion>()
        .route(COMPLETION, get(page))
        .route("/completion/begin", post(begin))
        .route("/completion/all-set", get(all_set))
}

/// After a recovery code: the smartphone is lost, and the way leads to a new one.
#[derive(Template)]
#[template(path = "recovered.html")]
struct RecoveredPage {
    shell: Shell,
    left: u32,
    few: bool,
    devices: Vec<(u64, String)>,
}

/// The company asks for more than the session has proved.
#[derive(Template)]
#[template(path = "owed.html")]
struct OwedPage {
    shell: Shell,
}

#[derive(Deserialize)]
struct Start {
    /// The device that the new one replaces.
    replace: Option<u64>,
    /// A device is registered beside those that there are.
    register: Option<String>,
}

/// The page says what is missing. Nothing is sent before the user goes on.
async fn page(State(app): State<App>, visitor: Visitor) -> Page {
    let (session, owing) = match owing(&visitor) {
        Ok(found) => found,
        Err(to) => return Ok(go(to)),
    };
    if let Plan::Deny(denial) = owing.plan() {
        return steps::denied::<Completion>(&app, &visitor, Refusal::Policy(*denial));
    }
    if session.claims.evidence().assurance() != Assurance::Recovered {
        return show(&OwedPage { shell: Shell::new(&app, &visitor, "One more step", "") });
    }
    let status = mfa::status(&app, &session.user).await?;
    let left = status.recovery_codes.unwrap_or(RecoveryCodesLeft::None);
    show(&RecoveredPage {
        shell: Shell::new(&app, &visitor, "Register your smartphone again", ""),
        left: left.get(),
        few: !matches!(left, RecoveryCodesLeft::Enough(_)),
        devices: status.devices.iter().map(|held| (held.id.get(), held.name.as_str().to_owned())).collect(),
    })
}

async fn begin(State(app): State<App>, mut visitor: Visitor, Posted(start): Posted<Start>) -> Page {
    visitor.wish = start.replace.map_or(Wish::Device, Wish::Replacement);
    let (_, owing) = match owing(&visitor) {
        Ok(found) => found,
        Err(to) => return Ok(go(to)),
    };
    let outcome = match app.mfa.begin_completion(owing).await {
        // The user has chosen a new device: the old one's code is another way to the same end.
        Ok(Outcome::Challenge(asked))
            if (start.register.is_some() || start.replace.is_some()) && asked.next().contains(&Step::EnrollApp) =>
        {
            let replace = start.replace.map(factorgate::device::DeviceId::new);
            app.mfa.submit(asked.flow(), owing, Action::RegisterApp { replace }).await
        }
        outcome => outcome,
    };
    let mut response = journey::begun::<Completion>(&app, &visitor, owing, outcome).await?;
    visitor.wish.remember(response.headers_mut())?;
    Ok(response)
}

/// The session that owes steps, or where a visitor without one is led.
fn owing(visitor: &Visitor) -> Result<(&Session, &Owing), &'static str> {
    match (visitor.check().owing(), &visitor.session) {
        (Ok(owing), Some(session)) => Ok((session, owing)),
        (Err(Refusal::NotOpen), _) => Err("/dashboard"),
        _ => Err(SIGN_IN),
    }
}

async fn all_set(State(app): State<App>, signed_in: session::SignedIn) -> Page {
    super::sign_in::show_all_set(&app, &signed_in, "/dashboard", "Go to the dashboard").await
}

impl Journey for Completion {
    const COOKIE: &'static str = cookie::COMPLETION;
    const AT: &'static str = COMPLETION;
    const START: &'static str = COMPLETION;
    const TITLE: &'static str = "One more step";
    const ENTRY: &'static str = "";
    const CANCEL: &'static str = "Back";
    const QUESTION: &'static str = "How do you want to confirm that it's you?";
    const OVER: Notice = Notice::CompletionOver;
    const REPLACES: bool = true;

    async fn finish(app: &App, visitor: &Visitor, passed: Authenticated) -> Page {
        let session = visitor.session.as_ref().ok_or(Failure::SignedOut)?;
        accounts::note_address(&app.db, session.user.id, passed.verified_address()).await?;
        let before = session.claims.evidence().registered;
        let registered = passed.evidence().registered.filter(|_| passed.evidence().registered != before).is_some();
        let replaced = registered && {
            let recent = mfa::status(app, &session.user).await?.recent;
            recent.iter().take(4).any(|event| matches!(event.kind, EventKind::DeviceReplaced { .. }))
        };
        let mut response = match (registered, replaced) {
            (true, true) => go_and_say("/completion/all-set", Notice::DeviceReplaced)?,
            (true, false) => go("/completion/all-set"),
            (false, _) => go("/dashboard"),
        };
        session::complete(app, visitor, session, passed, response.headers_mut()).await?;
        Wish::Device.remember(response.headers_mut())?;
        Ok(response)
    }
}

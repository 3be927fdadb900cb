//! What follows the password, up to the session.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use factorgate::login::Assurance;
use factorgate::{Authenticated, FlowRef, Login, PrimaryVerified};

use super::journey::{self, Journey};
use super::{COMPLETION, Page, SIGN_IN, Shell, browsers, go, go_and_say, show};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::{self, Session, SignedIn, Visitor};
use crate::{cookie, mfa, policies};

pub(super) fn router() -> Router<App> {
    journey::router::<Login>().route("/sign-in/all-set", get(all_set))
}

/// The password was verified against this row of the user.
pub(super) async fn begin(app: &App, visitor: &Visitor, user: &User) -> Page {
    let policy = policies::of(&app.db, user.id).await?;
    let row = mfa::row(app, user)?;
    let cookie = visitor.cookie(&cookie::browser_of(user.id));
    let before = match cookie {
        Some(_) => mfa::last_event(&mfa::status(app, user).await?),
        None => None,
    };
    let primary = PrimaryVerified::assertion(row).from_browser(cookie);
    let outcome = app.mfa.begin_login(primary, &policy).await;
    let mut response = journey::begun::<Login>(app, visitor, &policy, outcome).await?;
    if cookie.is_some() && mfa::tells_of_a_copy(&mfa::status(app, user).await?, before) {
        cookie::set(response.headers_mut(), cookie::NOTICE, Notice::BrowserCopied.word(), Some(60))?;
    }
    Ok(response)
}

impl Journey for Login {
    const COOKIE: &'static str = cookie::LOGIN;
    const AT: &'static str = "/sign-in";
    const START: &'static str = SIGN_IN;
    const TITLE: &'static str = "Sign in";
    const ENTRY: &'static str = "";
    const CANCEL: &'static str = "Cancel sign-in";
    const QUESTION: &'static str = "How do you want to confirm that it's you?";
    const OVER: Notice = Notice::LoginOver;
    const TRUSTS: bool = true;

    /// Whoever has the reference: there is no session yet.
    fn is_of(_: &FlowRef<Self>, _: &Visitor) -> bool {
        true
    }

    async fn finish(app: &App, visitor: &Visitor, passed: Authenticated) -> Page {
        let user = mfa::row_id(passed.user())?;
        accounts::note_address(&app.db, user, passed.verified_address()).await?;
        let (registered, assurance) = (passed.evidence().registered.is_some(), passed.evidence().assurance());
        let mut response = match assurance {
            // What such a session may do is the engine's to say: it completes the sign-in, and nothing else.
            Assurance::Recovered => go(COMPLETION),
            _ if registered => go("/sign-in/all-set"),
            _ => go("/dashboard"),
        };
        if registered {
            // What was opened without the smartphone was opened by less than is asked for now.
            session::close_others(&app.db, user, None).await?;
        }
        let session = match session::open(app, visitor, passed, response.headers_mut()).await? {
            Ok(session) => session,
            // The password or the address was changed meanwhile.
            Err(_) => return go_and_say(SIGN_IN, Notice::SessionOver),
        };
        if visitor.trusts {
            trust(app, visitor, session, response.headers_mut()).await?;
        }
        Ok(response)
    }
}

/// Makes the browser of a session that was just opened a trusted one.
async fn trust(app: &App, visitor: &Visitor, session: Session, headers: &mut HeaderMap) -> Result<(), Failure> {
    cookie::clear(headers, cookie::TRUST)?;
    let signed_in = SignedIn { visitor: visitor.clone(), session };
    let Ok(session) = signed_in.engine() else { return Ok(()) };
    match app.mfa.profile(session).trust_browser(&browsers::name(visitor.user_agent())?).await? {
        Ok(token) => session::remember_browser(headers, Some(&token)),
        Err(_) => cookie::set(headers, cookie::NOTICE, Notice::NotTrusted.word(), Some(60)),
    }
}

/// The smartphone is registered.
#[derive(Template)]
#[template(path = "all_set.html")]
pub(super) struct AllSetPage {
    shell: Shell,
    device: String,
    next: &'static str,
    next_label: &'static str,
}

async fn all_set(State(app): State<App>, signed_in: SignedIn) -> Page {
    show_all_set(&app, &signed_in, "/dashboard", "Go to the dashboard").await
}

/// Says that the newest device is registered, if there is one.
pub(super) async fn show_all_set(
    app: &App,
    SignedIn { visitor, session }: &SignedIn,
    next: &'static str,
    next_label: &'static str,
) -> Page {
    let Some(newest) = mfa::devices(app, &session.user).await?.pop() else { return Ok(go(next)) };
    let device = newest.name.as_str().to_owned();
    show(&AllSetPage { shell: Shell::new(app, visitor, "You’re all set", ""), device, next, next_label })
}

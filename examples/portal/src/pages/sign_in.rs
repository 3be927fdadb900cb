//! What follows the password, up to the session.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use factorgate::{Authenticated, BrowserToken, Login, LoginRef, PrimaryVerified, SecretText, Trust, UserId};

use super::journey::{self, Journey, Stage};
use super::{Page, Shell, browsers, go, recovered, registration, show};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::{cookie, mfa, policies};

pub(super) fn router() -> Router<App> {
    journey::router::<LoginRef>().route("/sign-in/all-set", get(all_set))
}

/// The password of `user` was right.
pub(super) async fn begin(app: &App, visitor: &Visitor, user: &User) -> Page {
    let policy = policies::of(&app.db, user.id).await?;
    let id = mfa::user_id(user)?;
    // Another user of this browser may have trusted it: that says nothing of this one.
    let token = visitor.cookie(cookie::BROWSER).and_then(|text| BrowserToken::from_cookie(text).ok());
    let token = token.filter(|token| *token.user() == id);
    let primary = PrimaryVerified::assertion(id);
    let outcome = app.mfa.begin_login_from(primary, mfa::contact(user), &policy, token.as_ref()).await;
    journey::begun::<LoginRef>(app, visitor, outcome).await
}

impl Journey for LoginRef {
    const COOKIE: &'static str = cookie::LOGIN;
    const AT: &'static str = "/sign-in";
    const START: &'static str = "/sign-in";
    const TITLE: &'static str = "Sign in";
    const ENTRY: &'static str = "";
    const CANCEL: &'static str = "Cancel sign-in";
    const QUESTION: &'static str = "How do you want to prove that it is you?";
    const OVER: Notice = Notice::LoginOver;
    const TRUSTS: bool = true;

    type Done = Authenticated;

    journey::reference!();

    /// Whoever has the reference: there is no session yet.
    fn is_of(&self, _: &Visitor) -> bool {
        true
    }

    fn stage(outcome: Login) -> Stage<Self> {
        match outcome {
            Login::Authenticated(passed) => Stage::Done(passed),
            Login::Challenge(challenge) => Stage::Challenge(challenge),
            Login::Denied(denied) => Stage::Denied(denied.reason),
            Login::Enroll(enroll) => Stage::Enroll(enroll),
        }
    }

    async fn finish(app: &App, visitor: &Visitor, passed: Authenticated) -> Page {
        let user = mfa::row_id(passed.user())?;
        accounts::note_address(&app.db, user, passed.evidence()).await?;
        let mut response = go("/dashboard");
        if passed.evidence().enrolled.is_some() {
            // What was opened without the smartphone was opened by less than is asked for now.
            session::close_others(&app.db, user, None).await?;
            response = go("/sign-in/all-set");
        }
        if let Some(recovery) = passed.recovery() {
            response = go(recovered::PATH);
            registration::remember_kind(response.headers_mut(), false)?;
            let registration = recovery.registration().to_cookie();
            cookie::set(response.headers_mut(), cookie::REGISTRATION, registration.expose_secret(), None)?;
        }
        browser_cookie(app, visitor, &passed, response.headers_mut()).await?;
        session::open(app, visitor, &passed, response.headers_mut()).await?;
        Ok(response)
    }
}

/// The next token of a browser that is trusted, or the first one of a browser that shall be.
async fn browser_cookie(
    app: &App,
    visitor: &Visitor,
    passed: &Authenticated,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    if let (Some(token), Some((id, _))) = (passed.browser_token(), passed.evidence().trusted_browser) {
        let trusted = app.mfa.browsers(passed.user()).await?;
        if let Some(browser) = trusted.into_iter().find(|browser| browser.id == id) {
            let left = browser.until.saturating_since(passed.at()).as_secs();
            cookie::set(headers, cookie::BROWSER, token.to_cookie().expose_secret(), Some(left))?;
        }
    }
    if visitor.trusts {
        cookie::clear(headers, cookie::TRUST)?;
        let policy = policies::of(&app.db, mfa::row_id(passed.user())?).await?;
        let name = browsers::name(visitor.user_agent())?;
        match app.mfa.trust_browser(passed, &name, &policy).await? {
            Trust::Trusted { token, browser, .. } => {
                let left = browser.until.saturating_since(browser.since).as_secs();
                cookie::set(headers, cookie::BROWSER, token.to_cookie().expose_secret(), Some(left))?;
            }
            Trust::Refused { .. } => cookie::set(headers, cookie::NOTICE, Notice::NotTrusted.word(), Some(60))?,
        }
    }
    Ok(())
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

//! One handler for every step of every flow, and the one function that writes a session.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, request::Parts};
use factorgate::policy::Policy;
use factorgate::session::SessionCheck;
use factorgate::{Action, Authenticated, Elevated, Flow, FlowRef, Outcome, Refusal, SessionClaims};
use serde_json::json;
use tower_cookies::{Cookie, Cookies, cookie::SameSite};
use tower_sessions::Session;

use crate::web::{Answer, Error};
use crate::{App, CLAIMS, FRESH, browser_of};

/// One request: the policy, the checked session, and where the browser's state is kept.
pub(crate) struct Visit {
    pub(crate) app: App,
    pub(crate) check: SessionCheck,
    pub(crate) cookies: Cookies,
    pub(crate) policy: Policy,
    pub(crate) session: Session,
}

impl FromRequestParts<App> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let cookies = Cookies::from_request_parts(parts, app).await.map_err(|(_, text)| Error::Internal(text))?;
        let session = Session::from_request_parts(parts, app).await.map_err(|(_, text)| Error::Internal(text))?;
        let policy = app.users.policy().await?;
        let claims: Option<SessionClaims> = session.get(CLAIMS).await.unwrap_or_default();
        let user = if let Some(claims) = &claims { app.users.by_id(claims.user()).await? } else { None };
        let check = match (claims, user) {
            (Some(claims), Some(user)) => app.mfa.check_session(&claims, &user.row(), &policy).await?,
            _ => SessionCheck::Ended,
        };
        Ok(Self { app: app.clone(), check, cookies, policy, session })
    }
}

impl Visit {
    /// Returns the fresh proof that a dangerous operation needs. Without one, the answer is the step-up to complete first.
    pub(crate) async fn fresh(&self) -> Result<Elevated, Error> {
        let outcome = self.app.mfa.profile(self.check.session()?).begin_step_up(FRESH).await?;
        self.show(outcome, StatusCode::FORBIDDEN).await
    }

    pub(crate) async fn respond<F: Flow>(self, outcome: Outcome<F>) -> Answer {
        let done = self.show(outcome, StatusCode::OK).await?;
        self.open(done.into()).await
    }

    /// Returns the end of the flow, or what to show first.
    async fn show<F: Flow>(&self, outcome: Outcome<F>, status: StatusCode) -> Result<F::Done, Error> {
        match outcome.flow() {
            Some(flow) => self.session.insert(F::NAME, flow.to_cookie()).await?,
            None => drop(self.session.remove::<String>(F::NAME).await?),
        }
        Err(match outcome {
            Outcome::Done(done) => return Ok(done),
            Outcome::Denied(denied) => denied.refusal().into(),
            Outcome::Challenge(challenge) => Error::Show(status, json!({"flow": F::NAME, "challenge": challenge})),
            Outcome::Enroll(enroll) => Error::Show(status, json!({"flow": F::NAME, "enroll": enroll})),
        })
    }

    /// Opens a session, or continues it under a new id. No other function writes one.
    pub(crate) async fn open(self, passed: Authenticated) -> Answer {
        if let Some(address) = passed.verified_address() {
            self.app.users.mark_verified(passed.user(), address).await?;
        }
        if let Some(token) = passed.browser() {
            self.remember(token);
        }
        let user = self.app.users.by_id(passed.user()).await?.ok_or(Refusal::AccountChanged)?;
        let claims = passed.into_session(&user.row())?;
        self.session.cycle_id().await?;
        self.session.insert(CLAIMS, claims).await?;
        Ok(Json(json!({"signed_in": user.name})))
    }

    /// Stores the token of a known browser, for each user. The engine decides when it expires.
    pub(crate) fn remember(&self, token: &factorgate::browser::BrowserToken) {
        let cookie = Cookie::build((browser_of(token.user()), token.to_cookie())).path("/").permanent();
        let cookie = cookie.http_only(true).same_site(SameSite::Lax);
        self.cookies.add(cookie.secure(self.app.secure).build());
    }

    async fn flow<F: Flow>(&self) -> Result<FlowRef<F>, Error> {
        let text: String = self.session.get(F::NAME).await?.ok_or(Refusal::FlowEnded)?;
        FlowRef::from_cookie(&text).map_err(|_| Refusal::FlowEnded.into())
    }
}

pub(crate) async fn submit<F: Flow>(visit: Visit, Json(action): Json<Action>) -> Answer {
    let (flow, by) = (visit.flow::<F>().await?, F::by(&visit.policy, &visit.check)?);
    let outcome = visit.app.mfa.submit(&flow, by, action).await?;
    visit.respond(outcome).await
}

pub(crate) async fn resume<F: Flow>(visit: Visit) -> Answer {
    let (flow, by) = (visit.flow::<F>().await?, F::by(&visit.policy, &visit.check)?);
    let outcome = visit.app.mfa.resume(&flow, by).await?;
    visit.respond(outcome).await
}

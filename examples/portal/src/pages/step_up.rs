//! What matters takes a fresh proof: the strongest factor is asked for again, unless it was proved just now.

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use factorgate::{Elevated, SecretText, StepUp, StepUpRef, UserId};

use super::journey::{self, Journey, Stage};
use super::{Page, address, devices, go, recovery_codes};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::settings::Settings;
use crate::{accounts, cookie, mfa};

pub(super) fn router() -> Router<App> {
    journey::router::<StepUpRef>()
}

/// What the user was about to do. A browser holds a word of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    ChangeAddress,
    MakeRecoveryCodes,
    RemoveDevice(u64),
}

impl Intent {
    fn word(self) -> String {
        match self {
            Self::ChangeAddress => "address".to_owned(),
            Self::MakeRecoveryCodes => "codes".to_owned(),
            Self::RemoveDevice(id) => format!("remove-{id}"),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "address" => Some(Self::ChangeAddress),
            "codes" => Some(Self::MakeRecoveryCodes),
            word => word.strip_prefix("remove-")?.parse().ok().map(Self::RemoveDevice),
        }
    }

    async fn act(self, app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
        match self {
            Self::ChangeAddress => Ok(go(address::PATH)),
            Self::MakeRecoveryCodes => recovery_codes::make(app, signed_in, elevated).await,
            Self::RemoveDevice(id) => devices::remove(app, signed_in, id, elevated).await,
        }
    }
}

/// Whether a proof is fresh.
pub(super) enum Proof {
    /// It has to be given first: the response leads there, and from there on to what was intended.
    Asked(Response),
    Fresh(Elevated),
}

/// Asks for a fresh proof before `intent`.
pub(super) async fn prove(app: &App, signed_in: &SignedIn, intent: Intent) -> Result<Proof, Failure> {
    let SignedIn { visitor, session } = signed_in;
    let policy = Settings::policy(&app.db).await?;
    let contact = mfa::contact(&session.user);
    let outcome = app.mfa.begin_step_up(&session.claims, contact, &policy, Elevated::LIFETIME).await;
    if let Ok(StepUp::Fresh(elevated)) = outcome {
        return Ok(Proof::Fresh(elevated));
    }
    let mut response = journey::begun::<StepUpRef>(app, visitor, outcome).await?;
    cookie::set(response.headers_mut(), cookie::INTENT, &intent.word(), None)?;
    Ok(Proof::Asked(response))
}

/// Does what is intended, now or after the proof.
pub(super) async fn go_on(app: &App, signed_in: &SignedIn, intent: Intent) -> Page {
    match prove(app, signed_in, intent).await? {
        Proof::Asked(response) => Ok(response),
        Proof::Fresh(elevated) => intent.act(app, signed_in, &elevated).await,
    }
}

impl Journey for StepUpRef {
    const COOKIE: &'static str = cookie::STEP_UP;
    const AT: &'static str = "/profile/prove";
    const START: &'static str = "/profile";
    const TITLE: &'static str = "Prove that it is you";
    const ENTRY: &'static str = "profile";
    const CANCEL: &'static str = "Leave it as it is";
    const QUESTION: &'static str = "How do you want to prove that it is you?";
    const OVER: Notice = Notice::ProofOver;

    type Done = Elevated;

    fn read(cookie: &str) -> Option<Self> {
        Self::from_cookie(cookie).ok()
    }

    fn text(&self) -> SecretText {
        self.to_cookie()
    }

    fn reason(visitor: &Visitor) -> &'static str {
        match visitor.cookie(cookie::INTENT).and_then(Intent::parse) {
            Some(Intent::ChangeAddress) => "Before your address is changed, a fresh code is asked for.",
            Some(Intent::MakeRecoveryCodes) => "Before recovery codes are made, a fresh code is asked for.",
            Some(Intent::RemoveDevice(_)) => "Before the device is removed, a fresh code is asked for.",
            None => "",
        }
    }

    fn owner(&self) -> &UserId {
        self.user()
    }

    /// The user who is signed in: another one may have used this browser before.
    fn is_of(&self, visitor: &Visitor) -> bool {
        visitor.session.as_ref().is_some_and(|session| session.claims.user() == self.user())
    }

    fn stage(outcome: StepUp) -> Stage<Self> {
        match outcome {
            StepUp::Challenge(challenge) => Stage::Challenge(challenge),
            StepUp::Denied(denied) => Stage::Denied(denied.reason),
            StepUp::Fresh(elevated) => Stage::Done(elevated),
        }
    }

    async fn finish(app: &App, visitor: &Visitor, elevated: Elevated) -> Page {
        let session = visitor.session.clone().ok_or(Failure::NotFound)?;
        if elevated.evidence().email_code.is_some() {
            accounts::mark_email_verified(&app.db, session.user.id).await?;
        }
        let intent = visitor.cookie(cookie::INTENT).and_then(Intent::parse);
        let raised =
            session.claims.raised_by(&elevated).ok_or_else(|| Failure::internal("the step-up is another's"))?;
        let signed_in = SignedIn { visitor: visitor.clone(), session };
        let mut headers = HeaderMap::new();
        let signed_in = session::raise(app, &signed_in, raised, &mut headers).await?;
        let mut response = match intent {
            // Whatever comes of it, the session has its new id.
            Some(intent) => intent.act(app, &signed_in, &elevated).await.unwrap_or_else(IntoResponse::into_response),
            None => go("/profile"),
        };
        response.headers_mut().extend(headers);
        cookie::clear(response.headers_mut(), cookie::INTENT)?;
        Ok(response)
    }

    /// No step-up registers a smartphone.
    async fn finish_untold(_: &App, _: &Visitor) -> Page {
        Err(Failure::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_read_back_and_nothing_else_is() {
        for intent in [Intent::ChangeAddress, Intent::MakeRecoveryCodes, Intent::RemoveDevice(7)] {
            assert_eq!(Intent::parse(&intent.word()), Some(intent));
        }
        for word in ["", "remove", "remove-", "remove-x", "remove--1", "codes "] {
            assert_eq!(Intent::parse(word), None, "{word}");
        }
    }
}

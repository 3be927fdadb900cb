//! What matters takes a fresh proof: the strongest factor is asked for again, unless it was proved just now.

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use factorgate::{Elevated, SecretText, StepUp, StepUpRef, UserId};

use super::journey::{self, Journey, Stage};
use super::{Page, address, devices, go, moving, passkeys, recovery_codes};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::{accounts, cookie, mfa, policies};

pub(super) fn router() -> Router<App> {
    journey::router::<StepUpRef>()
}

/// What the user was about to do. A browser holds a word of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    ChangeAddress,
    MakeRecoveryCodes,
    MoveIn,
    RemoveDevice(u64),
    RemovePasskey(i64),
}

impl Intent {
    fn word(self) -> String {
        match self {
            Self::ChangeAddress => "address".to_owned(),
            Self::MakeRecoveryCodes => "codes".to_owned(),
            Self::MoveIn => "move-in".to_owned(),
            Self::RemoveDevice(id) => format!("remove-{id}"),
            Self::RemovePasskey(id) => format!("remove-passkey-{id}"),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "address" => Some(Self::ChangeAddress),
            "codes" => Some(Self::MakeRecoveryCodes),
            "move-in" => Some(Self::MoveIn),
            word => match word.strip_prefix("remove-passkey-") {
                Some(id) => id.parse().ok().map(Self::RemovePasskey),
                None => word.strip_prefix("remove-")?.parse().ok().map(Self::RemoveDevice),
            },
        }
    }

    async fn act(self, app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
        match self {
            Self::ChangeAddress => Ok(go(address::PATH)),
            Self::MakeRecoveryCodes => recovery_codes::make(app, signed_in, elevated).await,
            Self::MoveIn => Ok(go(moving::PATH)),
            Self::RemoveDevice(id) => devices::remove(app, signed_in, id, elevated).await,
            Self::RemovePasskey(id) => passkeys::remove(app, signed_in, id, elevated).await,
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
    let policy = policies::of(&app.db, session.user.id).await?;
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

    journey::reference!();

    fn reason(visitor: &Visitor) -> &'static str {
        match visitor.cookie(cookie::INTENT).and_then(Intent::parse) {
            Some(Intent::ChangeAddress) => "Before your address is changed, a fresh proof is asked for.",
            Some(Intent::MakeRecoveryCodes) => "Before recovery codes are made, a fresh proof is asked for.",
            Some(Intent::MoveIn) => "Before users are moved in, a fresh proof is asked for.",
            Some(Intent::RemoveDevice(_)) => "Before the device is removed, a fresh proof is asked for.",
            Some(Intent::RemovePasskey(_)) => "Before the passkey is removed, a fresh proof is asked for.",
            None => "",
        }
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
        accounts::note_address(&app.db, session.user.id, elevated.evidence()).await?;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_read_back_and_nothing_else_is() {
        let removals = [Intent::RemoveDevice(7), Intent::RemovePasskey(7)];
        for intent in [Intent::ChangeAddress, Intent::MakeRecoveryCodes, Intent::MoveIn].into_iter().chain(removals) {
            assert_eq!(Intent::parse(&intent.word()), Some(intent));
        }
        for word in ["", "remove", "remove-", "remove-x", "remove--1", "codes "] {
            assert_eq!(Intent::parse(word), None, "{word}");
        }
    }
}

//! What matters takes a fresh proof: the strongest factor is asked for again, unless it was proved just now.

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use factorgate::{Elevated, SecretText, StepUp, StepUpRef, UserId};

use super::journey::{self, Journey, Stage};
use super::{Page, address, devices, exemption, go, moving, passkeys, recovery_codes, reset, users};
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
    Exempt(i64),
    IssueTicket(i64),
    MakeRecoveryCodes,
    MoveIn,
    RemoveDevice(u64),
    RemovePasskey(i64),
    Reset(i64),
}

impl Intent {
    fn word(self) -> String {
        match self {
            Self::ChangeAddress => "address".to_owned(),
            Self::Exempt(user) => format!("exempt-{user}"),
            Self::IssueTicket(user) => format!("ticket-{user}"),
            Self::MakeRecoveryCodes => "codes".to_owned(),
            Self::MoveIn => "move-in".to_owned(),
            Self::RemoveDevice(id) => format!("remove-{id}"),
            Self::RemovePasskey(id) => format!("remove-passkey-{id}"),
            Self::Reset(user) => format!("reset-{user}"),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "address" => return Some(Self::ChangeAddress),
            "codes" => return Some(Self::MakeRecoveryCodes),
            "move-in" => return Some(Self::MoveIn),
            _ => {}
        }
        let (kind, id) = word.rsplit_once('-')?;
        match kind {
            "exempt" => id.parse().ok().map(Self::Exempt),
            "remove" => id.parse().ok().map(Self::RemoveDevice),
            "remove-passkey" => id.parse().ok().map(Self::RemovePasskey),
            "reset" => id.parse().ok().map(Self::Reset),
            "ticket" => id.parse().ok().map(Self::IssueTicket),
            _ => None,
        }
    }

    /// What an administrator does, and makes an account weaker or opens it.
    fn is_administrators(self) -> bool {
        matches!(self, Self::Exempt(_) | Self::IssueTicket(_) | Self::MoveIn | Self::Reset(_))
    }

    /// The page before, for one who leaves it as it is.
    fn before(self) -> &'static str {
        if self.is_administrators() { "/admin/users" } else { "/profile" }
    }

    async fn act(self, app: &App, signed_in: &SignedIn, elevated: &Elevated) -> Page {
        // The word came from the browser: it could be anybody's.
        if self.is_administrators() && !signed_in.session.user.is_admin {
            return Err(Failure::NotFound);
        }
        match self {
            Self::ChangeAddress => Ok(go(address::PATH)),
            Self::Exempt(user) => Ok(go(&exemption::path(user))),
            Self::IssueTicket(user) => users::issue_ticket(app, signed_in, user, elevated).await,
            Self::MakeRecoveryCodes => recovery_codes::make(app, signed_in, elevated).await,
            Self::MoveIn => Ok(go(moving::PATH)),
            Self::RemoveDevice(id) => devices::remove(app, signed_in, id, elevated).await,
            Self::RemovePasskey(id) => passkeys::remove(app, signed_in, id, elevated).await,
            Self::Reset(user) => reset::reset(app, signed_in, user, elevated).await,
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

    fn start(visitor: &Visitor) -> &'static str {
        visitor.cookie(cookie::INTENT).and_then(Intent::parse).map_or(Self::START, Intent::before)
    }

    fn reason(visitor: &Visitor) -> &'static str {
        match visitor.cookie(cookie::INTENT).and_then(Intent::parse) {
            Some(Intent::ChangeAddress) => "Before your address is changed, a fresh proof is asked for.",
            Some(Intent::Exempt(_)) => "Before a user is exempt, a fresh proof is asked for.",
            Some(Intent::IssueTicket(_)) => "Before a ticket is issued, a fresh proof is asked for.",
            Some(Intent::MakeRecoveryCodes) => "Before recovery codes are made, a fresh proof is asked for.",
            Some(Intent::MoveIn) => "Before users are moved in, a fresh proof is asked for.",
            Some(Intent::RemoveDevice(_)) => "Before the device is removed, a fresh proof is asked for.",
            Some(Intent::RemovePasskey(_)) => "Before the passkey is removed, a fresh proof is asked for.",
            Some(Intent::Reset(_)) => "Before a sign-in is reset, a fresh proof is asked for.",
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
        for intent in [
            Intent::ChangeAddress,
            Intent::Exempt(7),
            Intent::IssueTicket(7),
            Intent::MakeRecoveryCodes,
            Intent::MoveIn,
            Intent::RemoveDevice(7),
            Intent::RemovePasskey(7),
            Intent::Reset(7),
        ] {
            assert_eq!(Intent::parse(&intent.word()), Some(intent));
        }
        for word in ["", "remove", "remove-", "remove-x", "remove--1", "codes ", "reset-", "ticket-x"] {
            assert_eq!(Intent::parse(word), None, "{word}");
        }
    }
}

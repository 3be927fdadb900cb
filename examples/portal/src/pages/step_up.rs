//! Dangerous operations need a step-up: the strongest factor is asked for again, unless it was verified just now.

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use factorgate::session::StepUp;
use factorgate::{Elevated, Outcome};

use super::journey::{self, Journey};
use super::plans::Plan;
use super::{Page, address, devices, exemption, go, go_and_say, moving, passkeys, recovery_codes, reset, users};
use crate::app::App;
use crate::error::Failure;
use crate::notice::Notice;
use crate::session::{self, SignedIn, Visitor};
use crate::{accounts, cookie};

pub(super) fn router() -> Router<App> {
    journey::router::<StepUp>()
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
    Planned,
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
            Self::Planned => "planned".to_owned(),
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
            "planned" => return Some(Self::Planned),
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
            Self::Planned => match app.plans.take(elevated.session().claims().number()) {
                Some(plan) if plan.is_administrators() && !signed_in.session.user.is_admin => Err(Failure::NotFound),
                Some(plan) => plan.act(app, signed_in, elevated).await,
                None => go_and_say("/dashboard", Notice::ProofOver),
            },
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
    Fresh(Box<Elevated>),
}

/// Asks for a fresh proof before `intent`.
pub(super) async fn prove(app: &App, signed_in: &SignedIn, intent: Intent) -> Result<Proof, Failure> {
    let session = signed_in.engine()?;
    let outcome = match app.mfa.profile(session).begin_step_up(Elevated::LIFETIME).await {
        Ok(Outcome::Done(elevated)) => return Ok(Proof::Fresh(Box::new(elevated))),
        outcome => outcome,
    };
    let mut response = journey::begun::<StepUp>(app, &signed_in.visitor, session, outcome).await?;
    cookie::set(response.headers_mut(), cookie::INTENT, &intent.word(), None)?;
    Ok(Proof::Asked(response))
}

/// Makes a change, now or after the proof. What was typed is kept until then.
pub(super) async fn carry_out(app: &App, signed_in: &SignedIn, plan: Plan) -> Page {
    match prove(app, signed_in, Intent::Planned).await? {
        Proof::Asked(response) => {
            app.plans.keep(signed_in.session.claims.number(), plan);
            Ok(response)
        }
        Proof::Fresh(elevated) => plan.act(app, signed_in, &elevated).await,
    }
}

/// Does what is intended, now or after the proof.
pub(super) async fn go_on(app: &App, signed_in: &SignedIn, intent: Intent) -> Page {
    match prove(app, signed_in, intent).await? {
        Proof::Asked(response) => Ok(response),
        Proof::Fresh(elevated) => intent.act(app, signed_in, &elevated).await,
    }
}

impl Journey for StepUp {
    const COOKIE: &'static str = cookie::STEP_UP;
    const AT: &'static str = "/profile/prove";
    const START: &'static str = "/profile";
    const TITLE: &'static str = "Confirm that it's you";
    const ENTRY: &'static str = "profile";
    const CANCEL: &'static str = "Cancel";
    const QUESTION: &'static str = "How do you want to confirm that it's you?";
    const OVER: Notice = Notice::ProofOver;

    fn start(visitor: &Visitor) -> &'static str {
        visitor.cookie(cookie::INTENT).and_then(Intent::parse).map_or(Self::START, Intent::before)
    }

    fn reason(visitor: &Visitor) -> &'static str {
        match visitor.cookie(cookie::INTENT).and_then(Intent::parse) {
            Some(Intent::ChangeAddress) => "Confirm that it's you before you change your address.",
            Some(Intent::Exempt(_)) => "Confirm that it's you before you exempt a user.",
            Some(Intent::IssueTicket(_)) => "Confirm that it's you before you issue a ticket.",
            Some(Intent::MakeRecoveryCodes) => "Confirm that it's you before you create recovery codes.",
            Some(Intent::MoveIn) => "Confirm that it's you before you import users.",
            Some(Intent::RemoveDevice(_)) => "Confirm that it's you before you remove the device.",
            Some(Intent::RemovePasskey(_)) => "Confirm that it's you before you remove the passkey.",
            Some(Intent::Planned) => "Confirm that it's you before the change is made.",
            Some(Intent::Reset(_)) => "Confirm that it's you before you reset a sign-in.",
            None => "",
        }
    }

    async fn finish(app: &App, visitor: &Visitor, elevated: Elevated) -> Page {
        let session = visitor.session.as_ref().ok_or(Failure::SignedOut)?;
        let claims = elevated.session().claims().clone();
        // A code that the step-up has verified went to the address of the session's row.
        let verified = claims.evidence().email_code.as_ref().map(|(address, _)| address);
        accounts::note_address(&app.db, session.user.id, verified).await?;
        let intent = visitor.cookie(cookie::INTENT).and_then(Intent::parse);
        let mut headers = HeaderMap::new();
        let signed_in = session::move_on(app, visitor, session, claims, &mut headers).await?;
        let mut response = match intent {
            // Whatever comes of it, the session has its new id.
            Some(intent) => intent.act(app, &signed_in, &elevated).await.unwrap_or_else(IntoResponse::into_response),
            None => go("/profile"),
        };
        // Each is appended: `extend` would replace the cookies of the response.
        for (name, value) in &headers {
            response.headers_mut().append(name, value.clone());
        }
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
            Intent::Planned,
            Intent::Reset(7),
        ] {
            assert_eq!(Intent::parse(&intent.word()), Some(intent));
        }
        for word in ["", "remove", "remove-", "remove-x", "remove--1", "codes ", "reset-", "ticket-x"] {
            assert_eq!(Intent::parse(word), None, "{word}");
        }
    }
}

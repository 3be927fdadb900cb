//! The forms of a flow: each is one action.

use axum::extract::State;
use factorgate::device::DeviceId;
use factorgate::{Action, Outcome, Refusal};
use serde::Deserialize;

use super::{Journey, Opened, Place, Underway, judged, settle, shown, submit};
use crate::app::App;
use crate::cookie;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::pages::steps::Attempt;
use crate::pages::{Page, go, go_and_say};
use crate::passkeys;
use crate::session::Wish;
use crate::webauthn::{self, Answered};

#[derive(Deserialize)]
pub(super) struct Typed {
    code: String,
}

/// What the script has fetched from a passkey.
#[derive(Deserialize)]
pub(super) struct Answer {
    credential: String,
}

#[derive(Deserialize)]
pub(super) struct AppCode {
    code: String,
    /// The device whose code it is, if the user has chosen one.
    #[serde(default)]
    device: String,
    trust: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    code: String,
    name: String,
}

pub(super) async fn verify_app_code<R: Journey>(
    State(app): State<App>,
    mut underway: Underway<R>,
    Posted(form): Posted<AppCode>,
) -> Page {
    let wished = std::mem::replace(&mut underway.visitor.trusts, R::TRUSTS && form.trust.is_some());
    let wishes = underway.visitor.trusts;
    let device = form.device.parse().ok();
    let action = Action::AppCode { code: form.code.into(), device: device.map(DeviceId::new) };
    let mut response = submit(&app, underway, action, Place::App, Attempt { device, ..Attempt::default() }).await?;
    // If another step is owed, the wish waits for the end of the sign-in. There it was taken back.
    if wished != wishes && !cookie::is_set(response.headers(), cookie::TRUST) {
        match wishes {
            true => cookie::set(response.headers_mut(), cookie::TRUST, "yes", Some(600))?,
            false => cookie::clear(response.headers_mut(), cookie::TRUST)?,
        }
    }
    Ok(response)
}

pub(super) async fn verify_email_code<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    submit(&app, underway, Action::EmailCode { code: code.into() }, Place::Email, Attempt::default()).await
}

pub(super) async fn verify_recovery_code<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    submit(&app, underway, Action::RecoveryCode { code: code.into() }, Place::Recovery, Attempt::default()).await
}

/// The engine takes the portal's word on a passkey. It is given only where a passkey is asked for: in a registration the same
/// word would register one.
pub(super) async fn verify_passkey<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Answer { credential }): Posted<Answer>,
) -> Page {
    const AT: Place = Place::Passkey;
    let outcome = app.mfa.resume(&underway.flow, underway.by()?).await?;
    if !Opened::of(&outcome, &underway.visitor).is_some_and(|opened| opened.has(AT)) {
        return settle(&app, &underway.visitor, outcome, None).await;
    }
    let checked = match app.webauthn.check(&underway.flow.to_cookie(), &credential) {
        Answered::Right(result) if passkeys::used(&app.db, underway.user.id, &result).await? => {
            Ok(webauthn::evidence()?)
        }
        Answered::Right(_) | Answered::Wrong => Err(webauthn::factor()?),
        Answered::Unasked => return shown(&app, underway, AT, Attempt::unasked()).await,
        Answered::Unreadable => return shown(&app, underway, AT, Attempt::unanswered()).await,
    };
    let outcome = app.mfa.assert_external(&underway.flow, underway.by()?, checked).await;
    judged(&app, underway, outcome, AT, Attempt::default()).await
}

pub(super) async fn redeem_ticket<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    submit(&app, underway, Action::Ticket { code: code.into() }, Place::Ticket, Attempt::default()).await
}

pub(super) async fn send_email_code<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let at = Place::Email.path::<R>();
    let outcome = app.mfa.submit(&underway.flow, underway.by()?, Action::SendEmailCode).await?;
    match Opened::of(&outcome, &underway.visitor).map(|opened| opened.challenge.refusal()) {
        // The mail is sent also while no code of it is accepted: its page says so.
        Some(None | Some(Refusal::Locked { .. } | Refusal::NewBrowsersBlocked { .. })) => {
            go_and_say(&at, Notice::CodeSent)
        }
        Some(Some(Refusal::TooSoon { .. })) => go_and_say(&at, Notice::TooSoon),
        Some(Some(Refusal::MailRefused)) => go_and_say(&at, Notice::MailFailed),
        _ => settle(&app, &underway.visitor, outcome, None).await,
    }
}

pub(super) async fn register_app<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let replace = match underway.visitor.wish {
        Wish::Replacement(id) if R::REPLACES => Some(DeviceId::new(id)),
        _ => None,
    };
    let outcome = app.mfa.submit(&underway.flow, underway.by()?, Action::RegisterApp { replace }).await?;
    settle(&app, &underway.visitor, outcome, None).await
}

pub(super) async fn confirm_app<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Confirmation { code, name }): Posted<Confirmation>,
) -> Page {
    let typed = Attempt { name: Some(name.clone()), ..Attempt::default() };
    let action = Action::ConfirmApp { code: code.into(), name: Some(name) };
    submit(&app, underway, action, Place::Register, typed).await
}

pub(super) async fn cancel<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let _: Outcome<R> = app.mfa.submit(&underway.flow, underway.by()?, Action::Cancel).await?;
    let mut response = go(R::start(&underway.visitor));
    cookie::clear(response.headers_mut(), R::COOKIE)?;
    Ok(response)
}

//! The forms of a flow: each is one operation of the engine.

use axum::extract::State;
use factorgate::moving::LegacyRecoveryCode;
use factorgate::{Code, DeviceId, DeviceName, Error, RecoveryCode, Refusal, Ticket};
use serde::Deserialize;

use super::{Journey, Place, Underway, ended, policy_of, refused, settle, undelivered};
use crate::app::App;
use crate::cookie;
use crate::error::chain;
use crate::forms::{Empty, Posted};
use crate::mfa::EngineError;
use crate::notice::Notice;
use crate::pages::steps::Attempt;
use crate::pages::{Page, go, go_and_say, sentence};
use crate::webauthn::{self, Answered};
use crate::{accounts, mfa, passkeys};

#[derive(Deserialize)]
pub(super) struct Typed {
    code: String,
}

/// What the script has fetched from a passkey.
#[derive(Deserialize)]
pub(super) struct Answer {
    credential: String,
}

/// A recovery code, by the system that has made it.
enum Spelled {
    Legacy(LegacyRecoveryCode),
    Ours(RecoveryCode),
}

#[derive(Deserialize)]
pub(super) struct AppCode {
    code: String,
    /// The device whose code it is, if the user has named one.
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
    let mut response = app_code(&app, underway, &form).await?;
    // If another step is owed, the wish waits for the end of the sign-in. There it was taken back.
    if wished != wishes && !cookie::is_set(response.headers(), cookie::TRUST) {
        match wishes {
            true => cookie::set(response.headers_mut(), cookie::TRUST, "yes", Some(600))?,
            false => cookie::clear(response.headers_mut(), cookie::TRUST)?,
        }
    }
    Ok(response)
}

async fn app_code<R: Journey>(app: &App, underway: Underway<R>, form: &AppCode) -> Page {
    let policy = policy_of(app, &underway.flow).await?;
    let device = form.device.parse().ok();
    let code = match Code::parse(&form.code) {
        Ok(code) => code,
        Err(invalid) => {
            let attempt = Attempt { device, ..Attempt::malformed(invalid) };
            return refused(app, underway, &policy, Place::App, attempt).await;
        }
    };
    let outcome = match device {
        Some(id) => app.mfa.verify_app_code_of(&underway.flow, DeviceId::new(id), &code, &policy).await,
        None => app.mfa.verify_app_code(&underway.flow, &code, &policy).await,
    };
    judged(app, underway, outcome, Place::App, Attempt { device, ..Attempt::default() }).await
}

pub(super) async fn verify_email_code<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    let policy = policy_of(&app, &underway.flow).await?;
    let code = match Code::parse(&code) {
        Ok(code) => code,
        Err(invalid) => return refused(&app, underway, &policy, Place::Email, Attempt::malformed(invalid)).await,
    };
    let outcome = app.mfa.verify_email_code(&underway.flow, &code, &policy).await;
    judged(&app, underway, outcome, Place::Email, Attempt::default()).await
}

pub(super) async fn verify_recovery_code<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    let policy = policy_of(&app, &underway.flow).await?;
    // Who has moved in may hold codes of both kinds, which no look at them tells apart.
    let spelled = match accounts::has_moved_in(&app.db, mfa::row_id(underway.flow.owner())?).await? {
        true => LegacyRecoveryCode::parse(&code).map(Spelled::Legacy).map_err(Attempt::malformed),
        false => RecoveryCode::parse(&code).map(Spelled::Ours).map_err(Attempt::malformed),
    };
    let outcome = match spelled {
        Ok(Spelled::Legacy(code)) => app.mfa.verify_legacy_recovery_code(&underway.flow, &code, &policy).await,
        Ok(Spelled::Ours(code)) => app.mfa.verify_recovery_code(&underway.flow, &code, &policy).await,
        Err(attempt) => return refused(&app, underway, &policy, Place::Recovery, attempt).await,
    };
    match outcome {
        Ok(outcome) => {
            settle(&app, &underway.visitor, R::stage(outcome), Some((Place::Recovery, Attempt::default()))).await
        }
        // The code is spent, and the mail that tells of it was not sent: the next one is taken in a new sign-in.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            go_and_say(R::START, Notice::RecoveryUntold)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn verify_passkey<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Answer { credential }): Posted<Answer>,
) -> Page {
    let policy = policy_of(&app, &underway.flow).await?;
    let user = mfa::row_id(underway.flow.owner())?;
    let right = match app.webauthn.check(underway.flow.text().expose_secret(), &credential) {
        Answered::Right(result) => passkeys::used(&app.db, user, &result).await?,
        Answered::Wrong => false,
        Answered::Unasked => return refused(&app, underway, &policy, Place::Passkey, Attempt::unasked()).await,
        Answered::Unreadable => return refused(&app, underway, &policy, Place::Passkey, Attempt::unanswered()).await,
    };
    let outcome = match right {
        true => app.mfa.assert_external(&underway.flow, &webauthn::evidence()?, &policy).await,
        false => app.mfa.external_failed(&underway.flow, webauthn::factor()?, &policy).await,
    };
    judged(&app, underway, outcome, Place::Passkey, Attempt::default()).await
}

pub(super) async fn redeem_ticket<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(Typed { code }): Posted<Typed>,
) -> Page {
    let policy = policy_of(&app, &underway.flow).await?;
    let ticket = match Ticket::parse(&code) {
        Ok(ticket) => ticket,
        Err(invalid) => return refused(&app, underway, &policy, Place::Ticket, Attempt::malformed(invalid)).await,
    };
    let outcome = app.mfa.redeem_ticket(&underway.flow, &ticket, &policy).await;
    judged(&app, underway, outcome, Place::Ticket, Attempt::default()).await
}

pub(super) async fn send_email_code<R: Journey>(
    State(app): State<App>,
    Underway { visitor, flow }: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let policy = policy_of(&app, &flow).await?;
    let at = Place::Email.path::<R>();
    let stage = match app.mfa.send_email_code(&flow, &policy).await {
        Ok(outcome) => R::stage(outcome),
        Err(error) => return undelivered(error, &at),
    };
    match stage.opened(&visitor).map(|opened| opened.challenge.refusal()) {
        Some(None) => go_and_say(&at, Notice::CodeSent),
        Some(Some(Refusal::TooSoon { .. })) => go_and_say(&at, Notice::TooSoon),
        _ => settle(&app, &visitor, stage, None).await,
    }
}

pub(super) async fn begin_enrollment<R: Journey>(
    State(app): State<App>,
    Underway { visitor, flow }: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let policy = policy_of(&app, &flow).await?;
    let stage = R::stage(app.mfa.begin_app_enrollment(&flow, &policy).await?);
    settle(&app, &visitor, stage, None).await
}

pub(super) async fn confirm_enrollment<R: Journey>(
    State(app): State<App>,
    underway: Underway<R>,
    Posted(form): Posted<Confirmation>,
) -> Page {
    let policy = policy_of(&app, &underway.flow).await?;
    let (code, name) = match (Code::parse(&form.code), DeviceName::new(&form.name)) {
        (Ok(code), Ok(name)) => (code, name),
        (code, name) => {
            let attempt = Attempt {
                error: code.err().map(|invalid| sentence(&invalid)),
                name: Some(form.name),
                name_error: name.err().map(|invalid| sentence(&invalid)),
                ..Attempt::default()
            };
            return refused(&app, underway, &policy, Place::Register, attempt).await;
        }
    };
    match app.mfa.confirm_app_enrollment(&underway.flow, &code, &name, &policy).await {
        Ok(outcome) => {
            let from = (Place::Register, Attempt { name: Some(form.name), ..Attempt::default() });
            settle(&app, &underway.visitor, R::stage(outcome), Some(from)).await
        }
        // The smartphone is registered all the same, and nobody is let in who cannot be told of it.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            ended::<R>("/sign-in", Notice::RegisteredUntold)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn cancel<R: Journey>(
    State(app): State<App>,
    Underway { visitor, flow }: Underway<R>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    app.mfa.cancel(&flow).await?;
    let mut response = go(R::start(&visitor));
    cookie::clear(response.headers_mut(), R::COOKIE)?;
    Ok(response)
}

async fn judged<R: Journey>(
    app: &App,
    underway: Underway<R>,
    outcome: Result<R::Outcome, EngineError>,
    place: Place,
    typed: Attempt,
) -> Page {
    match outcome {
        Ok(outcome) => settle(app, &underway.visitor, R::stage(outcome), Some((place, typed))).await,
        // The code was right, and the mail for the next step was not sent.
        Err(error) => undelivered(error, &Place::Choose.path::<R>()),
    }
}

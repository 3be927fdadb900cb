//! How the pages of a flow look.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _};
use factorgate::device::DeviceInfo;
use factorgate::login::EmailStatus;
use factorgate::otpauth::KeyUri;
use factorgate::{Challenge, Refusal};

use super::journey::{Journey, Opened, Place, Underway, passkey};
use super::shown::Answer;
use super::{Page, Shell};
use crate::app::App;
use crate::error::Failure;
use crate::refusals::{self, Kind, wait};
use crate::session::Visitor;
use crate::{accounts, db, mfa};

/// What became of the form that was posted; nothing, if none was.
#[derive(Default)]
pub(super) struct Attempt {
    /// What is wrong with the code.
    pub(super) error: Option<String>,
    /// The name that was typed for the smartphone.
    pub(super) name: Option<String>,
    pub(super) name_error: Option<String>,
    /// The device whose code it was said to be.
    pub(super) device: Option<u64>,
    /// Nothing was posted: the page says beforehand that no code is accepted.
    pub(super) blocked: bool,
}

impl Attempt {
    fn told(text: &str) -> Self {
        Self { error: Some(text.to_owned()), ..Self::default() }
    }

    /// There is no challenge that the passkey could have answered.
    pub(super) fn unasked() -> Self {
        Self::told("This page was open for too long, or was used before. Try again.")
    }

    /// The browser has sent nothing of a passkey.
    pub(super) fn unanswered() -> Self {
        Self::told("No passkey has answered. Allow scripts on this page, then try again.")
    }

    /// What the browser has made is no passkey that could be registered.
    pub(super) fn unfit() -> Self {
        Self::told("That passkey can't be registered here. Try again.")
    }

    /// The name can't be one of a device.
    pub(super) fn misnamed() -> Self {
        Self { name_error: Some(name_refused()), ..Self::default() }
    }

    /// What the engine has refused.
    pub(super) fn refused<R: Journey>(
        self,
        refusal: Refusal,
        place: Place,
        challenge: &Challenge<R>,
    ) -> Result<Self, Failure> {
        if refusal == Refusal::InvalidName {
            return Ok(Self { name_error: Some(name_refused()), ..self });
        }
        let text = refusals::told(refusal, place.kind(), db::time()?).sentence();
        // A registration is not guessed at: its secret is on the screen.
        let left = match (refusal, place, challenge.attempts_left()) {
            (_, Place::Register, _) => "",
            (Refusal::WrongCode, _, 1) => " 1 attempt left before a short lockout.",
            (Refusal::WrongCode, _, 2) => " 2 attempts left before a short lockout.",
            _ => "",
        };
        Ok(Self { error: Some(format!("{text}{left}")), ..self })
    }

    /// What a page says before anything is posted, if nothing that is entered there would be compared.
    pub(super) fn or_blocked(self, refusal: Refusal, place: Place) -> Result<Self, Failure> {
        if self.error.is_some() {
            return Ok(self);
        }
        let error = refusals::told(refusal, place.kind(), db::time()?).sentence();
        Ok(Self { error: Some(error), blocked: true, ..self })
    }

    pub(super) fn status(&self) -> StatusCode {
        let wrong = !self.blocked && (self.error.is_some() || self.name_error.is_some());
        if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}

/// What to tell of a name that no device can have.
pub(super) fn name_refused() -> String {
    "Enter a name of 1 to 64 characters.".to_owned()
}

/// What every page of a flow has.
pub(super) struct Frame {
    /// The path that its pages are under.
    pub(super) at: &'static str,
    pub(super) cancel: &'static str,
    /// There is another way.
    pub(super) others: bool,
    /// A recovery code will do as well.
    pub(super) recovery: bool,
}

/// Which of several ways to take.
#[derive(Template)]
#[template(path = "choose.html")]
struct ChoosePage {
    shell: Shell,
    frame: Frame,
    lead: &'static str,
    ways: Vec<Way>,
}

struct Way {
    id: &'static str,
    /// The page of the way, or where it is begun.
    path: String,
    /// It is begun by a form: something is sent or made.
    begins: bool,
    title: &'static str,
    detail: String,
}

/// Where a code is entered.
#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    shell: Shell,
    frame: Frame,
    heading: &'static str,
    lead: String,
    label: &'static str,
    hint: String,
    error: Option<String>,
    action: String,
    /// The code consists of digits.
    numeric: bool,
    resend: Option<Resend>,
    /// The browser may be trusted, and whether the user wishes it.
    trust: Option<bool>,
    trust_days: u64,
    /// Why a code is asked for, where the user could wonder.
    reason: &'static str,
    /// The devices to choose from.
    devices: Vec<DeviceOption>,
}

struct DeviceOption {
    id: u64,
    name: String,
    chosen: bool,
}

/// Another code by mail.
struct Resend {
    /// One can be entered already.
    sent: bool,
    /// How long the user has to wait for another one.
    wait: Option<u64>,
}

/// Where a smartphone is registered.
#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    shell: Shell,
    frame: Frame,
    /// The picture, made by the library.
    qr: String,
    /// The secret in groups of four.
    groups: Vec<String>,
    uri: String,
    account: String,
    name: String,
    name_error: Option<String>,
    error: Option<String>,
}

/// There is no way on.
#[derive(Template)]
#[template(path = "denied.html")]
struct DeniedPage {
    shell: Shell,
    text: String,
    remedy: String,
    start: &'static str,
}

/// The page at `place`, which is open.
pub(super) async fn draw<R: Journey>(
    app: &App,
    underway: &Underway<R>,
    opened: &Opened<'_, R>,
    place: Place,
    attempt: Attempt,
) -> Page {
    let visitor = &underway.visitor;
    let shell = Shell::new(app, visitor, R::TITLE, R::ENTRY);
    let status = attempt.status();
    let frame = Frame {
        at: R::AT,
        cancel: R::CANCEL,
        others: place != Place::Choose && (place == Place::Recovery || opened.everyday().len() > 1),
        recovery: place != Place::Recovery && opened.places().contains(&Place::Recovery),
    };
    let page = match place {
        Place::Choose => choose(shell, frame, opened).render(),
        Place::NewPasskey | Place::Passkey => {
            return passkey::draw(app, underway, shell, frame, place, attempt).await;
        }
        Place::Register => register(shell, frame, opened.key_uri.ok_or(Failure::NotFound)?, attempt)?.render(),
        place => {
            let chosen = attempt.device;
            let page = code(shell, frame, place, opened.challenge, attempt)?;
            let offered = R::TRUSTS && place == Place::App && underway.allows_trusted_browsers();
            let devices = match place {
                Place::App => mfa::devices(app, &underway.user).await?,
                _ => Vec::new(),
            };
            let moved_in = place == Place::Recovery && accounts::has_moved_in(&app.db, underway.user.id).await?;
            let option = |held: DeviceInfo| DeviceOption {
                id: held.id.get(),
                chosen: chosen == Some(held.id.get()),
                name: held.name.as_str().to_owned(),
            };
            CodePage {
                trust: offered.then_some(visitor.trusts),
                hint: match moved_in {
                    true => "One of ours, or one from your previous system, exactly as it is written.".to_owned(),
                    false => page.hint,
                },
                reason: R::reason(visitor),
                devices: devices.into_iter().filter(|held| !held.disabled).map(option).collect(),
                ..page
            }
            .render()
        }
    }?;
    Ok((status, Html(page)).into_response())
}

fn choose<R: Journey>(shell: Shell, frame: Frame, opened: &Opened<'_, R>) -> ChoosePage {
    let email = opened.challenge.email();
    let ways: Vec<Way> = opened.places().into_iter().filter_map(|place| way::<R>(place, email)).collect();
    let lead = if ways.len() > 1 { R::QUESTION } else { "This is still missing." };
    ChoosePage { shell, frame, lead, ways }
}

fn way<R: Journey>(place: Place, email: Option<&EmailStatus>) -> Option<Way> {
    let path = place.path::<R>();
    match place {
        Place::App => Some(Way {
            id: "app",
            path,
            begins: false,
            title: "Authenticator app",
            detail: "Enter the code that your smartphone shows.".to_owned(),
        }),
        Place::Email => {
            let email = email?;
            let sent = email.sent_at.is_some();
            let detail = match sent {
                true => format!("Enter the code that we sent to {}.", email.masked_address),
                false => format!("We send a code to {}.", email.masked_address),
            };
            let path = if sent { path } else { format!("{}/email/send", R::AT) };
            Some(Way { id: "email", path, begins: !sent, title: "Code by e-mail", detail })
        }
        Place::Passkey => Some(Way {
            id: "passkey",
            path,
            begins: false,
            title: "Passkey",
            detail: "Use your fingerprint, your face, or the PIN of your device.".to_owned(),
        }),
        Place::Register => Some(Way {
            id: "register",
            path: format!("{}/register/begin", R::AT),
            begins: true,
            title: "Register a smartphone",
            detail: "Set up an authenticator app. From then on it gives you your codes.".to_owned(),
        }),
        Place::Ticket => Some(Way {
            id: "ticket",
            path,
            begins: false,
            title: "Ticket",
            detail: "Enter the ticket that your administrator gave you.".to_owned(),
        }),
        // They have links of their own.
        Place::Choose | Place::NewPasskey | Place::Recovery => None,
    }
}

fn code<R: Journey>(
    shell: Shell,
    frame: Frame,
    place: Place,
    challenge: &Challenge<R>,
    attempt: Attempt,
) -> Result<CodePage, Failure> {
    let page = CodePage {
        shell,
        frame,
        heading: "Enter your ticket",
        lead: "Your administrator gave it to you. It works once and lets you register your smartphone.".to_owned(),
        label: "Ticket",
        hint: "26 letters and digits. Spaces and hyphens make no difference.".to_owned(),
        error: attempt.error,
        action: place.path::<R>(),
        numeric: false,
        resend: None,
        trust: None,
        trust_days: mfa::TRUST_DAYS,
        reason: "",
        devices: Vec::new(),
    };
    Ok(match (place, challenge.email()) {
        (Place::App, _) => CodePage {
            heading: "Enter the code from your app",
            lead: "Open the authenticator app on your smartphone and look for Larkfield.".to_owned(),
            label: "6-digit code",
            hint: "It changes every 30 seconds and can be used once.".to_owned(),
            numeric: true,
            ..page
        },
        (Place::Recovery, _) => CodePage {
            heading: "Use a recovery code",
            lead: "Enter one of the codes that you printed or wrote down. Each replaces your smartphone once."
                .to_owned(),
            label: "Recovery code",
            hint: "16 letters and digits. Spaces, hyphens and case make no difference.".to_owned(),
            ..page
        },
        (Place::Email, Some(email)) => {
            let now = db::time()?;
            CodePage {
                heading: if email.sent_at.is_some() { "Check your mail" } else { "Get a code by mail" },
                lead: match email.sent_at {
                    Some(_) => format!("We sent a code to {}.", email.masked_address),
                    None => format!("We can send a code to {}.", email.masked_address),
                },
                label: "8-digit code",
                hint: match email.expires_at {
                    Some(at) => format!("It expires in {} and can be used once.", wait(at, now)),
                    None => "Codes from earlier mails don't work here.".to_owned(),
                },
                numeric: true,
                resend: Some(Resend {
                    sent: email.sent_at.is_some(),
                    wait: email.resend_at.map(|at| at.saturating_since(now).as_secs()).filter(|seconds| *seconds > 0),
                }),
                ..page
            }
        }
        _ => page,
    })
}

fn register(shell: Shell, frame: Frame, key_uri: &KeyUri, attempt: Attempt) -> Result<RegisterPage, Failure> {
    let parsed = KeyUri::parse(key_uri.expose_secret()).map_err(Failure::internal)?;
    Ok(RegisterPage {
        shell,
        qr: key_uri.qr().map_err(Failure::internal)?.to_svg(),
        groups: key_uri.secret_base32().grouped().expose_secret().split(' ').map(str::to_owned).collect(),
        uri: key_uri.expose_secret().to_owned(),
        account: parsed.account().as_str().to_owned(),
        name: attempt.name.unwrap_or_else(|| "My phone".to_owned()),
        name_error: attempt.name_error,
        error: attempt.error,
        frame,
    })
}

/// There is no way on, at least not now.
pub(super) fn denied<R: Journey>(app: &App, visitor: &Visitor, refusal: Refusal) -> Page {
    let told = refusals::told(refusal, Kind::Other, db::time()?);
    let page = DeniedPage {
        shell: Shell::new(app, visitor, R::TITLE, R::ENTRY),
        text: told.what,
        remedy: told.next,
        start: R::start(visitor),
    };
    let mut response = (StatusCode::FORBIDDEN, Html(page.render()?)).into_response();
    response.extensions_mut().insert(Answer);
    Ok(response)
}

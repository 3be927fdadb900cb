//! What sign-in and the registration of a smartphone share: a flow of the engine, and a page for each of its steps.
//!
//! A page is shown for a look at the flow, which spends nothing. A form is one operation of the engine; its outcome
//! says which page comes next.

mod forms;
pub(super) mod passkey;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use factorgate::otpauth::KeyUri;
use factorgate::policy::{Policy, Step};
use factorgate::{
    Challenge, DeniedReason, Enroll, Error, EventKind, Flow, Refusal, SecretText, TrustEnd, Undelivered, UserId,
};

use super::steps::{self, Attempt};
use super::{Page, go, go_and_say};
use crate::app::App;
use crate::cookie;
use crate::error::{Failure, chain};
use crate::mfa::EngineError;
use crate::notice::Notice;
use crate::session::Visitor;
use crate::{mfa, policies};

/// In what sign-in, the registration from the profile and the step-up of a session differ.
pub(super) trait Journey: Flow + 'static {
    /// Where the browser keeps the reference. It is no session, and opens none.
    const COOKIE: &'static str;
    /// The path that its pages are under.
    const AT: &'static str;
    /// Where it begins, and where one who breaks it off is led.
    const START: &'static str;
    const TITLE: &'static str;
    /// The entry of the navigation.
    const ENTRY: &'static str;
    const CANCEL: &'static str;
    /// Asked where there are several ways.
    const QUESTION: &'static str;
    /// The flow has ended before it was finished.
    const OVER: Notice;
    /// At the end of the flow the browser may be trusted, where the policy allows it.
    const TRUSTS: bool = false;
    /// A passkey can be registered in it, in place of a smartphone.
    const ADDS_PASSKEYS: bool = false;

    /// What the engine gives when everything is proved.
    type Done: Send;

    fn read(cookie: &str) -> Option<Self>;
    fn text(&self) -> SecretText;
    /// Whose flow it is, as the reference says.
    fn owner(&self) -> &UserId;
    /// The page from which this visitor began, where the flow is begun on several.
    fn start(_: &Visitor) -> &'static str {
        Self::START
    }
    /// Why something is asked for, where the user could wonder.
    fn reason(_: &Visitor) -> &'static str {
        ""
    }
    /// Whether this visitor may go on with the flow: the user who is signed in, for another one may have used this
    /// browser before.
    fn is_of(&self, visitor: &Visitor) -> bool {
        visitor.session.as_ref().is_some_and(|session| session.claims.user() == self.owner())
    }
    fn stage(outcome: Self::Outcome) -> Stage<Self>;
    /// Everything is proved.
    fn finish(app: &App, visitor: &Visitor, done: Self::Done) -> impl Future<Output = Page> + Send;
}

/// What the references of all flows have, and no trait says.
macro_rules! reference {
    () => {
        fn read(cookie: &str) -> Option<Self> {
            Self::from_cookie(cookie).ok()
        }

        fn text(&self) -> SecretText {
            self.to_cookie()
        }

        fn owner(&self) -> &UserId {
            self.user()
        }
    };
}
pub(super) use reference;

/// Where a flow stands.
pub(super) enum Stage<R: Journey> {
    Challenge(Challenge<R>),
    Denied(DeniedReason),
    Done(R::Done),
    Enroll(Enroll<R>),
}

/// A page of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    App,
    Choose,
    Email,
    NewPasskey,
    Passkey,
    Recovery,
    Register,
    Ticket,
}

impl Place {
    pub(super) fn path<R: Journey>(self) -> String {
        let page = match self {
            Self::App => "app",
            Self::Choose => "choose",
            Self::Email => "email",
            Self::NewPasskey => "new-passkey",
            Self::Passkey => "passkey",
            Self::Recovery => "recovery",
            Self::Register => "register",
            Self::Ticket => "ticket",
        };
        format!("{}/{page}", R::AT)
    }
}

/// A flow that is open.
pub(super) struct Opened<'a, R: Journey> {
    pub(super) challenge: &'a Challenge<R>,
    /// The secret, if a smartphone is to be registered.
    pub(super) key_uri: Option<&'a KeyUri>,
    /// The page on which something is registered.
    registers: Place,
}

impl<R: Journey> Opened<'_, R> {
    /// The steps that may be taken now, as pages.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |step| match step {
            Step::AppCode => Some(Place::App),
            Step::EmailCode | Step::VerifyEmail => Some(Place::Email),
            Step::EnrollApp => Some(self.registers),
            // The portal checks one factor of its own.
            Step::External(_) => Some(Place::Passkey),
            Step::RecoveryCode => Some(Place::Recovery),
            Step::Ticket => Some(Place::Ticket),
            _ => None,
        };
        let mut places: Vec<Place> = self.challenge.next().into_iter().filter_map(place).collect();
        places.dedup();
        places
    }

    /// The same without the recovery code, which is for the day on which the device is lost. It has a link of its own.
    pub(super) fn everyday(&self) -> Vec<Place> {
        let places = self.places();
        let everyday: Vec<Place> = places.iter().copied().filter(|place| *place != Place::Recovery).collect();
        if everyday.is_empty() { places } else { everyday }
    }

    /// Where one who asks for no page in particular is led.
    fn home(&self) -> Place {
        match (self.key_uri, self.everyday()[..].as_ref()) {
            (Some(_), _) => self.registers,
            // The secret is made when the user asks for it.
            (None, [Place::Register]) => Place::Choose,
            (None, [place]) => *place,
            (None, _) => Place::Choose,
        }
    }

    fn has(&self, place: Place) -> bool {
        let places = self.places();
        match place {
            Place::Choose => self.everyday().len() > 1 || self.home() == Place::Choose,
            Place::Register => self.key_uri.is_some() && self.registers == Place::Register,
            place => places.contains(&place),
        }
    }
}

impl<R: Journey> Stage<R> {
    fn opened(&self, visitor: &Visitor) -> Option<Opened<'_, R>> {
        let (challenge, key_uri) = match self {
            Self::Challenge(challenge) => (challenge, None),
            Self::Enroll(enroll) => (enroll.challenge(), Some(enroll.key_uri())),
            Self::Denied(_) | Self::Done(_) => return None,
        };
        let passkey = R::ADDS_PASSKEYS && visitor.adds_passkey;
        let registers = if passkey { Place::NewPasskey } else { Place::Register };
        Some(Opened { challenge, key_uri, registers })
    }

    fn flow(&self) -> Option<&R> {
        match self {
            Self::Challenge(challenge) => Some(challenge.flow()),
            Self::Enroll(enroll) => Some(enroll.flow()),
            Self::Denied(_) | Self::Done(_) => None,
        }
    }

    /// Whether the browser came with a token that was used up before: somebody has a copy of its cookie.
    fn tells_of_a_copy(&self) -> bool {
        let is_copy = |kind: &EventKind| matches!(kind, EventKind::BrowserTrustEnded { cause: TrustEnd::Reused, .. });
        let challenge = match self {
            Self::Challenge(challenge) => challenge,
            Self::Enroll(enroll) => enroll.challenge(),
            Self::Denied(_) | Self::Done(_) => return false,
        };
        challenge.events().iter().any(|event| is_copy(&event.kind))
    }
}

/// A visitor who is on the way.
pub(super) struct Underway<R> {
    pub(super) visitor: Visitor,
    pub(super) flow: R,
}

impl<S: Send + Sync, R: Journey> FromRequestParts<S> for Underway<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, state).await.map_err(|failure| failure.into_response())?;
        match cookie::read(&parts.headers, R::COOKIE).and_then(R::read).filter(|flow| flow.is_of(&visitor)) {
            Some(flow) => Ok(Self { visitor, flow }),
            None => Err(go(if visitor.session.is_some() { R::START } else { "/sign-in" })),
        }
    }
}

/// The pages of `R`, and the forms on them.
pub(super) fn router<R: Journey>() -> Router<App> {
    Router::new()
        .route(&Place::App.path::<R>(), page::<R>(Place::App).post(forms::verify_app_code::<R>))
        .route(&Place::Choose.path::<R>(), page::<R>(Place::Choose))
        .route(&Place::Email.path::<R>(), page::<R>(Place::Email).post(forms::verify_email_code::<R>))
        .route(&Place::Passkey.path::<R>(), page::<R>(Place::Passkey).post(forms::verify_passkey::<R>))
        .route(&Place::Recovery.path::<R>(), page::<R>(Place::Recovery).post(forms::verify_recovery_code::<R>))
        .route(&Place::Register.path::<R>(), page::<R>(Place::Register).post(forms::confirm_enrollment::<R>))
        .route(&Place::Ticket.path::<R>(), page::<R>(Place::Ticket).post(forms::redeem_ticket::<R>))
        .route(&format!("{}/email/send", R::AT), post(forms::send_email_code::<R>))
        .route(&format!("{}/register/begin", R::AT), post(forms::begin_enrollment::<R>))
        .route(&format!("{}/cancel", R::AT), post(forms::cancel::<R>))
}

/// The page of a step. A look at it spends nothing.
pub(super) fn page<R: Journey>(place: Place) -> MethodRouter<App> {
    get(move |State(app): State<App>, underway: Underway<R>| look(app, underway, place))
}

/// The policy that a flow is judged by: that of its user.
pub(super) async fn policy_of<R: Journey>(app: &App, flow: &R) -> Result<Policy, Failure> {
    policies::of(&app.db, mfa::row_id(flow.owner())?).await
}

/// Hands out the reference of a flow that has just begun, and leads to its first page.
pub(super) async fn begun<R: Journey>(app: &App, visitor: &Visitor, outcome: Result<R::Outcome, EngineError>) -> Page {
    let stage = match outcome {
        Ok(outcome) => R::stage(outcome),
        // There is no reference to go on with.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            return go_and_say(R::START, Notice::MailFailedAtOnce);
        }
        Err(error) => return Err(error.into()),
    };
    let reference = stage.flow().map(Journey::text);
    let copied = stage.tells_of_a_copy();
    let mut response = settle(app, visitor, stage, None).await?;
    if copied {
        cookie::set(response.headers_mut(), cookie::NOTICE, Notice::BrowserCopied.word(), Some(60))?;
    }
    if let Some(text) = reference {
        cookie::set(response.headers_mut(), R::COOKIE, text.expose_secret(), None)?;
    }
    Ok(response)
}

/// Shows a page, if it is one of those that are open; otherwise the one that is.
async fn look<R: Journey>(app: App, Underway { visitor, flow }: Underway<R>, place: Place) -> Page {
    let policy = policy_of(&app, &flow).await?;
    let stage = R::stage(app.mfa.resume(&flow, &policy).await?);
    match stage.opened(&visitor) {
        Some(opened) if opened.has(place) => steps::draw(&app, &visitor, &opened, place, Attempt::default()).await,
        _ => settle(&app, &visitor, stage, None).await,
    }
}

/// Leads on from an outcome: to the end, to the next page, or back to the page that the form was on.
pub(super) async fn settle<R: Journey>(
    app: &App,
    visitor: &Visitor,
    stage: Stage<R>,
    from: Option<(Place, Attempt)>,
) -> Page {
    if let Some(opened) = stage.opened(visitor) {
        return lead_on(app, visitor, &opened, from).await;
    }
    match stage {
        Stage::Done(done) => {
            let mut response = R::finish(app, visitor, done).await?;
            cookie::clear(response.headers_mut(), R::COOKIE)?;
            Ok(response)
        }
        Stage::Denied(DeniedReason::FlowEnded) => ended::<R>(R::start(visitor), R::OVER),
        Stage::Denied(DeniedReason::SessionEnded) => ended::<R>("/sign-in", Notice::SessionOver),
        Stage::Denied(reason) => steps::denied::<R>(app, visitor, reason),
        // What is open was led on above.
        Stage::Challenge(_) | Stage::Enroll(_) => Ok(go(R::START)),
    }
}

/// The flow has ended before it was finished: the browser has nothing to go on with.
fn ended<R: Journey>(to: &str, notice: Notice) -> Page {
    let mut response = go_and_say(to, notice)?;
    cookie::clear(response.headers_mut(), R::COOKIE)?;
    Ok(response)
}

/// To the next page of a flow that is open, or back to the one that the form was on.
async fn lead_on<R: Journey>(
    app: &App,
    visitor: &Visitor,
    opened: &Opened<'_, R>,
    from: Option<(Place, Attempt)>,
) -> Page {
    let home = opened.home().path::<R>();
    match (opened.challenge.refusal(), from) {
        (Some(Refusal::DeviceLimit), _) => go_and_say(R::START, Notice::DeviceLimit),
        (Some(refusal), Some((place, typed))) if refusal != Refusal::NotOpen && opened.has(place) => {
            let attempt = Attempt { error: Some(steps::refused(refusal, place, opened.challenge)), ..typed };
            steps::draw(app, visitor, opened, place, attempt).await
        }
        (Some(Refusal::WrongCode), Some((Place::Register, _))) => go_and_say(&home, Notice::SecretDiscarded),
        _ => Ok(go(&home)),
    }
}

/// What was sent is no answer at all: the engine is not asked, and nothing is spent.
pub(super) async fn refused<R: Journey>(
    app: &App,
    Underway { visitor, flow }: Underway<R>,
    policy: &Policy,
    place: Place,
    attempt: Attempt,
) -> Page {
    let stage = R::stage(app.mfa.resume(&flow, policy).await?);
    match stage.opened(&visitor) {
        Some(opened) if opened.has(place) => steps::draw(app, &visitor, &opened, place, attempt).await,
        _ => settle(app, &visitor, stage, None).await,
    }
}

/// A mail was not sent, and the flow is open: the user can ask for another one.
fn undelivered(error: EngineError, to: &str) -> Page {
    let Error::Mailer(undelivered) = error else { return Err(error.into()) };
    eprintln!("portal: {}", chain(&undelivered));
    let notice = match undelivered {
        Undelivered::Refused(_) => Notice::MailFailed,
        Undelivered::Unknown(_) => Notice::MailUnsure,
    };
    go_and_say(to, notice)
}

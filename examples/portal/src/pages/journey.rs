//! What sign-in, its completion, the registration of a smartphone and the step-up share: a flow of the engine, and a page
//! for each of its steps.
//!
//! A page is shown for a look at the flow, which spends nothing. A form is one action in the flow; its outcome says which
//! page comes next.

mod forms;
pub(super) mod passkey;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use factorgate::device::DeviceId;
use factorgate::otpauth::KeyUri;
use factorgate::policy::{Policy, Step};
use factorgate::{Action, Challenge, Error, Flow, FlowRef, Outcome, Refusal};

use super::steps::{self, Attempt};
use super::{Page, SIGN_IN, go, go_and_say};
use crate::accounts::{self, User};
use crate::app::App;
use crate::cookie;
use crate::error::{Failure, chain};
use crate::mfa::EngineError;
use crate::notice::Notice;
use crate::policies;
use crate::refusals::Kind;
use crate::session::{Visitor, Wish};

/// In what the four flows differ.
pub(super) trait Journey: Flow {
    /// Where the browser keeps the reference. It is no session, and opens none.
    const COOKIE: &'static str;
    /// The path that its pages are under.
    const AT: &'static str;
    /// Where it begins, and where a user who cancels is led.
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
    /// A device can be replaced in it.
    const REPLACES: bool = false;

    /// The page from which this visitor began, where the flow is begun on several.
    fn start(_: &Visitor) -> &'static str {
        Self::START
    }
    /// Why something is asked for, where the user could wonder.
    fn reason(_: &Visitor) -> &'static str {
        ""
    }
    /// Whether this visitor may continue the flow: the user of the session, for another one may have used this browser
    /// before.
    fn is_of(flow: &FlowRef<Self>, visitor: &Visitor) -> bool {
        visitor.session.as_ref().is_some_and(|session| session.claims.user() == flow.user())
    }
    /// Everything is proved.
    fn finish(app: &App, visitor: &Visitor, done: Self::Done) -> impl Future<Output = Page> + Send;
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

    /// What is entered there.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::App => Kind::App,
            Self::Choose => Kind::Other,
            Self::Email => Kind::Email,
            Self::NewPasskey | Self::Passkey => Kind::Passkey,
            Self::Recovery => Kind::Recovery,
            Self::Register => Kind::Register,
            Self::Ticket => Kind::Ticket,
        }
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

impl<'a, R: Journey> Opened<'a, R> {
    fn of(outcome: &'a Outcome<R>, visitor: &Visitor) -> Option<Self> {
        let (challenge, key_uri) = match outcome {
            Outcome::Challenge(challenge) => (challenge, None),
            Outcome::Enroll(enroll) => (enroll.challenge(), Some(enroll.key_uri())),
            Outcome::Denied(_) | Outcome::Done(_) => return None,
        };
        let passkey = R::ADDS_PASSKEYS && visitor.wish == Wish::Passkey;
        let registers = if passkey { Place::NewPasskey } else { Place::Register };
        Some(Self { challenge, key_uri, registers })
    }

    /// The steps that may be taken now, as pages.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |step: &Step| match step {
            Step::AppCode => Some(Place::App),
            Step::EmailCode | Step::VerifyEmail => Some(Place::Email),
            Step::EnrollApp => Some(self.registers),
            // The portal verifies one factor of its own.
            Step::External(_) => Some(Place::Passkey),
            Step::RecoveryCode => Some(Place::Recovery),
            Step::Ticket => Some(Place::Ticket),
            _ => None,
        };
        let mut places: Vec<Place> = self.challenge.next().iter().filter_map(place).collect();
        places.dedup();
        places
    }

    /// The same without the recovery code, which is for the day on which the device is lost. It has a link of its own.
    pub(super) fn everyday(&self) -> Vec<Place> {
        let places = self.places();
        let everyday: Vec<Place> = places.iter().copied().filter(|place| *place != Place::Recovery).collect();
        if everyday.is_empty() { places } else { everyday }
    }

    /// Where a user who asks for no page in particular is led.
    fn home(&self) -> Place {
        match (self.key_uri, self.everyday()[..].as_ref()) {
            (Some(_), _) => self.registers,
            // The secret is generated when the user asks for it.
            (None, [Place::Register]) => Place::Choose,
            (None, [place]) => *place,
            (None, _) => Place::Choose,
        }
    }

    /// Whether this is the step of which the engine says that nothing is compared: of the code that was mailed, or else of
    /// the first step.
    fn asks_for(&self, place: Place) -> bool {
        let is_sent = self.challenge.email().is_some_and(|email| email.expires_at.is_some());
        if is_sent { place == Place::Email } else { self.places().first() == Some(&place) }
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

/// A visitor in an open flow.
pub(super) struct Underway<R> {
    pub(super) visitor: Visitor,
    pub(super) flow: FlowRef<R>,
    /// The user whom the reference names.
    pub(super) user: User,
    policy: Policy,
}

impl<R: Journey> Underway<R> {
    /// What the flow is judged by.
    pub(super) fn by(&self) -> Result<&R::By, Failure> {
        Ok(R::by(&self.policy, self.visitor.check())?)
    }

    pub(super) fn allows_trusted_browsers(&self) -> bool {
        self.policy.allows_trusted_browsers()
    }
}

impl<R: Journey> FromRequestParts<App> for Underway<R> {
    type Rejection = Response;

    /// A reference that is missing, forged, cut, another user's or a disabled user's leads to where the flow begins.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let failed = |failure: Failure| failure.into_response();
        let visitor = Visitor::from_request_parts(parts, app).await.map_err(failed)?;
        // Nobody's flow is looked at for a session that may not continue it.
        if let Err(refusal) = R::by(&Policy::off(factorgate::policy::FirstRegistration::WithTicket), visitor.check()) {
            return Err(match refusal {
                Refusal::NotOpen => go("/dashboard"),
                refusal => failed(refusal.into()),
            });
        }
        let flow = visitor.cookie(R::COOKIE).and_then(|text| FlowRef::<R>::from_cookie(text).ok());
        let flow = flow.filter(|flow| R::is_of(flow, &visitor));
        let id = flow.as_ref().and_then(|flow| flow.user().as_str().parse().ok());
        let user = match id {
            Some(id) => accounts::by_id(&app.db, id).await.map_err(failed)?.filter(|user| !user.disabled),
            None => None,
        };
        match flow.zip(user) {
            Some((flow, user)) => {
                let policy = policies::of(&app.db, user.id).await.map_err(failed)?;
                Ok(Self { visitor, flow, user, policy })
            }
            None => Err(go(R::start(&visitor))),
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
        .route(&Place::Register.path::<R>(), page::<R>(Place::Register).post(forms::confirm_app::<R>))
        .route(&Place::Ticket.path::<R>(), page::<R>(Place::Ticket).post(forms::redeem_ticket::<R>))
        .route(&format!("{}/email/send", R::AT), post(forms::send_email_code::<R>))
        .route(&format!("{}/register/begin", R::AT), post(forms::register_app::<R>))
        .route(&format!("{}/cancel", R::AT), post(forms::cancel::<R>))
}

/// The page of a step. A look at it spends nothing.
pub(super) fn page<R: Journey>(place: Place) -> MethodRouter<App> {
    get(move |State(app): State<App>, underway: Underway<R>| look(app, underway, place))
}

/// Hands out the reference of a flow that has just begun, and leads to its first page.
pub(super) async fn begun<R: Journey>(
    app: &App,
    visitor: &Visitor,
    by: &R::By,
    outcome: Result<Outcome<R>, EngineError>,
) -> Page {
    let outcome = match outcome {
        Ok(outcome) => with_wish(app, visitor, by, outcome).await?,
        // There is no reference to continue with.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            return go_and_say(R::START, Notice::Unfinished);
        }
        Err(error) => return Err(error.into()),
    };
    let reference = outcome.flow().map(FlowRef::to_cookie);
    let opened = Opened::of(&outcome, visitor);
    let to = opened.as_ref().map(|opened| (opened.challenge.refusal(), opened.home().path::<R>()));
    let mut response = match to {
        // The user has asked for no mail: only a failure is worth a word.
        Some((Some(Refusal::MailRefused), to)) => go_and_say(&to, Notice::MailFailed)?,
        Some((Some(Refusal::TooSoon { .. }), to)) => go_and_say(&to, Notice::TooSoon)?,
        _ => settle(app, visitor, outcome, None).await?,
    };
    if let Some(text) = reference {
        cookie::set(response.headers_mut(), R::COOKIE, &text, None)?;
    }
    Ok(response)
}

/// If a device is to be replaced, says so to the engine as soon as a device can be registered.
async fn with_wish<R: Journey>(
    app: &App,
    visitor: &Visitor,
    by: &R::By,
    outcome: Outcome<R>,
) -> Result<Outcome<R>, EngineError> {
    let Wish::Replacement(id) = visitor.wish else { return Ok(outcome) };
    let flow = match &outcome {
        Outcome::Challenge(challenge) if challenge.next() == [Step::EnrollApp] => challenge.flow(),
        Outcome::Enroll(enroll) => enroll.challenge().flow(),
        _ => return Ok(outcome),
    };
    if !R::REPLACES {
        return Ok(outcome);
    }
    app.mfa.submit(flow, by, Action::RegisterApp { replace: Some(DeviceId::new(id)) }).await
}

/// Shows a page, if it is one of those that are open; otherwise the one that is.
async fn look<R: Journey>(app: App, underway: Underway<R>, place: Place) -> Page {
    shown(&app, underway, place, Attempt::default()).await
}

/// Shows the page at `place` with what was typed there, or the page that is open.
pub(super) async fn shown<R: Journey>(app: &App, underway: Underway<R>, place: Place, attempt: Attempt) -> Page {
    let outcome = app.mfa.resume(&underway.flow, underway.by()?).await?;
    match Opened::of(&outcome, &underway.visitor) {
        Some(opened) if opened.has(place) => {
            let attempt = match opened.challenge.refusal() {
                Some(refusal) if opened.asks_for(place) => attempt.or_blocked(refusal, place)?,
                _ => attempt,
            };
            steps::draw(app, &underway, &opened, place, attempt).await
        }
        _ => settle(app, &underway.visitor, outcome, None).await,
    }
}

/// Submits an action in the flow, and leads on.
async fn submit<R: Journey>(app: &App, underway: Underway<R>, action: Action, place: Place, typed: Attempt) -> Page {
    let outcome = app.mfa.submit(&underway.flow, underway.by()?, action).await;
    judged(app, underway, outcome, place, typed).await
}

/// Leads on from the outcome of an action.
async fn judged<R: Journey>(
    app: &App,
    underway: Underway<R>,
    outcome: Result<Outcome<R>, EngineError>,
    place: Place,
    typed: Attempt,
) -> Page {
    match outcome {
        Ok(outcome) => {
            let outcome = with_wish(app, &underway.visitor, underway.by()?, outcome).await?;
            settle(app, &underway.visitor, outcome, Some((&underway, place, typed))).await
        }
        // Everything was right. The sign-in completes after its owner was told, and is repeated.
        Err(Error::Mailer(undelivered)) => {
            eprintln!("portal: {}", chain(&undelivered));
            let notice = match place {
                Place::Recovery => Notice::RecoveryUntold,
                Place::Register => Notice::RegisteredUntold,
                _ => Notice::Unfinished,
            };
            ended::<R>(R::START, notice)
        }
        Err(error) => Err(error.into()),
    }
}

/// Leads on from an outcome: to the end, to the next page, or back to the page that the form was on.
pub(super) async fn settle<R: Journey>(
    app: &App,
    visitor: &Visitor,
    outcome: Outcome<R>,
    from: Option<(&Underway<R>, Place, Attempt)>,
) -> Page {
    if let Some(opened) = Opened::of(&outcome, visitor) {
        return lead_on(app, &opened, from).await;
    }
    match outcome {
        Outcome::Done(done) => {
            let mut response = R::finish(app, visitor, done).await?;
            cookie::clear(response.headers_mut(), R::COOKIE)?;
            Ok(response)
        }
        Outcome::Denied(denied) => match denied.refusal() {
            Refusal::FlowEnded | Refusal::StepUpExpired => ended::<R>(R::start(visitor), R::OVER),
            Refusal::SessionEnded | Refusal::AccountChanged => ended::<R>(SIGN_IN, Notice::SessionOver),
            refusal => steps::denied::<R>(app, visitor, refusal),
        },
        // What is open was led on above.
        Outcome::Challenge(_) | Outcome::Enroll(_) => Ok(go(R::START)),
    }
}

/// The flow has ended before it was finished: the browser has nothing to continue with.
fn ended<R: Journey>(to: &str, notice: Notice) -> Page {
    let mut response = go_and_say(to, notice)?;
    cookie::clear(response.headers_mut(), R::COOKIE)?;
    Ok(response)
}

/// To the next page of a flow that is open, or back to the one that the form was on.
async fn lead_on<R: Journey>(app: &App, opened: &Opened<'_, R>, from: Option<(&Underway<R>, Place, Attempt)>) -> Page {
    let home = opened.home().path::<R>();
    match (opened.challenge.refusal(), from) {
        (Some(Refusal::DeviceLimit), _) => go_and_say(R::START, Notice::DeviceLimit),
        (Some(Refusal::MailRefused), _) => go_and_say(&home, Notice::MailFailed),
        (Some(refusal), Some((underway, place, typed))) if refusal != Refusal::NotOpen && opened.has(place) => {
            let attempt = typed.refused(refusal, place, opened.challenge)?;
            steps::draw(app, underway, opened, place, attempt).await
        }
        (Some(Refusal::WrongCode), Some((_, Place::Register, _))) => go_and_say(&home, Notice::SecretDiscarded),
        _ => Ok(go(&home)),
    }
}

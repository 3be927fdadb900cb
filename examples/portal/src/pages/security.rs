//! The administrator's settings, for the company, a group or one user. What users will be asked is shown first, and
//! what was shown is what is saved.

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::routing::{get, post};
use factorgate::policy::{Plan, Preview, Summary};

use super::odds::{self, Chance};
use super::plans::Plan as Planned;
use super::preview::{self, Effect, Row};
use super::{Page, Shell, go_and_say, show, show_again, step_up};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::policies::{self, Change, Checked, LocksOut, Policies, Scope};
use crate::session::{self, Admin, SignedIn};
use crate::settings::{Fields, Objection, Settings};
use crate::{accounts, audit, db, mfa};

pub(super) fn router() -> Router<App> {
    let settings = |at: &str| {
        Router::new()
            .route(at, get(page).post(save))
            .route(&format!("{at}/preview"), post(preview))
            .route(&format!("{at}/withdraw"), post(withdraw))
            .route(&format!("{at}/end-sessions"), post(end_sessions))
    };
    Router::new()
        .merge(settings("/admin/security"))
        .merge(settings("/admin/groups/{group}/security"))
        .merge(settings("/admin/users/{user}/security"))
}

/// For whom the settings are, as the path says.
struct Subject {
    scope: Scope,
    /// Nothing, where it is the company.
    name: String,
}

impl Subject {
    async fn of(app: &App, scope: Scope) -> Result<Self, Failure> {
        let name = match scope {
            Scope::Company => String::new(),
            Scope::Group(id) => policies::group(&app.db, id).await?.name,
            Scope::User(id) => accounts::find(&app.db, id).await?.name,
        };
        Ok(Self { scope, name })
    }

    /// The path of the settings.
    fn path(&self) -> String {
        match self.scope {
            Scope::Company => "/admin/security".to_owned(),
            Scope::Group(id) => format!("/admin/groups/{id}/security"),
            Scope::User(id) => format!("/admin/users/{id}/security"),
        }
    }

    fn heading(&self) -> String {
        match self.scope {
            Scope::Company => "Security".to_owned(),
            Scope::Group(_) | Scope::User(_) => format!("Security of {}", self.name),
        }
    }

    fn people(&self) -> &'static str {
        match self.scope {
            Scope::Company => "Your users today",
            Scope::Group(_) => "The members today",
            Scope::User(_) => "This user today",
        }
    }

    /// The path of the page before.
    fn back(&self) -> String {
        match self.scope {
            Scope::Company => "/dashboard".to_owned(),
            Scope::Group(id) => format!("/admin/groups/{id}"),
            Scope::User(_) => "/admin/users".to_owned(),
        }
    }

    /// For the audit log.
    fn in_words(&self) -> String {
        match self.scope {
            Scope::Company => "the company".to_owned(),
            Scope::Group(_) => format!("the group {}", self.name),
            Scope::User(_) => format!("the user {}", self.name),
        }
    }
}

impl FromRequestParts<App> for Subject {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Failure::NotFound)?;
        let id = |id: &str| id.parse::<i64>().map_err(|_| Failure::NotFound);
        match path.iter().next() {
            Some(("group", text)) => Self::of(app, Scope::Group(id(text)?)).await,
            Some(("user", text)) => Self::of(app, Scope::User(id(text)?)).await,
            Some(_) => Err(Failure::NotFound),
            None => Self::of(app, Scope::Company).await,
        }
    }
}

#[derive(Template)]
#[template(path = "security.html")]
struct SecurityPage {
    shell: Shell,
    subject: Subject,
    settings: Settings,
    error: Option<&'static str>,
    preview: Option<Shown>,
    saved: bool,
    /// How many open sessions owe a step under the settings of now.
    owing: usize,
}

/// What settings come to.
struct Shown {
    kinds: Vec<Row>,
    people: Vec<Row>,
    warnings: Vec<&'static str>,
    odds: Vec<Chance>,
    effects: Vec<Effect>,
    summary: Summary,
    /// No administrator could take the settings back.
    locks_out: bool,
}

async fn page(State(app): State<App>, Admin(admin): Admin, subject: Subject) -> Page {
    let decided = policies::settings(&app.db, subject.scope).await?;
    let settings = decided.unwrap_or(Settings::UNDECIDED);
    // On the first visit nothing has been decided, and nothing is wrong.
    let shown = match decided {
        Some(settings) => looked_at(&app, &admin, subject.scope, settings).await?.ok().map(|(shown, _)| shown),
        None => None,
    };
    let owing = owing(&app, subject.scope).await?.len();
    show(&drawn(&app, &admin, subject, settings, Drawing { saved: true, shown, owing, ..Drawing::default() }))
}

async fn preview(
    State(app): State<App>,
    Admin(admin): Admin,
    subject: Subject,
    Posted(fields): Posted<Fields>,
) -> Page {
    let settings = Settings::from(fields);
    match looked_at(&app, &admin, subject.scope, settings).await? {
        Ok((shown, _)) => {
            let error = shown.locks_out.then_some(LOCKS_OUT);
            let drawing = Drawing { error, shown: Some(shown), ..Drawing::default() };
            let page = drawn(&app, &admin, subject, settings, drawing);
            if error.is_some() { show_again(&page) } else { show(&page) }
        }
        Err(objection) => show_again(&drawn(&app, &admin, subject, settings, Drawing::objecting(objection))),
    }
}

/// What is posted is looked at first: nobody is asked for a proof to be told that it was in vain.
async fn save(State(app): State<App>, Admin(admin): Admin, subject: Subject, Posted(fields): Posted<Fields>) -> Page {
    let accepts_lockout = fields.accepts_lockout();
    let settings = Settings::from(fields);
    let checked = match looked_at(&app, &admin, subject.scope, settings).await? {
        Ok((_, Ok(checked))) => checked,
        Ok((_, Err(refused))) if accepts_lockout => refused.accept_lockout(),
        Ok((shown, Err(_))) => {
            let drawing = Drawing { error: Some(LOCKS_OUT), shown: Some(shown), ..Drawing::default() };
            return show_again(&drawn(&app, &admin, subject, settings, drawing));
        }
        Err(objection) => {
            return show_again(&drawn(&app, &admin, subject, settings, Drawing::objecting(objection)));
        }
    };
    drop(checked);
    step_up::carry_out(&app, &admin, Planned::SaveSettings(subject.scope, settings, accepts_lockout)).await
}

/// Saves the settings, the proof being fresh. They are checked again: others may have changed meanwhile.
pub(super) async fn save_settings(
    app: &App,
    admin: &SignedIn,
    scope: Scope,
    settings: Settings,
    accepts_lockout: bool,
) -> Page {
    let subject = Subject::of(app, scope).await?;
    let checked = match looked_at(app, admin, scope, settings).await? {
        Ok((_, Ok(checked))) => checked,
        Ok((_, Err(refused))) if accepts_lockout => refused.accept_lockout(),
        Ok((shown, Err(_))) => {
            let drawing = Drawing { error: Some(LOCKS_OUT), shown: Some(shown), ..Drawing::default() };
            return show_again(&drawn(app, admin, subject, settings, drawing));
        }
        Err(objection) => return show_again(&drawn(app, admin, subject, settings, Drawing::objecting(objection))),
    };
    let before = policies::settings(&app.db, scope).await?;
    checked.save(&app.db).await?;
    let before = before.map_or_else(|| "nothing".to_owned(), |before| before.in_words());
    let words = format!(
        "Decided what is asked for at sign-in, for {}. Before: {before}. Now: {}",
        subject.in_words(),
        settings.in_words()
    );
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say(&subject.path(), Notice::SettingsSaved)
}

async fn withdraw(
    State(app): State<App>,
    Admin(admin): Admin,
    subject: Subject,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    if subject.scope == Scope::Company {
        return Err(Failure::NotFound);
    }
    step_up::carry_out(&app, &admin, Planned::WithdrawSettings(subject.scope)).await
}

/// Deletes the settings of a group or a user, the proof being fresh.
pub(super) async fn withdraw_settings(app: &App, admin: &SignedIn, scope: Scope) -> Page {
    let subject = Subject::of(app, scope).await?;
    let before = policies::settings(&app.db, scope).await?;
    policies::withdraw(&app.db, scope).await?;
    let before = before.map_or_else(|| "nothing".to_owned(), |before| before.in_words());
    let words =
        format!("Deleted what was asked for at sign-in, for {}. Before: {before}. Now: nothing", subject.in_words());
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say(&subject.back(), Notice::SettingsWithdrawn)
}

async fn end_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    subject: Subject,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    step_up::carry_out(&app, &admin, Planned::EndOwingSessions(subject.scope)).await
}

/// Ends the sessions that owe steps under the settings of now, the proof being fresh.
pub(super) async fn end_owing_sessions(app: &App, admin: &SignedIn, scope: Scope) -> Page {
    let subject = Subject::of(app, scope).await?;
    let owing = owing(app, scope).await?;
    session::end_these(&app.db, &owing).await?;
    let words = format!("Ended {} sessions that owed a step, for {}", owing.len(), subject.in_words());
    audit::note(&app.db, admin.session.user.id, "warn", &words).await?;
    go_and_say(&subject.path(), Notice::SessionsEnded)
}

/// The open sessions of the users whom the settings concern, that owe a step now.
async fn owing(app: &App, scope: Scope) -> Result<Vec<Vec<u8>>, Failure> {
    let policies = Policies::load(&app.db).await?;
    let owing = session::owing(app).await?;
    Ok(owing.into_iter().filter(|(_, user)| policies.applies(scope, *user)).map(|(digest, _)| digest).collect())
}

pub(super) const LOCKS_OUT: &str = "With these settings no administrator could sign in again, and nobody could take them back. \
     Register a smartphone from your profile, or issue yourself a ticket, before you save them.";

fn in_words(objection: Objection) -> &'static str {
    match objection {
        Objection::FallbackWithoutEmail => {
            "An e-mail code can stand in for the smartphone only where the e-mail channel is enabled."
        }
        Objection::Grace => "The time to register must be 1 to 90 days, or empty.",
        Objection::NoChannel => "To enforce MFA, enable at least one channel.",
        Objection::NoFirstRegistration => "Decide who may register the first smartphone.",
    }
}

/// Holds the settings against what is in force, for the users whom they concern: each by all that applies to them.
async fn looked_at(
    app: &App,
    admin: &SignedIn,
    scope: Scope,
    settings: Settings,
) -> Result<Result<(Shown, Result<Checked, LocksOut>), Objection>, Failure> {
    let before = Policies::load(&app.db).await?;
    let change = Change::Policy(scope, settings);
    let after = match before.after(&change) {
        Ok(after) => after,
        Err(objection) => return Ok(Err(objection)),
    };
    let kinds = after.at(scope);
    let (mut findings, mut administrators) = (Vec::new(), Vec::new());
    let mut warnings = preview::warnings(&kinds);
    for user in accounts::all(&app.db).await? {
        let standing = mfa::status(app, &user).await?.standing(&mfa::contact(&user));
        let finding = Preview::new(&before.of(user.id), &after.of(user.id)).finding(user.name, &standing);
        if user.id == admin.session.user.id && matches!(finding.after, Plan::Deny(_)) {
            warnings.insert(0, "You yourself could not sign in again without help.");
        }
        if after.applies(scope, user.id) {
            findings.push(finding);
        }
        if user.is_admin && !user.disabled {
            administrators.push((user.id, standing));
        }
    }
    let (effects, summary) = preview::effects(&findings);
    let now = db::time()?;
    let checked = before.check(change, &after, &administrators);
    let shown = Shown {
        kinds: preview::asked_of_kinds(&kinds, now),
        people: preview::people(&findings),
        warnings,
        odds: odds::chances(&kinds, preview::kinds(now)),
        effects,
        summary,
        locks_out: checked.is_err(),
    };
    Ok(Ok((shown, checked)))
}

/// What the page shows beside the settings.
#[derive(Default)]
struct Drawing {
    /// What is shown is in force.
    saved: bool,
    shown: Option<Shown>,
    error: Option<&'static str>,
    owing: usize,
}

impl Drawing {
    fn objecting(objection: Objection) -> Self {
        Self { error: Some(in_words(objection)), ..Self::default() }
    }
}

fn drawn(app: &App, admin: &SignedIn, subject: Subject, settings: Settings, drawing: Drawing) -> SecurityPage {
    let at = if subject.scope == Scope::Company { "security" } else { "users" };
    let shell = Shell::new(app, &admin.visitor, "Security", at);
    let Drawing { saved, shown: preview, error, owing } = drawing;
    SecurityPage { shell, subject, settings, error, preview, saved, owing }
}

//! The administrator's help for a user who cannot get in.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use factorgate::Elevated;
use factorgate::admin::Ticket as Issued;
use factorgate::maintenance::{Coverage, Covered};
use factorgate::policy::Policy;
use factorgate::recovery::RecoveryCodesLeft;

use super::preview::{Asked, asked};
use super::step_up::{self, Intent};
use super::{Page, Shell, moment, show, show_once};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::mfa;
use crate::policies::{self, Policies, Scope};
use crate::session::{Admin, SignedIn};

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users", get(list)).route("/admin/users/{id}/ticket", post(begin_ticket))
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    users: Vec<Person>,
    /// How far the company is.
    coverage: Coverage,
    enforced: bool,
    /// How many have no way in.
    denied: u64,
    ticket: Option<Ticket>,
}

struct Person {
    id: i64,
    name: String,
    email: String,
    is_admin: bool,
    devices: String,
    /// By whom, why and until when the user is exempt.
    exemption: Option<String>,
    /// Whether an exemption would do anything.
    can_exempt: bool,
    codes: String,
    passkey: bool,
    browsers: usize,
    locked: bool,
    /// Until when nobody can sign in from a new browser, after too many wrong codes.
    blocked: Option<String>,
    disabled: bool,
    /// Nobody signs in to the account.
    account_disabled: bool,
    /// Whether there is anything to take away.
    can_reset: bool,
    /// A ticket stands before a first registration, and is nothing to one who has a smartphone.
    can_use_ticket: bool,
    /// Until when a ticket is good.
    ticket: Option<String>,
    /// Whose settings apply beside the company's.
    applied: String,
    /// What the next sign-in asks for.
    next: Asked,
    /// Why it does.
    why: String,
}

/// Shown once.
pub(super) struct Ticket {
    name: String,
    text: String,
    until: String,
    /// The user's factors were taken away for it.
    reset: bool,
    /// The mail that tells the user so was not delivered.
    untold: bool,
}

impl Ticket {
    pub(super) async fn new(app: &App, user: User, issued: &Issued, reset: bool) -> Result<Self, Failure> {
        let status = mfa::status(app, &user).await?;
        Ok(Self {
            name: user.name,
            text: issued.expose_secret().expose_secret().to_owned(),
            until: status.ticket_until.map(moment).unwrap_or_default(),
            reset,
            untold: reset && status.owed_notices > 0,
        })
    }
}

async fn list(State(app): State<App>, Admin(admin): Admin) -> Page {
    drawn(&app, &admin, None).await
}

async fn begin_ticket(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    accounts::find(&app.db, id).await?;
    step_up::go_on(&app, &admin, Intent::IssueTicket(id)).await
}

/// Issues a ticket, the proof being fresh. The answer is the page itself: the ticket is kept nowhere, and a redirect
/// could not carry it.
pub(super) async fn issue_ticket(app: &App, admin: &SignedIn, id: i64, _: &Elevated) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let by = mfa::administrator(&admin.session.user)?;
    let issued = app.mfa.admin(&by).issue_ticket(&mfa::user_id(&user)?).await?;
    let shown = Ticket::new(app, user, &issued, false).await?;
    drawn(app, admin, Some(shown)).await
}

pub(super) async fn drawn(app: &App, admin: &SignedIn, ticket: Option<Ticket>) -> Page {
    let policies = Policies::load(&app.db).await?;
    let names: BTreeMap<i64, String> =
        policies::groups(&app.db).await?.into_iter().map(|group| (group.id, group.name)).collect();
    let in_words = |scope| match scope {
        Scope::Company => "the company".to_owned(),
        Scope::Group(id) => names.get(&id).cloned().unwrap_or_default(),
        Scope::User(_) => "settings of their own".to_owned(),
    };
    let (mut coverage, mut users) = (Coverage::default(), Vec::new());
    for user in accounts::all(&app.db).await? {
        // Each is judged by all that applies to them.
        let (policy, asked_for) = (policies.of(user.id), [(mfa::user_id(&user)?, mfa::contact(&user))]);
        let applied: Vec<String> = policies.beside_company(user.id).into_iter().map(in_words).collect();
        let mut seen = None;
        let maintenance = app.mfa.maintenance();
        let walk = maintenance.coverage(asked_for, &policy, |covered| {
            seen = Some(person(&user, covered, &policy, &applied));
            ControlFlow::Continue(())
        });
        let walk = walk.await;
        if let Some((_, error)) = walk.failures.into_iter().next() {
            return Err(error.into());
        }
        coverage += walk.total;
        users.extend(seen);
    }
    let has_secret = ticket.is_some();
    let page = UsersPage {
        shell: Shell::new(app, &admin.visitor, "Users", "users"),
        users,
        denied: coverage.denied.values().sum(),
        coverage,
        enforced: policies.at(Scope::Company).is_enforced(),
        ticket,
    };
    if has_secret { show_once(&page) } else { show(&page) }
}

fn person(user: &User, covered: &Covered, policy: &Policy, applied: &[String]) -> Person {
    let Covered { standing, status, .. } = covered;
    let explained = policy.explain(standing);
    Person {
        id: user.id,
        email: user.email.as_str().to_owned(),
        is_admin: user.is_admin,
        devices: match (status.devices.len(), status.ever_had_factor) {
            (0, false) => "No smartphone".to_owned(),
            (0, true) => "No smartphone now, but had one".to_owned(),
            (1, _) => "1 smartphone".to_owned(),
            (devices, _) => format!("{devices} smartphones"),
        },
        exemption: status.exemption.as_ref().map(|exemption| {
            let (by, reason, until) = (exemption.granted_by(), exemption.reason(), moment(exemption.until()));
            format!("until {until}, by {by}: {reason}")
        }),
        can_exempt: policy.is_enforced() && !status.ever_had_factor && status.exemption.is_none(),
        codes: match status.recovery_codes.map(RecoveryCodesLeft::get) {
            None => "no recovery codes".to_owned(),
            Some(1) => "1 recovery code".to_owned(),
            Some(left) => format!("{left} recovery codes"),
        },
        browsers: status.browsers.len(),
        passkey: !status.external.is_empty(),
        can_use_ticket: status.devices.is_empty() && status.external.is_empty(),
        can_reset: !status.devices.is_empty() || !status.external.is_empty() || status.recovery_codes.is_some(),
        locked: status.locked_until.is_some(),
        blocked: status.new_browsers_blocked_until.map(moment),
        disabled: status.devices.iter().any(|device| device.disabled)
            || status.external.iter().any(|held| held.disabled),
        account_disabled: user.disabled,
        ticket: status.ticket_until.map(moment),
        next: asked(explained.plan()),
        why: explained.to_string(),
        applied: applied.join(", "),
        name: user.name.clone(),
    }
}

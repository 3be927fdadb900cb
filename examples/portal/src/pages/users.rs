//! The administrator's help for a user who cannot get in.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use factorgate::policy::{Policy, Preview, Summary};
use factorgate::{Administrator, RecoveryCodesLeft, UserStatus};

use super::preview::{Asked, asked};
use super::{Page, Shell, moment, show};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::mfa;
use crate::session::{Admin, SignedIn};
use crate::settings::Settings;

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users", get(list)).route("/admin/users/{id}/ticket", post(issue_ticket))
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    users: Vec<Person>,
    coverage: Coverage,
    ticket: Option<Ticket>,
}

/// How far the company is.
#[derive(Default)]
struct Coverage {
    enforced: bool,
    /// What the policy in force comes to.
    summary: Summary,
    with_device: usize,
    with_codes: usize,
    with_trust: usize,
    /// Who has a smartphone and no recovery code that could stand in for it.
    without_codes: usize,
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
    browsers: usize,
    locked: bool,
    disabled: bool,
    /// Whether there is anything to take away.
    can_reset: bool,
    /// A ticket stands before a first registration, and is nothing to one who has a smartphone.
    can_use_ticket: bool,
    /// Until when a ticket is good.
    ticket: Option<String>,
    /// What the next sign-in asks for.
    next: Asked,
    /// Why it does.
    why: String,
}

/// Shown once.
pub(super) struct Ticket {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) until: String,
    /// The user's factors were taken away for it.
    pub(super) reset: bool,
}

async fn list(State(app): State<App>, Admin(admin): Admin) -> Page {
    drawn(&app, &admin, None).await
}

/// The answer is the page itself: the ticket is kept nowhere, and a redirect could not carry it.
async fn issue_ticket(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let user = accounts::by_id(&app.db, id).await?.ok_or(Failure::NotFound)?;
    let by = Administrator::assertion(mfa::user_id(&admin.session.user)?);
    let issued = app.mfa.issue_ticket(&mfa::user_id(&user)?, &by).await?;
    let text = issued.ticket.expose_secret().expose_secret().to_owned();
    let until = moment(issued.expires_at);
    drawn(&app, &admin, Some(Ticket { name: user.name, text, until, reset: false })).await
}

pub(super) async fn drawn(app: &App, admin: &SignedIn, ticket: Option<Ticket>) -> Page {
    let policy = Settings::policy(&app.db).await?;
    let now = Preview::new(&policy, &policy);
    let mut coverage = Coverage { enforced: policy.is_enforced(), ..Coverage::default() };
    let mut users = Vec::new();
    for user in accounts::all(&app.db).await? {
        let status = mfa::status(app, &user).await?;
        coverage.summary.count(&now.finding(user.id, &status.standing(&mfa::contact(&user))));
        coverage.count(&status);
        users.push(person(user, &status, &policy));
    }
    show(&UsersPage { shell: Shell::new(app, &admin.visitor, "Users", "users"), users, coverage, ticket })
}

impl Coverage {
    fn count(&mut self, status: &UserStatus) {
        let codes = status.recovery_codes.is_some_and(|left| left.get() > 0);
        self.with_device += usize::from(!status.devices.is_empty());
        self.with_codes += usize::from(codes);
        self.with_trust += usize::from(!status.browsers.is_empty());
        self.without_codes += usize::from(!status.devices.is_empty() && !codes);
    }
}

fn person(user: User, status: &UserStatus, policy: &Policy) -> Person {
    let explained = policy.explain(&status.standing(&mfa::contact(&user)));
    Person {
        id: user.id,
        email: user.email.as_str().to_owned(),
        is_admin: user.is_admin,
        devices: match (status.devices.len(), status.ever_held_factor) {
            (0, false) => "No smartphone".to_owned(),
            (0, true) => "No smartphone now, but had one".to_owned(),
            (1, _) => "1 smartphone".to_owned(),
            (devices, _) => format!("{devices} smartphones"),
        },
        exemption: status.exemption.as_ref().map(|exemption| {
            let (by, reason, until) = (exemption.granted_by(), exemption.reason(), moment(exemption.until()));
            format!("until {until}, by {by}: {reason}")
        }),
        can_exempt: policy.is_enforced() && !status.ever_held_factor && status.exemption.is_none(),
        codes: match status.recovery_codes.map(RecoveryCodesLeft::get) {
            None => "no recovery codes".to_owned(),
            Some(1) => "1 recovery code".to_owned(),
            Some(left) => format!("{left} recovery codes"),
        },
        browsers: status.browsers.len(),
        can_use_ticket: status.devices.is_empty(),
        can_reset: !status.devices.is_empty() || status.recovery_codes.is_some(),
        locked: status.locked_until.is_some(),
        disabled: status.devices.iter().any(|device| device.disabled),
        ticket: status.ticket_until.map(moment),
        next: asked(explained.plan()),
        why: explained.to_string(),
        name: user.name,
    }
}

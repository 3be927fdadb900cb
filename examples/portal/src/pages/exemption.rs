//! An exemption: one user, for a time, by an administrator, for a reason.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use factorgate::policy::Exemption;
use serde::Deserialize;

use super::plans::Plan;
use super::step_up::{self, Intent, Proof};
use super::{Page, Shell, go_and_say, moment, show, show_again};
use crate::accounts::{self, User};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::refusals::{self, Kind};
use crate::session::{self, Admin, SignedIn};
use crate::{audit, db, mfa};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/admin/users/{id}/exemption", get(page).post(grant))
        .route("/admin/users/{id}/exemption/begin", post(begin))
        .route("/admin/users/{id}/exemption/withdraw", post(withdraw))
}

pub(super) fn path(user: i64) -> String {
    format!("/admin/users/{user}/exemption")
}

/// No exemption of this portal is longer.
const LONGEST: u64 = 90;

#[derive(Template)]
#[template(path = "exemption.html")]
struct ExemptionPage {
    shell: Shell,
    id: i64,
    name: String,
    form: Wanted,
    longest: u64,
    reason_error: Option<String>,
    days_error: Option<String>,
}

#[derive(Default, Deserialize)]
struct Wanted {
    reason: String,
    days: String,
}

/// The proof comes first: what is typed after it need not be typed twice.
async fn begin(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    accounts::find(&app.db, id).await?;
    step_up::go_on(&app, &admin, Intent::Exempt(id)).await
}

async fn page(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let form = Wanted { days: "7".to_owned(), ..Wanted::default() };
    show(&drawn(&app, &admin, user, form, None, None))
}

async fn grant(State(app): State<App>, Admin(admin): Admin, Path(id): Path<i64>, Posted(form): Posted<Wanted>) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let days = form.days.trim().parse().ok().filter(|days| (1..=LONGEST).contains(days));
    let now = db::time()?;
    // The text is judged also where the days are not: all that is wrong is told at once.
    let until = now.saturating_add(Duration::from_secs(days.unwrap_or(1) * 24 * 60 * 60));
    let by = mfa::user_id(&admin.session.user)?;
    let exemption = Exemption::new(&format!("administrator {by}"), &form.reason, now, until);
    let exemption = match (exemption, days) {
        (Ok(exemption), Some(_)) => exemption,
        (exemption, days) => {
            let days_error = days.is_none().then(|| format!("Enter a number of days, from 1 to {LONGEST}."));
            let reason_error = exemption.is_err().then(|| "Enter a reason, in up to 100 characters.".to_owned());
            return show_again(&drawn(&app, &admin, user, form, reason_error, days_error));
        }
    };
    if let Proof::Asked(response) = step_up::prove(&app, &admin, Intent::Exempt(id)).await? {
        return Ok(response);
    }
    let before = mfa::status(&app, &user).await?.exemption;
    let by = mfa::administrator(&admin.session.user)?;
    match app.mfa.admin(&by).exempt(&mfa::user_id(&user)?, Some(&exemption)).await? {
        Ok(()) => {
            note(&app, &admin, &user, before.as_ref(), Some(&exemption)).await?;
            go_and_say("/admin/users", Notice::Exempted)
        }
        Err(refusal) => {
            let told = refusals::told(refusal, Kind::Other, now).sentence();
            show_again(&drawn(&app, &admin, user, form, None, Some(told)))
        }
    }
}

async fn withdraw(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    accounts::find(&app.db, id).await?;
    step_up::carry_out(&app, &admin, Plan::WithdrawExemption(id)).await
}

/// Withdraws the exemption, the proof being fresh. The next sign-in asks for what the policy enforces, and it comes at once.
pub(super) async fn withdraw_exemption(app: &App, admin: &SignedIn, id: i64) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let before = mfa::status(app, &user).await?.exemption;
    let by = mfa::administrator(&admin.session.user)?;
    app.mfa.admin(&by).exempt(&mfa::user_id(&user)?, None).await??;
    app.mfa.admin(&by).end_sessions(&mfa::user_id(&user)?).await?;
    session::close_others(&app.db, id, None).await?;
    note(app, admin, &user, before.as_ref(), None).await?;
    go_and_say("/admin/users", Notice::ExemptionOver)
}

/// Writes the change into the audit log.
async fn note(
    app: &App,
    admin: &SignedIn,
    user: &User,
    before: Option<&Exemption>,
    now: Option<&Exemption>,
) -> Result<(), Failure> {
    let told = |exemption: Option<&Exemption>| match exemption {
        Some(exemption) => format!("until {}: {}", moment(exemption.until()), exemption.reason()),
        None => "none".to_owned(),
    };
    let words = format!("Changed the exemption of {}. Before: {}. Now: {}", user.name, told(before), told(now));
    audit::note(&app.db, admin.session.user.id, "warn", &words).await
}

fn drawn(
    app: &App,
    admin: &SignedIn,
    user: User,
    form: Wanted,
    reason_error: Option<String>,
    days_error: Option<String>,
) -> ExemptionPage {
    let shell = Shell::new(app, &admin.visitor, "Exempt a user", "users");
    ExemptionPage { shell, id: user.id, name: user.name, form, longest: LONGEST, reason_error, days_error }
}

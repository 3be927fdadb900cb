//! What a user sees first.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use factorgate::policy::Channel;
use factorgate::recovery::RecoveryCodesLeft;

use super::{Page, Shell, date_time, moment, show};
use crate::app::App;
use crate::mfa;
use crate::policies::{self, Scope};
use crate::session::SignedIn;
use crate::settings::{Combine, Settings};

pub(super) fn router() -> Router<App> {
    Router::new().route("/dashboard", get(dashboard))
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    shell: Shell,
    name: String,
    email: String,
    proved: String,
    since: String,
    devices: usize,
    passkey: bool,
    /// Until when the first registration may be put off.
    grace: Option<String>,
    /// What should be done about the recovery codes.
    codes: Option<String>,
    is_admin: bool,
    decided: bool,
    company: String,
    /// The groups whose policies apply beside the company's.
    beside: String,
}

async fn dashboard(State(app): State<App>, signed_in: SignedIn) -> Page {
    let status = app.mfa.profile(signed_in.engine()?).status().await?;
    let SignedIn { visitor, session } = signed_in;
    let settings = policies::settings(&app.db, Scope::Company).await?;
    let policy = &session.policy;
    let standing = status.standing(&mfa::contact(&session.user));
    let owed = policy.evaluate(&standing).reminds_enrollment();
    show(&DashboardPage {
        shell: Shell::new(&app, &visitor, "Dashboard", "dashboard"),
        name: session.user.name.clone(),
        email: session.user.email.as_str().to_owned(),
        proved: session.proved(),
        since: date_time(session.created_at),
        devices: status.devices.len(),
        passkey: !status.external.is_empty(),
        grace: policy.grace_until(&standing).filter(|_| owed).map(moment),
        codes: status.recovery_codes.and_then(reminder),
        is_admin: session.user.is_admin,
        decided: settings.is_some(),
        company: settings.map(summary).unwrap_or_default(),
        beside: policies::names_beside_company(&app.db, session.user.id).await?.join(", "),
    })
}

/// What to do where few recovery codes are left.
fn reminder(left: RecoveryCodesLeft) -> Option<String> {
    match left {
        RecoveryCodesLeft::Enough(_) => None,
        RecoveryCodesLeft::Few(1) => Some("1 recovery code left.".to_owned()),
        RecoveryCodesLeft::Few(left) => Some(format!("Only {left} recovery codes left.")),
        RecoveryCodesLeft::None => Some("You have no recovery codes left.".to_owned()),
    }
}

fn summary(settings: Settings) -> String {
    let Ok(policy) = settings.to_policy() else { return String::new() };
    let asked: Vec<&str> = policy.channels().iter().filter_map(in_words).collect();
    let between = match settings.combine {
        Combine::Any => " or ",
        Combine::All => " and ",
    };
    match asked.is_empty() {
        true => "MFA is not enforced. Users who registered a smartphone or a passkey are asked for it.".to_owned(),
        false => format!("MFA is enforced: everybody is asked for {}.", asked.join(between)),
    }
}

fn in_words(channel: Channel) -> Option<&'static str> {
    match channel {
        Channel::App => Some("an app code"),
        Channel::Email => Some("an e-mail code"),
        Channel::External(_) => Some("a passkey"),
        _ => None,
    }
}

//! Users who come from another system, with what they have registered there.

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use factorgate::EmailAddress;
use factorgate::admin::Administrator;
use factorgate::migrate::{Import, ImportedDevice};
use factorgate::otp::{Secret, TimeStep, Totp};
use serde::Deserialize;

use super::step_up::{self, Intent, Proof};
use super::{Page, Shell, show, show_again};
use crate::app::App;
use crate::error::Failure;
use crate::forms::{Empty, Posted};
use crate::refusals::{self, Kind};
use crate::session::{Admin, SignedIn};
use crate::{accounts, db, mfa};

pub(super) const PATH: &str = "/admin/moving";

/// A company's users at once.
const LONGEST: usize = 1024 * 1024;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route(PATH, get(page).post(move_in).layer(DefaultBodyLimit::max(LONGEST)))
        .route("/admin/moving/begin", post(begin))
}

#[derive(Template)]
#[template(path = "moving.html")]
struct MovingPage {
    shell: Shell,
    /// What became of each line.
    results: Vec<Moved>,
    error: Option<&'static str>,
}

struct Moved {
    who: String,
    text: String,
    done: bool,
}

#[derive(Deserialize)]
struct Rows {
    rows: String,
}

/// A user as a Rails application with devise-two-factor keeps one, its secret decrypted.
#[derive(Deserialize)]
struct Row {
    email: String,
    otp_secret: String,
    consumed_timestep: Option<u64>,
    #[serde(default)]
    otp_backup_codes: Vec<String>,
}

impl Row {
    fn to_import(&self) -> Result<Import, String> {
        let secret =
            Secret::from_legacy_base32(&self.otp_secret).map_err(|_| "The secret is not valid base32.".to_owned())?;
        let mut device = ImportedDevice::new(secret, Totp::default());
        if let Some(step) = self.consumed_timestep {
            // By the drift that the other system allows, the code may have been that of the step after.
            device = device.last_step(TimeStep::new(step.saturating_add(1)));
        }
        let mut codes = self.otp_backup_codes.iter();
        codes
            .try_fold(Import::new(device), |import, hash| import.with_hashed_recovery_code(hash))
            .map_err(|_| "There are too many recovery codes, or one is not a hash.".to_owned())
    }
}

/// The proof comes first: what is pasted after it need not be pasted twice.
async fn begin(State(app): State<App>, Admin(admin): Admin, Posted(Empty {}): Posted<Empty>) -> Page {
    step_up::go_on(&app, &admin, Intent::MoveIn).await
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    show(&drawn(&app, &admin, Vec::new(), None))
}

async fn move_in(State(app): State<App>, Admin(admin): Admin, Posted(form): Posted<Rows>) -> Page {
    // Whoever names the secrets of users could sign in as them.
    if let Proof::Asked(response) = step_up::prove(&app, &admin, Intent::MoveIn).await? {
        return Ok(response);
    }
    let by = mfa::administrator(&admin.session.user)?;
    let mut results = Vec::new();
    for (at, line) in form.rows.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (who, came) = match serde_json::from_str::<Row>(line) {
            Ok(row) => (row.email.clone(), one(&app, &row, &by).await?),
            Err(_) => (format!("Line {}", at + 1), Err("That is no user of the other system.".to_owned())),
        };
        let done = came.is_ok();
        results.push(Moved { who, text: came.unwrap_or_else(|why| why), done });
    }
    let error = results.is_empty().then_some("Paste at least one user.");
    // The secrets are not sent back.
    let page = drawn(&app, &admin, results, error);
    if error.is_some() { show_again(&page) } else { show(&page) }
}

/// Moves one user in, who has an account of this address. Says what came along, or why nothing did.
async fn one(app: &App, row: &Row, by: &Administrator) -> Result<Result<String, String>, Failure> {
    let known = match EmailAddress::new(row.email.trim()) {
        Ok(email) => accounts::by_email(&app.db, &email).await?,
        Err(_) => None,
    };
    let Some((user, _)) = known else { return Ok(Err("No account has this address.".to_owned())) };
    let import = match row.to_import() {
        Ok(import) => import,
        Err(why) => return Ok(Err(why)),
    };
    Ok(match app.mfa.admin(by).import(&mfa::user_id(&user)?, &import).await? {
        Ok(()) => {
            accounts::note_moved_in(&app.db, user.id).await?;
            Ok(format!("Imported: a smartphone, and {} recovery codes.", row.otp_backup_codes.len()))
        }
        Err(refusal) => Err(refusals::told(refusal, Kind::Other, db::time()?).sentence()),
    })
}

fn drawn(app: &App, admin: &SignedIn, results: Vec<Moved>, error: Option<&'static str>) -> MovingPage {
    MovingPage { shell: Shell::new(app, &admin.visitor, "Import users", "users"), results, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_row_of_the_other_system_is_an_import() {
        let hash = "$2a$04$abcdefghijklmnopqrstuu5s9JYx5ZoSF1zkGQZ8n9nXnIhAJxZ0S";
        let line = format!(
            r#"{{"email":"a@x","otp_secret":"JBSWY3DPEHPK3PXPJBSWY3DP","consumed_timestep":null,"otp_backup_codes":["{hash}"]}}"#
        );
        assert_eq!(format!("{:?}", row(&line).to_import().unwrap()), "Import(1 devices, 1 recovery codes)");
        let bare = r#"{"email":"a@x","otp_secret":"JBSWY3DPEHPK3PXPJBSWY3DP"}"#;
        assert_eq!(format!("{:?}", row(bare).to_import().unwrap()), "Import(1 devices, 0 recovery codes)");
        for secret in ["", "1", "0189"] {
            let line = format!(r#"{{"email":"a@x","otp_secret":"{secret}"}}"#);
            assert!(row(&line).to_import().is_err(), "{secret}");
        }
    }
}

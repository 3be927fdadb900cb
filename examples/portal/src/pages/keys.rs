//! The keys of the server: which of them are still needed, and re-encryption under the current one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::keys::KeyId;
use serde::Deserialize;

use super::plans::Plan;
use super::{Page, Shell, show, step_up};
use crate::accounts;
use crate::app::App;
use crate::error::chain;
use crate::forms::Posted;
use crate::session::{Admin, SignedIn};
use crate::{audit, mfa};

const PATH: &str = "/admin/keys";

/// Users who are looked at in one request: it answers soon, however many there are.
const BATCH: usize = 20;

pub(super) fn router() -> Router<App> {
    Router::new().route(PATH, get(page)).route("/admin/keys/reencrypt", post(reencrypt))
}

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    shell: Shell,
    keys: Vec<Key>,
    /// Users whose records no key opens.
    unopened: u64,
    step: Option<Step>,
}

struct Key {
    id: String,
    is_current: bool,
    sealed: u64,
    needed: u64,
    /// It is retired, and nothing needs it any more.
    can_go: bool,
}

/// What one request has re-encrypted.
struct Step {
    changed: u64,
    failed: u64,
    looked_at: usize,
    users: usize,
    /// Behind whom the next request goes on.
    after: Option<i64>,
}

#[derive(Deserialize)]
struct Resumed {
    #[serde(default)]
    after: i64,
}

async fn page(State(app): State<App>, Admin(admin): Admin) -> Page {
    drawn(&app, &admin, None).await
}

async fn reencrypt(State(app): State<App>, Admin(admin): Admin, Posted(form): Posted<Resumed>) -> Page {
    step_up::carry_out(&app, &admin, Plan::Reencrypt(form.after)).await
}

/// Re-encrypts the records of some users, and says where to continue. It can be stopped after any of them, and repeated.
pub(super) async fn reencrypt_after(app: &App, admin: &SignedIn, after: i64) -> Page {
    let mut ids: Vec<i64> = accounts::all(&app.db).await?.into_iter().map(|user| user.id).collect();
    ids.sort_unstable();
    let users = ids.len();
    let begin = ids.partition_point(|id| *id <= after);
    let batch: Vec<i64> = ids.iter().copied().skip(begin).take(BATCH).collect();
    let looked_at = begin + batch.len();
    let last = batch.last().copied().filter(|_| looked_at < users);
    let named = batch.into_iter().map(mfa::id_of_row).collect::<Result<Vec<_>, _>>()?;
    let maintenance = app.mfa.maintenance();
    let walk = maintenance.reencrypt_all(named, |user, result| {
        if let Err(error) = result {
            eprintln!("portal: the record of user {user} is not re-encrypted: {}", chain(error));
        }
        ControlFlow::Continue(())
    });
    let walk = walk.await;
    if walk.total.changed > 0 {
        let words = format!("Re-encrypted {} records under the server key {}", walk.total.changed, app.keys.current);
        audit::note(&app.db, admin.session.user.id, "", &words).await?;
    }
    let step = Step { changed: walk.total.changed, failed: walk.failed, looked_at, users, after: last };
    drawn(app, admin, Some(step)).await
}

async fn drawn(app: &App, admin: &SignedIn, step: Option<Step>) -> Page {
    let (mut sealed, mut needed) = (BTreeMap::<KeyId, u64>::new(), BTreeMap::<KeyId, u64>::new());
    let mut unopened = 0;
    for user in accounts::all(&app.db).await? {
        match app.mfa.maintenance().key_usage(&mfa::user_id(&user)?).await {
            Ok(usage) => {
                if let Some(key) = usage.sealed_under {
                    *sealed.entry(key).or_default() += 1;
                }
                for key in usage.needed {
                    *needed.entry(key).or_default() += 1;
                }
            }
            Err(factorgate::Error::Corrupt(_)) => unopened += 1,
            Err(error) => return Err(error.into()),
        }
    }
    let names = &app.keys;
    let key = |id: &KeyId| {
        let is_current = *id == names.current;
        let count = |of: &BTreeMap<KeyId, u64>| of.get(id).copied().unwrap_or_default();
        let (sealed, needed) = (count(&sealed), count(&needed));
        let can_go = !is_current && sealed == 0 && needed == 0 && unopened == 0;
        Key { id: id.to_string(), is_current, sealed, needed, can_go }
    };
    let keys = [&names.current].into_iter().chain(&names.retired).map(key).collect();
    show(&KeysPage { shell: Shell::new(app, &admin.visitor, "Server keys", "users"), keys, unopened, step })
}

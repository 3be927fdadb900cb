//! An administrator unblocks the sign-in from new browsers of a user.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;

use super::plans::Plan;
use super::{Page, go_and_say, step_up};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{Admin, SignedIn};
use crate::{accounts, mfa};

pub(super) fn router() -> Router<App> {
    Router::new().route("/admin/users/{id}/unblock", post(begin))
}

async fn begin(
    State(app): State<App>,
    Admin(admin): Admin,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    accounts::find(&app.db, id).await?;
    step_up::carry_out(&app, &admin, Plan::UnblockUser(id)).await
}

/// Restores the attempts of new browsers after a fresh proof: whoever guesses gets them, too. The engine writes the event and
/// tells the user.
pub(super) async fn unblock_user(app: &App, admin: &SignedIn, id: i64) -> Page {
    let user = accounts::find(&app.db, id).await?;
    let by = mfa::administrator(&admin.session.user)?;
    app.mfa.admin(&by).unblock(&mfa::user_id(&user)?, &mfa::contact(&user)).await?;
    let untold = mfa::is_untold(app, &user).await?;
    go_and_say("/admin/users", if untold { Notice::Untold } else { Notice::Unblocked })
}

//! A passkey that is registered, and its removal on a fresh proof.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use factorgate::{Elevated, Refusal};

use super::step_up::{self, Intent};
use super::{Page, Shell, go_and_say, show, show_again};
use crate::accounts::User;
use crate::app::App;
use crate::error::{Failure, chain};
use crate::forms::{Empty, Posted};
use crate::mail::Letter;
use crate::notice::Notice;
use crate::passkeys::{self, Held};
use crate::refusals::{self, Kind};
use crate::session::{self, SignedIn};
use crate::{audit, db, mfa, webauthn};

pub(super) fn router() -> Router<App> {
    Router::new().route("/profile/passkeys/{id}/remove", get(ask_to_remove).post(begin_to_remove))
}

#[derive(Template)]
#[template(path = "remove_passkey.html")]
struct RemovePage {
    shell: Shell,
    id: i64,
    name: String,
    /// Why it stays.
    kept: Option<String>,
}

async fn ask_to_remove(State(app): State<App>, signed_in: SignedIn, Path(id): Path<i64>) -> Page {
    let (passkey, last) = find(&app, &signed_in, id).await?;
    let kept = kept(&app, &signed_in, last).await?;
    show(&remove_page(&app, &signed_in, passkey, kept))
}

async fn begin_to_remove(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<i64>,
    Posted(Empty {}): Posted<Empty>,
) -> Page {
    let (passkey, last) = find(&app, &signed_in, id).await?;
    // Nobody is asked for a proof to be told that it was in vain.
    match kept(&app, &signed_in, last).await? {
        Some(kept) => show_again(&remove_page(&app, &signed_in, passkey, Some(kept))),
        None => step_up::go_on(&app, &signed_in, Intent::RemovePasskey(id)).await,
    }
}

/// Removes the passkey, the proof being fresh. To the engine all passkeys of a user are one factor: it is asked about
/// the last.
pub(super) async fn remove(app: &App, signed_in: &SignedIn, id: i64, elevated: &Elevated) -> Page {
    let (passkey, last) = find(app, signed_in, id).await?;
    let user = &signed_in.session.user;
    if !last {
        passkeys::remove(&app.db, user.id, id).await?;
        // What was opened, or trusted, on the word of this passkey ends, as with any other factor.
        let passed = app.mfa.profile(elevated.session()).sign_out_elsewhere().await??;
        session::go_on(app, &signed_in.visitor, passed).await?;
        audit::note(&app.db, user.id, "", "Removed a passkey, and has another one").await?;
        return go_and_say("/profile", tell(app, user).await);
    }
    match app.mfa.elevated(elevated).remove_external(webauthn::factor()?).await? {
        Ok(passed) => {
            passkeys::remove_all(&app.db, user.id).await?;
            session::go_on(app, &signed_in.visitor, passed).await?;
            let untold = mfa::is_untold(app, user).await?;
            go_and_say("/profile", if untold { Notice::Untold } else { Notice::PasskeyRemoved })
        }
        Err(Refusal::StepUpExpired) => go_and_say("/profile", Notice::ProofOver),
        Err(refusal) => show_again(&remove_page(app, signed_in, passkey, Some(why(refusal)?))),
    }
}

/// The user is told by mail of what the engine knows nothing of, as the engine does it.
async fn tell(app: &App, user: &User) -> Notice {
    let sent = app.outbox.post(Letter {
        to: user.email.as_str(),
        subject: "A passkey was removed from your Larkfield account",
        text: "A passkey was removed from your Larkfield account. It no longer works.\n\nIf this was not you, \
               change your password and call the administrators of Larkfield at once.\n",
        html: "<p>A passkey was removed from your Larkfield account. It no longer works.</p><p>If this was not \
               you, change your password and call the administrators of Larkfield at once.</p>",
    });
    match sent.await {
        Ok(()) => Notice::PasskeyRemoved,
        Err(undelivered) => {
            eprintln!("portal: {}", chain(&undelivered));
            Notice::Untold
        }
    }
}

/// Why the passkey would stay.
async fn kept(app: &App, signed_in: &SignedIn, last: bool) -> Result<Option<String>, Failure> {
    if !last {
        return Ok(None);
    }
    let user = &signed_in.session.user;
    let standing = mfa::status(app, user).await?.standing(&mfa::contact(user));
    let allowed = signed_in.session.policy.allows_removal_of_external(&standing, webauthn::factor()?);
    allowed.err().map(|_| why(Refusal::LastFactor)).transpose()
}

/// Why the passkey stays, told to its user.
fn why(refusal: Refusal) -> Result<String, Failure> {
    Ok(refusals::told(refusal, Kind::Other, db::time()?).sentence())
}

fn remove_page(app: &App, signed_in: &SignedIn, passkey: Held, kept: Option<String>) -> RemovePage {
    let shell = Shell::new(app, &signed_in.visitor, "Remove a passkey", "profile");
    RemovePage { shell, id: passkey.id, name: passkey.name, kept }
}

/// A passkey of the user who is signed in, and whether it is the only one.
async fn find(app: &App, signed_in: &SignedIn, id: i64) -> Result<(Held, bool), Failure> {
    let held = passkeys::of(&app.db, signed_in.session.user.id).await?;
    let last = held.len() == 1;
    Ok((held.into_iter().find(|passkey| passkey.id == id).ok_or(Failure::NotFound)?, last))
}

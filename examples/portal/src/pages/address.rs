//! Another e-mail address, on a fresh proof: whoever has an old session must not lead the codes to another mailbox.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::EmailAddress;
use serde::Deserialize;

use super::step_up::{self, Intent, Proof};
use super::{Page, SIGN_IN, Shell, go_and_say, show, show_again};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::notice::Notice;
use crate::session::{self, SignedIn};
use crate::{accounts, mfa};

pub(super) const PATH: &str = "/profile/address";

pub(super) fn router() -> Router<App> {
    Router::new().route(PATH, get(page).post(change)).route("/profile/address/begin", post(begin))
}

#[derive(Template)]
#[template(path = "address.html")]
struct AddressPage {
    shell: Shell,
    old: String,
    email: String,
    error: Option<&'static str>,
}

#[derive(Deserialize)]
struct NewAddress {
    email: String,
}

/// The proof comes first: what is typed after it need not be typed twice.
async fn begin(State(app): State<App>, signed_in: SignedIn, Posted(Empty {}): Posted<Empty>) -> Page {
    step_up::go_on(&app, &signed_in, Intent::ChangeAddress).await
}

async fn page(State(app): State<App>, signed_in: SignedIn) -> Page {
    show(&drawn(&app, &signed_in, String::new(), None))
}

async fn change(State(app): State<App>, signed_in: SignedIn, Posted(form): Posted<NewAddress>) -> Page {
    let user = &signed_in.session.user;
    let Ok(email) = EmailAddress::new(form.email.trim()) else {
        let error = "Enter an address like name@company.example.";
        return show_again(&drawn(&app, &signed_in, form.email, Some(error)));
    };
    if email == user.email {
        return show_again(&drawn(&app, &signed_in, form.email, Some("That is your address already.")));
    }
    let elevated = match step_up::prove(&app, &signed_in, Intent::ChangeAddress).await? {
        Proof::Asked(response) => return Ok(response),
        Proof::Fresh(elevated) => elevated,
    };
    // Who has an account is told to nobody who cannot prove to be a user.
    if accounts::is_taken(&app.db, &email, user.id).await? {
        return show_again(&drawn(&app, &signed_in, form.email, Some("This address cannot be used.")));
    }
    let Ok(permit) = app.mfa.elevated(&elevated).permit_address_change().await? else {
        return go_and_say("/profile", Notice::ProofOver);
    };
    let changed = accounts::set_email(&app.db, &permit, &email).await?;
    match app.mfa.elevated(&elevated).finish_address_change(permit, &mfa::row(&changed)?).await? {
        Ok(passed) => session::go_on(&app, &signed_in.visitor, passed).await?,
        // The session was ended meanwhile; the address is changed.
        Err(_) => return go_and_say(SIGN_IN, Notice::SessionOver),
    }
    let untold = mfa::is_untold(&app, &changed).await?;
    go_and_say("/profile", if untold { Notice::Untold } else { Notice::AddressChanged })
}

fn drawn(app: &App, signed_in: &SignedIn, email: String, error: Option<&'static str>) -> AddressPage {
    let shell = Shell::new(app, &signed_in.visitor, "New e-mail address", "profile");
    AddressPage { shell, old: signed_in.session.user.email.as_str().to_owned(), email, error }
}

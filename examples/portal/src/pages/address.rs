//! Another e-mail address, after a step-up and a code that was sent to it: whoever has an old session must not lead the codes
//! to another mailbox, and nobody must be locked out by an address that was mistyped.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use factorgate::mail::Undelivered;
use factorgate::{Elevated, EmailAddress, Refusal};
use serde::Deserialize;

use super::plans::Plan;
use super::step_up::{self, Intent, Proof};
use super::{Page, SIGN_IN, Shell, go, go_and_say, show, show_again};
use crate::app::App;
use crate::confirmation::Confirmed;
use crate::error::{Failure, chain};
use crate::forms::{Empty, Posted};
use crate::mail::{Cause, Letter};
use crate::notice::Notice;
use crate::refusals::{self, Kind};
use crate::session::{self, SignedIn};
use crate::{accounts, db, mfa};

pub(super) const PATH: &str = "/profile/address";
const CONFIRM: &str = "/profile/address/confirm";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route(PATH, get(page).post(change))
        .route("/profile/address/begin", post(begin))
        .route(CONFIRM, get(confirm_page).post(confirm))
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
    let session = signed_in.session.claims.number();
    let Some(code) = app.confirmations.begin(session, user.id, &email)? else {
        let error = "A code was sent a moment ago. Wait before you request another one.";
        return show_again(&drawn(&app, &signed_in, form.email, Some(error)));
    };
    drop(elevated);
    match send(&app, &email, &code).await {
        Ok(()) => Ok(go(CONFIRM)),
        Err(undelivered) => {
            eprintln!("portal: {}", chain(&undelivered));
            show_again(&drawn(&app, &signed_in, form.email, Some("We couldn't send a mail to this address.")))
        }
    }
}

async fn send(app: &App, to: &EmailAddress, code: &str) -> Result<(), Undelivered<Cause>> {
    let text = format!(
        "Your Larkfield code is {code}. It expires in 10 minutes and can be used once.\n\nEnter it on the page where you \
         change your address. If you didn't request it, ignore this mail.\n"
    );
    let html = format!(
        "<p>Your Larkfield code is</p><p style=\"font-size:28px;letter-spacing:4px;font-family:monospace\">{code}</p>\
         <p>It expires in 10 minutes and can be used once.</p><p>Enter it on the page where you change your address. If \
         you didn't request it, ignore this mail.</p>"
    );
    let (text, html) = (text.as_str(), html.as_str());
    app.outbox.post(Letter { to: to.as_str(), subject: "Your Larkfield code", text, html }).await
}

#[derive(Template)]
#[template(path = "confirm_address.html")]
struct ConfirmPage {
    shell: Shell,
    email: String,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

async fn confirm_page(State(app): State<App>, signed_in: SignedIn) -> Page {
    match app.confirmations.address(signed_in.session.claims.number()) {
        Some(email) => show(&confirm_drawn(&app, &signed_in, &email, None)),
        None => Ok(go(PATH)),
    }
}

async fn confirm(State(app): State<App>, signed_in: SignedIn, Posted(form): Posted<Code>) -> Page {
    let session = signed_in.session.claims.number();
    match app.confirmations.enter(session, &form.code) {
        Confirmed::Right(email) => step_up::carry_out(&app, &signed_in, Plan::ChangeAddress(email)).await,
        Confirmed::Wrong => {
            let email = app.confirmations.address(session).ok_or(Failure::NotFound)?;
            let told = refusals::told(Refusal::WrongCode, Kind::Email, db::time()?).sentence();
            show_again(&confirm_drawn(&app, &signed_in, &email, Some(told)))
        }
        Confirmed::Over => go_and_say("/profile", Notice::AddressOver),
    }
}

fn confirm_drawn(app: &App, signed_in: &SignedIn, email: &EmailAddress, error: Option<String>) -> ConfirmPage {
    let shell = Shell::new(app, &signed_in.visitor, "New e-mail address", "profile");
    ConfirmPage { shell, email: email.as_str().to_owned(), error }
}

/// Changes the address to one that its user has confirmed, the proof being fresh.
pub(super) async fn change_to(app: &App, signed_in: &SignedIn, email: &EmailAddress, elevated: &Elevated) -> Page {
    let user = &signed_in.session.user;
    if accounts::is_taken(&app.db, email, user.id).await? {
        return show_again(&drawn(app, signed_in, email.as_str().to_owned(), Some("This address cannot be used.")));
    }
    let Ok(permit) = app.mfa.elevated(elevated).permit_address_change().await? else {
        return go_and_say("/profile", Notice::ProofOver);
    };
    let changed = accounts::set_email(&app.db, &permit, email).await?;
    match app.mfa.elevated(elevated).finish_address_change(permit, &mfa::row(app, &changed)?).await? {
        Ok(passed) => session::go_on(app, &signed_in.visitor, passed).await?,
        // The session was ended meanwhile; the address is changed.
        Err(_) => return go_and_say(SIGN_IN, Notice::SessionOver),
    }
    let untold = mfa::is_untold(app, &changed).await?;
    go_and_say("/profile", if untold { Notice::Untold } else { Notice::AddressChanged })
}

fn drawn(app: &App, signed_in: &SignedIn, email: String, error: Option<&'static str>) -> AddressPage {
    let shell = Shell::new(app, &signed_in.visitor, "New e-mail address", "profile");
    AddressPage { shell, old: signed_in.session.user.email.as_str().to_owned(), email, error }
}

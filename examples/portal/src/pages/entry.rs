//! Sign-up, sign-in by password, sign-out.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use factorgate::EmailAddress;
use serde::Deserialize;

use super::{Page, Shell, go, go_and_say, show, show_again, show_throttled, sign_in};
use crate::accounts::{self, NewUser};
use crate::app::App;
use crate::forms::{Empty, Posted};
use crate::mail::Letter;
use crate::notice::Notice;
use crate::password;
use crate::server::Client;
use crate::session::{self, Visitor};

/// What is told after too many passwords.
pub(super) const THROTTLED: &str = "Too many attempts. Wait a minute, then try again.";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(root))
        .route("/sign-in", get(sign_in_page).post(check_password))
        .route("/sign-out", post(sign_out))
        .route("/sign-up", get(sign_up_page).post(sign_up))
}

async fn root(visitor: Visitor) -> Response {
    go(if visitor.session.is_some() { "/dashboard" } else { "/sign-in" })
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    shell: Shell,
    email: String,
    error: Option<&'static str>,
}

#[derive(Deserialize)]
struct SignIn {
    email: String,
    password: String,
}

async fn sign_in_page(State(app): State<App>, visitor: Visitor) -> Page {
    if visitor.session.is_some() {
        return Ok(go("/dashboard"));
    }
    show(&SignInPage { shell: Shell::new(&app, &visitor, "Sign in", ""), email: String::new(), error: None })
}

/// The first factor. A wrong password, an unknown address, a malformed one and a disabled account get the same answer after the same work.
async fn check_password(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    visitor: Visitor,
    Posted(form): Posted<SignIn>,
) -> Page {
    if !app.throttle.allows(&form.email, client) {
        let shell = Shell::new(&app, &visitor, "Sign in", "");
        return show_throttled(&SignInPage { shell, email: form.email, error: Some(THROTTLED) });
    }
    let found = match EmailAddress::new(form.email.trim()) {
        Ok(email) => accounts::by_email(&app.db, &email).await?,
        Err(_) => None,
    };
    let (user, hash) = found.unzip();
    let right = form.password.len() <= password::MAX_BYTES && app.passwords.verify(form.password, hash).await?;
    match user.filter(|user| right && !user.disabled) {
        Some(user) => sign_in::begin(&app, &visitor, &user).await,
        None => {
            let shell = Shell::new(&app, &visitor, "Sign in", "");
            let error = Some("The e-mail address or the password is not right.");
            show_again(&SignInPage { shell, email: form.email, error })
        }
    }
}

async fn sign_out(State(app): State<App>, visitor: Visitor, Posted(Empty {}): Posted<Empty>) -> Page {
    let mut response = go_and_say("/sign-in", Notice::SignedOut)?;
    session::close(&app, &visitor, response.headers_mut()).await?;
    Ok(response)
}

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    shell: Shell,
    form: SignUp,
    name_error: Option<&'static str>,
    email_error: Option<&'static str>,
    password_error: Option<&'static str>,
}

#[derive(Default, Deserialize)]
struct SignUp {
    name: String,
    email: String,
    password: String,
}

async fn sign_up_page(State(app): State<App>, visitor: Visitor) -> Page {
    let shell = Shell::new(&app, &visitor, "Create your account", "");
    let form = SignUp::default();
    show(&SignUpPage { shell, form, name_error: None, email_error: None, password_error: None })
}

/// Whether the address had an account already is told to its owner alone.
async fn sign_up(State(app): State<App>, visitor: Visitor, Posted(form): Posted<SignUp>) -> Page {
    let name = form.name.trim();
    let named = !name.is_empty() && name.chars().count() <= 80 && !name.chars().any(char::is_control);
    let name_error = (!named).then_some("Enter your name, in up to 80 characters.");
    let address = EmailAddress::new(form.email.trim());
    let password_error = password::objection(&form.password);
    let (Ok(email), None, None) = (&address, name_error, password_error) else {
        let shell = Shell::new(&app, &visitor, "Create your account", "");
        let email_error = address.is_err().then_some("Enter an address like name@company.example.");
        return show_again(&SignUpPage { shell, form, name_error, email_error, password_error });
    };
    let hash = app.passwords.hash(form.password.clone()).await?;
    let new = NewUser { email, name, password_hash: &hash, is_admin: false };
    if accounts::create(&app.db, new).await?.is_none() {
        tell_owner(app.clone(), email.clone());
    }
    go_and_say("/sign-in", Notice::AccountReady)
}

/// In the background: how long a mail takes would tell the visitor what the page does not.
fn tell_owner(app: App, email: EmailAddress) {
    tokio::spawn(async move {
        let sent = app.outbox.post(Letter {
            to: email.as_str(),
            subject: "You already have a Larkfield account",
            text: "Somebody, perhaps you, tried to create a Larkfield account for this address. There is one \
                   already: sign in with it. If it was not you, you need do nothing.\n",
            html: "<p>Somebody, perhaps you, tried to create a Larkfield account for this address. There is one \
                   already: sign in with it.</p><p>If it was not you, you need do nothing.</p>",
        });
        if let Err(error) = sent.await {
            eprintln!("portal: {error}");
        }
    });
}

//! A JSON API that signs users in with factorgate, on axum, tower-sessions, sqlx and lettre.
//!
//! `cargo run -p host-axum` keeps users in memory and prints mails. With DATABASE_URL it uses SQLite or PostgreSQL.
//! `flows`, `handlers`, `store` and `mail` are what a host adds for factorgate. `users` and `web` are what it has anyway.

mod flows;
mod handlers;
mod mail;
mod store;
mod users;
mod web;

use std::env::var;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post, put};
use factorgate::env::OsRandom;
use factorgate::keys::{ServerKey, ServerKeys};
use factorgate::otpauth::Issuer;
use factorgate::session::{Completion, Registration, StepUp};
use factorgate::{Flow, Login, Mfa, UserId};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyPoolOptions;
use tokio::net::TcpListener;
use tower_sessions::cookie::time;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};

use crate::mail::Post;
use crate::store::Records;
use crate::users::Users;

/// The cookie by which the browser of a user is known. Two users of one browser have two.
fn browser_of(user: &UserId) -> String {
    format!("browser-{user}")
}
/// The claims in the session.
const CLAIMS: &str = "claims";
/// How old the proof may be that a dangerous operation rests on.
const FRESH: Duration = Duration::from_secs(5 * 60);

#[derive(Clone)]
struct App {
    mfa: Arc<Mfa<Records, Post>>,
    secure: bool,
    users: Users,
}

type StartError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let router = match var("DATABASE_URL") {
        Ok(url) => {
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&setting("SMTP_URL")?)?.build().into();
            let key = ServerKey::from_hex(&setting("MFA_KEY")?).map_err(|e| format!("MFA_KEY: {e}"))?;
            // Browsers reach it by HTTPS, so that the cookies are secure.
            router(&url, key, Post::Smtp(transport, setting("MAIL_FROM")?.parse()?), true).await?
        }
        Err(_) => router("sqlite::memory:", ServerKey::generate(&OsRandom)?, Post::Printed, false).await?,
    };
    let listener = TcpListener::bind(var("LISTEN").as_deref().unwrap_or("127.0.0.1:3001")).await?;
    let address = listener.local_addr()?.to_string();
    println!("host-axum listens on http://{address}");
    if var("DATABASE_URL").is_err() {
        println!("{}", include_str!("next.txt").replace("HOST", &address));
    }
    Ok(axum::serve(listener, router).await?)
}

fn setting(name: &str) -> Result<String, String> {
    var(name).map_err(|_| format!("{name} is not set; with DATABASE_URL, set MFA_KEY, SMTP_URL and MAIL_FROM too"))
}

async fn router(url: &str, key: ServerKey, mailer: Post, secure: bool) -> Result<Router, StartError> {
    sqlx::any::install_default_drivers();
    let pool = match url.contains(":memory:") {
        // A second connection would be a second database.
        true => AnyPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None),
        false => AnyPoolOptions::new(),
    };
    let pool = pool.connect(url).await?;
    let bytes = if url.starts_with("postgres") { "BYTEA" } else { "BLOB" };
    let tables = format!("{};{}", store::TABLE.replace("BLOB", bytes), users::TABLES);
    sqlx::raw_sql(AssertSqlSafe(tables)).execute(&pool).await?;

    let mfa = Mfa::builder(Records(pool.clone()), mailer, ServerKeys::new(key), Issuer::new("ACME")?)
        .observer(|event| println!("event: {event}"))
        .build()?;
    // Replace the memory store with a store that all servers share. A session that is lost is only a new sign-in.
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(time::Duration::hours(8)))
        .with_secure(secure);
    let router = Router::new()
        .route("/sign-up", post(handlers::sign_up))
        .route("/login", post(handlers::login))
        .route("/completion", post(handlers::complete))
        .route("/registration", post(handlers::register))
        .route("/devices", get(handlers::status))
        .route("/devices/{id}", delete(handlers::remove_device))
        .route("/recovery-codes", post(handlers::new_codes).put(handlers::confirm_codes))
        .route("/browsers", post(handlers::trust_browser))
        .route("/password", put(handlers::password))
        .route("/address", put(handlers::address))
        .route("/account", delete(handlers::delete_account))
        .route("/policy", put(handlers::set_policy))
        .route("/logout", post(handlers::sign_out));
    let router = flow::<Login>(router);
    let router = flow::<Completion>(router);
    let router = flow::<Registration>(router);
    let router = flow::<StepUp>(router);
    Ok(router.layer(sessions).with_state(App { mfa: Arc::new(mfa), secure, users: Users(pool) }))
}

/// Adds the steps of one kind of flow, such as `/login/flow`.
fn flow<F: Flow>(router: Router<App>) -> Router<App> {
    router.route(&format!("/{}/flow", F::NAME), post(flows::submit::<F>).get(flows::resume::<F>))
}

//! The portal put together, started and stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use factorgate::keys::KeyId;
use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::confirmation::Confirmations;
use crate::error::Failure;
use crate::mail::Outbox;
use crate::mfa::{self, Engine, FirstRows};
use crate::pages::plans::Plans;
use crate::pages::shown::{self, ShownPages};
use crate::password::Passwords;
use crate::throttle::Throttle;
use crate::webauthn::{self, RelyingParty};
use crate::{audit, db, headers, pages, server, session, upkeep};

/// No form of the portal is longer.
const LONGEST_FORM: usize = 16 * 1024;

/// What every request works with.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) confirmations: Confirmations,
    pub(crate) db: SqlitePool,
    /// `None`, except in the control of a test.
    pub(crate) first_rows: Option<FirstRows>,
    pub(crate) keys: KeyNames,
    pub(crate) mfa: Engine,
    pub(crate) outbox: Outbox,
    /// The names that the server answers to.
    pub(crate) hosts: Vec<String>,
    pub(crate) passwords: Passwords,
    pub(crate) plans: Plans,
    pub(crate) shown: ShownPages,
    pub(crate) throttle: Throttle,
    pub(crate) webauthn: RelyingParty,
}

/// How the keys of the server are called. The keys themselves are the engine's.
pub(crate) struct KeyNames {
    pub(crate) current: KeyId,
    pub(crate) retired: Vec<KeyId>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Starts a portal on the loopback interface.
///
/// At the first start it creates the administrator, and prints the password if it was drawn.
///
/// # Errors
///
/// [`StartError`] says what is missing.
pub async fn serve(config: Config) -> Result<Running, StartError> {
    let (server_keys, retired) = db::server_keys(&config)?;
    let keys = KeyNames { current: server_keys.current_id(), retired };
    let db = db::open(&config.database).await?;
    let passwords = Passwords::new(&config.for_tests).await?;
    let outbox = Outbox::new(db.clone(), config.smtp_url.as_deref(), &config.mail_from)?;
    if outbox.is_kept() {
        println!("SMTP_URL is not set: no mail is sent, and everybody on this machine can read it at /mailbox");
    }
    if let Some(password) = db::first_admin(&db, &passwords, &config).await? {
        println!("First administrator: {}  password: {password}", config.admin_email.as_str());
    }
    let (log, writer) = audit::log(db.clone());
    let mfa = mfa::engine(&db, outbox.clone(), server_keys, log, &config.for_tests).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await.map_err(StartError::Listen)?;
    let addr = listener.local_addr().map_err(StartError::Listen)?;
    let webauthn = RelyingParty::new(addr.port())?;
    let app = App(Arc::new(Parts {
        confirmations: Confirmations::default(),
        db: db.clone(),
        first_rows: config.for_tests.first_rows.then(FirstRows::default),
        keys,
        mfa,
        outbox,
        passwords,
        hosts: config.hosts.clone(),
        plans: Plans::default(),
        shown: ShownPages::default(),
        throttle: Throttle::new(),
        webauthn,
    }));
    let (stop, stopped) = watch::channel(());
    let upkeep = upkeep::run(app.clone(), config.notices_every, stopped.clone());
    let server = server::run(listener, router(app), config.limits, stopped);
    let handle = tokio::spawn(async { _ = tokio::join!(server, upkeep) });
    Ok(Running { addr, db, stop, handle, writer })
}

fn router(app: App) -> Router {
    pages::router()
        .layer(axum::middleware::from_fn_with_state(app.clone(), session::identify))
        .layer(axum::middleware::from_fn_with_state(app.clone(), shown::after_each_form))
        .merge(pages::assets())
        .layer(axum::middleware::from_fn(headers::secure))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(axum::middleware::from_fn_with_state(app.clone(), server::of_our_names))
        .with_state(app)
}

/// A portal that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    db: SqlitePool,
    stop: watch::Sender<()>,
    handle: JoinHandle<()>,
    writer: JoinHandle<()>,
}

impl Running {
    /// The address to open in a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}/", webauthn::HOST, self.addr.port())
    }

    /// The database, for tests.
    #[doc(hidden)]
    #[must_use]
    pub fn database(&self) -> &SqlitePool {
        &self.db
    }

    /// Answers what has begun, and stops.
    pub async fn stop(self) {
        // A server that has ended by itself can be told nothing.
        let _ = self.stop.send(());
        let _ = self.handle.await;
        // It ends with the engine, when the last request is answered.
        let _ = self.writer.await;
        self.db.close().await;
    }
}

/// Why the portal cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The administrator's address belongs to an account without these rights.
    #[error("the address of the first administrator belongs to another account")]
    AdminAddressTaken,
    /// The database cannot be used.
    #[error("the database cannot be opened")]
    Database(#[from] sqlx::Error),
    /// A file cannot be read or made.
    #[error("the files of the portal cannot be opened")]
    File(#[source] std::io::Error),
    /// Something the first start needs failed.
    #[error("{0}")]
    Internal(String),
    /// The server's key is malformed.
    #[error("the server key cannot be used")]
    Key(#[from] factorgate::keys::InvalidServerKey),
    /// There is a database, and no key to read its records with.
    #[error("the key of this database is missing: {0} (restore it, or set FACTORGATE_KEY)")]
    KeyLost(PathBuf),
    /// The port is taken.
    #[error("the port cannot be opened")]
    Listen(#[source] std::io::Error),
    /// `SMTP_URL` names no mail server.
    #[error("SMTP_URL cannot be used")]
    MailServer(#[source] lettre::transport::smtp::Error),
    /// The tables cannot be brought up to date.
    #[error("the tables cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] factorgate::env::RandomUnavailable),
    /// The table of the second factors cannot be made.
    #[error("the table of the second factors cannot be made")]
    Store(#[source] factorgate_sqlx::Error),
    /// `MAIL_FROM` is no sender.
    #[error("MAIL_FROM is no sender")]
    Sender(#[source] lettre::address::AddressError),
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Internal(cause) => Self::Internal(cause.to_string()),
            other => Self::Internal(format!("{other:?}")),
        }
    }
}

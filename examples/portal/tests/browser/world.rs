//! A portal of its own for each test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use factorgate::EmailAddress;
use factorgate::env::OsRandom;
use factorgate::keys::ServerKey;
use portal::{Config, Database, ForTests, Limits, Running};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::{ADMIN, ADMIN_PASSWORD, Browser};

/// Browsers are heavy: a few at a time.
static TURNS: Semaphore = Semaphore::const_new(3);

/// A portal of its own, with a browser in front of it.
pub(crate) struct World {
    pub(crate) browser: Browser,
    /// How many seconds the engine's clock is ahead.
    pub(crate) ahead: Arc<AtomicU64>,
    database: Option<PathBuf>,
    /// A failed test stops the portal, by dropping it, as well as a passed one. `None` while it is started anew.
    portal: Option<Running>,
    pub(crate) url: String,
    _turn: SemaphorePermit<'static>,
}

impl World {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_on(name, None).await
    }

    /// On a database that the test can look into.
    pub(crate) async fn on_disk(name: &'static str) -> Self {
        let folder = std::env::temp_dir().join(format!("portal-db-{name}-{}", std::process::id()));
        // A process that was killed leaves its folder behind, and its number is given again.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self::start_on(name, Some(folder.join("portal.db"))).await
    }

    async fn start_on(name: &'static str, database: Option<PathBuf>) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let for_tests = ForTests::default();
        let ahead = Arc::clone(&for_tests.clock_ahead);
        let portal = portal::serve(Config { for_tests, ..config(database.clone()) }).await.unwrap();
        let url = portal.url().trim_end_matches('/').to_owned();
        let browser = Browser::start(name, url.clone()).await;
        Self { browser, ahead, database, portal: Some(portal), url, _turn: turn }
    }

    /// Starts the portal anew on the same database and port, with a new key beside the one that it had; gives both.
    pub(crate) async fn change_server_key(&mut self) -> [ServerKey; 2] {
        let database = self.database.clone().unwrap();
        let old = std::fs::read_to_string(database.with_extension("key")).unwrap();
        let new = ServerKey::generate(&OsRandom).unwrap();
        let stopped = self.portal.take().unwrap();
        let port = stopped.addr.port();
        stopped.stop().await;
        let keys = Config {
            port,
            retired_keys: vec![old.clone()],
            server_key: Some(new.to_hex().expose_secret().to_owned()),
            ..config(Some(database))
        };
        self.portal = Some(portal::serve(keys).await.unwrap());
        [ServerKey::from_hex(&old).unwrap(), new]
    }

    /// Lets every proof of every session be this much older.
    pub(crate) async fn age_proofs(&self, seconds: u64) {
        let options = SqliteConnectOptions::new().filename(self.database.as_ref().unwrap());
        let mut db = SqliteConnection::connect_with(&options).await.unwrap();
        let sessions: Vec<(Vec<u8>, String)> =
            sqlx::query_as("SELECT digest, claims FROM sessions").fetch_all(&mut db).await.unwrap();
        for (digest, claims) in sessions {
            let update = sqlx::query("UPDATE sessions SET claims = ? WHERE digest = ?");
            update.bind(older(&claims, seconds)).bind(digest).execute(&mut db).await.unwrap();
        }
    }

    /// Lets the engine's clock, and the smartphones that go by it, be this much further.
    pub(crate) fn wait(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
    }

    /// A second browser, before the same portal.
    pub(crate) async fn second_browser(&self, name: &'static str) -> Browser {
        Browser::start(name, self.url.clone()).await
    }

    /// Everything is well: closes the browser.
    pub(crate) async fn end(&self) {
        self.browser.client.clone().close().await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(folder) = self.database.as_deref().and_then(Path::parent) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The claims of a session as if everything in them had been proved earlier.
fn older(claims: &str, seconds: u64) -> String {
    let earlier = |time: &str| (time.parse::<u64>().unwrap() - seconds).to_string();
    let field = |field: &str| match field.split_once('=') {
        Some(("at", time)) => format!("at={}", earlier(time)),
        Some((key @ ("app" | "browser" | "email" | "external" | "registered"), value)) => {
            let (what, time) = value.rsplit_once('@').unwrap();
            format!("{key}={what}@{}", earlier(time))
        }
        Some((key @ ("recovery" | "ticket"), time)) => format!("{key}={}", earlier(time)),
        _ => field.to_owned(),
    };
    claims.split(';').map(field).collect::<Vec<_>>().join(";")
}

fn config(database: Option<PathBuf>) -> Config {
    Config {
        admin_email: EmailAddress::new(ADMIN).unwrap(),
        admin_password: Some(ADMIN_PASSWORD.to_owned()),
        database: database.map_or(Database::Memory, Database::File),
        for_tests: ForTests::default(),
        hosts: Config::loopback(),
        limits: Limits::default(),
        mail_from: "Larkfield <no-reply@larkfield.example>".to_owned(),
        notices_every: Config::NOTICES_EVERY,
        port: 0,
        retired_keys: Vec::new(),
        server_key: None,
        smtp_url: None,
    }
}

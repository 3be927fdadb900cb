//! What is set from outside, parsed once at the start.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use factorgate::EmailAddress;

/// The portal's settings. Whatever is not among them, the administrator sets in the browser.
///
/// `Debug` is not derived: passwords are among them.
pub struct Config {
    /// The address of the administrator who is created at the first start.
    pub admin_email: EmailAddress,
    /// The administrator's password; drawn at random and printed if there is none.
    pub admin_password: Option<String>,
    /// Where everything is kept.
    pub database: Database,
    /// What only tests change. No variable of the environment reaches it.
    #[doc(hidden)]
    pub for_tests: ForTests,
    /// The names under which the portal is opened, without ports. It answers to no others.
    pub hosts: Vec<String>,
    /// What the server allows its clients.
    pub limits: Limits,
    /// The sender of every mail.
    pub mail_from: String,
    /// How often the portal sends notices that could not be delivered before. Default: every 5 minutes.
    pub notices_every: Duration,
    /// The port on the loopback interface; 0 takes a free one.
    pub port: u16,
    /// The keys that the server had before, in hexadecimal: what they have sealed can be opened.
    pub retired_keys: Vec<String>,
    /// The server's key in hexadecimal; read from, or put into, a file beside the database if there is none.
    pub server_key: Option<String>,
    /// The mail server. Without it mail is kept, and shown to everybody who can reach the portal.
    pub smtp_url: Option<String>,
}

/// What the server allows its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at a time; others wait until one ends. Default: 512.
    pub connections: usize,
    /// How long a client may take for the head of a request. Default: 10 seconds.
    pub head: Duration,
    /// How long a request may take, its body and its mails included. Default: 60 seconds.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, head: Duration::from_secs(10), request: Duration::from_secs(60) }
    }
}

/// What only tests change.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct ForTests {
    /// Hashes passwords with little memory, so that a test can sign in thousands of times.
    pub cheap_hashes: bool,
    /// How many seconds the engine's clock is ahead of the system clock.
    pub clock_ahead: Arc<AtomicU64>,
    /// Passes the engine each user's row as it was first read, whatever has changed since: the control of the races.
    pub first_rows: bool,
}

/// Where the portal keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of SQLite.
    File(PathBuf),
    /// Nowhere: everything is gone when the portal stops.
    Memory,
}

/// A setting that cannot be used. The text names it; it never shows the value, which may be a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// `DATABASE_URL` names no file of SQLite.
    #[error("DATABASE_URL must be sqlite:PATH or sqlite::memory:")]
    Database,
    /// `PORTAL_ADMIN_EMAIL` is no e-mail address.
    #[error("PORTAL_ADMIN_EMAIL is no e-mail address")]
    Email(#[source] factorgate::login::InvalidEmailAddress),
    /// `PORT` is no port.
    #[error("PORT must be a number up to 65535")]
    Port,
}

impl Config {
    /// Reads the environment.
    ///
    /// | variable | default |
    /// |---|---|
    /// | `DATABASE_URL` | `sqlite:portal.db` |
    /// | `FACTORGATE_KEY` | a file beside the database |
    /// | `FACTORGATE_RETIRED_KEYS` | none: the keys before it, with commas between them |
    /// | `MAIL_FROM` | `Larkfield <no-reply@larkfield.example>` |
    /// | `PORT` | 3000 |
    /// | `PORTAL_ADMIN_EMAIL` | `admin@larkfield.example` |
    /// | `PORTAL_ADMIN_PASSWORD` | drawn and printed once |
    /// | `PORTAL_HOSTS` | `localhost,127.0.0.1,[::1]`: the names that the portal answers to |
    /// | `SMTP_URL` | none: mail is kept in the mailbox page |
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the variable that cannot be used.
    pub fn from_env() -> Result<Self, InvalidConfig> {
        Self::from_variables(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// The default of [`notices_every`](Self::notices_every).
    pub const NOTICES_EVERY: Duration = Duration::from_secs(5 * 60);

    /// The names of the loopback interface.
    #[must_use]
    pub fn loopback() -> Vec<String> {
        ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec()
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let admin_email = variable("PORTAL_ADMIN_EMAIL").unwrap_or_else(|| "admin@larkfield.example".to_owned());
        Ok(Self {
            admin_email: EmailAddress::new(&admin_email).map_err(InvalidConfig::Email)?,
            admin_password: variable("PORTAL_ADMIN_PASSWORD"),
            database: Database::parse(&variable("DATABASE_URL").unwrap_or_else(|| "sqlite:portal.db".to_owned()))?,
            for_tests: ForTests::default(),
            hosts: list(variable("PORTAL_HOSTS")).unwrap_or_else(Self::loopback),
            limits: Limits::default(),
            mail_from: variable("MAIL_FROM").unwrap_or_else(|| "Larkfield <no-reply@larkfield.example>".to_owned()),
            notices_every: Self::NOTICES_EVERY,
            port: variable("PORT").map_or(Ok(3000), |port| port.parse()).map_err(|_| InvalidConfig::Port)?,
            retired_keys: list(variable("FACTORGATE_RETIRED_KEYS")).unwrap_or_default(),
            server_key: variable("FACTORGATE_KEY"),
            smtp_url: variable("SMTP_URL"),
        })
    }
}

/// A list with commas between its parts.
fn list(text: Option<String>) -> Option<Vec<String>> {
    text.map(|text| text.split(',').map(|part| part.trim().to_owned()).collect())
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").field("database", &self.database).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Database {
    fn parse(url: &str) -> Result<Self, InvalidConfig> {
        let rest = url.strip_prefix("sqlite:").ok_or(InvalidConfig::Database)?;
        let path = rest.strip_prefix("//").unwrap_or(rest);
        match path {
            ":memory:" => Ok(Self::Memory),
            "" => Err(InvalidConfig::Database),
            // Parameters are the portal's to choose: a database that does not sync would undo a spent code.
            path if path.contains('?') => Err(InvalidConfig::Database),
            path => Ok(Self::File(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Result<Config, InvalidConfig> {
        Config::from_variables(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn nothing_need_be_set() {
        let config = with(&[]).unwrap();
        assert_eq!((config.port, config.database), (3000, Database::File("portal.db".into())));
        assert_eq!(
            (config.limits.connections, config.limits.head.as_secs(), config.limits.request.as_secs()),
            (512, 10, 60)
        );
        assert!(!config.for_tests.cheap_hashes && !config.for_tests.first_rows);
        assert!(config.smtp_url.is_none() && config.admin_password.is_none() && config.retired_keys.is_empty());
        assert_eq!(with(&[("FACTORGATE_RETIRED_KEYS", "ab, cd")]).unwrap().retired_keys, ["ab", "cd"]);
    }

    #[test]
    fn a_database_is_a_file_or_memory() {
        assert_eq!(with(&[("DATABASE_URL", "sqlite::memory:")]).unwrap().database, Database::Memory);
        assert_eq!(with(&[("DATABASE_URL", "sqlite:///x/y.db")]).unwrap().database, Database::File("/x/y.db".into()));
        for bad in ["postgres://localhost/x", "sqlite:", "sqlite://"] {
            assert!(matches!(Database::parse(bad), Err(InvalidConfig::Database)), "{bad}");
        }
        assert!(Database::parse("sqlite:a.db?synchronous=off").is_err());
    }

    #[test]
    fn what_is_no_port_is_refused() {
        assert!(matches!(with(&[("PORT", "65536")]), Err(InvalidConfig::Port)));
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = with(&[("PORTAL_ADMIN_PASSWORD", "hunter2"), ("FACTORGATE_KEY", "abc")]).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("abc"), "{shown}");
    }
}

//! A company portal that shows factorgate in a browser: sign-up, sign-in, profile, and the administrator's pages.
//!
//! All that decides about a second factor is the library's; what is here is a host's part: accounts and
//! passwords, passkeys, sessions, pages, mail. The joint between the two is `mfa.rs` and `pages/journey.rs`.
//!
//! It is a demonstration on the loopback interface. It leaves out a way back to a password that was forgotten.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let running = portal::serve(portal::Config::from_env()?).await?;
//! println!("Open {}", running.url());
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accounts;
mod app;
mod audit;
mod config;
mod confirmation;
mod cookie;
mod db;
mod error;
mod forms;
mod headers;
mod mail;
mod mfa;
mod notice;
mod pages;
mod passkeys;
mod password;
mod policies;
mod refusals;
mod server;
mod session;
mod settings;
mod throttle;
mod token;
mod upkeep;
mod webauthn;

pub use crate::app::{Running, StartError, serve};
#[doc(hidden)]
pub use crate::config::ForTests;
pub use crate::config::{Config, Database, InvalidConfig, Limits};

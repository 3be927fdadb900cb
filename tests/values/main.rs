//! The values that a host reads and writes: what is taken, what is refused, and how it is shown.

mod claims;
mod code;
mod drift;
mod hotp;
mod key_uri;
mod key_uri_names;
mod keys;
mod migrate;
mod qr;
mod recovery_code;
mod secret;
mod secret_text;
mod time;
mod tokens;
mod totp;
mod user;

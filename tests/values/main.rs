//! The values that a host reads and writes: what is taken, what is refused, and how it is shown.

mod code;
mod drift;
mod hotp;
mod key_uri;
mod key_uri_names;
mod secret_text;
mod time;
mod totp;
mod user;

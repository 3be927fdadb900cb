//! Runs one subject with a key that memcheck holds to be undefined. Each branch and each address that depends on
//! the key is then an error. The result is made known again before it is looked at: a verdict is public.
//!
//! The subjects must be clean, and each of the controls must be reported.
#![allow(dead_code)] // of the library's sources only a part is used

extern crate alloc;

#[path = "../../../src/code.rs"]
mod code;
mod memcheck;
mod otp;
#[path = "../../../src/random.rs"]
mod random;
#[path = "../../../src/secret/mod.rs"]
mod secret;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    assert!(memcheck::is_running(), "to be run by memcheck");
    otp::run(&arguments[0], arguments.get(1).map_or("SHA1", String::as_str));
}

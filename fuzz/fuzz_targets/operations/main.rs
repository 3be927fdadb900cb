//! Any sequence of requests by a user, a thief with the password, the host and an administrator. No session is valid
//! without what the policy asks, no code is accepted twice, every budget of guesses is exact, no session survives its row,
//! and no notice or event is lost.
#![no_main]

mod account;
mod act;
mod admin;
mod answers;
mod begin;
mod browsers;
mod facts;
mod flow;
mod guesses;
mod kept;
mod ledger;
mod model;
mod post;
mod steps;
mod world;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(act::run(bytes));
});

//! factorgate beside its peers: one line a case, with the time of each and the ratio.
//!
//! `cargo run --release -p peers`. All of a case are measured in turn, hundreds of times, so that what else the
//! machine does falls on all alike; what is compared is the lower quartile of each. The status is 1 if a ratio is
//! over its limit three times in a row.

mod codes;
mod key_uris;
mod stopwatch;

use std::process::ExitCode;

use stopwatch::Report;

fn main() -> ExitCode {
    let mut report = Report::default();
    codes::measure(&mut report);
    key_uris::measure(&mut report);
    report.finish()
}

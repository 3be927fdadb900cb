//! Measures factorgate beside its peers, and fails if a ratio is over its limit.
//!
//! `cargo run --release -p peers`. The command starts itself again several times for each placement of the stack. Each of
//! these processes measures all contenders of a case in turn, so that what else the machine does falls on all alike. The
//! ratio of a process is the median of its rounds; the figure that is printed and judged is the median of the processes,
//! with the least and the greatest beside it.

mod codes;
mod gate;
mod key_uris;
mod placement;
mod stopwatch;

use std::error::Error;
use std::process::{Command, ExitCode};

use gate::Line;
use stopwatch::Report;

/// How many processes there are for each placement.
const PROCESSES: usize = 5;
/// Given to a process that measures, before its placement.
const MEASURE: &str = "--measure-at";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => start_all(),
        [measure, place] if measure == MEASURE => self::measure(place.parse()?),
        _ => Err("the command takes no arguments".into()),
    }
}

/// Measures once, on a stack at `place`, and prints the lines.
fn measure(place: usize) -> Result<ExitCode, Box<dyn Error>> {
    let mut report = Report::default();
    let has_run = placement::run_at(place, &mut || {
        codes::measure(&mut report);
        key_uris::measure(&mut report);
    });
    if !has_run {
        return Err(format!("no stack can be placed at {place}").into());
    }
    report.lines.iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

/// Starts all processes, one after the other, and judges what they print.
fn start_all() -> Result<ExitCode, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let mut processes = Vec::new();
    for round in 0..PROCESSES {
        for (at, place) in placement::ALL.into_iter().enumerate() {
            // Where the system does not draw the place of the stack, its distance from the pages differs at least.
            let padding = "x".repeat((round * placement::ALL.len() + at) * 208);
            let output = Command::new(&program).args([MEASURE, &place.to_string()]).env("PADDING", padding).output()?;
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr);
                return Err(format!("the process at {place} has failed: {reason}").into());
            }
            processes
                .push(String::from_utf8(output.stdout)?.lines().map(str::parse).collect::<Result<Vec<Line>, _>>()?);
        }
    }
    let judgment = gate::judge(&processes)?;
    print!("{}", judgment.text);
    println!(
        "peers: {} comparisons in {} processes, {} with a limit, {} over it",
        judgment.comparisons,
        processes.len(),
        judgment.judged,
        judgment.failed
    );
    Ok(if judgment.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

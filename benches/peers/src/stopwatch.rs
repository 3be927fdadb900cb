//! Measuring in turn.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: usize = 400;
/// How long one measurement takes at least: far above the resolution of the clock.
const SPAN: Duration = Duration::from_micros(100);

/// One of those that are compared.
pub(crate) struct Contender<'a> {
    name: &'static str,
    /// The greatest ratio that the first contender may have to this one.
    limit: Option<f64>,
    run: Box<dyn FnMut() + 'a>,
}

/// A contender without a limit.
pub(crate) fn with<'a, T>(name: &'static str, mut run: impl FnMut() -> T + 'a) -> Contender<'a> {
    let run = Box::new(move || {
        black_box(run());
    });
    Contender { name, limit: None, run }
}

impl Contender<'_> {
    /// Sets a limit to the ratio.
    pub(crate) fn at_most(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

/// Prints the cases, and keeps whether all limits hold.
#[derive(Default)]
pub(crate) struct Report {
    cases: usize,
    over: usize,
}

impl Report {
    /// Measures the first of `contenders`, which is factorgate, against the others. `apart` is the time of a part of
    /// it that is left out, in nanoseconds. What is over a limit is measured again, for the machine may have been at
    /// something else.
    pub(crate) fn case(&mut self, name: &str, apart: f64, mut contenders: Vec<Contender<'_>>) {
        let mut times = times(&mut contenders);
        for _ in 0..2 {
            if !is_over(&contenders, &times, apart) {
                break;
            }
            times = self::times(&mut contenders);
        }
        let Some((ours, others)) = times.split_first() else { return };
        let ours = ours - apart;
        for (peer, time) in contenders.iter().skip(1).zip(others) {
            self.cases += 1;
            let ratio = ours / time;
            let verdict = match peer.limit {
                None => String::new(),
                Some(limit) if ratio <= limit => format!("within {limit}"),
                Some(limit) => {
                    self.over += 1;
                    format!("OVER {limit}")
                }
            };
            println!(
                "{name:<34} {:>9} : {:<28} {:>9}  ratio {ratio:.2}  {verdict}",
                show(ours),
                peer.name,
                show(*time)
            );
        }
    }

    /// Prints the sum.
    pub(crate) fn finish(self) -> ExitCode {
        println!("peers: {} cases, {} over their limit", self.cases, self.over);
        if self.over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The time of one call, in nanoseconds.
pub(crate) fn time_of<T>(run: impl FnMut() -> T) -> f64 {
    times(&mut [with("", run)]).first().copied().unwrap_or_default()
}

fn is_over(contenders: &[Contender<'_>], times: &[f64], apart: f64) -> bool {
    let Some((ours, others)) = times.split_first() else { return false };
    let over = |(peer, time): (&Contender<'_>, &f64)| peer.limit.is_some_and(|limit| (ours - apart) / time > limit);
    contenders.iter().skip(1).zip(others).any(over)
}

fn times(contenders: &mut [Contender<'_>]) -> Vec<f64> {
    let repeats: Vec<u32> = contenders.iter_mut().map(|one| repeats(&mut one.run)).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((one, repeats), times) in contenders.iter_mut().zip(&repeats).zip(&mut times) {
            let begun = Instant::now();
            (0..*repeats).for_each(|_| (one.run)());
            times.push(begun.elapsed().as_nanos() as f64 / f64::from(*repeats));
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times.iter().filter_map(|times| times.get(ROUNDS / 4).copied()).collect()
}

fn repeats(run: &mut dyn FnMut()) -> u32 {
    let mut repeats = 1;
    loop {
        let begun = Instant::now();
        (0..repeats).for_each(|_| run());
        if begun.elapsed() >= SPAN {
            return repeats;
        }
        repeats *= 2;
    }
}

fn show(nanoseconds: f64) -> String {
    if nanoseconds < 10_000.0 { format!("{nanoseconds:.0} ns") } else { format!("{:.1} us", nanoseconds / 1000.0) }
}

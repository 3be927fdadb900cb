//! Measures contenders in turn, in one process.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::gate::{Bound, Line, median};

const ROUNDS: usize = 150;
/// The least time of one measurement: far above the resolution of the clock.
const SPAN: Duration = Duration::from_micros(100);

/// One of the functions that a case compares.
pub(crate) struct Contender<'a> {
    name: &'static str,
    bound: Bound,
    run: Box<dyn FnMut() + 'a>,
}

/// Makes a contender without a limit.
pub(crate) fn with<'a, T>(name: &'static str, mut run: impl FnMut() -> T + 'a) -> Contender<'a> {
    let run = Box::new(move || {
        black_box(run());
    });
    Contender { name, bound: Bound::None, run }
}

impl Contender<'_> {
    /// Sets the greatest ratio that the first contender may have to this one.
    pub(crate) fn at_most(self, limit: f64) -> Self {
        Self { bound: Bound::AtMost(limit), ..self }
    }

    /// Sets the ratio that the first contender, a control, must exceed.
    pub(crate) fn above(self, limit: f64) -> Self {
        Self { bound: Bound::Above(limit), ..self }
    }
}

/// Collects what was measured in this process.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
}

impl Report {
    /// Measures the first of `contenders` against each of the others.
    pub(crate) fn case(&mut self, name: &str, mut contenders: Vec<Contender<'_>>) {
        let times = times(&mut contenders);
        let Some((ours, others)) = times.split_first() else { return };
        for (peer, theirs) in contenders.iter().skip(1).zip(others) {
            // Within a round both met the same machine. What else it did at other times cancels out.
            let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            self.lines.push(Line {
                case: name.to_owned(),
                peer: peer.name.to_owned(),
                bound: peer.bound,
                ours: median(ours.clone()),
                theirs: median(theirs.clone()),
                ratio: median(ratios),
            });
        }
    }
}

/// Measures each contender once a round. Returns the nanoseconds of one call, round by round.
fn times(contenders: &mut [Contender<'_>]) -> Vec<Vec<f64>> {
    let repeats: Vec<u32> = contenders.iter_mut().map(|one| repeats(&mut one.run)).collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((one, repeats), times) in contenders.iter_mut().zip(&repeats).zip(&mut times) {
            let begun = Instant::now();
            (0..*repeats).for_each(|_| (one.run)());
            times.push(begun.elapsed().as_nanos() as f64 / f64::from(*repeats));
        }
    }
    times
}

/// Returns how many calls take at least [`SPAN`].
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

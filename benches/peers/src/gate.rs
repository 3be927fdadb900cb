//! Judges what several processes have measured.

use std::fmt;
use std::str::FromStr;

/// The limit that a ratio is judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// The ratio is reported only.
    None,
    AtMost(f64),
    /// The first contender is a control that is slower on purpose: a limit that it keeps would notice nothing.
    Above(f64),
}

/// One comparison, as one process has measured it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) case: String,
    pub(crate) peer: String,
    pub(crate) bound: Bound,
    /// Nanoseconds.
    pub(crate) ours: f64,
    /// Nanoseconds.
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, limit) = match self.bound {
            Bound::None => ("none", 0.0),
            Bound::AtMost(limit) => ("at-most", limit),
            Bound::Above(limit) => ("above", limit),
        };
        let Self { case, peer, ours, theirs, ratio, .. } = self;
        write!(f, "{case}\t{peer}\t{kind}\t{limit}\t{ours}\t{theirs}\t{ratio}")
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let error = || format!("not a measurement: {line}");
        let fields: Vec<&str> = line.split('\t').collect();
        let [case, peer, kind, numbers @ ..] = &fields[..] else { return Err(error()) };
        let numbers: Vec<f64> = numbers.iter().map(|n| n.parse()).collect::<Result<_, _>>().map_err(|_| error())?;
        let &[limit, ours, theirs, ratio] = &numbers[..] else { return Err(error()) };
        if ![limit, ours, theirs, ratio].iter().all(|number| number.is_finite()) {
            return Err(error());
        }
        let bound = match *kind {
            "none" => Bound::None,
            "at-most" => Bound::AtMost(limit),
            "above" => Bound::Above(limit),
            _ => return Err(error()),
        };
        Ok(Self { case: (*case).to_owned(), peer: (*peer).to_owned(), bound, ours, theirs, ratio })
    }
}

/// What all processes together say.
#[derive(Debug)]
pub(crate) struct Judgment {
    pub(crate) text: String,
    pub(crate) comparisons: usize,
    pub(crate) judged: usize,
    pub(crate) failed: usize,
}

/// Judges each comparison by the median of its ratios over `processes`.
///
/// # Errors
///
/// The processes have measured nothing, or not the same comparisons.
pub(crate) fn judge(processes: &[Vec<Line>]) -> Result<Judgment, String> {
    let (Some(first), true) = (processes.first(), processes.iter().all(|lines| !lines.is_empty())) else {
        return Err("nothing was measured".to_owned());
    };
    let key = |line: &Line| (line.case.clone(), line.peer.clone(), line.bound);
    if processes.iter().any(|lines| !lines.iter().map(key).eq(first.iter().map(key))) {
        return Err("the processes have measured different things".to_owned());
    }
    let mut judgment = Judgment { text: String::new(), comparisons: first.len(), judged: 0, failed: 0 };
    for (at, line) in first.iter().enumerate() {
        let of = |number: fn(&Line) -> f64| processes.iter().filter_map(|lines| lines.get(at)).map(number).collect();
        let mut ratios: Vec<f64> = of(|line| line.ratio);
        ratios.sort_by(f64::total_cmp);
        let ratio = median(ratios.clone());
        let (low, high) = (ratios.first().copied().unwrap_or(ratio), ratios.last().copied().unwrap_or(ratio));
        let (holds, verdict) = match line.bound {
            Bound::None => (true, String::new()),
            Bound::AtMost(limit) if ratio <= limit => (true, format!("within {limit}")),
            Bound::AtMost(limit) => (false, format!("OVER {limit}")),
            Bound::Above(limit) if ratio > limit => (true, format!("above {limit}, as it must be")),
            Bound::Above(limit) => (false, format!("NOT NOTICED by {limit}")),
        };
        judgment.judged += usize::from(line.bound != Bound::None);
        judgment.failed += usize::from(!holds);
        judgment.text += &format!(
            "{:<34} {:>9} : {:<33} {:>9}  ratio {ratio:.2} ({low:.2} to {high:.2})  {verdict}\n",
            line.case,
            show(median(of(|line| line.ours))),
            line.peer,
            show(median(of(|line| line.theirs))),
        );
    }
    Ok(judgment)
}

/// Returns the median: of an even number of values, the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(low), Some(high)) if values.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(high)) => *high,
        _ => f64::NAN,
    }
}

fn show(nanoseconds: f64) -> String {
    if nanoseconds < 10_000.0 { format!("{nanoseconds:.0} ns") } else { format!("{:.1} us", nanoseconds / 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bound: Bound, ratio: f64) -> Line {
        let (case, peer) = ("verify ±1".to_owned(), "a peer".to_owned());
        Line { case, peer, bound, ours: 100.0 * ratio, theirs: 100.0, ratio }
    }

    fn failed(bound: Bound, ratios: &[f64]) -> usize {
        let processes: Vec<Vec<Line>> = ratios.iter().map(|ratio| vec![line(bound, *ratio)]).collect();
        judge(&processes).unwrap().failed
    }

    #[test]
    fn a_slow_placement_or_a_disturbed_process_does_not_fail() {
        assert_eq!(failed(Bound::AtMost(0.9), &[0.7, 0.7, 0.7, 1.2]), 0);
        assert_eq!(failed(Bound::AtMost(0.9), &[0.85, 0.5, 9.0, 0.85, 0.85]), 0);
    }

    #[test]
    fn control_a_library_made_slower_fails_though_one_placement_is_fast() {
        let fine = [0.71, 0.77, 0.78, 0.78];
        assert_eq!(failed(Bound::AtMost(0.9), &fine), 0);
        let slower = fine.map(|ratio| ratio * 1.3);
        assert_eq!(failed(Bound::AtMost(0.9), &slower), 1);
        assert_eq!(failed(Bound::AtMost(0.9), &[0.7, 0.91, 0.91]), 1);
    }

    #[test]
    fn a_figure_without_a_limit_never_fails() {
        assert_eq!(failed(Bound::None, &[99.0]), 0);
    }

    #[test]
    fn a_control_that_keeps_the_limit_fails() {
        assert_eq!(failed(Bound::Above(0.9), &[1.0, 1.1, 0.8]), 0);
        assert_eq!(failed(Bound::Above(0.9), &[0.9, 0.8, 1.1]), 1);
    }

    #[test]
    fn processes_that_measured_nothing_or_something_else_are_an_error() {
        let one = line(Bound::AtMost(0.9), 0.7);
        assert!(judge(&[]).is_err());
        assert!(judge(&[vec![one.clone()], vec![]]).is_err());
        assert!(judge(&[vec![one.clone()], vec![line(Bound::None, 0.7)]]).is_err());
        assert!(judge(&[vec![one.clone()], vec![one.clone(), one]]).is_err());
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for bound in [Bound::None, Bound::AtMost(0.9), Bound::Above(1.25)] {
            let line = line(bound, 0.731);
            assert_eq!(line.to_string().parse(), Ok(line));
        }
        for text in ["", "a\tb\tnone\t0\t1\t2", "a\tb\tnone\t0\t1\t2\tNaN", "a\tb\tno\t0\t1\t2\t3"] {
            assert!(text.parse::<Line>().is_err(), "{text}");
        }
    }
}

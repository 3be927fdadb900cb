//! Places the stack.
//!
//! The speed of a verification depends on where the stack lies relative to the lines of the cache. The operating system
//! draws that place once for each process, so one process can be slower than the next by a tenth or more, from start to end.

use std::hint::black_box;

/// The places that a stack can have within a line of the cache, in bytes.
pub(crate) const ALL: [usize; 4] = [0, 16, 32, 48];
const LINE: usize = 64;

/// Runs `run` once, on a stack at `wanted`. Returns whether the stack could be placed there.
pub(crate) fn run_at(wanted: usize, run: &mut dyn FnMut()) -> bool {
    // A frame takes 16 bytes at a time. Without optimization there are two copies of the room in it.
    let frames = [
        below::<8>,
        below::<16>,
        below::<24>,
        below::<32>,
        below::<40>,
        below::<48>,
        below::<56>,
        below::<64>,
        below::<80>,
        below::<96>,
        below::<112>,
    ];
    frames.iter().any(|below| below(wanted, run))
}

/// Moves the stack down by a frame of `N` bytes.
#[inline(never)]
fn below<const N: usize>(wanted: usize, run: &mut dyn FnMut()) -> bool {
    let room = black_box([0_u8; N]);
    let has_run = run_if_at(wanted, run);
    black_box(&room);
    has_run
}

#[inline(never)]
fn run_if_at(wanted: usize, run: &mut dyn FnMut()) -> bool {
    let mark = black_box(0_u64);
    let place = black_box(&raw const mark).addr() % LINE;
    let is_wanted = place - place % 16 == wanted;
    if is_wanted {
        run();
    }
    is_wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_reached_once() {
        for wanted in ALL {
            let mut runs = 0;
            assert!(run_at(wanted, &mut || runs += 1), "{wanted}");
            assert_eq!(runs, 1, "{wanted}");
        }
    }

    #[test]
    fn control_a_place_that_no_stack_has_is_reported() {
        assert!(!run_at(8, &mut || panic!("no stack lies there")));
    }
}

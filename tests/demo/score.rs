//! Scores the gate: what the center received against the passes that were drawn.
//!
//! A pass is scored once, on the final read. A read that fits no pass, and a second read for a pass, are errors.

use serde::{Deserialize, Serialize};

/// How far a read's times may lie outside the drawn pass: the stream's own delay and the clocks' difference.
const SLACK_S: f64 = 1.5;

/// One vehicle's way through the drawn scene, in seconds of the video.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pass {
    /// The text on the plate.
    pub(crate) plate: String,
    /// When the vehicle comes into the picture.
    pub(crate) enter_s: f64,
    /// When it has left it.
    pub(crate) leave_s: f64,
}

/// The drawn video's truth, as its drawing program writes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Gate {
    /// Length of the video.
    pub(crate) seconds: f64,
    /// All passes of one loop.
    pub(crate) passes: Vec<Pass>,
}

/// A final read as the center has it; times in seconds since the first loop began.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// The text.
    pub(crate) text: String,
    /// When the plate was first seen.
    pub(crate) first_s: f64,
    /// When it was last seen.
    pub(crate) last_s: f64,
}

/// How the gate went.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Score {
    /// Passes that lie wholly in the watched time.
    pub(crate) passes: usize,
    /// Passes whose one read is exact.
    pub(crate) exact: usize,
    /// Passes with one read that is not exact: truth and read.
    pub(crate) wrong: Vec<(String, String)>,
    /// Passes without a read.
    pub(crate) missed: Vec<String>,
    /// Further reads of a pass that has one.
    pub(crate) second: Vec<String>,
    /// Reads that belong to no pass.
    pub(crate) without_vehicle: Vec<String>,
}

impl Score {
    /// Compares `reads` with the passes that lie wholly within `from_s..=to_s`, the video looping all the while.
    pub(crate) fn of(gate: &Gate, reads: &[Read], from_s: f64, to_s: f64) -> Self {
        let shown = unroll(gate, to_s);
        let mut taken = vec![None; shown.len()];
        let mut score = Self::default();
        // Exact reads first, so that of two vehicles in the picture at once each gets its own.
        let (exact, other): (Vec<_>, Vec<_>) =
            reads.iter().partition(|read| candidates(&shown, read).any(|index| shown[index].plate == read.text));
        for read in exact.into_iter().chain(other) {
            match choose(&shown, &taken, read) {
                Choice::Free(index) => taken[index] = Some(read),
                Choice::Taken => score.second.push(read.text.clone()),
                Choice::Nobody => score.without_vehicle.push(read.text.clone()),
            }
        }
        let watched = |pass: &Pass| pass.enter_s >= from_s && pass.leave_s <= to_s;
        for (pass, read) in shown.iter().zip(taken).filter(|(pass, _)| watched(pass)) {
            score.passes += 1;
            match read {
                Some(read) if read.text == pass.plate => score.exact += 1,
                Some(read) => score.wrong.push((pass.plate.clone(), read.text.clone())),
                None => score.missed.push(pass.plate.clone()),
            }
        }
        score
    }
}

/// Every pass shown until `to_s`, in seconds since the first loop began.
fn unroll(gate: &Gate, to_s: f64) -> Vec<Pass> {
    let mut shown = Vec::new();
    let mut offset = 0.0;
    while offset < to_s && gate.seconds > 0.0 {
        shown.extend(gate.passes.iter().map(|pass| Pass {
            plate: pass.plate.clone(),
            enter_s: pass.enter_s + offset,
            leave_s: pass.leave_s + offset,
        }));
        offset += gate.seconds;
    }
    shown
}

/// What a read belongs to.
enum Choice {
    /// A pass without a read.
    Free(usize),
    /// Only passes that have their read.
    Taken,
    /// No pass at all.
    Nobody,
}

fn candidates<'a>(shown: &'a [Pass], read: &'a Read) -> impl Iterator<Item = usize> + 'a {
    let overlaps = move |pass: &Pass| read.first_s <= pass.leave_s + SLACK_S && read.last_s >= pass.enter_s - SLACK_S;
    shown.iter().enumerate().filter(move |(_, pass)| overlaps(pass)).map(|(index, _)| index)
}

fn choose(shown: &[Pass], taken: &[Option<&Read>], read: &Read) -> Choice {
    let near = |index: &usize| agreement(&shown[*index].plate, &read.text);
    let same = candidates(shown, read).any(|index| shown[index].plate == read.text && taken[index].is_some());
    match candidates(shown, read).filter(|&index| taken[index].is_none()).max_by_key(near) {
        // A further read of a plate that was read already is no read of the vehicle beside it.
        Some(index) if !same || shown[index].plate == read.text => Choice::Free(index),
        Some(_) => Choice::Taken,
        None if candidates(shown, read).next().is_some() => Choice::Taken,
        None => Choice::Nobody,
    }
}

/// How many characters stand at the same place.
fn agreement(left: &str, right: &str) -> usize {
    left.chars().zip(right.chars()).filter(|(l, r)| l == r).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let pass = |plate: &str, enter_s, leave_s| Pass { plate: plate.to_owned(), enter_s, leave_s };
        Gate {
            seconds: 20.0,
            passes: vec![pass("AAA111", 1.0, 4.0), pass("BBB222", 3.0, 6.0), pass("CCC333", 12.0, 15.0)],
        }
    }

    fn read(text: &str, first_s: f64, last_s: f64) -> Read {
        Read { text: text.to_owned(), first_s, last_s }
    }

    #[test]
    fn two_vehicles_at_once_each_get_their_own_read() {
        let reads = [read("BBB222", 3.5, 5.9), read("AAA111", 1.5, 3.9), read("CCC333", 13.0, 14.0)];
        let score = Score::of(&gate(), &reads, 0.0, 20.0);
        assert_eq!(score, Score { passes: 3, exact: 3, ..Score::default() });
    }

    #[test]
    fn misreads_misses_seconds_and_ghosts_are_told_apart() {
        let reads =
            [read("AAA111", 1.5, 3.0), read("AAA111", 3.0, 3.9), read("BBB2Z2", 3.5, 5.9), read("XYZ999", 9.0, 9.5)];
        let score = Score::of(&gate(), &reads, 0.0, 20.0);
        assert_eq!(score.wrong, [("BBB222".to_owned(), "BBB2Z2".to_owned())]);
        assert_eq!(score.second, ["AAA111"]);
        assert_eq!(score.missed, ["CCC333"]);
        assert_eq!(score.without_vehicle, ["XYZ999"]);
        assert_eq!((score.passes, score.exact), (3, 1));
    }

    #[test]
    fn the_second_loop_counts_again_and_passes_cut_by_the_end_do_not_count() {
        let reads = [read("AAA111", 1.5, 3.9), read("AAA111", 21.5, 23.9)];
        let score = Score::of(&gate(), &reads, 0.0, 25.0);
        assert_eq!((score.passes, score.exact, score.second.len()), (4, 2, 0));
    }
}

//! A camera's presentation times on one line that never goes back, over reconnects, restarted clocks and loops.
//!
//! Cameras restart their clock when they reboot, jump when something sets it, and some run backward for a moment. What
//! follows a jump is put behind what came before, by as much as really passed. Pictures sent in another order than they
//! are shown (B-frames) keep their presentation times; only `decode` rises from one to the next.

use std::time::Duration;

use edge_protocol::time::{MediaTime, MonoTime};

/// A step back of this much or more is a jump, less is reordering: no camera sends pictures a second out of order.
const JUMP_BACK: i64 = 1_000_000_000;
/// A step forward this far beyond what has passed is a jump; a network may hold packets back for less.
const JUMP_FORWARD: i64 = 5_000_000_000;
/// Between two pictures where nothing better is known.
const INTERVAL: i64 = 33_333_333;
/// How many pictures may be shown earlier than one sent before them (H.264 A.3: at most 16; cameras use at most 2).
const MOST_REORDERED: usize = 4;

/// The times that a sample came with, nanoseconds of its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamped {
    pub(super) presentation: Option<i64>,
    pub(super) decode: Option<i64>,
    pub(super) arrival: MonoTime,
}

/// A picture's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) media: MediaTime,
    pub(super) decode: MediaTime,
    /// The camera's clock jumped here.
    pub(super) jumped: bool,
}

/// The line of one camera.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Added to the session's times; `None` before the first picture of a session.
    offset: Option<i64>,
    last: Option<Last>,
    /// The latest presentation times, ascending; the first is the decode time (one more than are reordered).
    latest: Vec<i64>,
    reordered: usize,
    /// Whether arrival says anything about the pictures' times: not where a file is read as fast as possible.
    live: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    newest: i64,
    decode: i64,
    arrival: MonoTime,
}

impl Timeline {
    pub(super) fn new(live: bool) -> Self {
        Self { live, ..Self::default() }
    }

    /// The next picture comes from a new connection, with times of its own.
    pub(super) fn begin_session(&mut self) {
        self.offset = None;
        self.reordered = 0;
    }

    pub(super) fn place(&mut self, stamped: Stamped) -> Placed {
        let follows = self.follows(stamped.arrival);
        let presentation = stamped.presentation;
        let wanted = presentation.zip(self.offset).map(|(time, offset)| time.saturating_add(offset));
        let jumped = wanted.is_some_and(|wanted| self.is_jump(wanted, stamped.arrival));
        let media = wanted.filter(|_| !jumped).unwrap_or(follows);
        if let Some(presentation) = presentation
            && (jumped || self.offset.is_none())
        {
            self.offset = Some(media.saturating_sub(presentation));
            self.latest.clear();
        }
        let told = stamped.decode.zip(self.offset).map(|(time, offset)| time.saturating_add(offset));
        let decode = self.decode(media, told);
        let newest = self.last.map_or(media, |last| last.newest.max(media));
        self.last = Some(Last { newest, decode, arrival: stamped.arrival });
        Placed { media: MediaTime::from_nanos(media), decode: MediaTime::from_nanos(decode), jumped }
    }

    /// Where a picture belongs of which nothing but its arrival is known.
    fn follows(&self, arrival: MonoTime) -> i64 {
        let Some(last) = self.last else { return 0 };
        last.newest.saturating_add(self.passed(&last, arrival).max(INTERVAL))
    }

    fn passed(&self, last: &Last, arrival: MonoTime) -> i64 {
        if self.live { nanos(arrival.saturating_since(last.arrival)) } else { 0 }
    }

    fn is_jump(&self, wanted: i64, arrival: MonoTime) -> bool {
        let Some(last) = self.last else { return false };
        let step = wanted.saturating_sub(last.newest);
        let forward = self.live && step > self.passed(&last, arrival).saturating_add(JUMP_FORWARD);
        step <= -JUMP_BACK || forward
    }

    /// A decode time not after the presentation time where that is possible, and always after the last one.
    fn decode(&mut self, media: i64, told: Option<i64>) -> i64 {
        let last = self.last.map(|last| last.decode);
        let place = self.latest.partition_point(|&time| time < media);
        self.latest.insert(place, media);
        if place + self.reordered + 1 < self.latest.len() {
            self.reordered = (self.latest.len() - 1 - place).min(MOST_REORDERED);
        }
        let surplus = self.latest.len().saturating_sub(self.reordered + 1);
        self.latest.drain(..surplus);
        let estimated = self.latest.first().copied().unwrap_or(media);
        let decode = told.filter(|&told| told <= media).unwrap_or(estimated);
        last.map_or(decode, |last| decode.max(last.saturating_add(1)))
    }
}

fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000_000;

    fn arrival(nanos: i64) -> MonoTime {
        MonoTime::from_duration(Duration::from_nanos(nanos.try_into().unwrap()))
    }

    fn stamped(presentation: i64, arrived: i64) -> Stamped {
        Stamped { presentation: Some(presentation), decode: None, arrival: arrival(arrived) }
    }

    /// Where pictures with these presentation and arrival times (in tenths of a second) are placed.
    fn place_all(timeline: &mut Timeline, pictures: &[(i64, i64)]) -> Vec<i64> {
        let tenth = SECOND / 10;
        let placed = pictures.iter().map(|&(shown, came)| timeline.place(stamped(shown * tenth, came * tenth)));
        placed.map(|placed| placed.media.as_nanos() / tenth).collect()
    }

    #[test]
    fn the_first_picture_is_the_origin_and_distances_are_kept() {
        let mut timeline = Timeline::new(true);
        assert_eq!(place_all(&mut timeline, &[(900, 0), (901, 3), (905, 4)]), [0, 1, 5]);
    }

    #[test]
    fn a_new_session_goes_on_after_what_has_really_passed() {
        let mut timeline = Timeline::new(true);
        assert_eq!(place_all(&mut timeline, &[(5, 0), (6, 1)]), [0, 1]);
        timeline.begin_session();
        assert_eq!(place_all(&mut timeline, &[(7000, 41), (7001, 42)]), [41, 42]);
    }

    #[test]
    fn a_clock_that_jumps_back_or_far_ahead_does_not_take_the_line_with_it() {
        let mut timeline = Timeline::new(true);
        assert_eq!(place_all(&mut timeline, &[(100, 0), (101, 1), (3, 2), (4, 3)]), [0, 1, 2, 3]);
        assert_eq!(place_all(&mut timeline, &[(40_000, 4), (40_001, 5)]), [4, 5]);
        let jump = timeline.place(stamped(0, SECOND));
        assert!(jump.jumped);
    }

    #[test]
    fn a_loop_of_a_file_goes_on_without_looking_at_the_clock() {
        let mut timeline = Timeline::new(false);
        assert_eq!(place_all(&mut timeline, &[(0, 0), (900, 0), (901, 0)]), [0, 900, 901]);
        timeline.begin_session();
        let again = timeline.place(stamped(0, 0)).media.as_nanos();
        assert_eq!(again, 901 * SECOND / 10 + INTERVAL);
    }

    #[test]
    fn reordered_pictures_keep_their_times_and_decode_in_the_order_sent() {
        let mut timeline = Timeline::new(true);
        let sent = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];
        let placed: Vec<_> = sent
            .iter()
            .zip(0..)
            .map(|(&shown, came)| {
                let placed = timeline.place(stamped(shown * SECOND / 10, came * SECOND / 10));
                (placed.media.as_nanos(), placed.decode.as_nanos())
            })
            .collect();
        assert_eq!(placed.iter().map(|pair| pair.0 * 10 / SECOND).collect::<Vec<_>>(), sent);
        assert!(placed.windows(2).all(|pair| pair[0].1 < pair[1].1), "{placed:?}");
        assert!(placed.iter().skip(5).all(|(media, decode)| decode <= media), "{placed:?}");
    }

    #[test]
    fn a_file_tells_its_decode_times() {
        let mut timeline = Timeline::new(false);
        let told = |presentation, decode| Stamped {
            presentation: Some(presentation),
            decode: Some(decode),
            arrival: arrival(0),
        };
        let placed = [(200, 100), (500, 200), (300, 300)].map(|(shown, decoded)| timeline.place(told(shown, decoded)));
        assert_eq!(placed.map(|placed| placed.decode.as_nanos()), [-100, 0, 100]);
    }

    #[test]
    fn pictures_without_times_follow_their_arrival() {
        let mut timeline = Timeline::new(true);
        let untimed = |came| Stamped { presentation: None, decode: None, arrival: arrival(came) };
        let placed = [0, SECOND, SECOND].map(|came| timeline.place(untimed(came)).media.as_nanos());
        assert_eq!(placed, [0, SECOND, SECOND + INTERVAL]);
    }

    proptest! {
        #[test]
        fn decode_times_rise_and_nothing_is_a_second_behind(
            pictures in prop::collection::vec((any::<Option<i64>>(), 0..100_u32, prop::bool::weighted(0.05)), 1..200),
            live: bool,
        ) {
            let mut timeline = Timeline::new(live);
            let (mut came, mut newest, mut decoded) = (0, i64::MIN, i64::MIN);
            for (presentation, wait, session) in pictures {
                came += i64::from(wait) * 1_000_000;
                if session {
                    timeline.begin_session();
                }
                let placed = timeline.place(Stamped { presentation, decode: presentation, arrival: arrival(came) });
                let (media, decode) = (placed.media.as_nanos(), placed.decode.as_nanos());
                prop_assume!(media < i64::MAX / 2);
                prop_assert!(decode > decoded);
                prop_assert!(newest == i64::MIN || media > newest - JUMP_BACK);
                (newest, decoded) = (newest.max(media), decode);
            }
        }
    }
}

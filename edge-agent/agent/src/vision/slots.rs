//! One slot per camera between its decoder and the analysis thread: the newest frame wins, cameras take turns.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use edge_protocol::time::MediaTime;

/// Replaced frames remembered by time until the analysis thread reports them; beyond that only counted.
const REMEMBERED: usize = 64;

/// The slots of all cameras.
#[derive(Debug)]
pub(super) struct Slots<F> {
    state: Mutex<State<F>>,
    came: Condvar,
}

#[derive(Debug)]
struct State<F> {
    slots: Vec<Slot<F>>,
    turn: usize,
    beat: Option<u64>,
    closed: bool,
}

#[derive(Debug)]
struct Slot<F> {
    frame: Option<(MediaTime, F)>,
    replaced: Vec<MediaTime>,
}

/// What the analysis thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<F> {
    /// Look at a frame; `replaced` are the frames of that camera which it took the place of.
    Frame {
        /// The camera's number.
        camera: usize,
        /// The frame.
        frame: F,
        /// Earlier frames that nobody looked at.
        replaced: Vec<MediaTime>,
    },
    /// Show that the thread is alive.
    Beat(u64),
    /// End.
    Closed,
}

impl<F> Slots<F> {
    /// Empty slots for so many cameras.
    pub(super) fn new(cameras: usize) -> Self {
        let slots = (0..cameras).map(|_| Slot { frame: None, replaced: Vec::new() }).collect();
        Self { state: Mutex::new(State { slots, turn: 0, beat: None, closed: false }), came: Condvar::new() }
    }

    /// Puts a frame into its camera's slot; whether it replaced one.
    pub(super) fn put(&self, camera: usize, media: MediaTime, frame: F) -> bool {
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(camera) else { return false };
        let replaced = slot.frame.replace((media, frame));
        if let Some((media, _)) = &replaced
            && slot.replaced.len() < REMEMBERED
        {
            slot.replaced.push(*media);
        }
        drop(state);
        self.came.notify_one();
        replaced.is_some()
    }

    /// Asks the analysis thread to show that it is alive. A newer question replaces an unanswered one.
    pub(super) fn beat(&self, number: u64) {
        self.lock().beat = Some(number);
        self.came.notify_one();
    }

    /// Ends the analysis thread.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    /// Waits for the next thing to do. Heartbeats come between frames; cameras are served in turn, so that one that
    /// sends more frames does not get more of the models than the others.
    pub(super) fn next(&self) -> Next<F> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Next::Closed;
            }
            if let Some(number) = state.beat.take() {
                return Next::Beat(number);
            }
            if let Some(found) = state.take() {
                return found;
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> State<F> {
    fn take(&mut self) -> Option<Next<F>> {
        let cameras = self.slots.len();
        for step in 0..cameras {
            let camera = (self.turn + step) % cameras;
            let Some(slot) = self.slots.get_mut(camera) else { continue };
            if let Some((_, frame)) = slot.frame.take() {
                self.turn = (camera + 1) % cameras;
                return Some(Next::Frame { camera, frame, replaced: std::mem::take(&mut slot.replaced) });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(camera: usize, frame: u32, replaced: &[i64]) -> Next<u32> {
        Next::Frame { camera, frame, replaced: replaced.iter().copied().map(MediaTime::from_nanos).collect() }
    }

    #[test]
    fn the_newest_frame_replaces_the_one_that_waits_and_this_is_told() {
        let slots = Slots::new(1);
        assert!(!slots.put(0, MediaTime::from_nanos(1), 10));
        assert!(slots.put(0, MediaTime::from_nanos(2), 20));
        assert!(slots.put(0, MediaTime::from_nanos(3), 30));
        assert_eq!(slots.next(), frame(0, 30, &[1, 2]));
        slots.put(0, MediaTime::from_nanos(4), 40);
        assert_eq!(slots.next(), frame(0, 40, &[]));
    }

    #[test]
    fn a_busy_camera_does_not_take_the_turn_of_a_quiet_one() {
        let slots = Slots::new(3);
        let mut served = [0; 3];
        for round in 0..30_u32 {
            // The first camera always has a frame, the others have one every other round.
            slots.put(0, MediaTime::from_nanos(0), round);
            if round % 2 == 0 {
                slots.put(1, MediaTime::from_nanos(0), round);
                slots.put(2, MediaTime::from_nanos(0), round);
            }
            if let Next::Frame { camera, .. } = slots.next() {
                served[camera] += 1;
            }
        }
        assert_eq!(served, [10, 10, 10]);
    }

    #[test]
    fn a_heartbeat_comes_before_waiting_frames_and_the_end_before_both() {
        let slots = Slots::new(1);
        slots.put(0, MediaTime::from_nanos(1), 10);
        slots.beat(1);
        slots.beat(2);
        assert_eq!(slots.next(), Next::Beat(2));
        slots.beat(3);
        slots.close();
        assert_eq!(slots.next(), Next::Closed);
    }
}

//! What is asked for on the technician's page and takes a while: one at a time, and everybody sees how far it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Assembly, RunError};
use crate::supervise::queue::{Bounds, Overflow, ReceiveError, Receiver, Sender, bounded};
use crate::supervise::{Station, Stop};

/// One is under way, and no other waits behind it.
const ASKED: Bounds = Bounds::items("errands", 1, Overflow::Refuse);
const LOOK: Duration = Duration::from_secs(1);

/// What is seen of an errand.
pub(super) trait Progress: Default + Send + 'static {
    /// Whether it is under way.
    fn running(&mut self) -> &mut bool;
}

/// Asks for it and sees how far it is; clones are the same.
#[derive(Debug)]
pub(super) struct Errand<Job, Seen> {
    asked: Sender<Job>,
    seen: Arc<Mutex<Seen>>,
}

impl<Job, Seen> Clone for Errand<Job, Seen> {
    fn clone(&self) -> Self {
        Self { asked: self.asked.clone(), seen: Arc::clone(&self.seen) }
    }
}

impl<Job, Seen: Progress> Errand<Job, Seen> {
    /// An errand, and where its jobs arrive.
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (asked, jobs) = bounded(ASKED);
        (Self { asked, seen: Arc::default() }, jobs)
    }

    /// Begins it, where none is under way; `first` makes what is seen at first out of what was seen before.
    pub(super) fn begin(&self, job: Job, first: impl FnOnce(Seen) -> Seen) -> bool {
        let mut seen = self.see();
        if *seen.running() || self.asked.send(job).is_err() {
            return false;
        }
        *seen = first(std::mem::take(&mut seen));
        *seen.running() = true;
        true
    }

    /// What is seen of it now.
    pub(super) fn see(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one errand after another until `stop`.
    fn run(&self, jobs: &Receiver<Job>, stop: &Stop, mut act: impl FnMut(Job)) {
        while !stop.is_set() {
            match jobs.receive_timeout(LOOK) {
                Ok(job) => {
                    let _over = Over(self);
                    act(job);
                }
                Err(ReceiveError::Timeout) => {}
                Err(ReceiveError::Closed) => return,
            }
        }
    }
}

/// Says that an errand is over when it goes, even where it panics: the next can be begun.
struct Over<'e, Job, Seen: Progress>(&'e Errand<Job, Seen>);

impl<Job, Seen: Progress> Drop for Over<'_, Job, Seen> {
    fn drop(&mut self) {
        *self.0.see().running() = false;
    }
}

/// Starts the stage that runs errands of this kind. It shows no beats: they take as long as they take, and nobody
/// waits.
pub(super) fn start<Job: Send + 'static, Seen: Progress>(
    assembly: &mut Assembly<'_>,
    stage: &'static str,
    (errand, jobs): (Errand<Job, Seen>, Receiver<Job>),
    mut act: impl FnMut(Job, &Stop) + Send + 'static,
) -> Result<(), RunError> {
    assembly.start(stage, Station::Control, move |stop: &Stop| {
        errand.run(&jobs, stop, |job| act(job, stop));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[derive(Default)]
    struct Seen {
        running: bool,
        done: u32,
    }

    impl Progress for Seen {
        fn running(&mut self) -> &mut bool {
            &mut self.running
        }
    }

    #[test]
    fn one_is_under_way_at_a_time_and_one_that_panics_can_be_begun_again() {
        let (errand, jobs) = Errand::<u32, Seen>::new();
        assert!(errand.begin(1, |seen| seen));
        assert!(!errand.begin(2, |seen| seen), "one is under way");
        let stop = Stop::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| errand.run(&jobs, &stop, |_| panic!("in the middle"))));
        assert!(panicked.is_err() && !errand.see().running);
        assert!(errand.begin(3, |seen| seen));
        errand.run(&jobs, &stop, |job| {
            assert!(errand.see().running);
            errand.see().done = job;
            stop.set();
        });
        let seen = errand.see();
        assert_eq!((seen.running, seen.done), (false, 3));
    }
}

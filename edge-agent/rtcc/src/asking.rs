//! How a request goes on: when to sign a fresh command, when to look again, when to give up. No network, no clock.
//!
//! A command is worth something only to the unit's present challenge, which changes with every start and every hour.
//! So a request that meets a unit which is away, asleep or busy is asked again with a fresh command under the same
//! request id, as long as the asker is willing to wait.

use std::time::Duration;

use crate::database::requests::RequestStatus;

/// How long an answer may take before the unit, or the center, counts as silent.
const ANSWER: Duration = Duration::from_secs(30);
/// How long to leave a unit alone that asked for a fresh command.
const BETWEEN: Duration = Duration::from_secs(2);
/// How often a command is signed afresh for somebody who is not willing to wait.
const TRIES: u32 = 3;
/// How long nothing may arrive of a clip before somebody who is not willing to wait is told.
const STALL: Duration = Duration::from_mins(2);

/// What is seen of a request at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether the unit is connected.
    pub online: bool,
    /// The unit's present challenge.
    pub challenge: Option<String>,
    /// What became of the request; none before it was handed in.
    pub status: Option<RequestStatus>,
    /// What was said about it.
    pub words: String,
    /// How many bytes of the clip have arrived.
    pub received_bytes: u64,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sign a command for the challenge and hand it in.
    HandIn,
    /// Look again after a moment.
    Look,
    /// Fetch the clip.
    Fetch,
    /// End, and say why.
    GiveUp(String),
}

/// One request on its way.
#[derive(Debug)]
pub struct Asking {
    patience: Duration,
    handed_in: Option<(Duration, Option<String>)>,
    tries: u32,
    progress: (Duration, u64),
}

impl Asking {
    /// A request of somebody who waits for `patience` for a unit that does not answer.
    pub fn new(patience: Duration) -> Self {
        Self { patience, handed_in: None, tries: 0, progress: (Duration::ZERO, 0) }
    }

    /// What to do when `seen` is the case, `elapsed` after the beginning.
    pub fn step(&mut self, seen: &Seen, elapsed: Duration) -> Step {
        let step = match seen.status {
            Some(RequestStatus::Complete) => Step::Fetch,
            Some(RequestStatus::Refused | RequestStatus::Failed) => Step::GiveUp(seen.words.clone()),
            Some(RequestStatus::Accepted | RequestStatus::Transferring) => self.arriving(seen, elapsed),
            Some(RequestStatus::Waiting) => self.waiting(seen, elapsed),
            Some(RequestStatus::Again) | None => self.ask(seen, elapsed),
        };
        if step == Step::HandIn {
            self.handed_in = Some((elapsed, seen.challenge.clone()));
            self.tries += 1;
            self.progress.0 = elapsed;
        }
        step
    }

    /// Whether the asker waits at all.
    pub fn is_patient(&self) -> bool {
        !self.patience.is_zero()
    }

    /// Whether to go on without a center that has not answered since `away`: a center that is started again goes on
    /// where it was, and so does whoever asked.
    pub fn outlasts(&self, away: Duration, elapsed: Duration) -> bool {
        elapsed < self.patience || elapsed < away + ANSWER
    }

    /// The unit would take a command.
    fn ask(&self, seen: &Seen, elapsed: Duration) -> Step {
        if !seen.online {
            return self.wait_or("the unit is not connected; --wait 24h asks it when it returns", elapsed);
        }
        if seen.challenge.is_none() {
            return self.wait_or("the unit has not said what commands must carry", elapsed);
        }
        if self.tries >= TRIES && elapsed >= self.patience {
            return Step::GiveUp(seen.words.clone());
        }
        let soon = self.handed_in.as_ref().is_some_and(|(at, _)| elapsed < *at + BETWEEN);
        if soon { Step::Look } else { Step::HandIn }
    }

    /// A command is with the unit, or lost on its way there.
    fn waiting(&self, seen: &Seen, elapsed: Duration) -> Step {
        let Some((at, challenge)) = &self.handed_in else {
            // Handed in by an earlier run of this program: its command may have been lost with its challenge.
            return self.ask(seen, elapsed);
        };
        if elapsed < *at + ANSWER && *challenge == seen.challenge {
            return Step::Look;
        }
        // Should the first have been carried out after all, both send the same bytes, and both are in the audit log.
        self.ask(seen, elapsed)
    }

    fn arriving(&mut self, seen: &Seen, elapsed: Duration) -> Step {
        if seen.received_bytes != self.progress.1 {
            self.progress = (elapsed, seen.received_bytes);
        }
        if elapsed > self.progress.0 + STALL {
            let words = "nothing of the clip has come for two minutes: the line is down or thin, or another clip goes \
                         first; it goes on by itself, so ask for it later, or wait for it with --wait";
            return self.wait_or(words, elapsed);
        }
        Step::Look
    }

    fn wait_or(&self, words: &str, elapsed: Duration) -> Step {
        if elapsed < self.patience { Step::Look } else { Step::GiveUp(words.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn seen(online: bool, status: Option<RequestStatus>) -> Seen {
        Seen { online, challenge: Some("a".into()), status, words: "words".into(), received_bytes: 0 }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_unit_that_is_away_is_asked_when_it_returns_by_those_who_wait() {
        let mut patient = Asking::new(DAY);
        assert_eq!(patient.step(&seen(false, None), at(0)), Step::Look);
        assert_eq!(patient.step(&seen(false, None), at(80_000)), Step::Look);
        assert_eq!(patient.step(&seen(true, None), at(80_001)), Step::HandIn);
        let mut hurried = Asking::new(Duration::ZERO);
        assert!(matches!(hurried.step(&seen(false, None), at(0)), Step::GiveUp(words) if words.contains("--wait")));
    }

    #[test]
    fn a_fresh_challenge_or_a_long_silence_makes_a_fresh_command() {
        let mut asking = Asking::new(DAY);
        let waiting = seen(true, Some(RequestStatus::Waiting));
        assert_eq!(asking.step(&seen(true, None), at(0)), Step::HandIn);
        assert_eq!(asking.step(&waiting, at(20)), Step::Look);
        assert_eq!(asking.step(&waiting, at(31)), Step::HandIn);
        let other = Seen { challenge: Some("b".into()), ..waiting };
        assert_eq!(asking.step(&other, at(33)), Step::HandIn);
        assert_eq!(asking.step(&other, at(34)), Step::Look);
        assert_eq!(asking.step(&seen(false, Some(RequestStatus::Waiting)), at(70)), Step::Look, "it is away");
    }

    #[test]
    fn somebody_in_a_hurry_asks_a_few_times_and_then_hears_what_the_unit_says() {
        let mut asking = Asking::new(Duration::ZERO);
        assert_eq!(asking.step(&seen(true, None), at(0)), Step::HandIn);
        let again = seen(true, Some(RequestStatus::Again));
        assert_eq!(asking.step(&again, at(1)), Step::Look, "it is left alone for a moment");
        assert_eq!(asking.step(&again, at(2)), Step::HandIn);
        assert_eq!(asking.step(&again, at(4)), Step::HandIn);
        assert_eq!(asking.step(&again, at(6)), Step::GiveUp("words".into()));
    }

    #[test]
    fn a_center_that_is_away_is_waited_for_half_a_minute_and_longer_by_those_who_wait() {
        let hurried = Asking::new(Duration::ZERO);
        assert!(hurried.outlasts(at(100), at(129)));
        assert!(!hurried.outlasts(at(100), at(130)));
        let patient = Asking::new(DAY);
        assert!(patient.outlasts(at(100), at(80_000)));
        assert!(!patient.outlasts(at(100), DAY));
    }

    #[test]
    fn an_end_is_an_end() {
        let mut asking = Asking::new(DAY);
        assert_eq!(asking.step(&seen(true, Some(RequestStatus::Refused)), at(0)), Step::GiveUp("words".into()));
        assert_eq!(asking.step(&seen(false, Some(RequestStatus::Complete)), at(0)), Step::Fetch);
    }

    #[test]
    fn a_clip_that_arrives_slowly_is_waited_for_and_one_that_stopped_is_not() {
        let mut asking = Asking::new(Duration::ZERO);
        asking.step(&seen(true, None), at(0));
        for minute in 1..30 {
            let some = Seen { received_bytes: minute, ..seen(true, Some(RequestStatus::Transferring)) };
            assert_eq!(asking.step(&some, at(minute * 60)), Step::Look);
        }
        let stopped = Seen { received_bytes: 29, ..seen(true, Some(RequestStatus::Transferring)) };
        assert!(matches!(asking.step(&stopped, at(29 * 60 + 121)), Step::GiveUp(_)));
    }
}

//! What must be seen of a new image before it is marked good, and for how long. Pure.

use std::fmt;
use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::time::{MonoTime, WallTime};
use serde::{Deserialize, Serialize};

use super::Version;

/// For how long everything must hold without a break.
pub const HOLD: Duration = Duration::from_mins(5);
/// Within what time from the start of the watch it must have begun to hold.
pub const WITHIN: Duration = Duration::from_mins(20);
/// How long an image that does everything else is given to reach a center that the former one reached.
pub const LINE_PATIENCE: Duration = Duration::from_hours(24);

/// How long whoever watches something new takes to be sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For how long everything must hold without a break.
    pub hold: Duration,
    /// Within what time from the start of the watch it must have begun to hold.
    pub within: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { hold: HOLD, within: WITHIN }
    }
}

/// What the running agent says of itself. Facts stay true for the life of the process once they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each with a sentence of its own when missing")]
pub struct Evidence {
    /// When this was written.
    pub at: WallTime,
    /// Which life of the agent: another one means that it was started again.
    pub life: String,
    /// It has told the service manager that it is ready.
    pub ready: bool,
    /// Every stage beats, so the watchdog is fed.
    pub fed: bool,
    /// Cameras of which a frame was decoded in this life.
    pub cameras: Vec<CameraId>,
    /// Those of them whose frames come now, which is no fact that stays; agents before this was said name none.
    #[serde(default)]
    pub lately: Vec<CameraId>,
    /// A model has run.
    pub inferred: bool,
    /// The outbox takes records.
    pub outbox: bool,
    /// The audit log takes entries.
    pub audit: bool,
    /// It is known what the clock is worth.
    pub clock: bool,
    /// The broker was reached in this life.
    pub reached: bool,
    /// The center has acknowledged a health record of this life.
    pub acknowledged: bool,
    /// Heat or a weak supply leave nothing for analysis just now: a missing frame says nothing of the image.
    pub spared: bool,
    /// The vision worker of now, once it has run a model; agents before this was said say nothing of it.
    #[serde(default)]
    pub worker: Option<Worker>,
    /// The release of the agent that this is; none is the image's own.
    #[serde(default)]
    pub release: Option<Version>,
}

/// One life of the vision worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// The set of models that it was started with; none are the image's own.
    pub set: Option<u64>,
    /// How many lives there were before it in this life of the agent.
    pub life: u64,
    /// Cameras of which it has analysed a frame.
    pub cameras: Vec<CameraId>,
}

/// What the former image could do when the update was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Cameras that gave frames just then: one that was broken already is not asked of the new one.
    pub cameras: Vec<CameraId>,
    /// Whether the broker was reached.
    pub reached: bool,
}

impl From<&Evidence> for Before {
    fn from(evidence: &Evidence) -> Self {
        // Where nothing was looked at, for heat, it is not known which of them still work.
        let cameras = if evidence.spared { &evidence.cameras } else { &evidence.lately };
        Self { cameras: cameras.clone(), reached: evidence.reached }
    }
}

/// What is still missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The agent says nothing.
    Agent,
    /// It has not said READY.
    Ready,
    /// A stage does not beat.
    Watchdog,
    /// A camera that worked before gives no frame.
    Frame(CameraId),
    /// No model has run.
    Inference,
    /// The outbox takes nothing.
    Outbox,
    /// The audit log takes nothing.
    Audit,
    /// Nobody knows what the clock is worth.
    Clock,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("the agent does not run"),
            Self::Ready => f.write_str("the agent is not ready"),
            Self::Watchdog => f.write_str("a stage of the agent does not beat"),
            Self::Frame(camera) => write!(f, "no frame of camera {camera}, which worked before"),
            Self::Inference => f.write_str("no model has run"),
            Self::Outbox => f.write_str("the outbox cannot be written"),
            Self::Audit => f.write_str("the audit log cannot be written"),
            Self::Clock => f.write_str("nobody knows what the clock is worth"),
        }
    }
}

/// What is missing, the line to the center aside.
pub fn missing(evidence: Option<&Evidence>, before: &Before) -> Vec<Missing> {
    let Some(seen) = evidence else { return vec![Missing::Agent] };
    let facts = [
        (seen.ready, Missing::Ready),
        (seen.fed, Missing::Watchdog),
        (seen.inferred, Missing::Inference),
        (seen.outbox, Missing::Outbox),
        (seen.audit, Missing::Audit),
        (seen.clock, Missing::Clock),
    ];
    let blind = before.cameras.iter().filter(|camera| !seen.cameras.contains(camera)).cloned().map(Missing::Frame);
    facts.into_iter().filter(|(holds, _)| !holds).map(|(_, missing)| missing).chain(blind).collect()
}

/// Whether the line is as good as before: a link that was dead before the update says nothing about the image.
pub fn line_holds(evidence: Option<&Evidence>, before: &Before) -> bool {
    !before.reached || evidence.is_some_and(|seen| seen.acknowledged)
}

/// How the watch over a new image stands. Times are of one run of the process that watches: it begins anew with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    began: Option<MonoTime>,
    held: Option<(MonoTime, String)>,
}

/// What the watch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    Wait,
    /// Everything held for long enough.
    Holds,
    /// Everything held for long enough, the line to the center aside.
    HoldsWithoutLine,
    /// It had its time.
    Fails(String),
}

impl Watch {
    /// Takes one look in.
    pub fn look(&mut self, evidence: Option<&Evidence>, before: &Before, patience: Patience, now: MonoTime) -> Verdict {
        let missing = missing(evidence, before);
        let unseen = |missing: &Missing| matches!(missing, Missing::Frame(_) | Missing::Inference);
        if evidence.is_some_and(|seen| seen.spared) && missing.iter().all(unseen) {
            // Time in which nothing could be seen does not count.
            self.began = Some(now);
        }
        let began = *self.began.get_or_insert(now);
        let life = evidence.map(|seen| seen.life.clone()).unwrap_or_default();
        if !missing.is_empty() {
            self.held = None;
            let late = now.saturating_since(began) >= patience.within;
            let words = || missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return if late { Verdict::Fails(words()) } else { Verdict::Wait };
        }
        let since = match &self.held {
            Some((since, same)) if *same == life => *since,
            Some(_) | None => now,
        };
        self.held = Some((since, life));
        match (now.saturating_since(since) >= patience.hold, line_holds(evidence, before)) {
            (false, _) => Verdict::Wait,
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::HoldsWithoutLine,
        }
    }

    /// How long the watch has gone on.
    pub fn age(&self, now: MonoTime) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.saturating_since(began))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An agent that does everything.
    pub(in super::super) fn healthy() -> Evidence {
        Evidence {
            at: WallTime::from_micros(0),
            life: "first".into(),
            ready: true,
            fed: true,
            cameras: vec!["north".parse().unwrap()],
            lately: vec!["north".parse().unwrap()],
            inferred: true,
            outbox: true,
            audit: true,
            clock: true,
            reached: true,
            acknowledged: true,
            spared: false,
            worker: None,
            release: None,
        }
    }

    fn at(seconds: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_secs(seconds))
    }

    fn before() -> Before {
        Before::from(&healthy())
    }

    #[test]
    fn each_condition_alone_keeps_the_image_from_being_good() {
        let breaks: [fn(&mut Evidence); 7] = [
            |seen| seen.ready = false,
            |seen| seen.fed = false,
            |seen| seen.cameras.clear(),
            |seen| seen.inferred = false,
            |seen| seen.outbox = false,
            |seen| seen.audit = false,
            |seen| seen.clock = false,
        ];
        for (number, break_it) in breaks.iter().enumerate() {
            let mut seen = healthy();
            break_it(&mut seen);
            let mut watch = Watch::default();
            assert_eq!(watch.look(Some(&seen), &before(), Patience::default(), at(0)), Verdict::Wait);
            assert_eq!(
                watch.look(Some(&seen), &before(), Patience::default(), at(301)),
                Verdict::Wait,
                "condition {number}"
            );
            assert!(
                matches!(watch.look(Some(&seen), &before(), Patience::default(), at(1200)), Verdict::Fails(_)),
                "condition {number}"
            );
        }
        let mut watch = Watch::default();
        watch.look(None, &before(), Patience::default(), at(0));
        assert_eq!(
            watch.look(None, &before(), Patience::default(), at(1200)),
            Verdict::Fails("the agent does not run".into())
        );
    }

    #[test]
    fn it_must_hold_for_five_minutes_in_one_life_of_the_agent() {
        let mut watch = Watch::default();
        let (first, mut second) = (healthy(), healthy());
        second.life = "second".into();
        assert_eq!(watch.look(Some(&first), &before(), Patience::default(), at(0)), Verdict::Wait);
        assert_eq!(watch.look(Some(&first), &before(), Patience::default(), at(299)), Verdict::Wait);
        assert_eq!(
            watch.look(Some(&second), &before(), Patience::default(), at(300)),
            Verdict::Wait,
            "started again in minute four"
        );
        assert_eq!(watch.look(Some(&second), &before(), Patience::default(), at(599)), Verdict::Wait);
        assert_eq!(watch.look(Some(&second), &before(), Patience::default(), at(600)), Verdict::Holds);
    }

    #[test]
    fn time_in_which_heat_leaves_nothing_for_analysis_does_not_count_against_the_image() {
        let hot = Evidence { cameras: Vec::new(), inferred: false, spared: true, ..healthy() };
        let mut watch = Watch::default();
        for minute in 0..60 {
            assert_eq!(watch.look(Some(&hot), &before(), Patience::default(), at(minute * 60)), Verdict::Wait);
        }
        let deaf = Evidence { outbox: false, ..hot };
        assert!(matches!(watch.look(Some(&deaf), &before(), Patience::default(), at(80 * 60)), Verdict::Fails(_)));
    }

    #[test]
    fn a_camera_that_was_dead_before_is_not_asked_for() {
        let mut seen = healthy();
        seen.cameras.clear();
        assert!(missing(Some(&seen), &Before::default()).is_empty());
    }

    #[test]
    fn a_link_that_was_dead_before_is_not_asked_for_and_one_that_was_not_is() {
        let mut seen = healthy();
        (seen.reached, seen.acknowledged) = (false, false);
        for (before, verdict) in
            [(Before { reached: false, ..before() }, Verdict::Holds), (before(), Verdict::HoldsWithoutLine)]
        {
            let mut watch = Watch::default();
            watch.look(Some(&seen), &before, Patience::default(), at(0));
            assert_eq!(watch.look(Some(&seen), &before, Patience::default(), at(300)), verdict);
        }
    }

    #[test]
    fn a_camera_that_was_broken_when_the_update_was_asked_for_is_not_asked_of_it() {
        let both: Vec<CameraId> = ["north", "south"].map(|camera| camera.parse().unwrap()).into();
        let asked = Evidence { cameras: both.clone(), ..healthy() };
        assert_eq!(missing(Some(&healthy()), &Before::from(&asked)), []);
        let hot = Evidence { spared: true, lately: Vec::new(), ..asked };
        assert_eq!(Before::from(&hot).cameras, both, "while nothing is looked at nobody knows");
    }
}

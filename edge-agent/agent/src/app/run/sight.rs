//! What the vision worker made of a camera's stream between two looks.

use std::time::Duration;

use edge_protocol::id::CameraId;
use edge_protocol::record::Sentence;
use edge_protocol::time::MonoTime;

use crate::vision::CameraProgress;

/// So long without a frame that was looked at or passed over, and nothing is known of what a camera sees; with so much
/// of a stream meanwhile and no decoded picture it is a fault. Less may be a decoder that has just begun.
const UNDECODED: (Duration, u64) = (Duration::from_secs(10), 20);

/// One camera's counters at the last look, and what they grew by before it.
#[derive(Debug, Default)]
pub(super) struct Sight {
    newest: Newest,
    last: CameraProgress,
    span: Duration,
    failed: u64,
    rebuilt: u64,
    analysed: u64,
}

/// When the last frame was met, and what has come since.
#[derive(Debug, Default)]
struct Newest {
    at: Option<MonoTime>,
    /// The counters when it was met.
    then: CameraProgress,
    units: u64,
    decoded: u64,
}

impl Sight {
    /// Notes whether another frame was met: each one moves the period on whose counts come next. To be called every
    /// second or so.
    pub(super) fn meet(&mut self, progress: &CameraProgress, now: MonoTime) {
        let newest = &mut self.newest;
        let period = |of: &CameraProgress| (of.looked_ms, of.period_ms);
        if newest.at.is_none() || period(progress) != period(&newest.then) || progress.units < newest.then.units {
            *newest = Newest { at: Some(now), then: progress.clone(), units: 0, decoded: 0 };
        } else {
            newest.units = progress.units - newest.then.units;
            newest.decoded = progress.decoded.saturating_sub(newest.then.decoded);
        }
    }

    /// Whether nothing of what the camera sees now is known.
    pub(super) fn is_stale(&self, now: MonoTime) -> bool {
        self.newest.at.is_none_or(|at| now.saturating_since(at) >= UNDECODED.0)
    }

    /// A span of `span` has passed since the last look. A worker that began anew counts from zero, which is no growth.
    pub(super) fn look(&mut self, now: &CameraProgress, span: Duration) {
        let grown = |of: fn(&CameraProgress) -> u64| of(now).saturating_sub(of(&self.last));
        *self = Self {
            newest: std::mem::take(&mut self.newest),
            span,
            failed: grown(|progress| progress.failed),
            rebuilt: grown(|progress| progress.rebuilt),
            analysed: grown(|progress| progress.analysed),
            last: now.clone(),
        };
    }

    /// Frames analysed, thousandths a second.
    pub(super) fn analysed_mfps(&self) -> u32 {
        let mfps = u128::from(self.analysed) * 1_000_000 / self.span.as_millis().max(1);
        u32::try_from(mfps).unwrap_or(u32::MAX)
    }

    /// Whether the stream arrives and nothing of it is seen.
    fn is_blind(&self, now: MonoTime) -> bool {
        self.is_stale(now) && self.newest.decoded == 0 && self.newest.units >= UNDECODED.1
    }

    /// What is wrong with decoder or models, worst first; none where nothing is.
    pub(super) fn problem(&self, camera: &CameraId, now: MonoTime) -> Option<Sentence> {
        let what = if self.is_blind(now) {
            "its stream arrives and no picture is decoded".to_owned()
        } else if self.failed > 0 {
            format!("{} pictures could not be looked at", self.failed)
        } else if self.rebuilt > 0 {
            format!("its decoder had to be made anew {} time(s)", self.rebuilt)
        } else {
            return None;
        };
        let complaint = if self.last.complaint.is_empty() { "" } else { ": " };
        Some(Sentence::cut(&format!("camera {camera}: {what}{complaint}{}", self.last.complaint)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn progress(units: u64, decoded: u64, failed: u64, rebuilt: u64) -> CameraProgress {
        let complaint = if rebuilt > 0 { "decoder x: gave no picture".to_owned() } else { String::new() };
        let period_ms = u32::try_from(decoded).unwrap();
        CameraProgress {
            units,
            decoded,
            analysed: decoded,
            failed,
            rebuilt,
            complaint,
            period_ms,
            ..Default::default()
        }
    }

    /// What is told after each of some looks, a minute apart.
    fn told(looks: &[CameraProgress]) -> Vec<String> {
        let (mut sight, camera) = (Sight::default(), "gate".parse().unwrap());
        let told = looks.iter().zip(1..).map(|(progress, minute)| {
            let now = MonoTime::from_duration(MINUTE * minute);
            sight.meet(progress, now);
            sight.look(progress, MINUTE);
            sight.problem(&camera, now).map(|words| words.as_str().to_owned()).unwrap_or_default()
        });
        told.collect()
    }

    #[test]
    fn a_stream_that_is_not_decoded_is_told_with_the_decoders_words_and_no_longer_than_it_lasts() {
        let looks = [progress(900, 900, 0, 0), progress(1800, 900, 0, 4), progress(2700, 1800, 0, 4)];
        let worst = "camera gate: its stream arrives and no picture is decoded: decoder x: gave no picture";
        assert_eq!(told(&looks), ["", worst, ""]);
    }

    #[test]
    fn a_camera_whose_frames_stop_is_told_within_ten_seconds_and_a_worker_that_begins_anew_has_ten_more() {
        let (mut sight, camera) = (Sight::default(), "gate".parse().unwrap());
        let at = |second| MonoTime::from_duration(Duration::from_secs(second));
        sight.meet(&progress(900, 900, 0, 0), at(60));
        sight.meet(&progress(1035, 900, 0, 0), at(69));
        assert!(!sight.is_stale(at(69)) && sight.problem(&camera, at(69)).is_none());
        sight.meet(&progress(1050, 900, 0, 0), at(70));
        assert!(sight.is_stale(at(70)) && sight.problem(&camera, at(70)).is_some());
        sight.meet(&progress(30, 0, 0, 0), at(71));
        assert!(!sight.is_stale(at(80)) && sight.problem(&camera, at(80)).is_none());
        sight.meet(&progress(180, 0, 0, 0), at(81));
        assert!(sight.problem(&camera, at(81)).is_some());
    }

    #[test]
    fn pictures_that_fail_and_decoders_made_anew_are_counted() {
        let looks = [progress(900, 890, 10, 0), progress(1800, 1700, 10, 2)];
        let anew = "camera gate: its decoder had to be made anew 2 time(s): decoder x: gave no picture";
        assert_eq!(told(&looks), ["camera gate: 10 pictures could not be looked at", anew]);
    }

    #[test]
    fn a_camera_without_a_stream_and_a_worker_that_began_anew_are_no_fault_of_the_decoder() {
        assert_eq!(told(&[progress(0, 0, 0, 0), progress(900, 900, 0, 0), progress(5, 5, 0, 0)]), ["", "", ""]);
    }

    #[test]
    fn frames_analysed_are_told_by_the_second() {
        let mut sight = Sight::default();
        sight.look(&progress(900, 900, 0, 0), MINUTE);
        assert_eq!(sight.analysed_mfps(), 15_000);
    }
}

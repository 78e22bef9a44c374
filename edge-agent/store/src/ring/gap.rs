//! Times without video: always stated, never silent.

use std::time::Duration;

use edge_protocol::time::WallTime;

use super::format::Group;

/// Groups that lie closer together than this follow each other: cameras drift and round.
pub const TOLERANCE: Duration = Duration::from_millis(700);

/// Why there is no video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The camera sent nothing, or nothing that could be used.
    Camera,
    /// The disk could not keep up.
    Overload,
    /// The disk failed or was full.
    Disk,
    /// What was stored cannot be read any more.
    Rotten,
    /// The clock was set forward: no time passed there.
    Clock,
    /// The unit was not recording, or its index of gaps was lost.
    Unknown,
}

impl GapReason {
    const ALL: [Self; 6] = [Self::Camera, Self::Overload, Self::Disk, Self::Rotten, Self::Clock, Self::Unknown];

    /// The reason as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Overload => "overload",
            Self::Disk => "disk",
            Self::Rotten => "rotten",
            Self::Clock => "clock",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::Unknown)
    }
}

/// A time without video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Its beginning by the wall clock.
    pub from: WallTime,
    /// Its end.
    pub to: WallTime,
    /// Why.
    pub reason: GapReason,
}

/// The parts of a time that no group covers, each with the reason noted for it, and short ones that were noted.
pub(super) fn gaps(groups: &[Group], from: WallTime, to: WallTime, noted: &[Gap]) -> Vec<Gap> {
    let mut found = Vec::new();
    let mut covered_to = from;
    let mut uncovered = |from: WallTime, to: WallTime| {
        let overlapping = noted.iter().find(|gap| gap.from < to && gap.to > from);
        if to > from && (overlapping.is_some() || to.saturating_since(from) > TOLERANCE) {
            found.push(Gap { from, to, reason: overlapping.map_or(GapReason::Unknown, |gap| gap.reason) });
        }
    };
    for group in groups {
        uncovered(covered_to, group.wall.time.min(to));
        covered_to = covered_to.max(group.end());
    }
    uncovered(covered_to, to);
    found
}

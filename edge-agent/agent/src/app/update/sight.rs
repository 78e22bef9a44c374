//! The agent's evidence as somebody beside it sees it: what is not written again is not believed.

use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::time::MonoTime;

use crate::app::run::witness;
use crate::update::Evidence;

/// An agent that has written nothing new for so long does not run. No wall clock is asked: it may just have been set.
const FRESH: Duration = Duration::from_secs(20);

/// What was seen last, and when it changed.
#[derive(Debug)]
pub(super) struct Sight {
    folder: Option<PathBuf>,
    last: Option<(Evidence, MonoTime)>,
}

impl Sight {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, last: None }
    }

    pub(super) fn look(&mut self, now: MonoTime) -> Option<Evidence> {
        let found = self.folder.as_deref().and_then(witness::read);
        self.believe(found, now)
    }

    fn believe(&mut self, found: Option<Evidence>, now: MonoTime) -> Option<Evidence> {
        let Some(found) = found else {
            self.last = None;
            return None;
        };
        let changed = match &self.last {
            Some((last, changed)) if *last == found => *changed,
            Some(_) | None => now,
        };
        self.last = Some((found.clone(), changed));
        (now.saturating_since(changed) <= FRESH).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use edge_protocol::time::WallTime;

    use super::*;

    #[test]
    fn evidence_that_is_not_written_again_is_not_believed() {
        let at = |seconds| MonoTime::from_duration(Duration::from_secs(seconds));
        let written = |micros| Some(Evidence { at: WallTime::from_micros(micros), ..Evidence::default() });
        let mut sight = Sight::new(None);
        assert!(sight.believe(written(1), at(0)).is_some());
        assert!(sight.believe(written(1), at(20)).is_some());
        assert!(sight.believe(written(1), at(21)).is_none(), "the agent has hung");
        assert!(sight.believe(written(2), at(22)).is_some());
        assert!(sight.believe(None, at(23)).is_none(), "it is gone");
    }
}

//! Key pictures: without one, nothing of a stream can be recorded or decoded.

use std::time::Duration;

use edge_protocol::time::MonoTime;

/// Follows the key pictures of one camera over all its connections.
#[derive(Debug)]
pub(super) struct Keys {
    /// How far apart they may be.
    limit: Duration,
    /// The last one of this connection.
    last: Option<MonoTime>,
    /// They are further apart, and asking the camera again has not changed that.
    are_rare: bool,
    /// The camera has been asked again because of it.
    asked: bool,
}

/// How it is with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it should be.
    Good,
    /// Too long without one: asking again makes most cameras send one.
    Ask,
    /// Too long without one, by a camera that sends none sooner: each new connection would cost video.
    Rare(Duration),
}

impl Keys {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, last: None, are_rare: false, asked: false }
    }

    /// A connection begins.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// One has come.
    pub(super) fn came(&mut self, now: MonoTime) {
        if self.last.is_some_and(|last| now.saturating_since(last) <= self.limit) {
            (self.are_rare, self.asked) = (false, false);
        }
        self.last = Some(now);
    }

    /// How it is, given this connection's first picture and its last.
    pub(super) fn standing(&mut self, first_picture: MonoTime, last_picture: MonoTime) -> Standing {
        let without = last_picture.saturating_since(self.last.unwrap_or(first_picture));
        if without <= self.limit {
            return Standing::Good;
        }
        if self.last.is_none() {
            return Standing::Ask;
        }
        self.are_rare |= std::mem::replace(&mut self.asked, true);
        if self.are_rare { Standing::Rare(without) } else { Standing::Ask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> MonoTime {
        MonoTime::from_duration(Duration::from_secs(second))
    }

    #[test]
    fn a_camera_whose_key_pictures_are_rare_is_asked_again_once_and_then_left_alone() {
        let mut keys = Keys::new(Duration::from_mins(1));
        keys.begin();
        keys.came(at(0));
        assert_eq!(keys.standing(at(0), at(60)), Standing::Good);
        assert_eq!(keys.standing(at(0), at(61)), Standing::Ask);
        keys.begin();
        keys.came(at(62));
        assert_eq!(keys.standing(at(62), at(123)), Standing::Rare(Duration::from_secs(61)));
        assert_eq!(keys.standing(at(62), at(140)), Standing::Rare(Duration::from_secs(78)));
        keys.came(at(182));
        assert_eq!(keys.standing(at(62), at(200)), Standing::Good);
        assert_eq!(
            keys.standing(at(62), at(243)),
            Standing::Rare(Duration::from_secs(61)),
            "and it is not asked again"
        );
        keys.came(at(250));
        keys.came(at(252));
        assert_eq!(keys.standing(at(62), at(313)), Standing::Ask, "it sends them sooner by now");
    }

    #[test]
    fn a_connection_without_any_key_picture_is_always_made_again() {
        let mut keys = Keys::new(Duration::from_mins(1));
        for connection in 0..3 {
            let first = at(connection * 100);
            keys.begin();
            assert_eq!(keys.standing(first, at(connection * 100 + 60)), Standing::Good);
            assert_eq!(keys.standing(first, at(connection * 100 + 61)), Standing::Ask);
        }
    }
}

//! Who is in. One technician at a time, so that no two turn the same camera; a second one is told and may take over.

use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::time::{MonoTime, WallTime};

/// Who has not been heard of for so long is out: a phone that left.
const IDLE: Duration = Duration::from_mins(15);
/// The longest that one log-in lasts.
const LONGEST: Duration = Duration::from_hours(8);

/// What a session is proved with: random bytes, kept here as their hash alone.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) String);

impl Ticket {
    /// Bytes that [`Ticket::of`] is made from.
    pub(super) const RANDOM_BYTES: usize = 32;

    pub(super) fn of(random: &[u8; Self::RANDOM_BYTES]) -> Self {
        Self(hex::encode(random))
    }

    fn hash(&self) -> Hash256 {
        Hash256::of(self.0.as_bytes())
    }
}

/// Somebody who is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) name: String,
    /// Since when, for people.
    pub(super) since: WallTime,
    ticket: Hash256,
    entered: MonoTime,
    heard: MonoTime,
}

/// Why somebody is not in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outside {
    /// Never was, or it is too long ago.
    NotIn,
    /// Somebody else took over.
    TakenOver(String),
}

/// Keeps who is in.
#[derive(Debug, Default)]
pub(super) struct Door {
    inside: Option<Inside>,
    /// Whose ticket was taken, and by whom.
    displaced: Option<(Hash256, String)>,
}

impl Door {
    /// Who is in now.
    pub(super) fn inside(&mut self, now: MonoTime) -> Option<&Inside> {
        let over = |inside: &Inside| {
            now.saturating_since(inside.heard) >= IDLE || now.saturating_since(inside.entered) >= LONGEST
        };
        if self.inside.as_ref().is_some_and(over) {
            self.inside = None;
        }
        self.inside.as_ref()
    }

    /// Lets somebody in who has shown the setup code. Who was in is out, and is told by whom.
    pub(super) fn enter(&mut self, name: &str, ticket: &Ticket, now: MonoTime, wall: WallTime) {
        let before = self.inside(now).map(|inside| inside.ticket);
        self.displaced = before.map(|before| (before, name.to_owned()));
        let name = name.to_owned();
        self.inside = Some(Inside { name, since: wall, ticket: ticket.hash(), entered: now, heard: now });
    }

    /// Who shows this ticket.
    pub(super) fn who(&mut self, ticket: &Ticket, now: MonoTime) -> Result<String, Outside> {
        let shown = ticket.hash();
        self.inside(now);
        if let Some(inside) = self.inside.as_mut().filter(|inside| inside.ticket == shown) {
            inside.heard = now;
            return Ok(inside.name.clone());
        }
        let by = self.displaced.as_ref().filter(|(before, _)| *before == shown);
        Err(by.map_or(Outside::NotIn, |(_, by)| Outside::TakenOver(by.clone())))
    }

    /// Nobody is in any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(sign: u8) -> Ticket {
        Ticket::of(&[sign; Ticket::RANDOM_BYTES])
    }

    fn at(seconds: u64) -> MonoTime {
        MonoTime::ZERO.saturating_add(Duration::from_secs(seconds))
    }

    const WALL: WallTime = WallTime::from_millis(0);

    #[test]
    fn the_holder_of_the_ticket_is_in_and_nobody_else() {
        let mut door = Door::default();
        assert_eq!(door.who(&ticket(1), at(0)), Err(Outside::NotIn));
        door.enter("Kim", &ticket(1), at(0), WALL);
        assert_eq!(door.who(&ticket(1), at(1)), Ok("Kim".to_owned()));
        assert_eq!(door.who(&ticket(2), at(1)), Err(Outside::NotIn));
        door.clear();
        assert_eq!(door.who(&ticket(1), at(1)), Err(Outside::NotIn));
    }

    #[test]
    fn who_is_taken_over_is_told_by_whom() {
        let mut door = Door::default();
        door.enter("Kim", &ticket(1), at(0), WALL);
        assert_eq!(door.inside(at(1)).map(|inside| inside.name.as_str()), Some("Kim"));
        door.enter("Sam", &ticket(2), at(2), WALL);
        assert_eq!(door.who(&ticket(1), at(3)), Err(Outside::TakenOver("Sam".to_owned())));
        assert_eq!(door.who(&ticket(2), at(3)), Ok("Sam".to_owned()));
    }

    #[test]
    fn a_phone_that_left_is_out_after_a_while_and_nobody_stays_all_day() {
        let mut door = Door::default();
        door.enter("Kim", &ticket(1), at(0), WALL);
        assert!(door.who(&ticket(1), at(899)).is_ok());
        assert!(door.who(&ticket(1), at(899 + 899)).is_ok(), "being heard of begins the time anew");
        assert_eq!(door.who(&ticket(1), at(2 * 899 + 900)), Err(Outside::NotIn));
        door.enter("Kim", &ticket(1), at(10_000), WALL);
        for minute in 0..480 {
            assert!(door.who(&ticket(1), at(10_000 + minute * 60)).is_ok());
        }
        assert_eq!(door.who(&ticket(1), at(10_000 + 480 * 60)), Err(Outside::NotIn));
    }
}

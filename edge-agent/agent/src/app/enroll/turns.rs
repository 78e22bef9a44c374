//! What is told of the line while an answer is waited for: each thing once, and what it looks like when two ask with
//! one claim. The broker lets a name be connected once, so each of them ends the other's connection, for as long as
//! both ask.

use std::time::Duration;

use edge_protocol::time::MonoTime;

/// So many connections in a row that were cut soon after the question was taken are no chance.
const MANY: u32 = 3;
/// A connection that lasted longer than this was a good one: who is in the way comes again sooner.
const SOON: Duration = Duration::from_secs(30);

/// How the line was so far.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Since when the broker has had the question in this connection.
    asked: Option<MonoTime>,
    is_told: bool,
    cuts: u32,
    lost: String,
}

impl Turns {
    /// The broker has taken a connection; whether that is news.
    pub(super) fn taken(&mut self) -> bool {
        self.cuts < MANY && !std::mem::replace(&mut self.is_told, true)
    }

    /// The broker has the question.
    pub(super) fn asked(&mut self, now: MonoTime) {
        self.asked.get_or_insert(now);
    }

    /// The line is lost for a reason; what is news of it.
    pub(super) fn lost(&mut self, reason: &str, now: MonoTime) -> Option<String> {
        match self.asked.take() {
            Some(since) if now.saturating_since(since) <= SOON => self.cuts += 1,
            Some(_) => self.cuts = 0,
            None => {}
        }
        if self.cuts == MANY && self.lost != TWO {
            TWO.clone_into(&mut self.lost);
            return Some(TWO.to_owned());
        }
        if self.cuts >= MANY || self.lost == reason {
            return None;
        }
        self.is_told = false;
        reason.clone_into(&mut self.lost);
        Some(format!("no line to the broker ({reason}); trying again"))
    }
}

const TWO: &str = "the broker has taken the claim certificate and cut the connection again and again: somebody else seems \
                   to enrol with this claim; end one of the two, `rtcc enroll list` tells what was asked (a very bad line \
                   looks the same); trying again";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> MonoTime {
        MonoTime::ZERO.saturating_add(Duration::from_secs(second))
    }

    #[test]
    fn a_line_that_is_away_and_comes_again_is_told_once_each_time() {
        let mut turns = Turns::default();
        assert!(turns.lost("no route", at(0)).unwrap().contains("no line to the broker (no route)"));
        assert_eq!(turns.lost("no route", at(1)), None);
        for hour in 1..9 {
            assert!(turns.taken(), "it is there again");
            turns.asked(at(hour * 3600 - 60));
            assert!(turns.lost("was cut", at(hour * 3600)).is_some_and(|told| told.contains("was cut")));
            assert!(turns.lost("no route", at(hour * 3600)).is_some());
        }
        for second in 0..9 {
            turns.taken();
            let told = turns.lost("it may not hear its answer", at(40_000 + second));
            assert!(told.is_none_or(|told| !told.contains("somebody else")), "never asked");
        }
    }

    #[test]
    fn two_that_take_turns_are_told_of_each_other_and_of_nothing_else_until_that_is_over() {
        let mut turns = Turns::default();
        let mut told = Vec::new();
        for second in 0..20 {
            told.extend(turns.taken().then(|| "taken".to_owned()));
            turns.asked(at(second));
            told.extend(turns.lost("was cut", at(second)));
        }
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[3].contains("somebody else seems to enrol with this claim"), "{told:?}");
        turns.asked(at(100));
        assert!(turns.lost("was cut", at(200)).is_some_and(|told| told.contains("no line to the broker")));
        assert!(turns.taken());
    }
}

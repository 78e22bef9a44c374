//! What is told of the line while an answer is waited for: each thing once, and what it looks like when two ask with
//! one claim. The broker lets a name be connected once, so each of them ends the other's connection, for as long as
//! both ask.

/// So many connections in a row that were taken and cut are no chance.
const MANY: u32 = 3;

/// How the line was so far.
#[derive(Debug, Default)]
pub(super) struct Turns {
    is_taken: bool,
    is_told: bool,
    cuts: u32,
    lost: String,
}

impl Turns {
    /// The broker has taken a connection; whether that is news.
    pub(super) fn taken(&mut self) -> bool {
        self.is_taken = true;
        self.cuts < MANY && !std::mem::replace(&mut self.is_told, true)
    }

    /// The line is lost for a reason; what is news of it.
    pub(super) fn lost(&mut self, reason: &str) -> Option<String> {
        self.cuts += u32::from(std::mem::take(&mut self.is_taken));
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

    #[test]
    fn a_line_that_is_away_and_comes_again_is_told_once_each_time() {
        let mut turns = Turns::default();
        assert!(turns.lost("no route").unwrap().contains("no line to the broker (no route)"));
        assert_eq!(turns.lost("no route"), None);
        assert!(turns.taken());
        assert!(turns.lost("was cut").is_some());
        assert!(turns.taken(), "it is there again");
        for _ in 0..9 {
            assert!(turns.lost("no route").is_none_or(|told| !told.contains("somebody else")), "never taken");
        }
    }

    #[test]
    fn two_that_take_turns_are_told_of_each_other_and_of_nothing_else_after_that() {
        let mut turns = Turns::default();
        let mut told = Vec::new();
        for _ in 0..20 {
            told.extend(turns.taken().then(|| "taken".to_owned()));
            told.extend(turns.lost("was cut"));
        }
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[3].contains("somebody else seems to enrol with this claim"), "{told:?}");
    }
}

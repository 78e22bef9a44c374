//! Bytes a day: what gives way when they run out.

use edge_protocol::lane::{Lane, PerLane};
use edge_protocol::record::LaneCount;
use edge_protocol::time::{ClockQuality, MonoTime, WallStamp};
use edge_store::outbox::Spent;

/// What may be done with records of a lane now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Send them.
    Send,
    /// Send counts; give road users up.
    CountsOnly,
    /// Give them up.
    GiveUp,
    /// Leave them in the outbox until tomorrow.
    Wait,
}

/// The day's budget. Thumbnails give way at 70 of 100, road users at 85 (counts remain), reads wait at 100. Hits,
/// answers, alerts, health and audit never give way, nor do clips, which a person asked for.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    daily_bytes: Option<u64>,
    spent: Spent,
    withheld: PerLane<u64>,
}

impl Budget {
    /// Goes on from what was spent before a restart.
    pub(super) fn new(daily_bytes: Option<u64>, spent: Spent) -> Self {
        Self { daily_bytes, spent, withheld: PerLane::default() }
    }

    /// Which day it is; a new one begins with nothing spent.
    pub(super) fn today(&mut self, day: i64) {
        if day != self.spent.day {
            *self = Self::new(self.daily_bytes, Spent { day, bytes: 0 });
        }
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.spent.bytes = self.spent.bytes.saturating_add(bytes);
    }

    pub(super) const fn spent(&self) -> Spent {
        self.spent
    }

    pub(super) fn permit(&self, lane: Lane) -> Permit {
        let Some(daily) = self.daily_bytes else { return Permit::Send };
        let percent = u128::from(self.spent.bytes) * 100 / u128::from(daily.max(1));
        match lane {
            Lane::Thumb if percent >= 70 => Permit::GiveUp,
            Lane::Object | Lane::Read if percent >= 100 => Permit::Wait,
            Lane::Object if percent >= 85 => Permit::CountsOnly,
            Lane::Thumb
            | Lane::Object
            | Lane::Read
            | Lane::Hit
            | Lane::Answer
            | Lane::Alert
            | Lane::Health
            | Lane::Audit
            | Lane::Clip => Permit::Send,
        }
    }

    pub(super) fn withheld(&mut self, lane: Lane, count: u64) {
        self.withheld[lane] = self.withheld[lane].saturating_add(count);
    }

    /// What was given up today since the agent's start, per lane with any.
    pub(super) fn withheld_today(&self) -> Vec<LaneCount> {
        let counted = self.withheld.iter().filter(|(_, count)| **count > 0);
        counted.map(|(lane, count)| LaneCount { lane, count: *count }).collect()
    }
}

/// Which day it is, as well as the unit knows: counted on from the last time that the clock followed a source, so that a
/// source that comes and goes does not make a new day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    day: i64,
    at: MonoTime,
}

impl Calendar {
    /// Begins with the day that was counted last.
    pub(super) const fn new(day: i64, at: MonoTime) -> Self {
        Self { day, at }
    }

    /// Days since 1970.
    pub(super) fn today(&mut self, wall: WallStamp, now: MonoTime) -> i64 {
        const DAY: i64 = 86_400;
        match wall.quality {
            ClockQuality::Synchronised { .. } => *self = Self { day: wall.time.as_millis() / 1000 / DAY, at: now },
            ClockQuality::Free | ClockQuality::Unknown => {}
        }
        let since_s = i64::try_from(now.saturating_since(self.at).as_secs()).unwrap_or(i64::MAX);
        self.day.saturating_add(since_s / DAY)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use edge_protocol::time::WallTime;

    use super::*;

    #[test]
    fn a_source_of_time_that_comes_and_goes_makes_no_new_day() {
        let at = |hours| MonoTime::from_duration(Duration::from_hours(hours));
        let start: WallTime = "2026-06-01T18:00:00Z".parse().unwrap();
        let wall = |hours: u64, quality| WallStamp { time: start.saturating_add(Duration::from_hours(hours)), quality };
        let good = ClockQuality::Synchronised { bound_ms: 10 };
        let mut calendar = Calendar::new(20_000, at(0));
        assert_eq!(calendar.today(wall(0, ClockQuality::Free), at(0)), 20_000, "no source yet: as counted last");
        assert_eq!(calendar.today(wall(0, ClockQuality::Free), at(25)), 20_001);
        let first = calendar.today(wall(0, good), at(30));
        assert_eq!(calendar.today(wall(16, good), at(46)), first + 1);
        assert_eq!(calendar.today(wall(17, ClockQuality::Free), at(47)), first + 1, "the source is gone");
        assert_eq!(calendar.today(wall(18, good), at(48)), first + 1, "and back");
    }

    #[test]
    fn thumbnails_give_way_first_then_road_users_then_reads_and_hits_never() {
        let mut budget = Budget::new(Some(1000), Spent::default());
        let permits =
            |budget: &Budget| [Lane::Thumb, Lane::Object, Lane::Read, Lane::Hit].map(|lane| budget.permit(lane));
        budget.spend(699);
        assert_eq!(permits(&budget), [Permit::Send; 4]);
        budget.spend(1);
        assert_eq!(permits(&budget), [Permit::GiveUp, Permit::Send, Permit::Send, Permit::Send]);
        budget.spend(150);
        assert_eq!(permits(&budget), [Permit::GiveUp, Permit::CountsOnly, Permit::Send, Permit::Send]);
        budget.spend(u64::MAX);
        assert_eq!(permits(&budget), [Permit::GiveUp, Permit::Wait, Permit::Wait, Permit::Send]);
        for lane in [Lane::Answer, Lane::Alert, Lane::Health, Lane::Audit, Lane::Clip] {
            assert_eq!(budget.permit(lane), Permit::Send);
        }
    }

    #[test]
    fn a_new_day_begins_with_nothing_spent_and_nothing_withheld() {
        let mut budget = Budget::new(Some(1000), Spent::default());
        budget.today(7);
        budget.spend(5000);
        budget.withheld(Lane::Thumb, 3);
        budget.today(7);
        assert_eq!(budget.withheld_today(), [LaneCount { lane: Lane::Thumb, count: 3 }]);
        budget.today(8);
        assert_eq!(budget.spent(), Spent { day: 8, bytes: 0 });
        assert!(budget.withheld_today().is_empty());
    }

    #[test]
    fn a_restart_does_not_give_the_days_bytes_out_twice() {
        let mut budget = Budget::new(Some(1000), Spent { day: 7, bytes: 700 });
        budget.today(7);
        assert_eq!(budget.permit(Lane::Thumb), Permit::GiveUp);
        budget.today(8);
        assert_eq!(budget.permit(Lane::Thumb), Permit::Send);
    }

    #[test]
    fn without_a_budget_everything_is_sent() {
        let mut budget = Budget::new(None, Spent::default());
        budget.spend(u64::MAX);
        assert!(Lane::ALL.into_iter().all(|lane| budget.permit(lane) == Permit::Send));
    }
}

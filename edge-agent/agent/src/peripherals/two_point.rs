//! Two-point control: on beyond one value, off only beyond another, so that nothing chatters.

/// Whether a drive runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// It rests.
    Off,
    /// It runs.
    On,
}

/// One drive's rule over one measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoPoint<T> {
    on_at: T,
    off_at: T,
    blind: Drive,
    drive: Drive,
}

impl<T: PartialOrd + Copy> TwoPoint<T> {
    /// What turns on as the value falls: on at or below `on_at`, off at or above `off_at`, as a heater does. With
    /// `on_at` above `off_at` it is the other way round, as for a fan. `blind` is what it does without a reading: a
    /// heater that nobody watches is a fire, a fan that stands still is one too.
    pub fn new(on_at: T, off_at: T, blind: Drive) -> Self {
        Self { on_at, off_at, blind, drive: Drive::Off }
    }

    /// What the drive should do at `now`.
    pub fn decide(&mut self, now: Option<T>) -> Drive {
        let rises = self.on_at > self.off_at;
        let beyond = |at: T, now: T, above: bool| if above { now >= at } else { now <= at };
        self.drive = match (now, self.drive) {
            (None, _) => self.blind,
            (Some(now), Drive::Off) if beyond(self.on_at, now, rises) => Drive::On,
            (Some(now), Drive::On) if beyond(self.off_at, now, !rises) => Drive::Off,
            (Some(_), drive) => drive,
        };
        self.drive
    }
}

#[cfg(test)]
mod tests {
    use super::super::Celsius;
    use super::Drive::{Off, On};
    use super::*;

    fn course(mut rule: TwoPoint<Celsius>, readings: &[Option<f32>]) -> Vec<Drive> {
        readings.iter().map(|reading| rule.decide(reading.map(Celsius))).collect()
    }

    #[test]
    fn a_heater_starts_in_the_cold_and_stops_only_when_it_is_warm_enough() {
        let heater = TwoPoint::new(Celsius(-5.0), Celsius(2.0), Off);
        let readings = [4.0, -4.9, -5.0, 1.9, 2.0, -4.0].map(Some);
        assert_eq!(course(heater, &readings), [Off, Off, On, On, Off, Off]);
    }

    #[test]
    fn a_fan_is_the_same_the_other_way_round() {
        let fan = TwoPoint::new(Celsius(70.0), Celsius(60.0), On);
        assert_eq!(course(fan, &[65.0, 70.0, 61.0, 60.0].map(Some)), [Off, On, On, Off]);
    }

    #[test]
    fn without_a_reading_the_heater_rests_and_the_fan_runs() {
        let heater = TwoPoint::new(Celsius(-5.0), Celsius(2.0), Off);
        assert_eq!(course(heater, &[Some(-20.0), None, Some(0.0)]), [On, Off, Off]);
        let fan = TwoPoint::new(Celsius(70.0), Celsius(60.0), On);
        assert_eq!(course(fan, &[None, Some(65.0), Some(59.0)]), [On, On, Off]);
    }
}

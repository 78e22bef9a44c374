//! When the heater and the fan run: two thresholds each, so that they do not chatter.

use super::Celsius;

/// Whether a drive runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// It rests.
    Off,
    /// It runs.
    On,
}

/// One drive's rule: it turns on beyond one temperature and off only beyond another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thermostat {
    on_at: Celsius,
    off_at: Celsius,
    drive: Drive,
}

impl Thermostat {
    /// A heater: on at or below `on_at`, off at or above `off_at`.
    /// A fan: the same with `on_at` above `off_at`.
    pub fn new(on_at: Celsius, off_at: Celsius) -> Self {
        Self { on_at, off_at, drive: Drive::Off }
    }

    /// What the drive should do at `now`. Without a reading it rests: a heater that nobody watches is a fire.
    pub fn decide(&mut self, now: Option<Celsius>) -> Drive {
        let cools = self.on_at > self.off_at;
        let beyond = |at: Celsius, now: Celsius, above: bool| if above { now >= at } else { now <= at };
        self.drive = match (now, self.drive) {
            (None, _) => Drive::Off,
            (Some(now), Drive::Off) if beyond(self.on_at, now, cools) => Drive::On,
            (Some(now), Drive::On) if beyond(self.off_at, now, !cools) => Drive::Off,
            (Some(_), drive) => drive,
        };
        self.drive
    }
}

#[cfg(test)]
mod tests {
    use super::Drive::{Off, On};
    use super::*;

    fn course(mut thermostat: Thermostat, readings: &[Option<f32>]) -> Vec<Drive> {
        readings.iter().map(|reading| thermostat.decide(reading.map(Celsius))).collect()
    }

    #[test]
    fn a_heater_starts_in_the_cold_and_stops_only_when_it_is_warm_enough() {
        let heater = Thermostat::new(Celsius(-5.0), Celsius(2.0));
        let readings = [4.0, -4.9, -5.0, 1.9, 2.0, -4.0].map(Some);
        assert_eq!(course(heater, &readings), [Off, Off, On, On, Off, Off]);
    }

    #[test]
    fn a_fan_is_the_same_the_other_way_round() {
        let fan = Thermostat::new(Celsius(70.0), Celsius(60.0));
        assert_eq!(course(fan, &[65.0, 70.0, 61.0, 60.0].map(Some)), [Off, On, On, Off]);
    }

    #[test]
    fn without_a_reading_the_drive_rests() {
        let heater = Thermostat::new(Celsius(-5.0), Celsius(2.0));
        assert_eq!(course(heater, &[Some(-20.0), None, Some(0.0)]), [Drive::On, Drive::Off, Drive::Off]);
    }
}

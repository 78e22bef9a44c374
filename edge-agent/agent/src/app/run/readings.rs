//! What the board's parts say now, in a technician's words: each with its reading or with why it gives none, and what
//! the board has not. Health alone reads the parts; what is said here is what it told last.

use std::path::Path;

use edge_protocol::record::{BoardHealth, Sentence, Temperature, Word};

use super::fitting::fittings;
use crate::config::BoardChoice;
use crate::page::Reading;
use crate::peripherals::simulated::Bench;
use crate::peripherals::{Fitted, Parts, zone};

/// A kind of part that a board has one of at most.
#[derive(Debug, Clone, Copy)]
enum Part {
    Supply,
    Tilt,
    Tamper,
    Light,
    Infrared,
    Heater,
    Fan,
}

impl Part {
    fn words(self) -> &'static str {
        match self {
            Self::Supply => "supply",
            Self::Tilt => "tilt",
            Self::Tamper => "tamper switch",
            Self::Light => "light around it",
            Self::Infrared => "infrared light",
            Self::Heater => "heater",
            Self::Fan => "fan",
        }
    }

    fn reading(self, board: &BoardHealth) -> Option<String> {
        let running = |on: bool| if on { "on" } else { "off" }.to_owned();
        match self {
            Self::Supply => {
                let (volts, amperes) = (whole(board.supply_mv?.into()), whole(board.supply_ma?.into()));
                Some(format!("{volts:.2} V, {:.1} W", volts * amperes))
            }
            Self::Tilt => Some(format!("{:.1}°", whole(board.tilt_mdeg?.into()))),
            Self::Tamper => Some(if board.opened? { "enclosure open" } else { "enclosure shut" }.to_owned()),
            Self::Light => Some(format!("{:.0} lx", whole(board.light_mlx?.into()))),
            Self::Infrared => {
                let share = board.illuminator?.ratio();
                Some(if share > 0.0 { format!("on, {:.0} %", share * 100.0) } else { running(false) })
            }
            Self::Heater => board.heater.map(running),
            Self::Fan => board.fan.map(running),
        }
    }

    /// Whether somebody has to do something about what it reads.
    fn is_wrong(self, board: &BoardHealth) -> bool {
        matches!(self, Self::Tamper) && board.opened == Some(true)
    }
}

/// What a board has, by the names under which health tells of it.
#[derive(Debug, Default)]
pub(super) struct Fit {
    thermometers: Vec<String>,
    parts: Vec<(Part, String)>,
    absent: Vec<Part>,
}

impl Fit {
    /// Of the configured board; health itself says of a board file that it cannot be used.
    pub(super) fn of(choice: &BoardChoice) -> Self {
        let found = fittings(choice, Bench::default(), Path::new(zone::FOLDER)).ok().flatten();
        found.map(|found| Self::of_parts(&found.parts)).unwrap_or_default()
    }

    fn of_parts(parts: &Parts) -> Self {
        let all = [
            (Part::Supply, parts.supply.as_ref().map(|supply| supply.part.name())),
            (Part::Tilt, parts.level.as_ref().map(|level| level.part.name())),
            (Part::Tamper, parts.tamper.as_ref().map(|tamper| tamper.contact.name())),
            (Part::Light, parts.light.as_ref().map(Fitted::name)),
            (Part::Infrared, parts.illuminator.as_ref().map(|illuminator| illuminator.dimmer.name())),
            (Part::Heater, parts.heater.as_ref().map(|heater| heater.switch.name())),
            (Part::Fan, parts.fan.as_ref().map(|fan| fan.switch.name())),
        ];
        let mut fit = Self {
            thermometers: parts.thermometers.iter().map(|part| part.name().to_owned()).collect(),
            ..Self::default()
        };
        for (part, name) in all {
            match name {
                Some(name) => fit.parts.push((part, name.to_owned())),
                None => fit.absent.push(part),
            }
        }
        fit
    }

    /// What it says by this health.
    pub(super) fn say(&self, board: &BoardHealth, temperatures: &[Temperature]) -> Vec<Reading> {
        let mut failing: Vec<&Sentence> = board.failing.iter().collect();
        let mut readings = Vec::new();
        for name in &self.thermometers {
            let told = temperatures.iter().find(|told| told.of == Word::cut(name));
            let warmth = told.map(|told| format!("{:.1} °C", whole(told.millicelsius.into())));
            readings.push(reading(&format!("temperature, {name}"), warmth, reason(name, &mut failing)));
        }
        for (part, name) in &self.parts {
            let found = reading(part.words(), part.reading(board), reason(name, &mut failing));
            readings.push(Reading { wrong: found.wrong || part.is_wrong(board), ..found });
        }
        for told in failing {
            let (of, why) = told.as_str().split_once(": ").unwrap_or(("board", told.as_str()));
            readings.push(reading(of, None, Some(why)));
        }
        readings.extend(self.rest(readings.is_empty()));
        readings
    }

    /// What is not there.
    fn rest(&self, nothing: bool) -> Option<Reading> {
        let absent: Vec<_> = self.absent.iter().map(|part| part.words()).collect();
        match absent.as_slice() {
            [] if nothing => Some(reading("board", Some("none is configured".to_owned()), None)),
            [] => None,
            absent => Some(reading("not fitted", Some(absent.join(", ")), None)),
        }
    }
}

/// A part's row; why it gives nothing stands before what it read last.
fn reading(of: &str, measured: Option<String>, why: Option<&str>) -> Reading {
    let (of, wrong) = (of.to_owned(), why.is_some());
    let measured = why.map(str::to_owned).or(measured).unwrap_or_else(|| "nothing read yet".to_owned());
    Reading { of, measured, wrong }
}

/// Why a part gives nothing, taken out of what is still to be told.
fn reason<'a>(name: &str, failing: &mut Vec<&'a Sentence>) -> Option<&'a str> {
    let why = |told: &'a Sentence| told.as_str().strip_prefix(name)?.strip_prefix(": ");
    let (place, why) = failing.iter().enumerate().find_map(|(place, &told)| Some((place, why(told)?)))?;
    failing.remove(place);
    Some(why)
}

/// Thousandths as told in health.
#[allow(clippy::cast_precision_loss, reason = "readings of a few digits")]
fn whole(thousandths: i64) -> f32 {
    thousandths as f32 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use edge_protocol::record::Confidence;

    use super::*;
    use crate::peripherals::simulated;

    fn whole_board() -> Parts {
        simulated::parts(&Arc::new(Mutex::new(Bench::default())))
    }

    fn said(fit: &Fit, board: &BoardHealth, warm: &[(&str, i32)]) -> Vec<(String, String, bool)> {
        let warm = warm.iter().map(|(of, millicelsius)| Temperature { of: Word::cut(of), millicelsius: *millicelsius });
        let warm: Vec<_> = warm.collect();
        fit.say(board, &warm).into_iter().map(|row| (row.of, row.measured, row.wrong)).collect()
    }

    fn row(of: &str, measured: &str, wrong: bool) -> (String, String, bool) {
        (of.to_owned(), measured.to_owned(), wrong)
    }

    #[test]
    fn every_part_of_a_board_is_told_with_what_it_reads() {
        let board = BoardHealth {
            supply_mv: Some(12_100),
            supply_ma: Some(850),
            tilt_mdeg: Some(340),
            light_mlx: Some(419_600),
            opened: Some(false),
            heater: Some(false),
            fan: Some(true),
            illuminator: Some(Confidence::ONE),
            ..BoardHealth::default()
        };
        let fit = Fit::of_parts(&whole_board());
        let mut expected = vec![
            row("temperature, enclosure", "-7.3 °C", false),
            row("supply", "12.10 V, 10.3 W", false),
            row("tilt", "0.3°", false),
            row("tamper switch", "enclosure shut", false),
            row("light around it", "420 lx", false),
            row("infrared light", "on, 100 %", false),
            row("heater", "off", false),
            row("fan", "on", false),
        ];
        let warm = [("enclosure", -7300), ("soc", 61_000)];
        assert_eq!(said(&fit, &board, &warm), expected, "the kernel's zones are no part of the board");
        let open = BoardHealth { opened: Some(true), illuminator: Some(Confidence::ZERO), ..board };
        expected[3] = row("tamper switch", "enclosure open", true);
        expected[5] = row("infrared light", "off", false);
        assert_eq!(said(&fit, &open, &warm), expected);
    }

    #[test]
    fn a_part_that_fails_is_told_with_why_and_one_that_is_not_fitted_as_that() {
        let failing = [
            "enclosure: LM75B does not answer: NoAcknowledge",
            "tamper: flutters without settling; look at its wire",
            "gunshot: contact does not answer: Other",
        ];
        let failing = failing.iter().map(|words| Sentence::cut(words)).collect();
        let board = BoardHealth { failing, opened: Some(false), ..BoardHealth::default() };
        let parts = Parts { supply: None, light: None, illuminator: None, heater: None, fan: None, ..whole_board() };
        let expected = [
            row("temperature, enclosure", "LM75B does not answer: NoAcknowledge", true),
            row("tilt", "nothing read yet", false),
            row("tamper switch", "flutters without settling; look at its wire", true),
            row("gunshot", "contact does not answer: Other", true),
            row("not fitted", "supply, light around it, infrared light, heater, fan", false),
        ];
        assert_eq!(said(&Fit::of_parts(&parts), &board, &[]), expected);
    }

    #[test]
    fn a_unit_without_a_board_says_so_and_one_whose_board_file_is_wrong_says_why() {
        assert_eq!(said(&Fit::default(), &BoardHealth::default(), &[]), [row("board", "none is configured", false)]);
        let failing = vec![Sentence::cut("board file: power: has no bus")];
        let wrong = BoardHealth { failing, ..BoardHealth::default() };
        assert_eq!(said(&Fit::default(), &wrong, &[]), [row("board file", "power: has no bus", true)]);
    }
}

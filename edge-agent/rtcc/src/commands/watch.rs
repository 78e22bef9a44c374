//! `rtcc watch`: events as they arrive.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use edge_protocol::record::{NotAPlate, PlateText};
use jiff::tz::TimeZone;
use rtcc::database::enrolment::OWN_NAME;
use rtcc::database::queries::EVENT_LANES;
use rtcc::show::event::{self, Day, Event, Style};
use serde::Deserialize;
use serde_json::Value;

use super::center::{self, Center, CenterArguments};

/// How long one question waits at the center for the next event.
const WAIT_MS: &str = "20000";

/// What is said of a center that is cut off from its units.
pub(super) const BROKER_AWAY: &str = "the center has no connection to its broker: nothing arrives until it is back";

/// How long to wait before asking a center again that does not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Follow what the units send: hits, reads, objects, alerts, health.
///
/// Each line has the time of day; the date stands above the first line of a day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc watch                                everything from now on
  rtcc watch --lane hit --last 20           the last 20 hits, and further ones
  rtcc watch --unit gate-1 --camera north   one camera
  rtcc watch --plate 8ABC123 --all --no-follow
                                            every event of one plate so far
  rtcc watch --json | jq .record            for other programs, an object a line
  rtcc watch --csv --all --no-follow > day.csv
                                            for a spreadsheet")]
#[expect(clippy::struct_excessive_bools, reason = "a command line has flags")]
pub(crate) struct Watch {
    #[command(flatten)]
    center: CenterArguments,
    /// Only this unit.
    #[arg(long)]
    unit: Option<String>,
    /// Only this camera.
    #[arg(long)]
    camera: Option<String>,
    /// Only this lane.
    #[arg(long, value_parser = PossibleValuesParser::new(EVENT_LANES))]
    lane: Option<String>,
    /// Only exactly this plate, in capitals or not.
    #[arg(long, value_parser = plate)]
    plate: Option<PlateText>,
    /// Begin with so many of the newest events.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=5000))]
    last: u32,
    /// Begin with the oldest event.
    #[arg(long, conflicts_with = "last")]
    all: bool,
    /// End when everything so far is shown.
    #[arg(long)]
    no_follow: bool,
    /// One JSON object a line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV with a header line.
    #[arg(long)]
    csv: bool,
}

#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Value>,
    next: i64,
    broker_connected: bool,
}

/// What the follower was told last.
#[derive(Debug, Default)]
struct Told {
    center_away: bool,
    broker_away: bool,
    day: Day,
}

impl Watch {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let center = self.center.open()?;
        let style = Style {
            colour: std::io::stdout().is_terminal() && !self.json && !self.csv,
            zone: TimeZone::system(),
            center: center.base().to_owned(),
        };
        if self.csv {
            say(event::CSV_HEADER)?;
        }
        self.check(&center)?;
        let mut told = Told::default();
        let mut cursor = self.begin(&center, &style, &mut told)?;
        loop {
            let wait = if self.no_follow { "0" } else { WAIT_MS };
            let question = [("after", cursor.to_string()), ("wait_ms", wait.to_owned())];
            let page = match self.ask(&center, &question.each_ref().map(|(name, value)| (*name, value.as_str()))) {
                Ok(page) => page,
                Err(error) if !self.no_follow => {
                    lost(&error, told.center_away)?;
                    told.center_away = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            told.center_away = false;
            self.show(&page, &style, &mut told)?;
            let ended = page.events.is_empty() && page.next == cursor;
            cursor = page.next;
            if self.no_follow && ended {
                return Ok(());
            }
        }
    }

    /// Says that a unit or camera was never heard of; who follows may know that it will be.
    fn check(&self, center: &Center) -> anyhow::Result<()> {
        let filters = [("unit", &self.unit), ("camera", &self.camera)];
        let query: Vec<_> = filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        if self.unit.as_deref() == Some(OWN_NAME) {
            return Ok(());
        }
        match center.get::<Vec<Value>>("/api/cameras", &query) {
            Err(error) if !query.is_empty() && !self.no_follow && !center::may_pass(&error) => {
                warn(&format!("{error:#}; waiting for it"))
            }
            answer => answer.map(drop),
        }
    }

    /// Shows what to begin with and returns the cursor from which to go on.
    fn begin(&self, center: &Center, style: &Style, told: &mut Told) -> anyhow::Result<i64> {
        if self.all {
            return Ok(0);
        }
        let limit = self.last.max(1).to_string();
        let mut page: Page = self.ask(center, &[("newest", "true"), ("limit", &limit)])?;
        page.events.reverse();
        if self.last == 0 {
            page.events.clear();
        }
        self.show(&page, style, told)?;
        Ok(page.next)
    }

    fn ask(&self, center: &Center, more: &[(&str, &str)]) -> anyhow::Result<Page> {
        let filters = [("unit", &self.unit), ("camera", &self.camera), ("lane", &self.lane)];
        let mut query: Vec<(&str, &str)> =
            filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        query.extend(self.plate.as_ref().map(|plate| ("plate", plate.as_str())));
        query.extend(more);
        center.get("/api/events", &query)
    }

    fn show(&self, page: &Page, style: &Style, told: &mut Told) -> anyhow::Result<()> {
        for value in &page.events {
            if self.json {
                say(&value.to_string())?;
                continue;
            }
            let event = Event::deserialize(value)?;
            if self.csv {
                say(&event::csv(&event, style))?;
                continue;
            }
            if let Some(date) = told.day.begins(&event, style) {
                say(&date)?;
            }
            say(&event::line(&event, style))?;
        }
        if page.broker_connected == told.broker_away {
            told.broker_away = !page.broker_connected;
            warn(if told.broker_away { BROKER_AWAY } else { "the center has its broker again" })?;
        }
        Ok(())
    }
}

/// Plates are read and kept in capitals; one that no read can be is a slip of whoever asks.
fn plate(text: &str) -> Result<PlateText, NotAPlate> {
    text.to_uppercase().parse()
}

/// A center that is started again goes on where it was, so following goes on as well.
fn lost(error: &anyhow::Error, said: bool) -> anyhow::Result<()> {
    if !said {
        warn(&format!("{error:#}; trying again"))?;
    }
    std::thread::sleep(TRY_AGAIN);
    Ok(())
}

/// Says what is no event: silence must not be taken for "nothing seen".
pub(super) fn warn(words: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "rtcc: {words}")?;
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use edge_protocol::command::Role;

    use crate::commands::Arguments;
    use crate::commands::stage::World;

    #[test]
    fn a_lane_that_is_none_is_refused_with_those_there_are() {
        let words = Arguments::try_parse_from(["rtcc", "watch", "--lane", "hits"]).unwrap_err().to_string();
        assert!(words.contains("hits") && words.contains("alert"), "{words}");
    }

    #[test]
    fn a_plate_that_no_read_can_be_is_refused() {
        for bad in ["!!", "", "8ABC 123"] {
            let words = Arguments::try_parse_from(["rtcc", "watch", "--plate", bad]).unwrap_err().to_string();
            assert!(words.contains("a plate is 1 to 16 upper-case letters and digits"), "{bad}: {words}");
        }
        Arguments::try_parse_from(["rtcc", "watch", "--plate", "8abc123"]).unwrap();
    }

    #[test]
    fn a_unit_or_camera_that_was_never_heard_of_is_no_silence() {
        let world = World::new("ada", Role::Investigator);
        world.unit("gate-1").is_born(1);
        let ask = |command: &str, more: &[&str]| {
            let center = format!("http://{}", world.address);
            let mut words = vec!["rtcc", command, "--center", &center];
            words.extend(more);
            World::run(words.into_iter().map(str::to_owned).collect()).join().unwrap()
        };
        for (command, more) in [
            ("watch", ["--no-follow", "--unit=pole1"]),
            ("watch", ["--no-follow", "--camera=pole1"]),
            ("ring", ["--unit=gate-1", "--camera=pole1"]),
            ("cameras", ["--unit=pole1", "--json"]),
        ] {
            let words = format!("{:#}", ask(command, &more).unwrap_err());
            assert!(words.contains("pole1") && words.contains("ever heard"), "{command}: {words}");
        }
        ask("watch", &["--unit", "gate-1", "--no-follow"]).unwrap();
        ask("watch", &["--unit", "center", "--no-follow"]).unwrap();
    }
}

//! `rtcc watch`: events as they arrive.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use rtcc::show::event::{self, Event, Style};
use serde::Deserialize;
use serde_json::Value;

use super::center::{Center, CenterArguments};

/// How long one question waits at the center for the next event.
const WAIT_MS: &str = "20000";

/// How long to wait before asking a center again that does not answer.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Follow what the units send: hits, reads, objects, alerts, health.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc watch                                    everything from now on
  rtcc watch --lane hit --last 20               the last 20 hits, and every further one
  rtcc watch --unit gate-1 --camera north       one camera
  rtcc watch --plate 8ABC123 --all --no-follow  every event of one plate so far
  rtcc watch --json | jq .record                for other programs, one object a line
  rtcc watch --csv --all --no-follow > day.csv  for a spreadsheet")]
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
    /// Only this lane: hit, answer, alert, health, audit, read or object.
    #[arg(long)]
    lane: Option<String>,
    /// Only exactly this plate.
    #[arg(long)]
    plate: Option<String>,
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
        let mut cursor = self.begin(&center, &style)?;
        let mut away = false;
        loop {
            let wait = if self.no_follow { "0" } else { WAIT_MS };
            let question = [("after", cursor.to_string()), ("wait_ms", wait.to_owned())];
            let page = match self.ask(&center, &question.each_ref().map(|(name, value)| (*name, value.as_str()))) {
                Ok(page) => page,
                Err(error) if !self.no_follow => {
                    lost(&error, away)?;
                    away = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            away = false;
            self.show(&page.events, &style)?;
            let ended = page.events.is_empty() && page.next == cursor;
            cursor = page.next;
            if self.no_follow && ended {
                return Ok(());
            }
        }
    }

    /// Shows what to begin with and returns the cursor from which to go on.
    fn begin(&self, center: &Center, style: &Style) -> anyhow::Result<i64> {
        if self.all {
            return Ok(0);
        }
        let limit = self.last.max(1).to_string();
        let mut page: Page = self.ask(center, &[("newest", "true"), ("limit", &limit)])?;
        if self.last > 0 {
            page.events.reverse();
            self.show(&page.events, style)?;
        }
        Ok(page.next)
    }

    fn ask(&self, center: &Center, more: &[(&str, &str)]) -> anyhow::Result<Page> {
        let filters = [("unit", &self.unit), ("camera", &self.camera), ("lane", &self.lane), ("plate", &self.plate)];
        let mut query: Vec<(&str, &str)> =
            filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        query.extend(more);
        center.get("/api/events", &query)
    }

    fn show(&self, events: &[Value], style: &Style) -> anyhow::Result<()> {
        for value in events {
            if self.json {
                say(&value.to_string())?;
                continue;
            }
            let event = Event::deserialize(value)?;
            say(&if self.csv { event::csv(&event, style) } else { event::line(&event, style) })?;
        }
        Ok(())
    }
}

/// A center that is started again goes on where it was, so following goes on as well.
fn lost(error: &anyhow::Error, said: bool) -> anyhow::Result<()> {
    if !said {
        writeln!(std::io::stderr(), "rtcc: {error:#}; trying again")?;
    }
    std::thread::sleep(TRY_AGAIN);
    Ok(())
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

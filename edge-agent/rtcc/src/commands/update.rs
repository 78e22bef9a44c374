//! `rtcc update`: another software version, other models or another agent for units, in waves that a failure stops.

mod named;
mod recall;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use edge_protocol::command::{Operation, QuietHours, UpdateScope};
use edge_protocol::id::UnitId;
use edge_protocol::record::Word;
use edge_protocol::time::WallTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rtcc::clock::wall_us;
use rtcc::database::rollouts::{Order, RolloutStatus};
use rtcc::rollout::{self, WaveSize};
use rtcc::show::text::terminal;
use rtcc::show::time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::center::{Center, CenterArguments};
use super::clip::note;
use super::signer::{Question, Signer};
use named::Named;

/// How often the center is asked how far it is.
const LOOK: Duration = Duration::from_secs(1);

/// Give units another software version, other models or another agent, in waves.
///
/// The commands are signed with your key, as a supervisor or policy-admin, and judged by each unit itself. The next wave
/// is asked when every unit of the one before is good, has failed, or was away for too long; when --stop-after units have
/// failed, nobody else is asked. The center keeps how far it is: interrupted, it goes on with `rtcc update resume`.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    after_help = "Examples:
  rtcc update --version 1.5.0 --bundle edge-1.5.0.raucb \\
              --url https://updates.example/edge-1.5.0.raucb \\
              --units gate-1 --case CHG-17 --key grace.key --cert grace.pem
  rtcc update --version 1.5.0 --bundle edge-1.5.0.raucb \\
              --url https://updates.example/edge-1.5.0.raucb \\
              --all --waves 1,10%,100% --stop-after 1 --window 02:00-04:00 \\
              --case CHG-17 --key grace.key --cert grace.pem
  rtcc update --bundle models-7.set --url https://updates.example/models-7.set \\
              --all --case CHG-18 --key grace.key --cert grace.pem
  rtcc update --bundle agent-1.4.1.release \\
              --url https://updates.example/agent-1.4.1.release \\
              --all --case CHG-19 --key grace.key --cert grace.pem
  rtcc update status                    how far each unit is
  rtcc update stop --why 'wrong file'   nobody else is asked
  rtcc update recall --key grace.key --cert grace.pem
                     the same, and who has not begun does not begin
  rtcc update resume --key grace.key --cert grace.pem

The file must lie at the address before: units download it from there, from \
hosts that their configuration names. Units that were asked already finish what \
they do where nobody calls it back, whatever stops the rollout."
)]
pub(crate) struct Update {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    center: CenterArguments,
    #[command(flatten)]
    begin: Option<Begin>,
}

/// Who signs.
#[derive(Debug, Args)]
struct Signing {
    /// Your private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your certificate, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
}

#[derive(Debug, Args)]
struct Begin {
    /// The version that the bundle says to be; a set of models and a release of the agent say theirs themselves.
    #[arg(long)]
    version: Option<Word>,
    /// Where units download the file, over https.
    #[arg(long)]
    url: String,
    /// The same file here, for its hash and length: a bundle, a set of models from `rtcc models`, or a release of the
    /// agent from `rtcc agent`.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// These units, in this order.
    #[arg(long, value_delimiter = ',', required_unless_present = "all", value_name = "UNITS")]
    units: Vec<UnitId>,
    /// Every unit that the center has heard of.
    #[arg(long, conflicts_with = "units")]
    all: bool,
    /// How large each wave is: units or shares of all; the rest is the last wave.
    #[arg(long, value_delimiter = ',', default_value = "1,10%,100%")]
    waves: Vec<WaveSize>,
    /// So many units that failed stop it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    stop_after: u32,
    /// The hours in which units may boot, by the clock here or with --utc-offset, as in 02:00-04:00 [default: at once].
    #[arg(long, value_parser = hours)]
    window: Option<(u16, u16)>,
    /// How far the clock of these hours is ahead of UTC, as in +05:30 or -08:00 [default: this machine's].
    #[arg(long, requires = "window", allow_hyphen_values = true, value_parser = offset)]
    utc_offset: Option<i16>,
    /// How long a unit may take, and how long one that is away is waited for.
    #[arg(long, default_value = "36h", value_name = "DURATION")]
    patience: SignedDuration,
    /// Code of the purpose.
    #[arg(long, default_value = "maintenance", value_name = "WORD")]
    purpose: Word,
    /// Number of the change.
    #[arg(long)]
    case: Word,
    // Not the shared arguments of `resume`: a group within a group would hide from clap that this one is given.
    /// Your private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your certificate, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How far the newest rollout is.
    #[command(after_help = "Examples:\n  rtcc update status\n  rtcc update status --json | jq .units")]
    Status {
        /// The center's answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask nobody else; units that were asked finish what they do.
    #[command(after_help = "Example:\n  rtcc update stop --why 'wrong file'")]
    Stop {
        /// Why, for whoever looks at it later.
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Stop, and call the update back from units that were asked and have not begun.
    #[command(after_help = "Example:
  rtcc update recall --why 'wrong file' --key grace.key --cert grace.pem

A unit ends what it downloads and what waits for its hours. What is in its other \
slot already, or in use, has begun and goes on; another update undoes that.")]
    Recall {
        /// Why, for whoever looks at it later.
        #[arg(long, default_value = "")]
        why: String,
        /// How long to wait for units that are away.
        #[arg(long, default_value = "1m", value_name = "DURATION")]
        wait: SignedDuration,
        #[command(flatten)]
        signing: Signing,
    },
    /// Go on with the rollout that is running.
    #[command(after_help = "Example:\n  rtcc update resume --key grace.key --cert grace.pem")]
    Resume(Signing),
}

/// A rollout as the center shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    id: String,
    order: Order,
    begun_by: String,
    status: RolloutStatus,
    words: String,
    wave: usize,
    created_us: i64,
    units: Vec<OfUnit>,
    ask: Vec<UnitId>,
}

#[derive(Debug, Deserialize)]
struct OfUnit {
    unit: UnitId,
    wave: usize,
    state: String,
    online: bool,
    words: String,
    challenge: Option<String>,
}

impl Update {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        ensure!(self.what.is_none() || self.begin.is_none(), "begin a rollout, or say what becomes of one: not both");
        let center = self.center.open()?;
        match (self.what, self.begin) {
            (Some(What::Status { json }), _) => status(&center, json),
            (Some(What::Stop { why }), _) => {
                let id = newest(&center)?;
                center.decide(&format!("/api/rollouts/{id}/stop"), &json!({ "why": why, "by": by() }))?;
                note("stopped: nobody else is asked")
            }
            (Some(What::Recall { why, wait, signing }), _) => {
                let signer = Signer::open(&signing.key, &signing.cert)?;
                let wait = Duration::try_from(wait).context("--wait cannot be negative")?;
                recall::recall(&center, &signer, &why, wait)
            }
            (Some(What::Resume(signing)), _) => {
                let signer = Signer::open(&signing.key, &signing.cert)?;
                see_through(&center, &signer, &newest(&center)?)
            }
            (None, Some(begin)) => begin.run(&center),
            (None, None) => bail!("say what to do; `rtcc update --help` has examples"),
        }
    }
}

impl Begin {
    fn run(self, center: &Center) -> anyhow::Result<()> {
        let signer = Signer::open(&self.key, &self.cert)?;
        let scope = self.scope()?;
        ensure!(
            Operation::Update(scope.clone()).allowed_to(signer.role()),
            "updates are signed by a supervisor or policy-admin, not by a {}",
            signer.role().as_str()
        );
        let units = if self.all { every_unit(center)? } else { self.units };
        let patience = Duration::try_from(self.patience).context("--patience cannot be negative")?;
        let order = Order {
            scope,
            waves: rollout::waves(&units, &self.waves),
            stop_after: self.stop_after,
            patience_s: patience.as_secs(),
            purpose: self.purpose,
            case: self.case,
        };
        let begun: Value = center.ask("/api/rollouts", &json!({ "order": order, "by": by() }))?;
        let id = begun.get("id").and_then(Value::as_str).context("the center does not name the rollout")?;
        note(&format!(
            "rollout {id}: {} to {} unit(s) in {} wave(s)",
            order.scope.label(),
            units.len(),
            order.waves.len()
        ))?;
        see_through(center, &signer, id)
    }

    fn scope(&self) -> anyhow::Result<UpdateScope> {
        let file = Named::read(&self.bundle, self.version.clone())?;
        let quiet = self.window.map(|window| self.quiet(window)).transpose()?;
        let Named { hash, bytes, version, artefact } = file;
        let scope = UpdateScope { url: self.url.clone(), hash, bytes, version, quiet, artefact };
        ensure!(scope.is_sound() && scope.host().is_some(), "--url is no address such as https://host/file");
        Ok(scope)
    }

    fn quiet(&self, (from_min, to_min): (u16, u16)) -> anyhow::Result<QuietHours> {
        let here = TimeZone::system().to_offset(Timestamp::from_microsecond(wall_us())?).seconds() / 60;
        let offset_min = self.utc_offset.map_or_else(|| i16::try_from(here), Ok)?;
        Ok(QuietHours { from_min, to_min, offset_min })
    }
}

/// `02:30` as minutes.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// `-08:00` as minutes ahead of UTC.
fn offset(text: &str) -> Result<i16, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let minutes = minutes(rest).and_then(|minutes| i16::try_from(minutes).ok());
    minutes.map(|minutes| sign * minutes).ok_or_else(|| format!("`{text}` is no offset such as -08:00"))
}

/// `02:00-04:00` as minutes of a day.
fn hours(text: &str) -> Result<(u16, u16), String> {
    let both = text.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
    both.filter(|(from, to)| from != to).ok_or_else(|| format!("`{text}` is no time of day such as 02:00-04:00"))
}

fn every_unit(center: &Center) -> anyhow::Result<Vec<UnitId>> {
    let units: Vec<Value> = center.get("/api/units", &[])?;
    let names = units.iter().filter_map(|unit| unit.get("unit")?.as_str()?.parse().ok());
    Ok(names.collect())
}

fn by() -> String {
    std::env::var("USER").unwrap_or_default()
}

/// What is said where nothing was begun.
const NO_ROLLOUT: &str = "there was no rollout so far";

/// The newest rollout's id.
fn newest(center: &Center) -> anyhow::Result<String> {
    find_newest(center)?.context(NO_ROLLOUT)
}

fn find_newest(center: &Center) -> anyhow::Result<Option<String>> {
    let all: Vec<Value> = center.get("/api/rollouts", &[])?;
    Ok(all.first().and_then(|newest| newest.get("id")?.as_str().map(str::to_owned)))
}

fn status(center: &Center, as_json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let Some(id) = find_newest(center)? else {
        if as_json {
            writeln!(out, "null")?;
            return Ok(());
        }
        return note(NO_ROLLOUT);
    };
    let path = format!("/api/rollouts/{id}");
    if as_json {
        let all: Value = center.get(&path, &[])?;
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let shown: Shown = center.get(&path, &[])?;
    let begun = time::full(shown.created_us, &TimeZone::system());
    let what = shown.order.scope.label();
    writeln!(out, "{}: {}, begun {begun} {}", head(&shown), terminal(&what), terminal(&shown.begun_by))?;
    for unit in &shown.units {
        writeln!(out, "  {}", line(unit))?;
    }
    Ok(())
}

fn head(shown: &Shown) -> String {
    let waves = shown.order.waves.len();
    let wave = (shown.wave + 1).min(waves);
    match shown.status {
        RolloutStatus::Running => format!("running, wave {wave} of {waves}"),
        RolloutStatus::Stopped => format!("STOPPED in wave {wave} of {waves}: {}", terminal(&shown.words)),
        RolloutStatus::Done => format!("done, {waves} wave(s)"),
    }
}

fn line(unit: &OfUnit) -> String {
    format!("wave {} {:<20} {:<8} {}", unit.wave + 1, unit.unit.as_str(), unit.state, terminal(&unit.words))
}

/// Moves a rollout on until it ends, and shows what changes.
fn see_through(center: &Center, signer: &Signer, id: &str) -> anyhow::Result<()> {
    let path = format!("/api/rollouts/{id}/step");
    let mut said: BTreeMap<UnitId, String> = BTreeMap::new();
    loop {
        let shown: Shown = center.ask(&path, &json!({ "by": by() }))?;
        for unit in &shown.units {
            let line = line(unit);
            if unit.state != "waiting" && said.insert(unit.unit.clone(), line.clone()).as_ref() != Some(&line) {
                note(&line)?;
            }
        }
        match shown.status {
            RolloutStatus::Running => {}
            RolloutStatus::Done => return note(&head(&shown)),
            RolloutStatus::Stopped => bail!("{}", head(&shown)),
        }
        for unit in &shown.ask {
            if let Err(error) = ask(center, signer, &shown, unit) {
                note(&format!("{unit} was not asked, and will be: {error:#}"))?;
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Signs a command for a unit's present challenge and hands it in.
fn ask(center: &Center, signer: &Signer, shown: &Shown, unit: &UnitId) -> anyhow::Result<()> {
    let found = shown.units.iter().find(|found| found.unit == *unit);
    let challenge = found.and_then(|found| found.challenge.as_deref());
    let challenge = challenge.context("it has not said what commands must carry")?;
    let question = Question {
        unit,
        request: rollout::request(&shown.id, unit),
        operation: &Operation::Update(shown.order.scope.clone()),
        purpose: &shown.order.purpose,
        case: &shown.order.case,
    };
    let challenge = challenge.parse().context("the unit's challenge")?;
    let envelope = signer.sign(&question, challenge, WallTime::from_micros(wall_us()))?;
    let _taken: Value = center.hand_in("/api/requests", &envelope)?;
    Ok(())
}

#[cfg(test)]
mod tests;

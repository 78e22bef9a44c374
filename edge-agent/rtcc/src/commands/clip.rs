//! `rtcc clip`: ask a unit for video, wait for it, verify it.

mod landing;

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use edge_protocol::command::{ClipScope, Operation};
use edge_protocol::evidence::VerifiedClip;
use edge_protocol::id::{CameraId, RequestId, UnitId};
use edge_protocol::record::Word;
use edge_protocol::time::WallTime;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use rtcc::asking::{Asking, Seen, Step};
use rtcc::clock::{Stopwatch, wall_us};
use rtcc::database::requests::RequestStatus;
use rtcc::show::text::terminal;
use rtcc::show::time;
use serde::Deserialize;
use serde_json::Value;

use super::center::{self, Center, CenterArguments};
use super::signer::Signer;
use super::verify;
use landing::Landing;

/// How often the center is asked how far the request is.
const LOOK: Duration = Duration::from_millis(400);

/// Ask a unit for video of a past moment, and verify what it gives.
///
/// The command is signed with your key and judged by the unit itself; purpose and case go into its audit log.
/// The clip begins at the key frame at or before the asked beginning. FILE and its manifest, FILE.manifest, appear only
/// when they are verified, and never take the place of a file that is there; what was not verified is kept as
/// FILE.unverified and FILE.manifest.unverified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc clip --unit gate-1 --camera north \\
            --from 2026-11-21T14:05:00 --to 2026-11-21T14:06:00 \\
            --purpose stolen-vehicle --case 26-01234 \\
            --key ada.key --cert ada.pem --root root.pem -o clip.mp4
  rtcc clip ... --from '2026-11-21T14:05:00[America/Los_Angeles]' \\
                --to 2026-11-21T22:06:00Z
  rtcc clip ... --wait 24h           if the unit is away, ask it when it returns
  rtcc clip ... --request 4f2a...    go on with an earlier request")]
pub(crate) struct Clip {
    #[command(flatten)]
    center: CenterArguments,
    /// The unit.
    #[arg(long)]
    unit: UnitId,
    /// The camera.
    #[arg(long)]
    camera: CameraId,
    /// From when: RFC 3339, or local time, or local time with [Zone/Name].
    #[arg(long, value_name = "TIME")]
    from: String,
    /// Until when.
    #[arg(long, value_name = "TIME")]
    to: String,
    /// Code of the purpose.
    #[arg(long, value_name = "WORD")]
    purpose: Word,
    /// Number of the case.
    #[arg(long)]
    case: Word,
    /// Your private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your certificate, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The agency's root certificate [default: root.pem beside your certificate].
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// Where the clip goes: a name that is not taken yet.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How long to wait for a unit that is away or silent, as in 24h or 90m.
    #[arg(long, default_value = "0s", value_name = "DURATION")]
    wait: SignedDuration,
    /// The id of an earlier request with the same question.
    #[arg(long, value_name = "ID")]
    request: Option<RequestId>,
    /// The findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Progress {
    status: RequestStatus,
    words: String,
    received_bytes: u64,
    offer: Option<Value>,
}

impl Clip {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let zone = TimeZone::system();
        let scope = ClipScope {
            camera: self.camera.clone(),
            from: WallTime::from_micros(time::parse(&self.from, &zone).context("--from")?),
            to: WallTime::from_micros(time::parse(&self.to, &zone).context("--to")?),
        };
        ensure!(scope.from < scope.to, "--to must be later than --from");
        ensure!(!self.purpose.as_str().trim().is_empty(), "a purpose is needed");
        ensure!(!self.case.as_str().trim().is_empty(), "a case number is needed");
        let patience = Duration::try_from(self.wait).context("--wait cannot be negative")?;
        let root = self.root.clone().unwrap_or_else(|| self.cert.with_file_name("root.pem"));
        ensure!(root.exists(), "there is no root certificate {}: give --root", root.display());
        let landing = Landing::at(&self.output)?;
        let signer = Signer::open(&self.key, &self.cert)?;
        let request = self.request.map_or_else(new_request, Ok)?;
        note(&format!(
            "asking {}/{} for {} to {}\n  purpose {}, case {}, request {request}",
            self.unit,
            self.camera,
            time::full(scope.from.as_micros(), &zone),
            time::full(scope.to.as_micros(), &zone),
            terminal(self.purpose.as_str()),
            terminal(self.case.as_str()),
        ))?;
        let mut errand = Errand {
            center: self.center.open()?,
            clip: &self,
            landing,
            signer,
            scope,
            request,
            asking: Asking::new(patience),
            begun: Stopwatch::start(),
            reached: false,
            shown: Shown::default(),
        };
        let verified = errand.run(&root).with_context(|| format!("request {request}"))?;
        note(&format!("wrote {}", self.output.display()))?;
        verify::say(&verified, self.json)
    }
}

fn new_request() -> anyhow::Result<RequestId> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).context("no random number")?;
    Ok(RequestId::from_bytes(bytes))
}

/// One request with everything it needs.
struct Errand<'a> {
    center: Center,
    clip: &'a Clip,
    landing: Landing,
    signer: Signer,
    scope: ClipScope,
    request: RequestId,
    asking: Asking,
    begun: Stopwatch,
    /// Whether the center has answered once: before, its address may be wrong.
    reached: bool,
    shown: Shown,
}

impl Errand<'_> {
    fn run(&mut self, root: &Path) -> anyhow::Result<VerifiedClip> {
        let waited = self.wait();
        self.shown.end()?;
        waited?;
        self.fetch(root)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        loop {
            let progress = self.progress()?;
            let unit: Option<Value> = self.ask(|errand| errand.center.find(&errand.unit_path()))?;
            ensure!(unit.is_some() || self.asking.is_patient(), "no unit called {} was ever heard", self.clip.unit);
            let seen = seen(unit.as_ref(), progress.as_ref());
            match self.asking.step(&seen, self.begun.elapsed()) {
                Step::HandIn => {
                    self.ask(|errand| errand.hand_in(seen.challenge.as_deref().unwrap_or_default()))?;
                    self.shown.say("handed the command to the center")?;
                }
                Step::Look => self.shown.progress(&seen, progress.as_ref())?,
                Step::Fetch => return Ok(()),
                Step::GiveUp(words) => bail!("{}", terminal(&words)),
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks the center, and asks it again for as long as it is away and the asker waits.
    fn ask<T>(&mut self, question: impl Fn(&Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let away = self.begun.elapsed();
        let mut said = false;
        loop {
            match question(self) {
                Ok(answer) => {
                    self.reached = true;
                    return Ok(answer);
                }
                Err(error)
                    if self.reached && center::may_pass(&error) && self.asking.outlasts(away, self.begun.elapsed()) =>
                {
                    if !std::mem::replace(&mut said, true) {
                        self.shown.say(&format!("{error:#}; trying again"))?;
                    }
                }
                Err(error) => return Err(error),
            }
            std::thread::sleep(LOOK);
        }
    }

    fn unit_path(&self) -> String {
        format!("/api/units/{}", self.clip.unit)
    }

    /// How far the request is; none if the center does not know it yet.
    fn progress(&mut self) -> anyhow::Result<Option<Progress>> {
        self.ask(|errand| errand.center.find(&format!("/api/requests/{}", errand.request)))
    }

    fn hand_in(&self, challenge: &str) -> anyhow::Result<()> {
        let challenge = challenge.parse().context("the unit's challenge")?;
        let question = super::signer::Question {
            unit: &self.clip.unit,
            request: self.request,
            operation: &Operation::Clip(self.scope.clone()),
            purpose: &self.clip.purpose,
            case: &self.clip.case,
        };
        let envelope = self.signer.sign(&question, challenge, WallTime::from_micros(wall_us()))?;
        let _taken: Value = self.center.hand_in("/api/requests", &envelope)?;
        Ok(())
    }

    /// Fetches both files, verifies them, and only then gives them their names.
    fn fetch(&mut self, root: &Path) -> anyhow::Result<VerifiedClip> {
        let (media, manifest) = (self.landing.unverified.clone(), self.landing.unverified_manifest.clone());
        self.download(&format!("/api/requests/{}/manifest", self.request), &manifest)?;
        self.download(&format!("/api/clips/{}", self.request), &media)?;
        let verified = verify::check(&media, &manifest, root)?;
        let stated = &verified.manifest;
        let asked = (stated.request, &stated.unit, &stated.camera, stated.asked.from, stated.asked.to);
        ensure!(
            asked == (self.request, &self.clip.unit, &self.scope.camera, self.scope.from, self.scope.to),
            "NOT VERIFIED: {} is a clip of another question",
            media.display()
        );
        self.landing.verified()?;
        Ok(verified)
    }

    fn download(&mut self, path: &str, to: &Path) -> anyhow::Result<()> {
        let wrong = || format!("cannot write {}", to.display());
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to);
        let mut file = opened.with_context(wrong)?;
        let mut have: u64 = 0;
        loop {
            let part = self.ask(|errand| errand.center.part(path, have))?;
            file.write_all(&part.bytes).with_context(wrong)?;
            have += u64::try_from(part.bytes.len())?;
            if part.bytes.is_empty() || have >= part.of {
                break;
            }
        }
        file.sync_all().with_context(wrong)
    }
}

fn seen(unit: Option<&Value>, progress: Option<&Progress>) -> Seen {
    let challenge = unit.and_then(|unit| unit.pointer("/state/challenge"));
    Seen {
        online: unit.and_then(|unit| unit.get("online")) == Some(&Value::Bool(true)),
        challenge: challenge.and_then(Value::as_str).map(str::to_owned),
        status: progress.map(|progress| progress.status),
        words: progress.map(|progress| progress.words.clone()).unwrap_or_default(),
        received_bytes: progress.map(|progress| progress.received_bytes).unwrap_or_default(),
    }
}

/// What the asker was told last, so that nothing is said twice.
#[derive(Debug, Default)]
struct Shown {
    words: String,
    on_line: bool,
}

impl Shown {
    fn progress(&mut self, seen: &Seen, progress: Option<&Progress>) -> anyhow::Result<()> {
        if !seen.online && progress.is_none_or(|progress| progress.status == RequestStatus::Waiting) {
            return self.say("the unit is away; waiting for it");
        }
        let Some(progress) = progress else { return Ok(()) };
        let size = progress.offer.as_ref().and_then(|offer| offer.get("media_bytes")).and_then(Value::as_u64);
        match size {
            Some(size) if std::io::stderr().is_terminal() => {
                self.on_line = true;
                let share = progress.received_bytes.saturating_mul(100).checked_div(size).unwrap_or(100);
                write!(std::io::stderr(), "\r  {} of {size} bytes ({share}%)", progress.received_bytes)?;
                Ok(())
            }
            _ => self.say(&terminal(&progress.words)),
        }
    }

    fn say(&mut self, words: &str) -> anyhow::Result<()> {
        if self.words == words {
            return Ok(());
        }
        words.clone_into(&mut self.words);
        self.end()?;
        note(&format!("  {words}"))
    }

    fn end(&mut self) -> anyhow::Result<()> {
        if std::mem::take(&mut self.on_line) {
            note("")?;
        }
        Ok(())
    }
}

pub(super) fn note(words: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{words}")?;
    Ok(())
}

#[cfg(test)]
mod tests;

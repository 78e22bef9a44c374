//! `rtcc report`: how a technician left a unit, signed by the unit.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use edge_protocol::commissioning::{Jpeg, Report as Commissioned, SealedReport};
use edge_protocol::id::{CameraId, UnitId};
use edge_protocol::sign::Root;
use rtcc::files;
use rtcc::show::text::terminal;
use serde::Deserialize;
use serde_json::Value;

use super::center::{Center, CenterArguments};

/// The center gives at most so many events at once; a report further back is found by its file.
const NEWEST: &str = "5000";

/// Show a unit's newest commissioning report, if its signature is the unit's own.
///
/// The unit sends it in its audit log. With --file a report that a technician kept is read instead, without a center.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc report gate-1 --root pki/root.pem
  rtcc report gate-1 --root pki/root.pem -o gate-1.cose
              keeps the signed file as well, and its pictures beside it
  rtcc report --file metro-gate-1.cose --root root.pem --json")]
pub(crate) struct Report {
    /// The unit.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    unit: Option<UnitId>,
    /// A report that was kept, in place of the center's.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The agency's root certificate.
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// Where to keep the signed report, readable by its owner alone; nothing is overwritten. Each camera's picture is
    /// kept beside it, as metro-gate-1-CAMERA.jpg for metro-gate-1.cose.
    #[arg(short, long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    center: CenterArguments,
}

#[derive(Debug, Deserialize)]
struct Page {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    record: Entry,
}

/// What is needed of an entry of the audit log.
#[derive(Debug, Deserialize)]
struct Entry {
    report: Option<SealedReport>,
}

impl Report {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let root = Root::from_pem(&read(&self.root)?).context("the root certificate")?;
        let sealed = match (&self.file, &self.unit) {
            (Some(file), _) => SealedReport::from_bytes(read(file)?),
            (None, Some(unit)) => newest(&self.center.open()?, unit)?,
            (None, None) => bail!("name a unit or a file"),
        };
        let report = sealed.open(&root).context("NOT VERIFIED: the report")?;
        if let Some(out) = &self.out {
            let beside = pictures(&report).map(|(camera, picture)| (beside(out, camera), picture.as_bytes()));
            keep(&[(out.clone(), sealed.as_bytes())].into_iter().chain(beside).collect::<Vec<_>>())?;
        }
        let found = if self.json { serde_json::to_string(&report)? } else { words(&report) };
        writeln!(std::io::stdout(), "{found}")?;
        Ok(())
    }
}

/// Writes files that nobody else may read: all of them, or none where one is there already.
fn keep(files: &[(PathBuf, &[u8])]) -> anyhow::Result<()> {
    for (path, _) in files {
        let there = path.symlink_metadata().is_ok();
        ensure!(!there, "{} is there already and is not overwritten: give another name with -o", path.display());
    }
    for (path, bytes) in files {
        files::create(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn newest(center: &Center, unit: &UnitId) -> anyhow::Result<SealedReport> {
    // A unit that was never heard is another matter than one that has sent no report.
    let _known: Value = center.get(&format!("/api/units/{unit}"), &[])?;
    let question = [("lane", "audit"), ("unit", unit.as_str()), ("newest", "true"), ("limit", NEWEST)];
    let page: Page = center.get("/api/events", &question)?;
    let found = page.events.into_iter().find_map(|event| event.record.report);
    found.with_context(|| {
        format!(
            "there is no commissioning report among the newest {NEWEST} entries of {unit}'s audit log; \
             one that the technician kept is read with --file"
        )
    })
}

/// Each camera's picture, as it was signed with the report.
fn pictures(report: &Commissioned) -> impl Iterator<Item = (&CameraId, &Jpeg)> {
    report.cameras.iter().filter_map(|camera| Some((&camera.camera, camera.picture.as_ref()?)))
}

/// Where a camera's picture is kept beside the report in `out`.
fn beside(out: &Path, camera: &CameraId) -> PathBuf {
    let name = out.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    out.with_file_name(format!("{name}-{camera}.jpg"))
}

fn words(report: &Commissioned) -> String {
    let Commissioned { agency, unit, serial, site, technician, software, .. } = report;
    let mut lines = vec![
        format!("{agency}/{unit} ({}) at {}", terminal(serial.as_str()), terminal(site.as_str())),
        format!("left by {} at {}, {}", terminal(technician.as_str()), report.made.time, report.made.quality),
        format!("software  {}, models {}", terminal(software.as_str()), list(&report.models)),
    ];
    for camera in &report.cameras {
        let number = |what: &str, number: Option<String>| number.map(|number| format!(", {what} {number}"));
        let size = camera.size.map(|(width, height)| format!("{width}x{height}"));
        let measures = [
            number("size", size),
            number("focus", camera.focus.map(|focus| focus.to_string())),
            number("plates of pixels", camera.plate_px.map(|height| height.to_string())),
        ];
        let measures: String = measures.into_iter().flatten().collect();
        lines.push(format!("camera    {} {}{measures}", camera.camera, terminal(camera.name.as_str())));
        let picture = |picture: &Jpeg| format!("picture   {}, SHA-256 {}", camera.camera, picture.hash());
        lines.extend(camera.picture.as_ref().map(picture));
    }
    for found in &report.findings {
        let of = found.of.as_deref().map(|of| format!(" {of}")).unwrap_or_default();
        let measured = found.measured.lines().collect::<Vec<_>>().join("; ");
        lines.push(format!(
            "{:<9} {}: {}",
            found.verdict.as_str(),
            terminal(&(found.check.clone() + &of)),
            terminal(&measured)
        ));
    }
    for held in &report.certificates {
        lines.push(format!(
            "holds     {} certificate {} until {}",
            terminal(held.of.as_str()),
            terminal(&held.serial),
            held.until
        ));
    }
    lines.join("\n")
}

fn list<T: AsRef<str>>(words: &[T]) -> String {
    words.iter().map(|word| terminal(word.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use edge_protocol::command::Role;

    use super::*;
    use crate::commands::stage::World;

    #[test]
    fn a_unit_that_was_never_heard_is_another_matter_than_one_without_a_report() {
        let world = World::new("ada", Role::Technician);
        world.unit("gate-1").is_born(1);
        let center = format!("http://{}", world.address);
        let root = world.path("pki/root.pem").display().to_string();
        let ask = |unit: &str| {
            let words = ["rtcc", "report", unit, "--root", &root, "--center", &center];
            format!("{:#}", World::run(words.map(str::to_owned).to_vec()).join().unwrap().unwrap_err())
        };
        assert!(ask("gate-2").contains("no unit called \"gate-2\" was ever heard"), "{}", ask("gate-2"));
        assert!(ask("gate-1").contains("among the newest 5000 entries of gate-1's audit log"), "{}", ask("gate-1"));
    }

    #[test]
    fn report_and_pictures_are_their_owners_alone_and_overwrite_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("gate-1.cose");
        let picture = beside(&out, &"street".parse().unwrap());
        assert_eq!(picture, folder.path().join("gate-1-street.jpg"));
        keep(&[(out.clone(), b"signed"), (picture.clone(), b"seen")]).unwrap();
        for (path, bytes) in [(&out, b"signed".as_slice()), (&picture, b"seen")] {
            assert_eq!(std::fs::read(path).unwrap(), bytes);
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let other = folder.path().join("other.cose");
        let refused = keep(&[(other.clone(), b"later"), (picture.clone(), b"later")]).unwrap_err().to_string();
        assert!(refused.contains("gate-1-street.jpg is there already"), "{refused}");
        assert!(!other.exists() && std::fs::read(&picture).unwrap() == b"seen");
        let link = folder.path().join("link.cose");
        symlink(&other, &link).unwrap();
        assert!(keep(&[(link, b"later")]).is_err() && !other.exists(), "nor is anything written through a link");
        assert!(files::create(&out, b"later").is_err() && std::fs::read(&out).unwrap() == b"signed");
    }
}

//! Six cameras of 1080p at 4 Mbit/s recorded and nothing else, against `ffmpeg -c copy -f segment` on the same streams.
//!
//! The unit has no models, so nothing is decoded. Both are measured whole, their start included.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use nix::sys::signal::Signal;

use super::Surroundings;
use super::unit::Unit;
use crate::cost::{self, Spread};
use crate::table::Row;

const CAMERAS: usize = 6;
const RECORDED: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(30);

/// Bytes that the process has had written to disks; of one that has ended, until somebody waits for it.
fn written(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.unwrap_or("0").parse()?)
}

/// Bytes of the ring's segment files.
fn stored(ring: &Path) -> Result<f64> {
    let mut bytes = 0;
    for camera in std::fs::read_dir(ring)? {
        for file in std::fs::read_dir(camera?.path())? {
            let file = file?;
            if !file.file_name().to_string_lossy().contains("sqlite") {
                bytes += file.metadata()?.len();
            }
        }
    }
    Ok(bytes as f64)
}

fn product(around: &Surroundings, urls: &[String]) -> Result<(f64, f64, f64)> {
    let sources: Vec<String> = urls.iter().map(|url| format!("kind = \"rtsp\"\nurl = \"{url}\"")).collect();
    let ((written, stored), cost) = cost::of_children(|| {
        let mut unit = Unit::start(around, &around.folder.join("no-models"), &sources)?;
        thread::sleep(RECORDED);
        unit.agent.signal(Signal::SIGTERM);
        // No line is wanted: this waits until the agent has closed its output, which is when it has ended.
        unit.agent.find_line(GRACE, |_| false);
        let written = written(unit.agent.pid())?;
        ensure!(unit.agent.wait(GRACE).success(), "the agent did not end well: {}", unit.agent.lines().join("\n"));
        Ok((written, stored(&unit.folder.path().join("unit/ring"))?))
    })?;
    Ok((cost.cpu_s, written, stored))
}

fn reference(around: &Surroundings, urls: &[String]) -> Result<(f64, f64)> {
    let folder = tempfile::tempdir_in(&around.folder)?;
    let (bytes, cost) = cost::of_children(|| {
        let start = |(number, url): (usize, &String)| {
            let mut copy = Command::new("ffmpeg");
            copy.args(["-v", "error", "-rtsp_transport", "tcp", "-i", url, "-t", &RECORDED.as_secs().to_string()]);
            copy.args(["-c", "copy", "-f", "segment", "-segment_time", "60"]);
            copy.arg(folder.path().join(format!("{number}-%d.mp4"))).spawn()
        };
        let copies: Vec<_> = urls.iter().enumerate().map(start).collect::<std::io::Result<_>>()?;
        for mut copy in copies {
            ensure!(copy.wait()?.success(), "ffmpeg failed");
        }
        let files = std::fs::read_dir(folder.path())?.flatten();
        Ok(files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() as f64)
    })?;
    Ok((cost.cpu_s, bytes))
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let reel = Reel::file(&around.full_hd()?, Coding::H264, 30);
    let cameras: Vec<RtspCamera> = (0..CAMERAS).map(|_| RtspCamera::start(reel.clone())).collect();
    let urls: Vec<String> = cameras.iter().map(RtspCamera::url).collect();
    let (mut ratios, mut per_byte, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..around.extent.rounds {
        let (cpu, written, stored) = product(around, &urls)?;
        let (ffmpeg, bytes) = reference(around, &urls)?;
        // The same seconds of the same streams: what ffmpeg kept is the video, but for its containers' small heads.
        ratios.push(cpu / ffmpeg);
        per_byte.push(written / stored);
        eprintln!("bench: recording: {cpu:.2} s against {ffmpeg:.2} s; {stored:.0} bytes stored against {bytes:.0}");
        ours.push(cpu);
        theirs.push(ffmpeg);
    }
    let (ratio, per_byte) = (Spread::of(ratios), Spread::of(per_byte));
    let (ours, theirs) = (Spread::of(ours).median, Spread::of(theirs).median);
    Ok(vec![
        Row {
            what: format!(
                "CPU of recording {CAMERAS} x 1080p30 at 4 Mbit/s for {} s, start included",
                RECORDED.as_secs()
            ),
            goal: "<= 1.5, wanted <= 1.0".to_owned(),
            measured: ratio.show(2),
            reference: format!("{ours:.2} s / ffmpeg -c copy -f segment {theirs:.2} s"),
            met: Some(ratio.median <= 1.5),
        },
        Row {
            what: "recording: bytes written to the disk a byte of segment files".to_owned(),
            goal: "<= 1.05".to_owned(),
            measured: per_byte.show(3),
            reference: "/proc/PID/io after the agent's end, the index and the outbox included".to_owned(),
            met: Some(per_byte.median <= 1.05),
        },
    ])
}

//! `inspect track`: tracks through a video, or the tracker alone on detections from elsewhere, as `MOTChallenge` rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use edge_analytics::camera::CameraAnalytics;
use edge_analytics::class::ObjectClass;
use edge_analytics::detect::Detection;
use edge_analytics::geometry::Rect;
use edge_analytics::infer::ModelRole;
use edge_analytics::settings::{CameraSettings, PlateSearch};
use edge_analytics::sighting::{Sighting, TrackBox};
use edge_analytics::track::{SURE_SCORE, TrackId, Tracker, TrackerSettings};
use edge_protocol::time::MediaTime;

use super::super::models::ModelArgs;
use super::super::replay::frames_per_second;
use super::super::video::is_whole;
use super::InspectError;
use crate::vision::decode::VideoFile;

/// Detections less sure than those that begin tracks may continue them down to this share, as on the box.
const DOUBTFUL_SHARE: f32 = 0.4;

/// Arguments of `inspect track`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  edge-agent inspect track street.mp4 --mot tracks.txt
  edge-agent inspect track --detections det.txt --fps 25 --mot tracks.txt")]
pub(super) struct TrackArgs {
    /// A video file; every frame of it is analysed
    #[arg(required_unless_present = "detections")]
    video: Option<PathBuf>,
    /// Detections as MOT rows (frame,id,left,top,width,height,score): the tracker alone runs on them, with the shipped
    /// settings
    #[arg(long, value_name = "FILE", conflicts_with = "video")]
    detections: Option<PathBuf>,
    /// Frames per second of the detections
    #[arg(long, value_name = "FPS", default_value_t = 25.0, requires = "detections", value_parser = frames_per_second)]
    fps: f32,
    /// Where the tracks go, as MOT rows; a file that is there already is not overwritten
    #[arg(long, value_name = "FILE")]
    mot: PathBuf,
    #[command(flatten)]
    models: ModelArgs,
}

/// Runs the command; whether the video was there to its end.
pub(super) fn run(arguments: &TrackArgs, out: &mut impl Write) -> Result<bool, InspectError> {
    // A video takes minutes: what cannot be written shall be known before.
    check_target(&arguments.mot)?;
    let mut rows = Rows::default();
    match (&arguments.video, &arguments.detections) {
        (Some(video), _) => through_video(video, &arguments.models, &mut rows)?,
        (None, Some(detections)) => tracker_alone(detections, arguments.fps.into(), &mut rows)?,
        // The command line asks for one of them.
        (None, None) => return Ok(false),
    }
    let frames = rows.finish(&arguments.mot, out)?;
    Ok(arguments.video.as_ref().is_none_or(|video| is_whole(video, frames)))
}

/// Whether the rows can be written there, as far as that can be told without writing.
fn check_target(mot: &Path) -> Result<(), InspectError> {
    if mot.symlink_metadata().is_ok() {
        return Err(InspectError::file(mot, "is there already and is not overwritten: choose another name"));
    }
    let folder = mot.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(InspectError::file(mot, format!("there is no folder {}", folder.display())));
    }
    Ok(())
}

fn through_video(video: &Path, models: &ModelArgs, rows: &mut Rows) -> Result<(), InspectError> {
    let (mut runner, specs) = models.open(&[ModelRole::Objects])?;
    let settings =
        CameraSettings { motion_gate: false, max_fps: None, plates: PlateSearch::Off, ..CameraSettings::default() };
    let analytics = CameraAnalytics::new(settings, &specs);
    let mut analytics = analytics.map_err(|error| InspectError::file(video, error))?;
    for (frame, number) in VideoFile::open(video).map_err(|error| InspectError::file(video, error))?.zip(1_u64..) {
        let frame = frame.map_err(|error| InspectError::file(video, error))?;
        let picture = frame.picture().map_err(|what| InspectError::file(video, what))?;
        for sighting in analytics.frame(&picture, frame.media(), &mut runner) {
            if let Sighting::Frame(seen) = sighting {
                seen.tracks.iter().try_for_each(|track| rows.write(number, track))?;
            }
        }
        rows.frames = number;
    }
    Ok(())
}

fn tracker_alone(path: &Path, fps: f64, rows: &mut Rows) -> Result<(), InspectError> {
    let detections = read_detections(path)?;
    let mut tracker = Tracker::new(TrackerSettings::default(), TrackId(1));
    rows.frames = detections.keys().next_back().copied().unwrap_or(0);
    for number in 1..=rows.frames {
        let found = detections.get(&number).map(Vec::as_slice).unwrap_or_default();
        let (sure, rest): (Vec<Detection>, Vec<_>) = found.iter().partition(|detection| detection.score >= SURE_SCORE);
        let doubtful: Vec<Detection> =
            rest.into_iter().filter(|detection| detection.score >= SURE_SCORE * DOUBTFUL_SHARE).collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "frame numbers and rates of files"
        )]
        let media = MediaTime::from_nanos((number as f64 * 1e9 / fps) as i64);
        for seen in tracker.step(media, &sure, &doubtful).seen {
            let track = TrackBox { track: seen.track, class: seen.class, rect: seen.rect, confidence: seen.score };
            rows.write(number, &track)?;
        }
    }
    Ok(())
}

/// Detections by frame. A row is `frame, id, left, top, width, height, score, ...`; the id is not used.
fn read_detections(path: &Path) -> Result<BTreeMap<u64, Vec<Detection>>, InspectError> {
    let file = File::open(path).map_err(|error| InspectError::file(path, error))?;
    let mut detections: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for (line, number) in BufReader::new(file).lines().zip(1..) {
        let line = line.map_err(|error| InspectError::file(path, error))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = row(&line).ok_or_else(|| {
            InspectError::file(path, format!("line {number} is not `frame,id,left,top,width,height,score`"))
        })?;
        detections.entry(row.0).or_default().push(row.1);
    }
    Ok(detections)
}

fn row(line: &str) -> Option<(u64, Detection)> {
    let mut fields = line.split(',').map(str::trim);
    let frame: u64 = fields.next()?.parse().ok().filter(|frame| *frame > 0)?;
    let mut number = || -> Option<f32> { fields.next()?.parse().ok().filter(|value: &f32| value.is_finite()) };
    let _id = number()?;
    let rect = Rect { x: number()?, y: number()?, w: number()?, h: number()? };
    let score = number()?;
    // The tracker knows no class of things as such; the sequences of MOTChallenge are of people.
    rect.is_sound().then_some((frame, Detection { class: ObjectClass::Person, score, rect }))
}

/// The rows, until all are there.
#[derive(Default)]
struct Rows {
    text: Vec<u8>,
    frames: u64,
    tracks: std::collections::BTreeSet<TrackId>,
}

impl Rows {
    fn write(&mut self, frame: u64, track: &TrackBox) -> Result<(), InspectError> {
        let (TrackBox { rect, confidence, .. }, id) = (track, track.track.0);
        self.tracks.insert(track.track);
        let (x, y, w, h) = (rect.x, rect.y, rect.w, rect.h);
        // The place of x, y, z in the world, which is not known, ends the row.
        writeln!(self.text, "{frame},{id},{x:.2},{y:.2},{w:.2},{h:.2},{confidence:.4},-1,-1,-1")?;
        Ok(())
    }

    /// Writes them; how many frames they are of.
    fn finish(self, path: &Path, out: &mut impl Write) -> Result<u64, InspectError> {
        let written = File::create_new(path).and_then(|mut file| file.write_all(&self.text));
        written.map_err(|error| InspectError::file(path, error))?;
        writeln!(out, "{} frames, {} tracks: {}", self.frames, self.tracks.len(), path.display())?;
        Ok(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_detections_are_read_and_others_named_by_line() {
        let (frame, detection) = row("3,-1,281.931,187.466,79.93,209.537,0.997784,-1,-1,-1").unwrap();
        assert_eq!((frame, detection.rect.w), (3, 79.93));
        for wrong in ["", "0,-1,1,1,1,1,1", "1,-1,1,1,-1,1,1", "1,-1,1,1,1", "1,-1,nan,1,1,1,1", "x"] {
            assert!(row(wrong).is_none(), "{wrong}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("det.txt");
        File::create(&path).unwrap().write_all(b"1,-1,1,1,1,1,1\n\nnothing\n").unwrap();
        assert!(read_detections(&path).unwrap_err().to_string().contains("line 3"));
    }

    #[test]
    fn a_person_who_walks_is_one_track() {
        let folder = tempfile::tempdir().unwrap();
        let (detections, mot) = (folder.path().join("det.txt"), folder.path().join("mot.txt"));
        let mut file = File::create(&detections).unwrap();
        for frame in 1..=20 {
            writeln!(file, "{frame},-1,{},50,40,100,0.9", 100 + 4 * frame).unwrap();
        }
        check_target(&mot).unwrap();
        let mut rows = Rows::default();
        assert!(tracker_alone(&folder.path().join("absent.txt"), 25.0, &mut rows).is_err());
        tracker_alone(&detections, 25.0, &mut rows).unwrap();
        assert!(!mot.exists(), "nothing is written before all rows are there");
        let mut said = Vec::new();
        rows.finish(&mot, &mut said).unwrap();
        assert!(String::from_utf8(said).unwrap().starts_with("20 frames, 1 tracks"));
        let written = std::fs::read_to_string(&mot).unwrap();
        assert!(written.lines().all(|line| line.split(',').nth(1) == Some("1")), "{written}");
        assert!(written.lines().count() >= 15, "{written}");
        let refused = check_target(&mot).unwrap_err().to_string();
        assert!(refused.contains("mot.txt: is there already and is not overwritten"), "{refused}");
        assert!(Rows::default().finish(&mot, &mut Vec::new()).is_err(), "nor is one that came meanwhile");
        let refused = check_target(&folder.path().join("nope/mot.txt")).unwrap_err().to_string();
        assert!(refused.contains("there is no folder ") && refused.contains("nope"), "{refused}");
        check_target(Path::new("mot-of-nobody.txt")).unwrap();
    }
}

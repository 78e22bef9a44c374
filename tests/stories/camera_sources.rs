//! Where pictures may come from: files in their containers, the box's own devices, a drawn picture; and what time it
//! was.
#![cfg(test)]

mod camera;

use std::path::Path;
use std::time::Duration;

use camera::{Watched, patient, quick};
use edge_agent::capture::{Pace, Source, State, TestPicture, Transport, Trouble, Trust};
use edge_agent::media::AccessUnit;
use edge_protocol::media::Codec;
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use gstreamer as gst;
use gstreamer::prelude::*;

/// Writes a file with GStreamer's own elements: `pipeline` ends in a muxer.
fn write_file(pipeline: &str, path: &Path) {
    gst::init().expect("GStreamer");
    let description = format!("{pipeline} ! filesink location=\"{}\"", path.display());
    let pipeline = gst::parse::launch(&description).expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("start");
    let ends = [gst::MessageType::Error, gst::MessageType::Eos];
    let end =
        pipeline.bus().expect("bus").timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends).expect("an end");
    assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
    pipeline.set_state(gst::State::Null).expect("stop");
}

const DRAWN: &str = "videotestsrc pattern=ball num-buffers=50 ! video/x-raw,width=160,height=120,framerate=25/1";

fn file(path: &Path, repeat: bool) -> Source {
    Source::File { path: path.to_owned(), repeat, pace: Pace::Free }
}

/// Everything in a file, read once as fast as possible.
fn read_once(path: &Path) -> Vec<AccessUnit> {
    let watched = Watched::start("file", patient(file(path, false)));
    watched.wait("the end", |health| health.state == State::Ended);
    assert_eq!(watched.health().units, 50);
    watched.units()
}

#[test]
fn a_file_is_read_whole_with_its_own_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let coded = [
        ("mp4", "x264enc key-int-max=25 bframes=0 ! mp4mux", Codec::H264),
        ("mkv", "x265enc key-int-max=25 option-string=log-level=none:bframes=0 ! h265parse ! matroskamux", Codec::H265),
        ("avi", "jpegenc ! avimux", Codec::Mjpeg),
    ];
    for (ending, encoder, codec) in coded {
        let path = folder.path().join(format!("video.{ending}"));
        write_file(&format!("{DRAWN} ! {encoder}"), &path);
        let units = read_once(&path);
        assert!(units.iter().all(|unit| unit.codec == codec && unit.size == Some((160, 120))), "{ending}");
        assert!(units[0].key && units[25].key, "{ending}");
        for (unit, number) in units.iter().zip(0..) {
            let wanted = Duration::from_millis(40 * number);
            let apart = unit.media.as_nanos().abs_diff(i64::try_from(wanted.as_nanos()).expect("a short file"));
            assert!(apart < 1_000_000, "{ending}: picture {number} at {:?}", unit.media);
        }
    }
}

#[test]
fn reordered_pictures_of_a_file_keep_both_their_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reordered.mp4");
    write_file(&format!("{DRAWN} ! x264enc key-int-max=25 bframes=2 b-adapt=false ! mp4mux"), &path);
    let units = read_once(&path);
    assert!(units.windows(2).any(|pair| pair[1].media < pair[0].media), "the file has no B-frames");
    assert!(units.windows(2).all(|pair| pair[0].decode < pair[1].decode));
    assert!(units.iter().all(|unit| unit.decode <= unit.media));
}

#[test]
fn every_key_picture_of_a_file_carries_its_parameter_sets() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("video.mp4");
    write_file(&format!("{DRAWN} ! x264enc key-int-max=10 ! mp4mux"), &path);
    for unit in read_once(&path).iter().filter(|unit| unit.key) {
        let kinds: Vec<u8> =
            edge_agent::media::nal::nal_units(&unit.bytes).map(|nal| nal.expect("framed")[0] & 0x1f).collect();
        assert!(kinds.contains(&7) && kinds.contains(&8), "{kinds:?}");
    }
}

#[test]
fn a_repeated_file_goes_on_without_a_step_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("video.mp4");
    write_file(&format!("{DRAWN} ! x264enc bframes=0 ! mp4mux"), &path);
    let watched = Watched::start("repeated", quick(file(&path, true)));
    watched.wait_for_units(160);
    watched.assert_times_rise();
}

#[test]
fn a_file_that_holds_nothing_understood_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old.avi");
    write_file(&format!("{DRAWN} ! avenc_mpeg4 ! avimux"), &old);
    Watched::start("old", quick(file(&old, false))).wait_for_trouble(&Trouble::Codec("MPEG-4".to_owned()));
    let gone = folder.path().join("gone.mp4");
    Watched::start("gone", quick(file(&gone, true)))
        .wait("the words", |health| health.state.to_string().contains("there is no file"));
    let text = folder.path().join("text.mp4");
    std::fs::File::create(&text).and_then(|mut file| std::io::Write::write_all(&mut file, b"no video")).expect("write");
    Watched::start("text", quick(file(&text, true)))
        .wait("trouble", |health| matches!(health.state, State::Waiting { .. }));
}

#[test]
fn a_drawn_picture_comes_at_its_pace() {
    let source = Source::Test(TestPicture { size: (320, 240), fps: 10 });
    let watched = Watched::start("drawn", patient(source));
    watched.wait_for_units(25);
    let units = watched.units();
    assert!(units[0].key && units[20].key, "a key picture every two seconds");
    assert!((units[20].media.as_nanos() - 2_000_000_000).abs() < 200_000_000, "{:?}", units[20].media);
}

#[test]
fn a_device_that_is_not_there_is_said() {
    let watched = Watched::start("device", quick(Source::V4l2 { device: "/dev/video-none".into() }));
    watched.wait_for_trouble(&Trouble::Missing("device /dev/video-none".to_owned()));
}

#[test]
fn a_camera_that_reports_the_time_says_when_it_looked() {
    let camera = RtspCamera::start(Reel::drawn(Coding::H264, (160, 120), 15, 30));
    let source = Source::Rtsp { url: camera.url(), transport: Transport::Tcp, credentials: None, trust: Trust::System };
    let watched = Watched::start("reporting", patient(source));
    watched.wait("a report", |health| health.camera_clock_ms.is_some());
    let off = watched.health().camera_clock_ms.expect("waited for");
    assert!(off.abs() < 2_000, "camera and box are one machine, yet {off} ms apart");
}

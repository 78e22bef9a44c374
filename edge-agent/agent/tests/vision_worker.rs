#![cfg(test)]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test waits for one kind of event and passes over the others")]
//! The confined vision worker as a real process: killed, hung, fed by several cameras.

mod streams;

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use edge_agent::app::vision::prepare;
use edge_agent::media::AccessUnit;
use edge_agent::supervise::queue::{Bounds, Overflow, Receiver, Sender, bounded};
use edge_agent::supervise::{Clock, Heartbeats, Restart, Station, Supervisor};
use edge_agent::vision::Numbers;
use edge_agent::vision::client::{Throttle, Viewfinder, VisionClient, VisionEvent, VisionQueues, VisionSettings};
use edge_analytics::settings::CameraSettings;
use edge_analytics::sighting::Sighting;
use edge_protocol::id::CameraId;
use edge_protocol::media::Codec;
use edge_protocol::time::MediaTime;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use streams::{LENGTH, Unit, encode, encode_some};

const PATIENCE: Duration = Duration::from_secs(20);
/// One picture of 64x64 pixels that stands alone.
const KEY: &[u8] = include_bytes!("../src/vision/decode/warmup/key.h264");

/// A running client with its queues.
struct Rig {
    supervisor: Supervisor,
    units: Sender<AccessUnit>,
    events: Receiver<VisionEvent>,
    clock: Clock,
    viewfinder: Viewfinder,
    next_ms: i64,
}

fn cameras(count: usize) -> Vec<CameraId> {
    (0..count).map(|n| format!("camera-{n}").parse().unwrap()).collect()
}

/// A model of the product.
fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/plates")
}

fn every_frame() -> CameraSettings {
    CameraSettings { motion_gate: false, ..CameraSettings::default() }
}

impl Rig {
    fn start(count: usize, folders: Vec<PathBuf>, silence: Duration) -> Self {
        let (clock, viewfinder) = (Clock::system(), Viewfinder::default());
        let settings = VisionSettings {
            program: PathBuf::from(env!("CARGO_BIN_EXE_edge-agent")),
            cameras: cameras(count).into_iter().map(|camera| (camera, every_frame())).collect::<Vec<_>>().into(),
            providers: vec!["cpu".to_owned()],
            decoders: vec![],
            silence,
            start: PATIENCE,
            throttle: Throttle::default(),
            viewfinder: viewfinder.clone(),
        };
        let (units, to_client) = bounded(Bounds::items("units", 64, Overflow::Wait));
        let (to_test, events) = bounded(Bounds::items("events", 64, Overflow::Wait));
        let pulse = Heartbeats::default().register("vision", PATIENCE, clock.mono());
        let prepare = prepare(None, folders.into_iter().map(|folder| (folder, None)).collect(), Numbers::forgotten());
        let queues = VisionQueues { units: to_client, events: to_test };
        let mut client = VisionClient::new(settings, prepare, queues, clock.clone(), pulse);
        let mut supervisor = Supervisor::new(clock.clone());
        let body = move |stop: &_| client.run(stop);
        supervisor.start("vision", Station::Analytics, Restart::StopAll, body).unwrap();
        Self { supervisor, units, events, clock, viewfinder, next_ms: 0 }
    }

    /// Sends one picture of a camera, 40 ms after the last one.
    fn send(&mut self, camera: &CameraId) {
        self.send_bytes(camera, Codec::H264, Bytes::from_static(KEY));
    }

    /// The same with any bytes.
    fn send_bytes(&mut self, camera: &CameraId, codec: Codec, bytes: Bytes) {
        self.next_ms += 40;
        let media = self.next_ms * 1_000_000;
        let unit = Unit { media, decode: media, key: true, bytes };
        self.units.send(access_unit(camera, codec, &unit, &self.clock)).unwrap();
    }

    fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(VisionEvent) -> Option<T>) -> T {
        let begun = self.clock.mono();
        loop {
            let event = self.events.receive_timeout(PATIENCE);
            let event = event.unwrap_or_else(|error| panic!("waited for {what}: {error:?}"));
            let took = self.clock.mono().saturating_since(begun);
            assert!(took < PATIENCE, "waited for {what}, heard {event:?}");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    fn wait_until_ready(&self) {
        self.wait_for("ready", |event| match event {
            VisionEvent::Ready(ready) => {
                assert!(ready.held.iter().any(|layer| layer.contains("system call filter")), "{ready:?}");
                Some(())
            }
            VisionEvent::Lost { why, .. } => panic!("lost before it was ready: {why}"),
            _ => None,
        });
    }

    fn wait_for_frame(&self, camera: &CameraId) {
        self.wait_for("a frame", |event| match event {
            VisionEvent::Sighting(of, Sighting::Frame(_)) if of == *camera => Some(()),
            _ => None,
        });
    }
}

fn access_unit(camera: &CameraId, codec: Codec, unit: &Unit, clock: &Clock) -> AccessUnit {
    AccessUnit {
        camera: camera.clone(),
        codec,
        media: MediaTime::from_nanos(unit.media),
        decode: MediaTime::from_nanos(unit.decode),
        arrival: clock.mono(),
        wall: clock.wall(),
        key: unit.key,
        size: None,
        bytes: unit.bytes.clone(),
    }
}

/// Tests run beside each other, and a worker is found as a child of this process.
static ALONE: Mutex<()> = Mutex::new(());

/// The worker among this process's children.
fn worker() -> Pid {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).unwrap());
    let children: Vec<i32> =
        children.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    assert_eq!(children.len(), 1, "one worker is running");
    Pid::from_raw(children[0])
}

#[test]
fn a_worker_killed_or_hung_is_back_and_says_what_was_not_looked_at() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::start(2, vec![shipped()], Duration::from_secs(2));
    let cameras = cameras(2);
    rig.wait_until_ready();
    for camera in &cameras {
        rig.send(camera);
        rig.wait_for_frame(camera);
    }
    for (signal, word) in [(Signal::SIGKILL, "killed"), (Signal::SIGSTOP, "did not answer")] {
        let before = rig.clock.mono();
        kill(worker(), signal).unwrap();
        let why = rig.wait_for("the loss", |event| match event {
            VisionEvent::Lost { why, .. } => Some(why),
            _ => None,
        });
        assert!(why.contains(word), "{why}");
        rig.wait_until_ready();
        let back = rig.clock.mono().saturating_since(before);
        assert!(back < Duration::from_secs(5), "back after {back:?}");
        rig.send(&cameras[1]);
        let (camera, from, to) = rig.wait_for("the gap", |event| match event {
            VisionEvent::NotLooked { camera, from, to } => Some((camera, from, to)),
            _ => None,
        });
        assert_eq!((&camera, to.as_nanos()), (&cameras[1], rig.next_ms * 1_000_000));
        assert!(from < to);
        rig.wait_for_frame(&cameras[1]);
    }
    drop((rig.units, rig.events));
    assert_eq!(rig.supervisor.stop(PATIENCE).overdue, Vec::<String>::new());
}

#[test]
fn a_picture_that_is_asked_for_comes_as_a_small_file_with_its_numbers() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rig = Rig::start(1, vec![shipped()], Duration::from_secs(5));
    let camera = cameras(1).remove(0);
    rig.wait_until_ready();
    rig.send(&camera);
    rig.wait_for_frame(&camera);
    assert_eq!(rig.viewfinder.newest(&camera), None, "nobody asked");
    rig.viewfinder.ask(&camera);
    let snapshot = loop {
        rig.send(&camera);
        rig.wait_for_frame(&camera);
        if let Some(snapshot) = rig.viewfinder.newest(&camera) {
            break snapshot;
        }
    };
    assert_eq!(snapshot.size, (64, 64));
    assert!(snapshot.jpeg.starts_with(&[0xff, 0xd8]) && snapshot.appearance.brightness > 0.0, "{snapshot:?}");
    drop((rig.units, rig.events));
    assert_eq!(rig.supervisor.stop(PATIENCE).overdue, Vec::<String>::new());
}

/// A JPEG picture whose header says another size than it has.
fn jpeg_that_says(width: u16, height: u16) -> Bytes {
    let mut bytes = include_bytes!("../src/vision/decode/warmup/key.jpeg").to_vec();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline frame header");
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    Bytes::from(bytes)
}

/// The key picture with its sequence parameters cut off after `left` bytes.
fn cut_parameters(left: u32) -> Bytes {
    let length = u32::from_be_bytes(KEY[..4].try_into().unwrap());
    let rest = &KEY[4 + length as usize..];
    Bytes::from([&left.to_be_bytes(), &KEY[4..4 + left as usize], rest].concat())
}

#[test]
fn frames_of_no_size_and_of_too_much_cost_their_own_camera_alone() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(huge) = encode_some(Codec::H264, "x264enc speed-preset=ultrafast threads=1", (7680, 4320), 1) else {
        return;
    };
    let mut rig = Rig::start(2, vec![shipped()], PATIENCE);
    let cameras = cameras(2);
    rig.wait_until_ready();
    let before = worker();
    let odd = [
        (Codec::Mjpeg, jpeg_that_says(0, 0)),
        (Codec::Mjpeg, jpeg_that_says(7680, 0)),
        (Codec::Mjpeg, jpeg_that_says(7680, 4320)),
        (Codec::Mjpeg, jpeg_that_says(u16::MAX, u16::MAX)),
        (Codec::H264, cut_parameters(1)),
        (Codec::H264, cut_parameters(4)),
        (Codec::H264, huge[0].bytes.clone()),
    ];
    for (codec, bytes) in odd {
        rig.send_bytes(&cameras[0], codec, bytes);
        rig.send(&cameras[1]);
        rig.wait_for_frame(&cameras[1]);
    }
    rig.send(&cameras[0]);
    rig.wait_for_frame(&cameras[0]);
    assert_eq!(worker(), before, "none of it ended the worker");
    drop((rig.units, rig.events));
    assert_eq!(rig.supervisor.stop(PATIENCE).overdue, Vec::<String>::new());
}

#[test]
fn a_worker_out_of_memory_loses_the_picture_that_it_cannot_hold_and_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(huge) = encode_some(Codec::H264, "x264enc speed-preset=ultrafast threads=1", (7680, 4320), 1) else {
        return;
    };
    let mut rig = Rig::start(1, vec![shipped()], PATIENCE);
    let camera = cameras(1).remove(0);
    rig.wait_until_ready();
    rig.send(&camera);
    rig.wait_for_frame(&camera);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker())).unwrap();
    let share = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
    assert!(share.contains(&(4_u64 << 30).to_string()), "{share}");
    take_memory_away(worker());
    rig.send_bytes(&camera, Codec::H264, huge[0].bytes.clone());
    let huge_ms = rig.next_ms;
    let looked_at = loop {
        rig.send(&camera);
        match rig.events.receive_timeout(PATIENCE).unwrap() {
            VisionEvent::Sighting(_, Sighting::Frame(frame)) => break frame.media.as_nanos() / 1_000_000,
            VisionEvent::Progress(_) => assert!(rig.next_ms < 60_000, "nothing is looked at any more"),
            other => panic!("{other:?}"),
        }
    };
    assert!(looked_at > huge_ms, "a picture for which there was no memory was looked at");
    drop((rig.units, rig.events));
    assert_eq!(rig.supervisor.stop(PATIENCE).overdue, Vec::<String>::new());
}

/// Lets a worker have no more memory than it has. Only the user that it has become may do that.
fn take_memory_away(worker: Pid) {
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let id = |name: &str| -> u32 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let mut take = Command::new("prlimit");
    take.uid(id("Uid:")).gid(id("Gid:")).args(["--data=1:1", "--pid", &worker.to_string()]);
    assert!(take.status().unwrap().success());
}

/// Every thread of the worker is behind the filter, without privileges, and not us.
fn assert_confined(worker: Pid) {
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{worker}/task")).unwrap() {
        // A decoder's thread may just have ended.
        let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned()
        };
        assert_eq!(field("Seccomp:"), "2", "{status}");
        assert_eq!(field("NoNewPrivs:"), "1", "{status}");
        assert_eq!(field("CapEff:"), "0000000000000000", "{status}");
        if nix::unistd::getuid().is_root() {
            assert_ne!(field("Uid:"), "0", "{status}");
            assert_eq!(field("CapBnd:"), "0000000000000000", "{status}");
        }
        threads += 1;
    }
    assert!(threads > KINDS.len(), "{threads} threads");
}

/// What one camera of the long test sends, over and over.
const KINDS: [(Codec, &str, (u32, u32)); 5] = [
    (Codec::H264, "openh264enc gop-size=12", (640, 360)),
    (Codec::H264, "x264enc bframes=2 key-int-max=12 speed-preset=ultrafast", (426, 240)),
    (Codec::H265, "x265enc key-int-max=12 speed-preset=ultrafast", (320, 240)),
    (Codec::Mjpeg, "jpegenc", (352, 288)),
    (Codec::H264, "openh264enc gop-size=25", (1280, 720)),
];

/// How long: a few seconds here, a minute and more in the long run.
fn duration() -> Duration {
    let seconds = std::env::var("EDGE_VISION_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// One camera proves nothing: the framework keeps a thread of the warm-up for it, and only the second decoder asks
/// the system for something new. Codecs change on the way too.
#[test]
fn five_cameras_of_three_codecs_are_all_decoded_behind_the_filter() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(streams) = KINDS
        .iter()
        .map(|(codec, encoder, size)| Some((*codec, encode(*codec, encoder, *size)?)))
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let names = cameras(KINDS.len());
    let rig = Rig::start(KINDS.len(), vec![shipped()], Duration::from_secs(10));
    rig.wait_until_ready();
    let Rig { supervisor, units, events, clock, .. } = rig;
    let (begun, length) = (clock.mono(), i64::try_from(LENGTH.as_nanos()).unwrap());
    let mut last = None;
    let mut round = 0_i64;
    while clock.mono().saturating_since(begun) < duration() {
        for place in 0..25 {
            for (number, camera) in names.iter().enumerate() {
                // In every seventh round each camera sends what its neighbour sends.
                let (codec, stream) = &streams[(number + usize::from(round % 7 == 6)) % streams.len()];
                let mut unit = stream[place].clone();
                unit.media += round * length;
                unit.decode += round * length;
                units.send(access_unit(camera, *codec, &unit, &clock)).unwrap();
            }
            while let Ok(event) = events.try_receive() {
                match event {
                    VisionEvent::Lost { why, .. } => panic!("{why} after {:?}", clock.mono().saturating_since(begun)),
                    VisionEvent::Progress(progress) => last = Some(progress),
                    _ => {}
                }
            }
        }
        round += 1;
    }
    assert_confined(worker());
    let progress = last.unwrap();
    println!("{round} rounds: {progress:?}");
    for (camera, progress) in names.iter().zip(&progress.cameras) {
        assert!(progress.decoded > 25 && progress.analysed > 0, "{camera}: {progress:?}");
        assert_eq!(progress.complaint, "", "{camera}");
    }
    drop((units, events));
    assert!(supervisor.stop(PATIENCE).overdue.is_empty());
}

#[test]
fn a_model_that_is_missing_is_said_and_the_agent_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let rig = Rig::start(1, vec![PathBuf::from("/nonexistent/road-objects")], PATIENCE);
    for _ in 0..2 {
        let why = rig.wait_for("the loss", |event| match event {
            VisionEvent::Lost { why, .. } => Some(why),
            _ => None,
        });
        assert!(why.contains("/nonexistent/road-objects/manifest.json"), "{why}");
    }
    drop((rig.units, rig.events));
    assert!(rig.supervisor.stop(PATIENCE).overdue.is_empty());
}

//! A camera's video goes through the ring into a clip; ffmpeg and the center's verifier judge what comes out.

#![allow(clippy::disallowed_methods, reason = "a test's file need not survive a power cut")]

use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edge_protocol::evidence::{ClipFault, verify_clip};
use edge_protocol::media::{Codec, parameter_hash};
use edge_protocol::sign::Root;
use edge_protocol::time::{ClockQuality, MediaTime};
use edge_store::disk::RealDisk;
use edge_store::ring::{NewGroup, NewPicture, Ring, RingPlace};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519};

use super::*;
use crate::media::nal;

const START_US: i64 = 1_800_000_000_000_000;
const FPS: i64 = 25;

fn wall(seconds: f64) -> WallTime {
    #[allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]
    WallTime::from_micros(START_US + (seconds * 1e6) as i64)
}

fn stamp(seconds: f64) -> WallStamp {
    WallStamp { time: wall(seconds), quality: ClockQuality::Free }
}

struct Bench {
    folder: tempfile::TempDir,
    signer: Signer,
    root: Root,
}

impl Bench {
    fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "springfield root");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut unit = CertificateParams::new(Vec::new()).unwrap();
        unit.distinguished_name.push(DnType::CommonName, "springfield/pole-1");
        let certificate = unit.signed_by(&key, &authority).unwrap();
        let signer = Signer {
            agency: "springfield".parse().unwrap(),
            unit: "pole-1".parse().unwrap(),
            key: Arc::new(SigningKey::from_pem(key.serialize_pem().as_bytes()).unwrap()),
            chain: Chain::from_pem(certificate.pem().as_bytes()).unwrap(),
            software: "0.1.0".parse().unwrap(),
        };
        let root = Root::from_pem(authority.pem().as_bytes()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), signer, root }
    }

    fn place(&self) -> RingPlace {
        RingPlace {
            folder: self.folder.path().join("street"),
            index: None,
            unit: self.signer.unit.clone(),
            camera: "street".parse().unwrap(),
            quota_bytes: 1 << 30,
        }
    }

    /// Records seconds of drawn video, one group a second, all but those in `missing`.
    fn record(&self, seconds: i64, missing: &[i64]) {
        let (mut ring, _) = Ring::open(Arc::new(RealDisk), self.place()).unwrap();
        let units = access_units(self.folder.path(), seconds);
        for (second, units) in (0..).zip(units.chunks(25)).filter(|(second, _)| !missing.contains(second)) {
            let at = |i: usize| MediaTime::from_nanos((second * FPS + i64::try_from(i).unwrap()) * 1_000_000_000 / FPS);
            let pictures: Vec<NewPicture<'_>> = units
                .iter()
                .enumerate()
                .map(|(i, bytes)| NewPicture { bytes, key: i == 0, decode: at(i), media: at(i) })
                .collect();
            let group = NewGroup {
                codec: Codec::H264,
                parameters: parameter_hash(Codec::H264, &nal::parameter_sets(Codec::H264, &units[0])),
                size: Some((320, 240)),
                discontinuity: second == 0 || missing.contains(&(second - 1)),
                #[allow(clippy::cast_precision_loss, reason = "small numbers of a test")]
                wall: stamp(second as f64),
                duration: Duration::from_secs(1),
                pictures: &pictures,
            };
            ring.append(&group).unwrap();
        }
    }

    fn reader(&self) -> RingReader {
        RingReader::open(Arc::new(RealDisk), self.place()).unwrap()
    }

    fn clip(&self, from: f64, to: f64) -> Result<Package, ClipError> {
        make(self.reader(), RequestId::from_bytes([7; 16]), &street(from, to), &self.signer, stamp(1_000.0))
    }
}

fn street(from: f64, to: f64) -> ClipScope {
    ClipScope { camera: "street".parse().unwrap(), from: wall(from), to: wall(to) }
}

/// Draws video whose every second begins with a key picture; one entry a picture, NAL units behind their lengths.
fn access_units(folder: &Path, seconds: i64) -> Vec<Vec<u8>> {
    let path = folder.join("video.h264");
    let source = format!("testsrc=size=320x240:rate={FPS}:duration={seconds}");
    let drawn = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:v", "libx264", "-g", "25", "-sc_threshold", "0"])
        .args(["-bf", "0", "-pix_fmt", "yuv420p", "-f", "h264"])
        .arg(&path)
        .status()
        .expect("the tests need ffmpeg: make setup-test installs it");
    assert!(drawn.success());
    split_units(&std::fs::read(path).unwrap())
}

/// The pictures between start codes, NAL units behind their lengths.
fn split_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut units, mut pending) = (Vec::new(), Vec::new());
    for unit in nal::split(stream) {
        nal::push(&mut pending, unit);
        if matches!(unit[0] & 0x1f, 1 | 5) && unit[1] & 0x80 != 0 {
            units.push(std::mem::take(&mut pending));
        }
    }
    units
}

/// The parts as the center puts them together; pieces must follow each other without holes.
fn assemble(package: Package) -> (Vec<u8>, Vec<u8>) {
    let (mut media, mut manifest) = (Vec::new(), Vec::new());
    let mut ended = Vec::new();
    for piece in package.into_pieces() {
        let piece = piece.unwrap();
        let part = match piece.part {
            ClipPart::Media => &mut media,
            ClipPart::Manifest => &mut manifest,
        };
        assert_eq!(piece.offset, part.len() as u64);
        assert!(!piece.bytes.is_empty() && piece.bytes.len() <= MAX_CHUNK_BYTES);
        part.extend(piece.bytes);
        if piece.last {
            ended.push(piece.part);
        }
    }
    assert_eq!(ended, [ClipPart::Manifest, ClipPart::Media]);
    (media, manifest)
}

/// Frames that ffmpeg decodes from the clip, without a word of complaint.
fn decoded_frames(bench: &Bench, media: &[u8]) -> usize {
    let path = bench.folder.path().join("clip.mp4");
    std::fs::write(&path, media).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(&path)
        .args(["-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.starts_with('#')).count()
}

#[test]
fn a_clip_begins_at_the_key_picture_before_what_was_asked_plays_and_verifies() {
    let bench = Bench::new();
    bench.record(6, &[]);
    let package = bench.clip(1.5, 3.5).unwrap();
    assert_eq!(package.offer().actual, Span { from: wall(1.0).into(), to: wall(4.0).into() });
    assert!(package.offer().gaps.is_empty());
    let offer = package.offer().clone();
    let (media, manifest) = assemble(package);
    assert_eq!(decoded_frames(&bench, &media), 75);
    let verified = verify_clip(&mut Cursor::new(&media), &manifest, &bench.root).unwrap();
    assert_eq!(verified.manifest.frames(), 75);
    assert_eq!(Hash256::of(&media), offer.media_hash);
}

/// What ffprobe says of a file's packets or frames: one line each, in order.
fn probe(file: &Path, what: &str, entries: &str) -> Vec<Vec<f64>> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", what, "-show_entries", entries, "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let number = |text: &str| text.trim().parse().ok();
    let lines = String::from_utf8(output.stdout).unwrap();
    let numbers = lines.lines().map(|line| line.split(',').filter_map(number).collect());
    // A frame's side data stand on lines of their own.
    numbers.filter(|numbers: &Vec<f64>| !numbers.is_empty()).collect()
}

#[test]
fn pictures_that_are_decoded_out_of_order_are_shown_in_order() {
    let bench = Bench::new();
    let (source, stream) = (bench.folder.path().join("source.mp4"), bench.folder.path().join("stream.h264"));
    let ffmpeg = |arguments: &[&str], to: &Path| {
        let done = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(to).status().unwrap();
        assert!(done.success());
    };
    let draw =
        ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=2", "-c:v", "libx264", "-bf", "2", "-g", "50"];
    ffmpeg(&[&draw[..], &["-pix_fmt", "yuv420p"]].concat(), &source);
    ffmpeg(&["-i", source.to_str().unwrap(), "-c", "copy", "-bsf:v", "h264_mp4toannexb"], &stream);
    let units = split_units(&std::fs::read(&stream).unwrap());
    let times = probe(&source, "-show_packets", "packet=pts_time,dts_time");
    assert_eq!(times.len(), units.len());
    assert!(times.iter().any(|time| (time[0] - time[1]).abs() > 0.05), "there are B-frames");
    #[allow(clippy::cast_possible_truncation, reason = "small numbers of a test")]
    let at = |seconds: f64| MediaTime::from_nanos((seconds * 1e9).round() as i64);
    let pictures: Vec<NewPicture<'_>> = units
        .iter()
        .zip(&times)
        .enumerate()
        .map(|(i, (bytes, time))| NewPicture { bytes, key: i == 0, decode: at(time[1]), media: at(time[0]) })
        .collect();
    let (mut ring, _) = Ring::open(Arc::new(RealDisk), bench.place()).unwrap();
    let group = NewGroup {
        codec: Codec::H264,
        parameters: parameter_hash(Codec::H264, &nal::parameter_sets(Codec::H264, &units[0])),
        size: Some((320, 240)),
        discontinuity: true,
        wall: stamp(0.0),
        duration: Duration::from_secs(2),
        pictures: &pictures,
    };
    ring.append(&group).unwrap();
    let (media, _) = assemble(bench.clip(0.0, 2.0).unwrap());
    assert_eq!(decoded_frames(&bench, &media), 50);
    let shown = probe(&bench.folder.path().join("clip.mp4"), "-show_frames", "frame=pts_time");
    assert_eq!(shown.len(), 50);
    for (frame, time) in (0_u32..).zip(shown) {
        assert!((time[0] - f64::from(frame) / 25.0).abs() < 0.001, "frame {frame} at {} s", time[0]);
    }
}

#[test]
fn one_flipped_byte_of_the_video_is_found_and_named() {
    let bench = Bench::new();
    bench.record(3, &[]);
    let (mut media, manifest) = assemble(bench.clip(0.0, 3.0).unwrap());
    let last = media.len() - 1;
    media[last] ^= 1;
    let fault = verify_clip(&mut Cursor::new(&media), &manifest, &bench.root).unwrap_err();
    assert!(matches!(fault, ClipFault::Group { index: 2, count: 3, .. }), "{fault}");
}

#[test]
fn a_hole_in_the_recording_is_stated_and_the_rest_still_plays() {
    let bench = Bench::new();
    bench.record(6, &[2, 3]);
    let package = bench.clip(1.0, 6.0).unwrap();
    assert_eq!(package.offer().gaps, [Span { from: wall(2.0).into(), to: wall(4.0).into() }]);
    let (media, manifest) = assemble(package);
    assert_eq!(decoded_frames(&bench, &media), 75);
    verify_clip(&mut Cursor::new(&media), &manifest, &bench.root).unwrap();
}

#[test]
fn what_is_rotten_in_the_ring_is_left_out_and_stated_and_the_rest_still_plays() {
    let bench = Bench::new();
    bench.record(4, &[]);
    let group = bench.reader().select(wall(1.0), wall(2.0), 10).unwrap().groups.remove(0);
    let file = bench.place().folder.join("0000000000000001.seg");
    let mut bytes = std::fs::read(&file).unwrap();
    let next = bench.reader().select(wall(2.0), wall(3.0), 10).unwrap().groups.remove(0);
    assert!(next.offset > group.offset);
    bytes[usize::try_from(next.offset).unwrap() - 5] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let package = bench.clip(0.0, 4.0).unwrap();
    assert_eq!(package.offer().gaps, [Span { from: wall(1.0).into(), to: wall(2.0).into() }]);
    let (media, manifest) = assemble(package);
    assert_eq!(decoded_frames(&bench, &media), 75);
    verify_clip(&mut Cursor::new(&media), &manifest, &bench.root).unwrap();
}

#[test]
fn a_clip_that_is_asked_for_again_is_the_same_file() {
    let bench = Bench::new();
    bench.record(3, &[]);
    let first = bench.clip(0.0, 2.0).unwrap().offer().media_hash;
    let request = RequestId::from_bytes([8; 16]);
    let again = make(bench.reader(), request, &street(0.0, 2.0), &bench.signer, stamp(2_000.0)).unwrap();
    assert_eq!(again.offer().media_hash, first);
}

#[test]
fn what_is_missing_is_told_in_order_and_only_of_what_was_asked_for() {
    let asked = street(10.0, 20.0);
    let span = |from, to| ManifestSpan { from: wall(from), to: wall(to) };
    let spans = vec![span(18.0, 25.0), span(5.0, 11.0), span(13.0, 14.0), span(14.0, 15.0), span(1.0, 2.0)];
    assert_eq!(within(&asked, spans), [span(10.0, 11.0), span(13.0, 15.0), span(18.0, 20.0)]);
}

#[test]
fn a_time_that_was_never_recorded_is_a_clear_no_and_holds_nothing() {
    let bench = Bench::new();
    bench.record(2, &[]);
    let error = bench.clip(100.0, 110.0).unwrap_err();
    assert!(matches!(error, ClipError::Nothing(Some(_))), "{error}");
    assert!(bench.reader().pins().unwrap().is_empty());
}

#[test]
fn what_is_asked_for_is_held_until_the_clip_is_dropped() {
    let bench = Bench::new();
    bench.record(2, &[]);
    let package = bench.clip(0.0, 2.0).unwrap();
    assert_eq!(bench.reader().pins().unwrap().len(), 1);
    drop(package);
    assert!(bench.reader().pins().unwrap().is_empty());
}

//! The judge is ffmpeg: it makes the coded video, and must read the written file without a word.

#![allow(clippy::disallowed_methods, reason = "a test's file need not survive a power cut")]

use std::path::Path;
use std::process::Command;

use super::*;

/// Splits an Annex B stream into its NAL units.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..stream.len().saturating_sub(2)).filter(|&i| stream[i..i + 3] == [0, 0, 1]).collect();
    let ends = starts.iter().skip(1).map(|&next| if stream[next - 1] == 0 { next - 1 } else { next });
    starts.iter().zip(ends.chain([stream.len()])).map(|(&start, end)| &stream[start + 3..end]).collect()
}

/// Draws two seconds of test picture at 25 frames a second.
fn encode(folder: &Path, codec: &str, format: &str) -> Vec<u8> {
    let path = folder.join("video");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=2", "-c:v", codec])
        .args(["-g", "10", "-pix_fmt", if codec == "mjpeg" { "yuvj420p" } else { "yuv420p" }, "-f", format])
        .args(if codec == "mjpeg" {
            &[][..]
        } else {
            &["-bf", "0", "-x265-params", "log-level=error:bframes=0:keyint=10"][..]
        })
        .arg(&path)
        .status()
        .expect("the tests need ffmpeg: make setup-test installs it");
    assert!(status.success());
    std::fs::read(path).unwrap()
}

struct Coded {
    parameter_sets: Vec<Vec<u8>>,
    bytes: Vec<u8>,
    samples: Vec<Sample>,
}

/// Gathers NAL units into samples: every slice with `first_slice` begins a picture.
fn gather(stream: &[u8], is_slice: fn(&[u8]) -> bool, is_key: fn(&[u8]) -> bool, is_set: fn(&[u8]) -> bool) -> Coded {
    let mut coded = Coded { parameter_sets: vec![], bytes: vec![], samples: vec![] };
    let mut pending = Vec::new();
    for nal in nal_units(stream) {
        pending.extend(u32::try_from(nal.len()).unwrap().to_be_bytes());
        pending.extend(nal);
        if is_set(nal) && !coded.parameter_sets.iter().any(|set| set == nal) {
            coded.parameter_sets.push(nal.to_vec());
        }
        if is_slice(nal) {
            let size = u32::try_from(pending.len()).unwrap();
            coded.bytes.append(&mut pending);
            coded.samples.push(Sample { size, duration: TICKS / 25, composition_offset: 0, key: is_key(nal) });
        }
    }
    coded
}

fn mux(codec: Codec, video: &Coded) -> Vec<u8> {
    let sets: Vec<&[u8]> = video.parameter_sets.iter().map(Vec::as_slice).collect();
    let run = Run { codec, width: 320, height: 240, parameter_sets: &sets, samples: &video.samples };
    let mut file = header(&[run], 1_800_000_000);
    file.extend(&video.bytes);
    file
}

/// Frames that ffmpeg decodes from the file, which it must do without a word.
fn frames(folder: &Path, file: &[u8]) -> usize {
    let path = folder.join("clip.mp4");
    std::fs::write(&path, file).unwrap();
    let check = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(&path)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    assert!(check.status.success() && check.stderr.is_empty(), "{}", String::from_utf8_lossy(&check.stderr));
    let count = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=nb_read_frames,duration",
        ])
        .args(["-of", "csv=p=0"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(count.stdout).unwrap();
    let (duration, frames) = text.trim().split_once(',').unwrap();
    assert!((duration.parse::<f64>().unwrap() - 2.0).abs() < 0.01, "{text}");
    frames.parse().unwrap()
}

fn h264(folder: &Path) -> Coded {
    gather(
        &encode(folder, "libx264", "h264"),
        |nal| matches!(nal[0] & 0x1f, 1 | 5) && nal[1] & 0x80 != 0,
        |nal| nal[0] & 0x1f == 5,
        |nal| matches!(nal[0] & 0x1f, 7 | 8),
    )
}

#[test]
fn h264_is_muxed_so_that_ffmpeg_has_nothing_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let coded = h264(folder.path());
    assert_eq!(frames(folder.path(), &mux(Codec::H264, &coded)), 50);
}

#[test]
fn h265_is_muxed_so_that_ffmpeg_has_nothing_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let coded = gather(
        &encode(folder.path(), "libx265", "hevc"),
        |nal| nal[0] >> 1 & 0x3f < 32 && nal[2] & 0x80 != 0,
        |nal| (16..24).contains(&(nal[0] >> 1 & 0x3f)),
        |nal| (32..=34).contains(&(nal[0] >> 1 & 0x3f)),
    );
    assert_eq!(coded.parameter_sets.len(), 3);
    assert_eq!(frames(folder.path(), &mux(Codec::H265, &coded)), 50);
}

#[test]
fn mjpeg_is_muxed_so_that_ffmpeg_has_nothing_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let stream = encode(folder.path(), "mjpeg", "mjpeg");
    let starts: Vec<usize> = (0..stream.len() - 3).filter(|&i| stream[i..i + 3] == [0xff, 0xd8, 0xff]).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let samples = starts.iter().zip(ends).map(|(&start, end)| Sample {
        size: u32::try_from(end - start).unwrap(),
        duration: TICKS / 25,
        composition_offset: 0,
        key: true,
    });
    let coded = Coded { parameter_sets: vec![], samples: samples.collect(), bytes: stream };
    assert_eq!(frames(folder.path(), &mux(Codec::Mjpeg, &coded)), 50);
}

#[test]
fn a_run_with_other_parameters_gets_an_entry_and_a_chunk_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let coded = h264(folder.path());
    let sets: Vec<&[u8]> = coded.parameter_sets.iter().map(Vec::as_slice).collect();
    let (first, second) = coded.samples.split_at(20);
    let run = |samples| Run { codec: Codec::H264, width: 320, height: 240, parameter_sets: &sets, samples };
    let mut clip = header(&[run(first), run(second)], 0);
    clip.extend(&coded.bytes);
    assert_eq!(frames(folder.path(), &clip), 50);
}

#[test]
fn the_media_data_are_the_samples_bytes_verbatim() {
    let folder = tempfile::tempdir().unwrap();
    let coded = h264(folder.path());
    let clip = mux(Codec::H264, &coded);
    assert!(clip.ends_with(&coded.bytes));
    let head = &clip[clip.len() - coded.bytes.len() - 16..][..16];
    assert_eq!(&head[4..8], b"mdat");
    assert_eq!(u64::from_be_bytes(head[8..].try_into().unwrap()), coded.bytes.len() as u64 + 16);
}

//! A minute of one camera out of the ring: how soon the first piece is there, and how fast the whole file is.
//!
//! From the accepted command on this is what the agent does: pin, header, hashes, signed manifest, pieces. The judging
//! of the command and the way over the network are not in it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edge_agent::clip::{self, Signer};
use edge_agent::media::nal;
use edge_protocol::command::ClipScope;
use edge_protocol::hash::Hash256;
use edge_protocol::id::RequestId;
use edge_protocol::media::{Codec, parameter_hash};
use edge_protocol::sign::{Chain, SigningKey};
use edge_protocol::time::{ClockQuality, MediaTime, WallStamp, WallTime};
use edge_store::disk::RealDisk;
use edge_store::ring::{NewGroup, NewPicture, Ring, RingPlace, RingReader};
use edge_tests::pki::Pki;
use edge_tests::rtsp::{Coding, Reel};

use super::Surroundings;
use crate::cost::{self, Spread};
use crate::table::Row;

const START_US: i64 = 1_800_000_000_000_000;
const FPS: u32 = 30;
const PER_GROUP: u32 = 60;
const GROUPS: u32 = 30;
const GROUP_LASTS: Duration = Duration::from_secs(2);

fn wall(after: Duration) -> WallTime {
    WallTime::from_micros(START_US).saturating_add(after)
}

fn stamp(after: Duration) -> WallStamp {
    WallStamp { time: wall(after), quality: ClockQuality::Free }
}

/// A minute of 1080p at 4 Mbit/s in a ring, in groups of two seconds.
fn record(around: &Surroundings, place: RingPlace) -> Result<()> {
    let reel = Reel::file(&around.full_hd()?, Coding::H264, FPS);
    let coded: Vec<Vec<u8>> = reel.pictures.iter().map(|picture| nal::to_length_prefixed(&picture.bytes)).collect();
    let parameters = coded.first().map(|first| parameter_hash(Codec::H264, &nal::parameter_sets(Codec::H264, first)));
    let parameters: Hash256 = parameters.context("an empty video")?;
    let (mut ring, _) = Ring::open(Arc::new(RealDisk), place)?;
    let groups: Vec<&[Vec<u8>]> = coded.chunks_exact(PER_GROUP as usize).collect();
    for (number, group) in (0..GROUPS).zip(groups.iter().cycle()) {
        let began = GROUP_LASTS * number;
        let at =
            |frame: u32| MediaTime::from_nanos(i64::from(number * PER_GROUP + frame) * 1_000_000_000 / i64::from(FPS));
        let pictures: Vec<NewPicture<'_>> = (0..)
            .zip(*group)
            .map(|(frame, bytes)| NewPicture { bytes, key: frame == 0, decode: at(frame), media: at(frame) })
            .collect();
        ring.append(&NewGroup {
            codec: Codec::H264,
            parameters,
            size: Some((1920, 1080)),
            discontinuity: number == 0,
            wall: stamp(began),
            duration: GROUP_LASTS,
            pictures: &pictures,
        })?;
    }
    Ok(())
}

/// Seconds to the first piece and to the last, and the bytes of all.
fn clip(place: RingPlace, signer: &Signer, number: u32) -> Result<(f64, f64, u64)> {
    let mut request = [0; 16];
    request[..4].copy_from_slice(&number.to_le_bytes());
    let request = RequestId::from_bytes(request);
    let (from, to) = (wall(Duration::ZERO), wall(GROUP_LASTS * GROUPS));
    let asked = ClipScope { camera: place.camera.clone(), from, to };
    let began = Instant::now();
    let reader = RingReader::open(Arc::new(RealDisk), place)?;
    let now = stamp(Duration::from_hours(1));
    let mut pieces = clip::make(reader, request, &asked, signer, now)?.into_pieces();
    let mut bytes = pieces.next().context("a clip without pieces")??.bytes.len() as u64;
    let first = began.elapsed().as_secs_f64();
    for piece in pieces {
        bytes += piece?.bytes.len() as u64;
    }
    Ok((first, began.elapsed().as_secs_f64(), bytes))
}

/// The reference: ffmpeg copies the same minute from one MP4 into another. Seconds.
fn ffmpeg(around: &Surroundings, folder: &Path) -> Result<f64> {
    let mut copy = Command::new("ffmpeg");
    copy.args(["-v", "error", "-y", "-stream_loop", "1", "-t", "60", "-i"]).arg(around.full_hd()?);
    let (_, cost) = cost::of_program(copy.args(["-c", "copy"]).arg(folder.join("copy.mp4")))?;
    Ok(cost.wall_s)
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&around.folder)?;
    let pki = Pki::new("bench");
    let identity = pki.unit("pole-1");
    let place = RingPlace {
        folder: folder.path().join("street"),
        index: None,
        unit: "pole-1".parse()?,
        camera: "street".parse()?,
        quota_bytes: 1 << 30,
    };
    let signer = Signer {
        agency: "bench".parse()?,
        unit: "pole-1".parse()?,
        key: Arc::new(SigningKey::from_pem(identity.key_pem.as_bytes())?),
        chain: Chain::from_pem(identity.certificate_pem.as_bytes())?,
        software: "0.1.0".parse()?,
    };
    record(around, place.clone())?;
    let (mut firsts, mut speeds, mut copies, mut size) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let lasts = (GROUP_LASTS * GROUPS).as_secs_f64();
    for number in 0..around.extent.rounds.max(5) {
        let (first, whole, bytes) = clip(place.clone(), &signer, number)?;
        ensure!(bytes > 10_000_000, "a minute of 4 Mbit/s in {bytes} bytes");
        firsts.push(first * 1000.0);
        speeds.push(lasts / whole);
        copies.push(lasts / ffmpeg(around, folder.path())?);
        size = bytes;
    }
    let (first, speed, copy) = (Spread::of(firsts), Spread::of(speeds), Spread::of(copies));
    Ok(vec![
        Row {
            what: "clip of 60 s of 1080p: accepted to first piece, ms".to_owned(),
            goal: "<= 100".to_owned(),
            measured: first.show(0),
            reference: format!("pin, two readings, all leaves and the file's hash, signature; {size} bytes"),
            met: Some(first.median <= 100.0),
        },
        Row {
            what: "clip of 60 s: all pieces made, times real time".to_owned(),
            goal: ">= 200".to_owned(),
            measured: speed.show(0),
            reference: format!("ffmpeg -c copy, file to file, program start included: {}", copy.show(0)),
            met: Some(speed.median >= 200.0),
        },
    ])
}

//! The process whose power is cut: stores, and says what it was told is stored.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::hash::Hash256;
use edge_protocol::id::CommandId;
use edge_protocol::lane::Lane;
use edge_protocol::media::Codec;
use edge_protocol::time::{MediaTime, WallStamp, WallTime};
use edge_store::audit::{Audit, Intended};
use edge_store::disk::RealDisk;
use edge_store::outbox::{Budget, Outbox};
use edge_store::ring::{NewGroup, NewPicture, Ring, RingPlace};

/// Small, so that segments are evicted all the time.
const QUOTA: u64 = 4 << 20;

pub(crate) fn place(folder: &Path) -> RingPlace {
    let (unit, camera) = ("pole-017".parse().unwrap(), "gate".parse().unwrap());
    RingPlace { folder: folder.join("gate"), index: None, unit, camera, quota_bytes: QUOTA }
}

/// What a record of this number says, so that its contents can be checked without being remembered.
pub(crate) fn payload(lane: Lane, sequence: u64) -> Vec<u8> {
    let length = usize::try_from(sequence * 37 % 400).unwrap();
    let mut payload = format!("{lane} {sequence} ").into_bytes();
    payload.resize(payload.len() + length, u8::try_from(sequence % 251).unwrap());
    payload
}

/// Runs until the disk refuses everything.
pub(crate) fn write_until_the_cut(folder: &Path) {
    let Ok(opened) = Outbox::open(&folder.join("outbox.sqlite"), Budget::DEFAULT) else { return };
    let Ok(audit) = Audit::open(&folder.join("audit.sqlite")) else { return };
    let Ok((mut ring, _)) = Ring::open(Arc::new(RealDisk), place(folder)) else { return };
    let (mut outbox, mut audit) = (opened.outbox, audit.audit);
    println!("epoch {}", outbox.epoch().get());
    for round in 0_u64.. {
        let told = [tell_records(&mut outbox, round), record(&mut ring, round), write_down(&mut audit)];
        if told.iter().all(Option::is_none) {
            return;
        }
    }
}

fn tell_records(outbox: &mut Outbox, round: u64) -> Option<()> {
    let mut told = Vec::new();
    for lane in [Lane::Hit, Lane::Read, Lane::Object].into_iter().cycle().take(usize::try_from(1 + round % 7).unwrap())
    {
        let next = outbox.backlog(lane).last.next();
        told.push((lane, outbox.append(lane, &payload(lane, next.get())).ok()?));
    }
    outbox.commit().ok()?;
    for (lane, sequence) in told {
        println!("record {lane} {}", sequence.get());
    }
    Some(())
}

fn record(ring: &mut Ring, round: u64) -> Option<()> {
    let bytes = vec![u8::try_from(round % 251).unwrap(); 5_000 + usize::try_from(round * 997 % 9_000).unwrap()];
    let at = |picture: i64| MediaTime::from_nanos(picture * 100_000_000);
    let pictures: Vec<NewPicture<'_>> = (0..10)
        .map(|picture| NewPicture { bytes: &bytes, key: picture == 0, decode: at(picture), media: at(picture) })
        .collect();
    let stored = ring.append(&NewGroup {
        codec: Codec::H264,
        parameters: Hash256::of(b"p"),
        size: None,
        discontinuity: round.is_multiple_of(13),
        wall: WallStamp { time: WallTime::from_micros(1_790_000_000_000_000), ..WallStamp::default() },
        duration: Duration::from_secs(4),
        pictures: &pictures,
    });
    let group = stored.ok()?;
    println!("group {} {} {}", group.segment, group.number, group.leaf);
    Some(())
}

fn write_down(audit: &mut Audit) -> Option<()> {
    let mut id = [0; 16];
    let (number, _) = audit.head().ok()?;
    id[..8].copy_from_slice(&number.to_le_bytes());
    match audit.intend(CommandId::from_bytes(id), b"clip").ok()? {
        Intended::Recorded(entry) => println!("audit {}", entry.number),
        Intended::Replayed => println!("replayed {number}"),
    }
    Some(())
}

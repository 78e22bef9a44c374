//! Durable records a second: groups of 50 ms on the real disk, as the publisher makes them.

use std::time::{Duration, Instant};

use anyhow::Result;
use edge_protocol::lane::Lane;
use edge_store::outbox::{Budget, Outbox};

use super::Surroundings;
use crate::cost::Spread;
use crate::table::Row;

/// As long as the publisher's group.
const GROUP: Duration = Duration::from_millis(50);
const SECONDS: Duration = Duration::from_secs(3);
/// An object event with its envelope is smaller.
const RECORD: [u8; 140] = [7; 140];

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let (mut rates, mut hits, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..around.extent.rounds {
        let folder = tempfile::tempdir_in(&around.folder)?;
        let path = folder.path().join("outbox.sqlite");
        let mut outbox = Outbox::open(&path, Budget::DEFAULT)?.outbox;
        let (began, mut count) = (Instant::now(), 0_u32);
        while began.elapsed() < SECONDS {
            let group = Instant::now();
            while group.elapsed() < GROUP {
                outbox.append(Lane::Object, &RECORD)?;
                count += 1;
            }
            outbox.commit()?;
        }
        rates.push(f64::from(count) / began.elapsed().as_secs_f64());
        bytes.push(std::fs::metadata(&path)?.len() as f64 / f64::from(count));
        let alone = Instant::now();
        outbox.append(Lane::Hit, &RECORD)?;
        outbox.commit()?;
        hits.push(alone.elapsed().as_secs_f64() * 1000.0);
    }
    let (rate, hit, bytes) = (Spread::of(rates), Spread::of(hits), Spread::of(bytes));
    let disk = "the disk under target/bench".to_owned();
    let row = |what: &str, goal: &str, spread: Spread, decimals, met| Row {
        what: what.to_owned(),
        goal: goal.to_owned(),
        measured: spread.show(decimals),
        reference: disk.clone(),
        met: Some(met),
    };
    Ok(vec![
        row(
            "outbox: durable records of 140 bytes a second, groups of 50 ms",
            ">= 20,000",
            rate,
            0,
            rate.median >= 20_000.0,
        ),
        row("outbox: one hit committed by itself, ms", "<= 20", hit, 1, hit.median <= 20.0),
        row(
            "outbox: bytes on the disk a record; 72 h at 5 a second are 1,296,000",
            "<= 320",
            bytes,
            0,
            bytes.median <= 320.0,
        ),
    ])
}

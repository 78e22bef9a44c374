//! Three days without a link at five events a second: how large the outbox gets, and whether all of it arrives.
//!
//! All 1,296,000 records are committed and measured. One in [`SCALE`] of them is drained by a real agent that sees
//! nothing, through a real Mosquitto with TLS into the real center, to its commit. All of them are then drained by one
//! that watches the drawn gate meanwhile, whose hits are to overtake them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_store::outbox::{Budget, Outbox};

use super::center::Center;
use super::unit::{Prepared, Told};
use super::{Surroundings, latency, wire};
use crate::cost::Spread;
use crate::table::Row;

/// 72 hours at five a second.
const RECORDS: u32 = 72 * 3600 * 5;
/// The drained part: 7.2 hours.
const SCALE: u32 = 10;
/// Records between two commits, as after a second of group commits at full speed.
const GROUP: u32 = 5_000;
const DEADLINE: Duration = Duration::from_mins(15);
const MIB: f64 = 1024.0 * 1024.0;

/// Commits so many object events; bytes of all the files then.
fn fill(path: &Path, records: u32) -> Result<f64> {
    let mut outbox = Outbox::open(path, Budget::DEFAULT)?.outbox;
    for number in 0..records {
        let record: Record = wire::object(number)?;
        outbox.append(Lane::Object, &record.to_payload())?;
        if number % GROUP == GROUP - 1 {
            outbox.commit()?;
        }
    }
    outbox.commit()?;
    let mut bytes = 0;
    for file in std::fs::read_dir(path.parent().context("a file in a folder")?)?.flatten() {
        if file.file_name().to_string_lossy().starts_with("outbox.sqlite") {
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes as f64)
}

/// Drains a blind unit's outbox; records a second, and how many are missing at the center.
fn drain(around: &Surroundings) -> Result<(f64, u64)> {
    let center = Center::start(around)?;
    let records = around.part_of(RECORDS / SCALE);
    let blind = around.folder.join("no-models");
    // A camera that is not there: nothing is seen, recorded or told meanwhile.
    let sources = ["kind = \"rtsp\"\nurl = \"rtsp://127.0.0.1:1/none\"".to_owned()];
    let told = Told { models: &blind, sources: &sources, port: center.broker.port(), test_plates: &[] };
    let unit = Prepared::new(around, &center.pki, &told)?;
    fill(&unit.outbox(), records)?;
    let _unit = unit.start(around);
    center.wait("the first records have come", DEADLINE, |center| center.kept("object") > 0)?;
    let before = center.kept("object");
    let seconds = center.wait("all have come", DEADLINE, |center| center.kept("object") >= u64::from(records))?;
    Ok((u64::from(records).saturating_sub(before) as f64 / seconds, lost(&center, records)?))
}

/// Records that the center does not have of those that waited, and gaps that it counts.
fn lost(center: &Center, records: u32) -> Result<u64> {
    let missing = center.ask("/api/statistics").context("the center's numbers")?["missing"].as_u64();
    Ok(u64::from(records).saturating_sub(center.kept("object")) + missing.context("how many are missing")?)
}

/// What a unit does that comes back after 72 hours and sees the gate at once.
#[derive(Debug)]
struct Back {
    /// Bytes on its disk before it drains.
    bytes: f64,
    /// Seconds that the draining takes.
    drained_s: f64,
    /// Records that do not arrive.
    lost: u64,
    /// Milliseconds of the hits made and received meanwhile, sorted.
    hits: Vec<f64>,
}

/// The whole backlog drains while the unit goes on seeing, and its hits are to overtake it.
fn come_back(around: &Surroundings, plates: &[String]) -> Result<Back> {
    let center = Center::start(around)?;
    let (records, models) = (around.part_of(RECORDS), around.root.join("models"));
    let sources = [format!("kind = \"file\"\npath = \"{}\"\nrepeat = true", around.gate()?.display())];
    let told = Told { models: &models, sources: &sources, port: center.broker.port(), test_plates: plates };
    let unit = Prepared::new(around, &center.pki, &told)?;
    let bytes = fill(&unit.outbox(), records)?;
    let _unit = unit.start(around);
    // Objects seen meanwhile are told in their lane's order, so behind the backlog.
    let drained_s = center.wait("all have come", DEADLINE, |center| center.kept("object") >= u64::from(records))?;
    let until_us = jiff::Timestamp::now().as_microsecond();
    let lost = lost(&center, records)?;
    Ok(Back { bytes, drained_s, lost, hits: latency::delays(&center, "hit", until_us as f64)? })
}

fn row(what: String, goal: &str, measured: String, reference: String, met: Option<bool>) -> Row {
    Row { what, goal: goal.to_owned(), measured, reference, met }
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let drains: Vec<_> = (0..around.extent.rounds).map(|_| drain(around)).collect::<Result<_>>()?;
    let (rates, drains_lost): (_, Vec<u64>) = drains.into_iter().unzip();
    let plates = latency::plates(around)?;
    let backs: Vec<Back> = (0..around.extent.rounds).map(|_| come_back(around, &plates)).collect::<Result<_>>()?;
    let spread = |of: &dyn Fn(&Back) -> f64| Spread::of(backs.iter().map(of).collect());
    let (records, drained) = (around.part_of(RECORDS), around.part_of(RECORDS / SCALE));
    let lost = drains_lost.iter().sum::<u64>() + backs.iter().map(|back| back.lost).sum::<u64>();
    let (rate, mib, lasted) = (Spread::of(rates), spread(&|back| back.bytes / MIB), spread(&|back| back.drained_s));
    let each = mib.median * MIB / f64::from(records);
    let hits: usize = backs.iter().map(|back| back.hits.len()).sum();
    let p99 = spread(&|back| latency::quantile(&back.hits, 99) / 1000.0);
    Ok(vec![
        row(
            format!("72 h offline at 5 object events a second ({records}): MiB on the disk"),
            "<= 512",
            mib.show(0),
            format!("{each:.0} bytes a record, all committed; write-ahead log included"),
            Some(mib.median <= 512.0),
        ),
        row(
            format!("a tenth of them ({drained}) drained through Mosquitto with TLS: records a second"),
            ">= 5,000",
            rate.show(0),
            "to the commit in the center's database; agent, broker and center share the machine".to_owned(),
            Some(rate.median >= 5_000.0),
        ),
        row(
            format!("lost of these and of all {records}, {} times each", around.extent.rounds),
            "0",
            lost.to_string(),
            "records and gaps as the center counts them".to_owned(),
            Some(lost == 0),
        ),
        row(
            format!("{hits} live hits while all {records} drain: last frame's arrival to the center, s p99"),
            "<= 2",
            p99.show(2),
            format!("model time included; draining takes {} s beside the analysis of a 720p camera", lasted.show(0)),
            (hits > 0).then_some(p99.median <= 2.0),
        ),
    ])
}

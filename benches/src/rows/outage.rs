//! Three days without a link at five events a second: how large the outbox gets, and whether all of it arrives.
//!
//! All 1,296,000 records are committed and measured. One in [`SCALE`] of them is then drained by the real agent through
//! a real Mosquitto with TLS into the real center, to its commit: draining all would take the most of a quarter of an
//! hour.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_store::outbox::{Budget, Outbox};

use super::center::Center;
use super::unit::{Prepared, Told};
use super::{Surroundings, wire};
use crate::cost::Spread;
use crate::table::Row;

/// 72 hours at five a second.
const RECORDS: u32 = 72 * 3600 * 5;
/// The drained part: 7.2 hours.
const SCALE: u32 = 10;
/// Records between two commits, as after a second of group commits at full speed.
const GROUP: u32 = 5_000;
const DEADLINE: Duration = Duration::from_mins(5);
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

/// Drains a unit's outbox; records a second, and how many are missing at the center.
fn drain(around: &Surroundings) -> Result<(f64, u64)> {
    let center = Center::start(around)?;
    let records = RECORDS / SCALE;
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
    let missing = center.ask("/api/statistics").context("the center's numbers")?["missing"].as_u64().unwrap_or(0);
    let lost = u64::from(records).saturating_sub(center.kept("object")) + missing;
    Ok((u64::from(records).saturating_sub(before) as f64 / seconds, lost))
}

pub(super) fn measure(around: &Surroundings) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&around.folder)?;
    let bytes = fill(&folder.path().join("outbox.sqlite"), RECORDS)?;
    let (mut rates, mut lost) = (Vec::new(), 0);
    for _ in 0..around.rounds {
        let (rate, missing) = drain(around)?;
        rates.push(rate);
        lost += missing;
    }
    let rate = Spread::of(rates);
    let drained = RECORDS / SCALE;
    Ok(vec![
        Row {
            what: format!("72 h offline at 5 object events a second ({RECORDS}): MiB on the disk"),
            goal: "<= 512".to_owned(),
            measured: format!("{:.0}", bytes / MIB),
            reference: format!(
                "{:.0} bytes a record, all committed; write-ahead log included",
                bytes / f64::from(RECORDS)
            ),
            met: Some(bytes / MIB <= 512.0),
        },
        Row {
            what: format!("a tenth of them ({drained}) drained through Mosquitto with TLS: records a second"),
            goal: ">= 5,000".to_owned(),
            measured: rate.show(0),
            reference: "to the commit in the center's database; agent, broker and center share the machine".to_owned(),
            met: Some(rate.median >= 5_000.0),
        },
        Row {
            what: "of these lost".to_owned(),
            goal: "0".to_owned(),
            measured: lost.to_string(),
            reference: "records and gaps as the center counts them".to_owned(),
            met: Some(lost == 0),
        },
    ])
}

//! What the writer said is stored, and whether it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use edge_protocol::id::Sequence;
use edge_protocol::lane::Lane;
use edge_protocol::time::WallTime;
use edge_store::audit::Audit;
use edge_store::disk::RealDisk;
use edge_store::outbox::{Budget, Limit, Outbox, OutboxReader};
use edge_store::ring::{Ring, RingReader};

use crate::writer::{payload, place};

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    epoch: Option<u64>,
    records: BTreeMap<Lane, u64>,
    groups: BTreeMap<(u64, u32), String>,
    audit: u64,
    heard: u64,
}

impl Oracle {
    /// Takes a line of the writer's; the test runner's own lines are none.
    pub(crate) fn hear(&mut self, said: &str) {
        let words: Vec<&str> = said.split(' ').collect();
        match words[..] {
            ["epoch", epoch] => {
                let epoch = epoch.parse().unwrap();
                assert_eq!(*self.epoch.get_or_insert(epoch), epoch, "the outbox began anew");
            }
            ["record", lane, last] => {
                self.records.insert(lane.parse().unwrap(), last.parse().unwrap());
            }
            ["group", segment, number, leaf] => {
                self.groups.insert((segment.parse().unwrap(), number.parse().unwrap()), leaf.to_owned());
            }
            ["audit", number] => self.audit = number.parse().unwrap(),
            ["replayed", number] => panic!("entry {number} was used before and then lost"),
            _ => return,
        }
        self.heard += 1;
    }

    pub(crate) fn heard(&self) -> u64 {
        self.heard
    }

    /// Whether all of it is in the folder; what is not, in words.
    pub(crate) fn check(&mut self, folder: &Path) -> Result<(), String> {
        self.check_outbox(folder)?;
        self.check_ring(folder)?;
        self.check_audit(folder)
    }

    fn check_outbox(&self, folder: &Path) -> Result<(), String> {
        let path = folder.join("outbox.sqlite");
        let opened = Outbox::open(&path, Budget::DEFAULT).map_err(|error| whole(&error))?;
        if opened.set_aside.is_some() || self.epoch.is_some_and(|epoch| opened.outbox.epoch().get() != epoch) {
            return Err("the outbox was damaged".to_owned());
        }
        let reader = OutboxReader::open(&path).unwrap();
        for (lane, last) in &self.records {
            let all = Limit { records: u32::MAX, bytes: usize::MAX };
            let found = reader.unsettled(*lane, Sequence::ZERO, all).unwrap();
            let whole = (1..).zip(&found.records).all(|(sequence, stored)| {
                stored.sequence.get() == sequence && stored.payload == payload(*lane, sequence)
            });
            if !found.rotten.is_empty() || !whole || (found.records.len() as u64) < *last {
                return Err(format!("{lane}: {} records of {last}", found.records.len()));
            }
        }
        Ok(())
    }

    fn check_ring(&mut self, folder: &Path) -> Result<(), String> {
        let (_, repair) = Ring::open(Arc::new(RealDisk), place(folder)).map_err(|error| whole(&error))?;
        if repair.set_aside.is_some() || repair.lost_segments > 0 {
            return Err(format!("the ring was damaged: {repair:?}"));
        }
        let reader = RingReader::open(Arc::new(RealDisk), place(folder)).unwrap();
        let (from, to) = (WallTime::from_micros(0), WallTime::from_micros(i64::MAX));
        let found = reader.select(from, to, u32::MAX).unwrap().groups;
        // What is older was evicted in its turn.
        let oldest = found.first().map_or(u64::MAX, |group| group.segment);
        if found.is_empty() && !self.groups.is_empty() {
            return Err("the ring is empty".to_owned());
        }
        self.groups.retain(|(segment, _), _| *segment >= oldest);
        for ((segment, number), leaf) in &self.groups {
            let group = found.iter().find(|group| (group.segment, group.number) == (*segment, *number));
            let whole = group.is_some_and(|group| {
                group.leaf.to_string() == *leaf && reader.read(group).is_ok_and(|contents| contents.is_some())
            });
            if !whole {
                return Err(format!("group {number} of segment {segment}"));
            }
        }
        Ok(())
    }

    fn check_audit(&self, folder: &Path) -> Result<(), String> {
        let opened = Audit::open(&folder.join("audit.sqlite")).map_err(|error| whole(&error))?;
        let (last, _) = opened.audit.head().unwrap();
        if opened.set_aside.is_some() || last < self.audit {
            return Err(format!("audit log: {last} entries of {}", self.audit));
        }
        match opened.audit.verify().unwrap() {
            Some(broken) => Err(format!("audit log: the chain is broken at {broken}")),
            None => Ok(()),
        }
    }
}

/// An error with what it came from, which alone says what the disk did.
fn whole(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |words, source| format!("{words}: {source}"))
}

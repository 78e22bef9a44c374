//! Whatever comes over the wire is read or refused, and what is written is read as it was written.
#![cfg(test)]
#![allow(
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    dead_code,
    missing_docs,
    reason = "each test uses its share of the samples"
)]

mod samples;

use edge_protocol::ack::Ack;
use edge_protocol::batch::{Batch, Encoding};
use edge_protocol::command::Command;
use edge_protocol::id::{Epoch, Sequence};
use edge_protocol::lane::Lane;
use edge_protocol::record::{Alternate, Confidence, PathPoint, PlateText, Read, Record};
use edge_protocol::state::State;
use edge_protocol::time::Moment;
use edge_protocol::topic::Topic;
use proptest::prelude::*;

fn alone(record: Record) -> Batch {
    Batch::new(Epoch::new(u64::MAX), Sequence::new(1 << 40), vec![record]).unwrap()
}

#[test]
fn every_record_is_read_as_it_was_written() {
    for record in samples::records() {
        let payload = record.to_payload();
        assert_eq!(Record::from_payload(record.lane(), &payload).unwrap(), record);
        let batch = alone(record);
        for encoding in [Encoding::Cbor, Encoding::Json] {
            assert_eq!(Batch::decode(&batch.encode(encoding)).unwrap(), batch, "{encoding:?}");
        }
    }
}

#[test]
fn the_encoding_is_deterministic_cbor() {
    for record in samples::records() {
        let message = alone(record).encode(Encoding::Cbor);
        let mut d = minicbor::Decoder::new(&message);
        check(&mut d);
        assert_eq!(d.position(), message.len());
    }
}

/// RFC 8949, 4.2.1: shortest integers and lengths, definite lengths, keys in order; and no floats, tags or nulls.
fn check(d: &mut minicbor::Decoder<'_>) {
    use minicbor::data::Type;
    let (at, kind) = (d.position(), d.datatype().unwrap());
    let head = d.input()[at] & 0x1f;
    let argument = match head {
        0..=23 => u64::from(head),
        24..=27 => {
            let bytes = 1 << (head - 24);
            let value = d.input()[at + 1..=at + bytes].iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
            let shortest = [0, 24, 0x100, 0, 0x1_0000, 0, 0, 0, 0x1_0000_0000][bytes];
            assert!(value >= shortest, "{value} in {bytes} bytes");
            value
        }
        _ => panic!("head {head} at {at}"),
    };
    match kind {
        Type::Map => {
            d.map().unwrap();
            let mut before = None;
            for _ in 0..argument {
                let key = d.u32().unwrap();
                assert!(before < Some(key), "key {key} after {before:?}");
                before = Some(key);
                check(d);
            }
        }
        Type::Array => {
            d.array().unwrap();
            (0..argument).for_each(|_| check(d));
        }
        // Null only for absent versions: they stand in an array, where nothing can be left out.
        Type::Bytes | Type::String | Type::Bool | Type::Null => d.skip().unwrap(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            d.int().unwrap();
        }
        other => panic!("{other} at {at}"),
    }
}

fn reads() -> impl Strategy<Value = Read> {
    let text = "[A-Z0-9]{1,16}";
    let alternates = prop::collection::vec((any::<prop::sample::Index>(), "[A-Z0-9]", any::<u8>()), 0..20);
    let times = (-1_000_000_000_i64..2_000_000_000_000, 0_i64..100_000_000);
    (text, alternates, times, any::<u16>(), any::<u64>()).prop_map(|(text, alternates, (first, lasts), reads, pass)| {
        let alternate = |(at, character, steps): (prop::sample::Index, String, u8)| Alternate {
            position: u8::try_from(at.index(text.len())).unwrap(),
            character: character.chars().next().unwrap(),
            probability: Confidence::from_steps(steps),
        };
        Read {
            text: PlateText::new(&text).unwrap(),
            characters: text.bytes().map(Confidence::from_steps).collect(),
            alternates: alternates.into_iter().map(alternate).collect(),
            first: Moment::from_millis(first),
            last: Moment::from_millis(first + lasts),
            agreeing: reads / 2,
            reads,
            pass: edge_protocol::id::PassId(pass),
            ..samples::read()
        }
    })
}

fn paths() -> impl Strategy<Value = Vec<PathPoint>> {
    let point = (any::<u32>(), 0_u16..=500, 0_u16..=500);
    prop::collection::vec(point.prop_map(|(after_ds, x, y)| PathPoint { after_ds, x, y }), 0..=8)
}

/// Reads bytes as everything that could come; only that it returns matters.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(batch) = Batch::decode(bytes) {
        for encoding in [Encoding::Cbor, Encoding::Json] {
            assert_eq!(Batch::decode(&batch.encode(encoding)).unwrap(), batch, "what was read can be written");
        }
    }
    for lane in Lane::ALL {
        drop(Record::from_payload(lane, bytes));
    }
    drop(Ack::decode(bytes));
    drop(State::decode(bytes));
    drop(Command::peek(bytes));
    drop(std::str::from_utf8(bytes).map(Topic::parse));
}

/// Where the fuzz target `messages` begins, and whatever it has found since.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fuzz/corpus/messages");

#[test]
fn the_fuzz_targets_corpus_is_read_or_refused() {
    let mut files = 0;
    for file in std::fs::read_dir(CORPUS).unwrap() {
        read_as_everything(&std::fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 2 * samples::records().len(), "{files} files");
}

/// `UPDATE_CORPUS=1` writes one message of every kind; without it nothing is done.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes source files on request, not a unit's data")]
fn the_corpus_has_a_message_of_every_kind() {
    if std::env::var_os("UPDATE_CORPUS").is_none() {
        return;
    }
    let write = |name: &str, batch: &Batch| {
        for (encoding, ending) in [(Encoding::Cbor, "cbor"), (Encoding::Json, "json")] {
            std::fs::write(format!("{CORPUS}/{name}.{ending}"), batch.encode(encoding)).unwrap();
        }
    };
    for (number, record) in samples::records().into_iter().enumerate() {
        let lane = record.lane();
        let batch = alone(record);
        write(&format!("{number:02}-{lane}"), &batch);
        if number == 0 {
            write("settled", &batch.with_settled(Sequence::new((1 << 40) - 1)).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_reads_are_read_as_they_were_written(
        reads in prop::collection::vec(reads(), 1..30),
        first in 1..u64::MAX / 2,
        settled in any::<u64>(),
    ) {
        let records = reads.into_iter().map(|read| Record::Read(Box::new(read))).collect();
        let batch = Batch::new(Epoch::new(9), Sequence::new(first), records).unwrap();
        let batch = batch.with_settled(Sequence::new(settled % first)).unwrap();
        prop_assert_eq!(&Batch::decode(&batch.encode(Encoding::Cbor)).unwrap(), &batch);
        prop_assert_eq!(&Batch::decode(&batch.encode(Encoding::Json)).unwrap(), &batch);
    }

    #[test]
    fn any_path_is_read_as_it_was_written(path in paths()) {
        use edge_protocol::record::{ObjectEvent, ObjectRecord};
        let event = ObjectEvent { path, ..samples::object() };
        let batch = alone(Record::Object(Box::new(ObjectRecord::Track(event))));
        prop_assert_eq!(&Batch::decode(&batch.encode(Encoding::Cbor)).unwrap(), &batch);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn any_damage_to_a_message_is_read_or_refused(
        which in any::<prop::sample::Index>(),
        json in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let records = samples::records();
        let encoding = if json { Encoding::Json } else { Encoding::Cbor };
        let mut message = alone(records[which.index(records.len())].clone()).encode(encoding);
        for (at, byte) in damage {
            let at = at.index(message.len());
            message[at] = byte;
        }
        read_as_everything(&message);
        read_as_everything(&message[..cut.index(message.len())]);
    }
}

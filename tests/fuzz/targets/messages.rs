//! Everything that comes over MQTT, under any topic: read or refused, and what was read can be written and read again.
#![no_main]

use edge_protocol::ack::Ack;
use edge_protocol::batch::{Batch, Encoding, MAX_MESSAGE_BYTES};
use edge_protocol::command::Command;
use edge_protocol::lane::Lane;
use edge_protocol::record::Record;
use edge_protocol::state::State;
use edge_protocol::topic::Topic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = Batch::decode(bytes) {
        for encoding in [Encoding::Cbor, Encoding::Json] {
            let message = batch.encode(encoding);
            // JSON doubles pictures, so that what fitted may not fit any more.
            if message.len() <= MAX_MESSAGE_BYTES {
                assert_eq!(Batch::decode(&message).ok(), Some(batch.clone()));
            }
        }
    }
    if let Ok(state) = State::decode(bytes) {
        assert_eq!(State::decode(&state.encode(Encoding::Cbor)).ok(), Some(state));
    }
    for lane in Lane::ALL {
        drop(Record::from_payload(lane, bytes));
    }
    drop(Ack::decode(bytes));
    drop(Command::peek(bytes));
    if let Some(topic) = std::str::from_utf8(bytes).ok().and_then(Topic::parse) {
        assert_eq!(Topic::parse(&topic.to_string()), Some(topic));
    }
});

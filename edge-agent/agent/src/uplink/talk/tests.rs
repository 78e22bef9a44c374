use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use edge_protocol::batch::{CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::id::{AgencyId, Epoch, Sequence, UnitId};
use edge_protocol::lane::PerLane;
use edge_protocol::record::LossCause;
use edge_protocol::state::{Birth, ReadsPublished};
use edge_protocol::time::WallStamp;
use edge_store::outbox::{Backlog, Spent};
use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::supervise::queue::{self, Bounds, Overflow, Receiver};
use crate::supervise::{Clock, Heartbeats};
use crate::uplink::budget::Budget;
use crate::uplink::tests::answer;
use crate::uplink::{Announcement, Bell, Ends, Outbox, Renewals, Stored};

const EPOCH: Epoch = Epoch::new(7);

type Settled = Arc<Mutex<Vec<(Lane, u64)>>>;

/// An outbox of which only is known what it was told to forget; the lane of hits cannot be read.
struct Forgetful(Settled, Arc<AtomicU64>);

impl Outbox for Forgetful {
    fn epoch(&self) -> Epoch {
        Epoch::new(self.1.load(Ordering::SeqCst))
    }

    fn backlog(&mut self, _: Lane) -> Result<Backlog, OutboxFault> {
        Ok(Backlog::default())
    }

    fn read(&mut self, lane: Lane, after: Sequence, _: u32, _: usize) -> Result<Vec<Stored>, OutboxFault> {
        if lane == Lane::Hit {
            return Err(OutboxFault("a page".to_owned()));
        }
        Ok(vec![Stored { sequence: after.next(), payload: Some(answer().to_payload()) }])
    }

    fn settle(&mut self, _: Epoch, lane: Lane, up_to: Sequence) {
        self.0.lock().unwrap().push((lane, up_to.get()));
    }

    fn give_up(&mut self, _: Epoch, _: Lane, _: &[Sequence], _: LossCause) {}

    fn spent(&mut self) -> Result<Spent, OutboxFault> {
        Ok(Spent::default())
    }

    fn note_spent(&mut self, _: Spent) {}

    fn append(&mut self, _: Record) {}
}

fn agency(name: &str) -> AgencyId {
    name.parse().unwrap()
}

fn unit(name: &str) -> UnitId {
    name.parse().unwrap()
}

fn birth() -> Birth {
    Birth {
        version: CONTRACT_VERSION,
        agency: agency("metro"),
        unit: unit("pole-7"),
        epoch: EPOCH,
        started: WallStamp::default(),
        software: "0.1.0".parse().unwrap(),
        cameras: Vec::new(),
        reads: ReadsPublished::Counts,
        encoding: Encoding::Cbor,
        challenge: Challenge::from_bytes([1; 16]),
        challenge_id: 1,
        ack: AckMode::Center,
    }
}

/// The uplink of `metro/pole-7`, what its outbox was told to forget, and the commands that it was given.
fn uplink() -> (Uplink, Settled, Receiver<Bytes>) {
    uplink_of(&Arc::new(AtomicU64::new(EPOCH.get())))
}

/// The same, with an outbox whose life is told.
fn uplink_of(life: &Arc<AtomicU64>) -> (Uplink, Settled, Receiver<Bytes>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let settings = Settings {
        host: "localhost".to_owned(),
        port: 1,
        tls: Arc::new(tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
        agency: agency("metro"),
        unit: unit("pole-7"),
        encoding: Encoding::Cbor,
        ack: AckMode::Center,
        daily_bytes: None,
    };
    let (bell, clock, settled) = (Bell::new(), Clock::system(), Settled::default());
    let (sender, commands) = queue::bounded(Bounds::items("commands", 8, Overflow::Refuse));
    let ends = Ends {
        announcement: Announcement::new(birth(), &bell),
        renewals: Renewals::new(&bell),
        bell,
        commands: sender,
        pulse: Heartbeats::default().register("uplink", Duration::from_mins(1), clock.mono()),
        clock,
    };
    (Uplink::new(settings, ends, Box::new(Forgetful(Arc::clone(&settled), Arc::clone(life)))), settled, commands)
}

#[test]
fn only_what_is_said_to_this_unit_of_this_agency_is_believed() {
    let (mut uplink, settled, commands) = uplink();
    let now = uplink.ends.clock.mono();
    let mut core = Core::new(EPOCH, AckMode::Center, Budget::new(None, Spent::default()), &PerLane::default(), now);
    core.apply(&Input::Committed(Lane::Health, Sequence::new(5)), now);
    core.sent(Lane::Health, Sequence::new(5), 100, now);
    let (client, _events) = AsyncClient::new(rumqttc::v5::MqttOptions::new("metro/pole-7", "localhost", 1), 8);
    let mut talk = Talk::new(&mut uplink, core, client);
    let ack = Bytes::from(Ack::new(EPOCH, Lane::Health, Sequence::new(3)).encode(Encoding::Cbor));
    let mut say = |topic: &Topic| talk.arrived(&Bytes::from(topic.to_string()), ack.clone());

    for (to, whom) in [("metro", "pole-8"), ("springfield", "pole-7")] {
        say(&Topic::Ack(agency(to), unit(whom)));
        say(&Topic::Command(agency(to), unit(whom)));
        say(&Topic::RenewResponse(agency(to), unit(whom)));
    }
    say(&Topic::State(agency("metro"), unit("pole-7")));
    say(&Topic::Up(agency("metro"), unit("pole-7"), Lane::Health));
    say(&Topic::Hotlist(agency("metro")));
    assert_eq!(*settled.lock().unwrap(), [], "an acknowledgement for somebody else is none");
    assert!(commands.try_receive().is_err(), "a command for somebody else is none");

    say(&Topic::Ack(agency("metro"), unit("pole-7")));
    say(&Topic::Command(agency("metro"), unit("pole-7")));
    assert_eq!(*settled.lock().unwrap(), [(Lane::Health, 3)]);
    assert!(commands.try_receive().is_ok());
    assert_eq!(uplink.ends.renewals.answer(), None, "nor an answer to a question for a certificate");
}

#[test]
fn a_lane_that_cannot_be_read_holds_up_no_other_and_a_new_file_ends_the_connection() {
    let life = Arc::new(AtomicU64::new(EPOCH.get()));
    let (mut uplink, ..) = uplink_of(&life);
    let (health, now) = (uplink.health(), uplink.ends.clock.mono());
    let mut core = Core::new(EPOCH, AckMode::Center, Budget::new(None, Spent::default()), &PerLane::default(), now);
    core.apply(&Input::Connected { allowed: 16 }, now);
    for lane in [Lane::Hit, Lane::Answer] {
        uplink.ends.bell.ring(lane, Sequence::new(1));
    }
    let (client, _events) = AsyncClient::new(rumqttc::v5::MqttOptions::new("metro/pole-7", "localhost", 1), 8);
    let mut talk = Talk::new(&mut uplink, core, client);
    assert!(talk.step().unwrap().is_some());
    assert_eq!(talk.handed.iter().flatten().count(), 1, "the other lane's record went out");
    let trouble = health.lock().unwrap().trouble.clone().unwrap();
    assert_eq!(trouble.as_str(), "what waits to be sent cannot be read: hit");
    life.store(EPOCH.get() + 1, Ordering::SeqCst);
    assert_eq!(talk.step().unwrap(), None);
}

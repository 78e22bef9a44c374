//! From the outbox to the center and back: what the unit says of itself when it connects, and what it is asked.

use std::sync::Arc;

use edge_protocol::batch::{CONTRACT_VERSION, Encoding};
use edge_protocol::command::Challenge;
use edge_protocol::id::Epoch;
use edge_protocol::state::{AckMode, Birth, ReadsPublished};
use edge_store::outbox::Budget;

use super::vitals::Vitals;
use super::{Assembly, RunError, cameras, commands, outbox, renewing, software};
use crate::app::locked;
use crate::config::{self, Config};
use crate::control::Challenges;
use crate::keys::Keys;
use crate::publish::{self, Entry, Publisher};
use crate::supervise::Station;
use crate::supervise::queue::{Bounds, Overflow, Sender, bounded};
use crate::uplink::{self, Announcement, Bell, Renewals, Uplink};

/// Commands on their way to control; beyond them the asker hears "busy".
const COMMANDS: Bounds = Bounds::items("commands", 8, Overflow::Refuse);

/// Outbox and uplink; what comes back is where records go, and what the unit says of itself.
pub(super) fn start(assembly: &mut Assembly<'_>, vitals: &Vitals) -> Result<(Sender<Entry>, Announcement), RunError> {
    let bell = Bell::new();
    let (announce, life) = outbox::announce(&bell);
    let (entries, queued) = bounded(publish::QUEUE);
    vitals.watch_queue(entries.gauge());
    let path = assembly.config.data_dir.join("outbox.sqlite");
    let budget = if assembly.locked.is_some() { locked::BUDGET } else { Budget::DEFAULT };
    let plan = publish::Plan { path: path.clone(), budget };
    let ends =
        publish::Ends { entries: queued, announce, clock: assembly.clock.clone(), pulse: assembly.pulse("outbox") };
    let mut publisher = Publisher::open(plan, ends)?;
    let challenges = Challenges::draw(assembly.clock.mono()).map_err(|_| RunError::Random)?;
    let announcement = Announcement::new(birth(assembly, publisher.epoch(), challenges.current()), &bell);
    let bridge = || outbox::Bridge::new(path.clone(), Arc::clone(&life), entries.clone());
    let (commands, asked) = bounded(COMMANDS);
    vitals.watch_queue(commands.gauge());
    let wires = commands::Wires {
        asked,
        challenges,
        announcement: announcement.clone(),
        bridge: bridge(),
        entries: entries.clone(),
    };
    commands::start(assembly, wires, vitals)?;
    assembly.start("outbox", Station::Publish, move |stop| publisher.run(stop))?;
    let renewals = Renewals::new(&bell);
    renewing::start(assembly, &renewals, &entries)?;
    let (clock, pulse) = (assembly.clock.clone(), assembly.pulse("uplink"));
    let told = announcement.clone();
    let ends = uplink::Ends { bell, announcement, commands, renewals, clock, pulse };
    let mut uplink = Uplink::new(uplink_settings(assembly.config)?, ends, Box::new(bridge()));
    vitals.watch_uplink(uplink.health());
    assembly.start("uplink", Station::Uplink, move |stop| uplink.run(stop))?;
    Ok((entries, told))
}

fn birth(assembly: &Assembly<'_>, epoch: Epoch, (challenge, challenge_id): (Challenge, u64)) -> Birth {
    let config = assembly.config;
    Birth {
        version: CONTRACT_VERSION,
        agency: config.agency.clone(),
        unit: config.unit.clone(),
        epoch,
        started: assembly.clock.wall(),
        software: software(),
        cameras: config.cameras.iter().map(|camera| cameras::card(camera, &config.agency)).collect(),
        reads: match config.reads.publish {
            config::Publish::Counts => ReadsPublished::Counts,
            config::Publish::All => ReadsPublished::All,
        },
        encoding: encoding(config),
        challenge,
        challenge_id,
        ack: ack_mode(config),
    }
}

pub(in crate::app) fn uplink_settings(config: &Config) -> Result<uplink::Settings, RunError> {
    let line = &config.uplink;
    Ok(uplink::Settings {
        host: line.host.clone(),
        port: line.port,
        tls: uplink::tls::client_config(&line.ca, &line.certificate, &line.key, &Keys::of(config.token.as_ref()))?,
        agency: config.agency.clone(),
        unit: config.unit.clone(),
        encoding: encoding(config),
        ack: ack_mode(config),
        daily_bytes: line.daily_bytes,
    })
}

fn encoding(config: &Config) -> Encoding {
    match config.uplink.encoding {
        config::Encoding::Cbor => Encoding::Cbor,
        config::Encoding::Json => Encoding::Json,
    }
}

fn ack_mode(config: &Config) -> AckMode {
    match config.uplink.acknowledgement {
        config::Acknowledgement::Center => AckMode::Center,
        config::Acknowledgement::Broker => AckMode::Broker,
    }
}

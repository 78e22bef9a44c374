use std::io::{Read, Write};
use std::net::TcpStream;

use edge_protocol::lane::Lane;
use edge_protocol::record::{
    CameraCondition, CameraHealth, Confidence, LaneCount, ModelHealth, RingHealth, Sentence, StorageHealth,
    Temperature, UplinkHealth, Word, WorkerHealth,
};
use edge_protocol::time::{ClockQuality, Moment};

use super::*;
use crate::supervise::Heartbeats;
use crate::supervise::queue::{Bounds, Overflow, bounded};

fn health() -> Health {
    let camera = CameraHealth {
        camera: "gate".parse().unwrap(),
        condition: CameraCondition::Streaming,
        text: Sentence::cut("receiving"),
        received_mfps: 14_970,
        analysed_mfps: 7_500,
        coverage: Confidence::from_ratio(1.0),
        last_picture_ms: Some(66),
        codec: None,
        size: None,
        decoder: Some(Word::cut("avdec_h264")),
        reconnects: 2,
        ring: Some(RingHealth {
            oldest: Some(Moment::from_millis(1_000)),
            newest: Some(Moment::from_millis(61_500)),
            used_bytes: 30_000_000,
            quota_bytes: 1 << 30,
            gaps: Vec::new(),
        }),
    };
    let model = ModelHealth {
        role: Word::cut("objects"),
        name: Word::cut("say \"hi\" \\"),
        provider: Word::cut("cpu"),
        fallback: None,
        median_us: 9_000,
        slow_us: 12_000,
        runs: 450,
    };
    Health {
        at: Moment::from_millis(0),
        clock: ClockQuality::Synchronised { bound_ms: 3 },
        uptime_s: 60,
        software: Word::cut("edge-agent 0.1.0"),
        cameras: vec![camera],
        models: vec![model],
        worker: WorkerHealth { running: true, restarts: 1, last_end: None },
        storage: StorageHealth { failed_writes: 3, set_aside: 2, ..StorageHealth::default() },
        uplink: UplinkHealth {
            connected: true,
            backlog: vec![LaneCount { lane: Lane::Hit, count: 4 }],
            ..UplinkHealth::default()
        },
        temperatures: vec![Temperature { of: Word::cut("soc"), millicelsius: -5_250 }],
        memory_bytes: 1 << 27,
        board: None,
        problems: Vec::new(),
    }
}

/// With two queues of one name, of which one has refused two items, and one of another.
fn numbers() -> Numbers {
    let queues = [("packets", 3), ("packets", 0), ("commands", 1)].map(|(name, items)| {
        let (sender, _receiver) = bounded(Bounds::items(name, 1, Overflow::Refuse));
        let taken = (0..items).filter(|item| sender.send(*item).is_ok()).count();
        assert!(taken <= 1);
        sender.gauge()
    });
    let camera = "gate".parse().unwrap();
    let stream = Stream { camera, losses: 5, jumps: 2, without_picture: 0, clock_ms: Some(-1_250) };
    Numbers { health: health(), streams: vec![stream], queues: queues.to_vec() }
}

#[test]
fn numbers_are_told_with_unit_and_label() {
    let page = text::render(&numbers());
    for line in [
        "edge_camera_received_fps{camera=\"gate\"} 14.970",
        "edge_camera_last_picture_seconds{camera=\"gate\"} 0.066",
        "edge_camera_decoder_info{camera=\"gate\",decoder=\"avdec_h264\"} 1",
        "edge_camera_losses_total{camera=\"gate\"} 5",
        "edge_camera_clock_jumps_total{camera=\"gate\"} 2",
        "edge_camera_clock_offset_seconds{camera=\"gate\"} -1.250",
        "edge_ring_seconds{camera=\"gate\"} 60.500",
        "edge_model_run_microseconds{model=\"say \\\"hi\\\" \\\\\",quantile=\"0.99\"} 12000",
        "edge_uplink_backlog{lane=\"hit\"} 4",
        "edge_failed_writes_total 3",
        "edge_damaged_files 2",
        "edge_storage_locked 0",
        "edge_queue_sent_total{queue=\"packets\"} 1",
        "edge_queue_dropped_total{queue=\"packets\"} 2",
        "edge_queue_dropped_total{queue=\"commands\"} 0",
        "edge_queue_waiting{queue=\"commands\"} 1",
        "edge_temperature_celsius{of=\"soc\"} -5.250",
        "edge_clock_synchronised 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\nis not in\n{page}");
    }
}

#[test]
fn every_sample_follows_its_family_and_is_a_number() {
    let page = text::render(&numbers());
    let mut family = String::new();
    for line in page.lines() {
        if let Some(words) = line.strip_prefix("# TYPE ") {
            family = words.split(' ').next().unwrap().to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(name.split('{').next().unwrap(), family, "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}

#[test]
fn a_scraper_gets_the_page_and_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, stop) = (Clock::system(), Stop::new());
    let pulse = Heartbeats::default().register("metrics", Duration::from_mins(1), clock.mono());
    let server = Metrics::new(address, Arc::new(numbers), clock, pulse);
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.serve(listener, &stop));
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: unit\r\n\r\n").unwrap();
        let (mut answer, mut part) = (String::new(), [0; 4096]);
        while !answer.contains("edge_queue_waiting{queue=\"packets\"} 1") {
            let length = connection.read(&mut part).unwrap();
            assert!(length > 0, "{answer}");
            answer.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("version=0.0.4"), "{answer}");
        // The connection is still open.
        stop.set();
        serving.join().unwrap().unwrap();
    });
}

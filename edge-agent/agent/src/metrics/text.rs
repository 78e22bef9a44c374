//! A health record in the text exposition format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;

use edge_protocol::record::{CameraCondition, CameraHealth, Health};
use edge_protocol::time::ClockQuality;

use super::{Numbers, Stream};
use crate::supervise::queue::{Counts, Gauge};

/// A page under construction.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// Begins a family: what follows with `sample` are its values.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        self.text.extend(["# HELP edge_", name, " ", help, "\n# TYPE edge_", name, " ", kind, "\n"]);
        Family { page: self, name }
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl std::fmt::Display) {
        self.family(name, "gauge", help).sample(&[], value);
    }

    fn counter(&mut self, name: &'static str, help: &str, value: u64) {
        self.family(name, "counter", help).sample(&[], value);
    }
}

/// One family's samples.
struct Family<'p> {
    page: &'p mut Page,
    name: &'static str,
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let pairs: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        self.page.text.extend(["edge_", self.name, &labels, " ", &value.to_string(), "\n"]);
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Thousandths as a decimal number.
fn thousandths(value: impl Into<i64>) -> String {
    let value = value.into();
    let sign = if value < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", value.unsigned_abs() / 1000, value.unsigned_abs() % 1000)
}

/// The whole page.
pub(super) fn render(Numbers { health, streams: seen, queues }: &Numbers) -> String {
    let mut page = Page::default();
    unit(&mut page, health);
    cameras(&mut page, &health.cameras);
    streams(&mut page, seen);
    rings(&mut page, &health.cameras);
    models(&mut page, health);
    storage(&mut page, health);
    uplink(&mut page, health);
    stages(&mut page, queues);
    page.text
}

fn unit(page: &mut Page, health: &Health) {
    page.family("info", "gauge", "The agent's version.").sample(&[("software", health.software.as_str())], 1);
    page.gauge("uptime_seconds", "Since the agent started.", health.uptime_s);
    page.gauge("memory_bytes", "Resident memory.", health.memory_bytes);
    page.gauge("problems", "Things that are wrong; the health record says them in words.", health.problems.len());
    let mut clock = page.family("clock_synchronised", "gauge", "Whether the clock follows a source of time.");
    clock.sample(&[], u8::from(matches!(health.clock, ClockQuality::Synchronised { .. })));
    let mut heat = page.family("temperature_celsius", "gauge", "How hot it is.");
    for temperature in &health.temperatures {
        heat.sample(&[("of", temperature.of.as_str())], thousandths(temperature.millicelsius));
    }
}

fn cameras(page: &mut Page, cameras: &[CameraHealth]) {
    let each = |family: &mut Family<'_>, value: &dyn Fn(&CameraHealth) -> Option<String>| {
        for camera in cameras {
            if let Some(value) = value(camera) {
                family.sample(&[("camera", camera.camera.as_str())], value);
            }
        }
    };
    each(&mut page.family("camera_streaming", "gauge", "Whether pictures arrive."), &|camera| {
        Some(u8::from(camera.condition == CameraCondition::Streaming).to_string())
    });
    each(&mut page.family("camera_received_fps", "gauge", "Pictures received a second."), &|camera| {
        Some(thousandths(camera.received_mfps))
    });
    each(&mut page.family("camera_analysed_fps", "gauge", "Pictures analysed a second."), &|camera| {
        Some(thousandths(camera.analysed_mfps))
    });
    each(&mut page.family("camera_coverage_ratio", "gauge", "Share of the time that was looked at."), &|camera| {
        Some(camera.coverage.ratio().to_string())
    });
    each(&mut page.family("camera_last_picture_seconds", "gauge", "Age of the last picture."), &|camera| {
        let age = camera.last_picture_ms?;
        Some(thousandths(i64::try_from(age).ok()?))
    });
    each(&mut page.family("camera_reconnects_total", "counter", "Connections after the first."), &|camera| {
        Some(camera.reconnects.to_string())
    });
    let mut decoders = page.family("camera_decoder_info", "gauge", "The decoder at work.");
    for camera in cameras {
        if let Some(decoder) = &camera.decoder {
            decoders.sample(&[("camera", camera.camera.as_str()), ("decoder", decoder.as_str())], 1);
        }
    }
}

fn streams(page: &mut Page, streams: &[Stream]) {
    let mut counter = |name, help, value: &dyn Fn(&Stream) -> u64| {
        let mut family = page.family(name, "counter", help);
        for stream in streams {
            family.sample(&[("camera", stream.camera.as_str())], value(stream));
        }
    };
    counter("camera_losses_total", "Times that the stream said it lost packets.", &|stream| stream.losses);
    counter("camera_clock_jumps_total", "Times that the camera's clock jumped.", &|stream| stream.jumps);
    counter("camera_empty_samples_total", "Samples without a picture.", &|stream| stream.without_picture);
    let mut offset = page.family("camera_clock_offset_seconds", "gauge", "The camera's clock minus the unit's.");
    for stream in streams {
        if let Some(clock_ms) = stream.clock_ms {
            offset.sample(&[("camera", stream.camera.as_str())], thousandths(clock_ms));
        }
    }
}

fn rings(page: &mut Page, cameras: &[CameraHealth]) {
    let rings = || cameras.iter().filter_map(|camera| Some((camera.camera.as_str(), camera.ring.as_ref()?)));
    let mut used = page.family("ring_bytes", "gauge", "Bytes of video on the disk.");
    rings().for_each(|(camera, ring)| used.sample(&[("camera", camera)], ring.used_bytes));
    let mut quota = page.family("ring_quota_bytes", "gauge", "Bytes that the video may use.");
    rings().for_each(|(camera, ring)| quota.sample(&[("camera", camera)], ring.quota_bytes));
    let mut span = page.family("ring_seconds", "gauge", "From the oldest picture on the disk to the newest.");
    for (camera, ring) in rings() {
        if let (Some(oldest), Some(newest)) = (ring.oldest, ring.newest) {
            span.sample(&[("camera", camera)], thousandths(newest.as_millis() - oldest.as_millis()));
        }
    }
}

fn models(page: &mut Page, health: &Health) {
    let mut runs = page.family("model_runs_total", "counter", "Runs of a model.");
    for model in &health.models {
        runs.sample(&[("model", model.name.as_str()), ("provider", model.provider.as_str())], model.runs);
    }
    let mut times = page.family("model_run_microseconds", "gauge", "Time of a run.");
    for model in &health.models {
        times.sample(&[("model", model.name.as_str()), ("quantile", "0.5")], model.median_us);
        times.sample(&[("model", model.name.as_str()), ("quantile", "0.99")], model.slow_us);
    }
    page.gauge("vision_worker_running", "Whether the vision worker is at work.", u8::from(health.worker.running));
    page.counter("vision_worker_restarts_total", "Times that it was started again.", health.worker.restarts);
}

fn storage(page: &mut Page, health: &Health) {
    let storage = &health.storage;
    page.gauge("disk_bytes", "Size of the data's file system.", storage.total_bytes);
    page.gauge("disk_free_bytes", "What is free of it.", storage.free_bytes);
    page.gauge("outbox_bytes", "Size of the outbox's file.", storage.outbox_bytes);
    page.counter("failed_writes_total", "Groups of video that could not be stored.", storage.failed_writes);
    page.gauge("damaged_files", "Damaged files that lie set aside.", storage.set_aside);
    page.gauge("storage_locked", "Whether memory stands in for locked storage.", u64::from(storage.locked.is_some()));
}

fn uplink(page: &mut Page, health: &Health) {
    let uplink = &health.uplink;
    page.gauge("uplink_connected", "Whether the broker is reached.", u8::from(uplink.connected));
    page.counter("uplink_reconnects_total", "Times that it was reached again.", uplink.reconnects);
    let mut backlog = page.family("uplink_backlog", "gauge", "Records that wait for the center.");
    uplink.backlog.iter().for_each(|lane| backlog.sample(&[("lane", lane.lane.as_str())], lane.count));
    let mut withheld = page.family("uplink_withheld", "gauge", "Records that the byte budget kept back today.");
    uplink.withheld.iter().for_each(|lane| withheld.sample(&[("lane", lane.lane.as_str())], lane.count));
    page.gauge("uplink_sent_today_bytes", "Bytes sent today.", uplink.sent_today_bytes);
    page.gauge("uplink_rate_bytes_per_second", "Measured speed.", uplink.rate_bytes_s);
    page.counter("uplink_bad_acknowledgements_total", "Acknowledgements that could not be true.", uplink.bad_acks);
    page.counter("commands_busy_total", "Commands refused because too many waited.", uplink.busy);
}

fn stages(page: &mut Page, queues: &[Gauge]) {
    let mut named: BTreeMap<&str, Counts> = BTreeMap::new();
    for queue in queues {
        let (sum, counts) = (named.entry(queue.name()).or_default(), queue.counts());
        sum.sent += counts.sent;
        sum.dropped += counts.dropped;
        sum.waiting += counts.waiting;
    }
    let mut sent = page.family("queue_sent_total", "counter", "Items that a queue between stages took.");
    for (name, counts) in &named {
        sent.sample(&[("queue", name)], counts.sent);
    }
    let mut dropped = page.family("queue_dropped_total", "counter", "Items that a full queue refused or replaced.");
    for (name, counts) in &named {
        dropped.sample(&[("queue", name)], counts.dropped);
    }
    let mut waiting = page.family("queue_waiting", "gauge", "Items that wait in a queue.");
    for (name, counts) in &named {
        waiting.sample(&[("queue", name)], counts.waiting);
    }
}

//! What `rtcc factory` puts on a unit, and what its label says of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use edge_agent::config::{BoardChoice, Config};
use edge_tests::label::words_on;
use edge_tests::process::program;
use edge_tests::world::ended;
use gstreamer as gst;
use gstreamer_app::AppSrc;
use gstreamer_app::prelude::*;
use tempfile::TempDir;

use crate::{first_boot, line, repository};

/// A unit as it leaves the factory.
struct Made {
    folder: TempDir,
}

impl Made {
    fn new(serial: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = folder.path().join("pki");
        rtcc(Command::new(program("rtcc")).args(["pki", "init", "--agency", "metro", "--dir"]).arg(&pki));
        let mut factory = Command::new(program("rtcc"));
        factory
            .args(["factory", "--serial", serial, "--ntp", "ntp.example.org", "--allow", "198.51.100.0/24", "--pki"])
            .arg(&pki);
        factory.arg("--board").arg(repository().join("edge-agent/docs/board.example.toml"));
        rtcc(factory.arg("-o").arg(folder.path()));
        Self { folder }
    }

    fn persist(&self) -> PathBuf {
        self.folder.path().join("persist")
    }

    fn label(&self) -> PathBuf {
        self.folder.path().join("label.pdf")
    }
}

fn rtcc(command: &mut Command) {
    let ran = ended("rtcc", command.env("NO_COLOR", "1"));
    assert!(ran.succeeded, "{}", ran.said);
}

#[test]
fn the_name_on_the_label_is_the_units_name_on_the_network_at_every_boot() {
    let made = Made::new("SN.0042");
    let address = words_on(&made.label()).into_iter().find(|word| word.ends_with(".local/")).unwrap();
    assert_eq!(address, "https://edge-sn-0042.local/");
    for _ in 0..2 {
        first_boot(&made.persist());
        assert_eq!(address, format!("https://{}.local/", line(&made.persist().join("hostname"))));
    }
    let unit: String = std::fs::read_to_string(made.persist().join("claim/unit.toml")).unwrap();
    assert!(unit.lines().any(|line| line == "page = \"edge-sn-0042.local\""), "{unit}");
}

const NETWORK: &str = "yocto/meta-edge-agent/recipes-connectivity/edge-network/files";

#[test]
fn the_fixed_addresses_on_the_label_are_the_service_ports() {
    let words = words_on(&Made::new("SN42").label()).join("\n");
    let text = std::fs::read_to_string(repository().join(NETWORK).join("10-service.network")).unwrap();
    let addresses: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("Address=")?.split('/').next()).collect();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert!(words.contains(&format!("https://{address}/")), "{address} is not on the label:\n{words}");
    }
}

/// The image binds `persist/config` to `/etc/edge-agent` and names `persist/chrony` to chrony.
#[test]
fn the_agent_and_the_image_take_what_the_factory_wrote() {
    let made = Made::new("SN42");
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    assert!(read("systemd/etc-edge\\x2dagent.mount").contains("What=/persist/config\nWhere=/etc/edge-agent\n"));
    let chrony = read("yocto/meta-edge-agent/recipes-support/chrony/files/chrony.conf");
    assert!(chrony.lines().any(|line| line == "sourcedir /persist/chrony"));
    assert_eq!(line(&made.persist().join("chrony/agency.sources")), "server ntp.example.org iburst");
    let text = std::fs::read_to_string(made.persist().join("config/edge-agent.toml")).unwrap();
    let config = Config::before_enrolment(&text).unwrap_or_else(|error| panic!("{error}"));
    assert!(config.networks().iter().any(|network| network.to_string() == "198.51.100.0/24"));
    let page = config.page.expect("a page");
    assert_eq!((page.listen.to_string().as_str(), page.claim.as_path()), ("0.0.0.0:443", Path::new("/persist/claim")));
    let interface = page.interface.expect("the service port");
    assert!(read(&format!("{NETWORK}/10-service.link")).contains(&format!("\nName={interface}\n")), "{interface}");
    assert_eq!(config.board, BoardChoice::File("/etc/edge-agent/board.toml".into()));
    assert!(config.enrolment.is_some_and(|folder| folder.starts_with(config.data_dir)));
    // As the factory checks it, where the board file lies in the tree.
    let file = made.persist().join("config/edge-agent.toml");
    let here = text.replace("/etc/edge-agent", &made.persist().join("config").display().to_string());
    std::fs::write(&file, here).unwrap();
    let checked = ended("check-config", Command::new(program("edge-agent")).arg("check-config").arg(&file));
    let good = "good. board carrier-a, not enrolled yet, 1 camera(s)";
    assert!(checked.succeeded && checked.said.contains(good), "{}", checked.said);
}

#[test]
fn a_phone_reads_the_labels_code() {
    let made = Made::new("SN.0042");
    let label = std::fs::read_to_string(made.label()).unwrap();
    let words = words_on(&made.label());
    let hash = words.split_at(words.len() - 4).1.concat();
    let code = edge_tests::label::code_on(&made.label());
    assert_eq!(scanned(&label), format!("https://edge-sn-0042.local/#serial=SN.0042&setup={code}&sha256={hash}"));
}

/// Pixels in one point of the label.
const SCALE: f64 = 4.0;
/// The label in pixels.
const SIZE: (usize, usize) = (1020, 566);

/// What a scanner makes of the label.
fn scanned(label: &str) -> String {
    gst::init().unwrap();
    let (width, height) = SIZE;
    let raw = format!("video/x-raw,format=GRAY8,width={width},height={height},framerate=1/1");
    let pipeline =
        gst::parse::launch(&format!("appsrc name=label format=time caps={raw} ! videoconvert ! zbar ! fakesink"));
    let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
    let label_source = pipeline.by_name("label").unwrap().downcast::<AppSrc>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    label_source.push_buffer(gst::Buffer::from_slice(drawn(label))).unwrap();
    label_source.end_of_stream().unwrap();
    let wanted = [gst::MessageType::Element, gst::MessageType::Eos, gst::MessageType::Error];
    let told = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &wanted).unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    told.structure().and_then(|told| told.get("symbol").ok()).unwrap_or_default()
}

/// The label's squares, black on white, a byte for each pixel.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places on a label of a few centimetres")]
fn drawn(label: &str) -> Vec<u8> {
    let (width, height) = SIZE;
    let pixels = |points: f64| (points * SCALE).round() as usize;
    let mut picture = vec![255; width * height];
    for square in label.lines().filter_map(|line| line.strip_suffix(" re f")) {
        let numbers: Vec<f64> = square.split(' ').map(|number| number.parse().unwrap()).collect();
        let [x, y, side, _] = numbers[..] else { panic!("no square: {square}") };
        for row in pixels(y)..pixels(y + side) {
            // A PDF counts from below.
            let begin = (height - 1 - row) * width;
            picture[begin + pixels(x)..begin + pixels(x + side)].fill(0);
        }
    }
    picture
}

//! What is around the machine: its uplink's network with names and addresses, the agency's broker and center, a camera;
//! and what the factory puts on the unit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use edge_protocol::id::IdError;
use edge_tests::port;
use edge_tests::process::{Process, program};
use edge_tests::rtsp::{Coding, Reel, RtspCamera};
use rtcc::pki::{Authority, Subject};
use serde_json::Value;

use crate::vm::{DEADLINE, must, wait_until};

/// The other ends of the machine's cables, in a network that is the story's own.
pub(crate) const UPLINK: &str = "uplink0";
pub(crate) const PHONE: &str = "phone0";
/// Broker, camera and names; the configuration allows it.
pub(crate) const HERE: &str = "10.77.0.1";
/// The same machine under an address that the configuration does not allow.
pub(crate) const ELSEWHERE: &str = "10.77.0.33";
/// The broker's name.
pub(crate) const BROKER: &str = "broker.metro.test";

/// The cables' other ends. What listens on the loopback interface here answers at both addresses too.
const CABLES: &str = "set -e
    ip link set lo up
    for cable in uplink0 phone0; do ip tuntap add $cable mode tap; ip link set $cable up; done
    ip address add 10.77.0.1/24 dev uplink0; ip address add 10.77.0.33/24 dev uplink0
    echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet
    nft 'add table ip town; add chain ip town in { type nat hook prerouting priority dstnat; };
        add rule ip town in ip daddr { 10.77.0.1, 10.77.0.33 } tcp dport 1024-65535 dnat to 127.0.0.1'";

fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// Everything that runs outside the machine.
pub(crate) struct Town {
    // Ended in this order.
    _center: Process,
    _broker: Process,
    _names: Process,
    camera: RtspCamera,
    authority: Authority,
    port: u16,
    listen: u16,
    folder: tempfile::TempDir,
}

impl Town {
    pub(crate) fn new() -> Town {
        must(Command::new("sh").args(["-c", CABLES]));
        let folder = tempfile::Builder::new().prefix("edge-town-").tempdir().expect("a folder");
        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--no-resolv", "--no-hosts"]);
        dnsmasq.args(["--log-facility=-", "--bind-interfaces", "--interface=uplink0", "--dhcp-authoritative"]);
        dnsmasq.args(["--dhcp-range=10.77.0.50,10.77.0.60,1h", "--log-dhcp", &format!("--address=/{BROKER}/{HERE}")]);
        dnsmasq.arg(format!("--address=/elsewhere.metro.test/{ELSEWHERE}"));
        dnsmasq.arg(format!("--dhcp-leasefile={}", folder.path().join("leases").display()));
        let names = Process::spawn("dnsmasq", &mut dnsmasq);
        names.wait_for_line("started", DEADLINE);

        let now = rtcc::clock::wall_us();
        let authority = Authority::create(&folder.path().join("pki"), &name("metro"), now).expect("a root");
        let names_of_broker = ["localhost", BROKER].map(str::to_owned).to_vec();
        let person = Subject::Person(name("ada"), edge_protocol::command::Role::Supervisor);
        for subject in
            [Subject::Broker(names_of_broker), Subject::Center(name("center-1")), Subject::Unit(name("gate-1")), person]
        {
            authority.issue(&subject, now).expect("a certificate");
        }
        let port = port::free();
        let config = authority.write_broker_files(port, &[name("center-1")], now).expect("the broker's files");
        let broker = Process::spawn("mosquitto", Command::new("/usr/sbin/mosquitto").arg("-v").arg("-c").arg(config));
        broker.wait_for_line("running", DEADLINE);
        let listen = port::free();
        let center = start_center(&authority, folder.path(), port, listen);
        let camera = RtspCamera::start(Reel::drawn(Coding::H264, (640, 360), 5, 50));
        let town = Town { _center: center, _broker: broker, _names: names, camera, authority, port, listen, folder };
        wait_until("the center is connected", || {
            town.ask("/api/health").filter(|health| health["center"]["broker_connected"] == true)
        });
        town
    }

    /// A file of the agency's.
    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.authority.folder().join(file)
    }

    /// What the center answers; none while it does not.
    pub(crate) fn ask(&self, question: &str) -> Option<Value> {
        let mut answer = ureq::get(format!("http://127.0.0.1:{}{question}", self.listen)).call().ok()?;
        answer.body_mut().read_json().ok()
    }

    /// All records of a lane, in the order of their commit.
    pub(crate) fn records(&self, lane: &str) -> Vec<Value> {
        let (mut records, mut after) = (Vec::new(), 0);
        while let Some(page) = self.ask(&format!("/api/events?lane={lane}&limit=5000&after={after}")) {
            let found = page["events"].as_array().cloned().unwrap_or_default();
            after = page["next"].as_i64().unwrap_or(after);
            let last = found.len() < 5000;
            records.extend(found);
            if last {
                break;
            }
        }
        records
    }

    /// Waits for a record that was made after those that are there.
    pub(crate) fn wait_for_news(&self, lane: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let before = self.records(lane).len();
        wait_until(what, || self.records(lane).into_iter().skip(before).find(|record| wanted(record)))
    }

    /// The camera ends its connections. This one gives everybody one stream, which a machine that has gone without a
    /// word would hold up for the next.
    pub(crate) fn camera_hangs_up(&self) {
        self.camera.throw_out();
    }

    /// The port of everything that listens here on the loopback interface.
    pub(crate) fn broker_port(&self) -> u16 {
        self.port
    }

    /// What the factory and the technician put onto `persist`: a unit with the agency's certificate, one camera in its
    /// network, and `more` at the end of its configuration. `account` is the agent's on the image.
    pub(crate) fn persist(&self, account: (u32, u32), more: &str) -> PathBuf {
        let home = self.folder.path().join("unit");
        let factory = program("rtcc");
        if !home.exists() {
            let mut command = Command::new(factory);
            command.args(["factory", "--serial", "SN42", "--allow", "10.77.0.0/28", "--broker"]);
            command.arg(format!("{BROKER}:{}", self.port)).arg("--pki").arg(self.authority.folder());
            must(command.arg("-o").arg(&home));
        }
        let config = home.join("persist/config");
        for (from, to) in [("root.pem", "root.pem"), ("unit-gate-1.pem", "unit.pem"), ("unit-gate-1.key", "unit.key")] {
            std::fs::copy(self.pki(from), config.join(to)).expect("a copied file");
        }
        std::os::unix::fs::chown(config.join("unit.key"), Some(account.0), Some(account.1)).expect("the unit's key");
        std::fs::write(config.join("edge-agent.toml"), self.configuration(more)).expect("a written configuration");
        home.join("persist")
    }

    /// A unit's configuration whose identity lies beside it, so that it tells while its storage is locked too.
    pub(crate) fn configuration(&self, more: &str) -> String {
        format!(
            "[unit]\nagency = \"metro\"\nid = \"gate-1\"\n\
             [uplink]\nhost = \"{BROKER}\"\nport = {port}\nca = \"/etc/edge-agent/root.pem\"\n\
             certificate = \"/etc/edge-agent/unit.pem\"\nkey = \"/etc/edge-agent/unit.key\"\n\
             [control]\nagency_root = \"/etc/edge-agent/root.pem\"\n\
             [network]\nallow = [\"10.77.0.0/28\"]\n[health]\nevery_s = 2\n\
             [page]\nlisten = \"0.0.0.0:443\"\ninterface = \"service0\"\nclaim = \"/persist/claim\"\n\
             [models]\ndir = \"/usr/share/edge-agent/models\"\n\
             [[camera]]\nid = \"yard\"\nplates = \"off\"\nanalysed_fps = 1.0\nquota_bytes = 268435456\n\
             [camera.source]\nkind = \"rtsp\"\nurl = \"{camera}\"\n{more}",
            port = self.port,
            camera = self.camera.url().replace("127.0.0.1", HERE),
        )
    }
}

fn start_center(authority: &Authority, folder: &Path, port: u16, listen: u16) -> Process {
    let pki = authority.folder();
    let mut serve = Command::new(program("rtcc"));
    serve.args(["serve", "--agency", "metro", "--broker", &format!("localhost:{port}")]);
    serve.arg("--data").arg(folder.join("center")).arg("--root").arg(pki.join("root.pem"));
    serve.arg("--cert").arg(pki.join("center-1.pem")).arg("--key").arg(pki.join("center-1.key"));
    serve.args(["--listen", &format!("127.0.0.1:{listen}")]).env("NO_COLOR", "1");
    Process::spawn("rtcc serve", &mut serve)
}

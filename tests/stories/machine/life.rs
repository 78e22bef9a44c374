//! The first boot, an ordinary life under the units' sandbox, what ends it: a kill, a standstill, a power cut; and a
//! release of the agent in the image's own one's place.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edge_tests::release;
use serde_json::Value;

use crate::town::{ELSEWHERE, HERE, PHONE, Town};
use crate::vm::{Hardware, Machine, must, wait_until};
use crate::{account, begin, in_a_network_of_its_own, package};

/// The service port's own address, as the label has it.
const SERVICE: &str = "192.168.217.1";

/// What the release calls itself.
const NEXT: &str = "0.1.1";

#[test]
fn a_unit_boots_records_tells_and_comes_back_from_whatever_ends_it() {
    in_a_network_of_its_own("life::life_in_a_network_of_its_own");
}

#[test]
#[ignore = "started by the test above, in a network of its own"]
fn life_in_a_network_of_its_own() {
    let (images, town) = begin();
    let persist = town.persist(account(&images), "");
    put_a_release(&images, &persist);
    let hardware = Hardware::new(&images, &persist);
    let machine = hardware.power_on();
    machine.is_up();
    boots_in_order(&machine);
    town.wait_for_news("health", "the camera is recorded", records);
    talks_to_whom_the_configuration_names(&machine, &town);
    lets_the_agents_account_speak_to_rauc(&machine);
    answers_nobody(&machine);
    comes_back_from_a_kill(&machine, &town);
    comes_back_from_a_standstill(&machine, &town);
    gives_way_to_a_release(&machine, &town);
    // What the center has it had acknowledged; the machine goes on counting where that ends.
    let before = numbers(&town);
    machine.loses_power();
    town.camera_hangs_up();
    let machine = hardware.power_on();
    machine.is_up();
    boots_in_order(&machine);
    town.wait_for_news("health", "the release records after the power cut", of_the_release);
    let after = numbers(&town);
    assert!(before.is_subset(&after), "the center keeps what it acknowledged");
    let (epochs, last) = (epochs(&after), after.iter().map(|(_, number)| *number).max());
    assert_eq!(epochs.len(), 1, "the outbox was not lost: {epochs:?}");
    assert_eq!(last, Some(after.len() as u64), "no number is missing, none is there twice");
    machine.shuts_down();
}

/// An emulated processor takes longer for a frame than a vision worker may, so that none is analysed here.
fn records(event: &Value) -> bool {
    let camera = &event["record"]["cameras"][0];
    camera["condition"] == "streaming" && camera["ring"]["newest"].is_string()
}

fn of_the_release(event: &Value) -> bool {
    records(event) && event["record"]["software"] == format!("edge-agent {NEXT}")
}

/// The package's own program, which calls itself by the next version, signed like the image.
fn put_a_release(images: &Path, persist: &Path) {
    let unpacked = tempfile::tempdir().expect("a folder");
    must(Command::new("dpkg-deb").arg("-x").arg(package()).arg(unpacked.path()));
    let program = release::called(&unpacked.path().join("usr/bin/edge-agent"), NEXT);
    let signed = release::signed(&program, NEXT, &images.join("keys"), &unpacked.path().join("agent.release"));
    std::fs::copy(signed, persist.join("agent.release")).expect("a copied release");
}

/// Under the unit's sandbox, which lets it execute no file of the data folder.
fn gives_way_to_a_release(machine: &Machine, town: &Town) {
    let edge = "setpriv --reuid=edge --regid=edge --clear-groups edge-agent update";
    let said = machine.does(&format!("{edge} agent /persist/agent.release"));
    assert!(said.contains(&format!("agent {NEXT} is tested and in use")), "{said}");
    town.wait_for_news("health", "the release records", of_the_release);
    let program = machine.does("readlink /proc/$(systemctl show --property=MainPID --value edge-agent)/exe");
    assert!(program.contains("memfd:edge-agent"), "{program}");
    let status = machine.does(&format!("{edge} status"));
    assert!(status.contains(&format!("agent: agent {NEXT}")), "{status}");
}

/// Epoch and number of every health record that the center has.
fn numbers(town: &Town) -> BTreeSet<(String, u64)> {
    let named = |event: &Value| (event["epoch"].to_string(), event["sequence"].as_u64().expect("a number"));
    town.records("health").iter().map(named).collect()
}

fn epochs(numbers: &BTreeSet<(String, u64)>) -> BTreeSet<&str> {
    numbers.iter().map(|(epoch, _)| epoch.as_str()).collect()
}

/// Nothing has failed, nothing waits in a circle, and everything is where it belongs.
fn boots_in_order(machine: &Machine) {
    assert_eq!(machine.does("systemctl --failed --plain --no-legend"), "");
    let (status, circle) = machine.run("journalctl --boot --output=cat | grep -i 'ordering cycle'");
    assert_eq!(status, 1, "{circle}");
    machine.does("systemctl is-active edge-agent");
    assert_eq!(machine.does("findmnt -no SOURCE /var/lib/edge-agent"), "/dev/mapper/data");
    machine.does("cmp /etc/machine-id /persist/machine-id && hostname | grep -x edge-sn42");
    machine.does("findmnt -no OPTIONS / | grep -w ro");
    // Confined by its own means too, beside the unit's sandbox. On a slow machine some are given up.
    machine.waits_for(
        "grep -x 'Seccomp:\t2' /proc/$(pgrep -f vision-worker | head -n 1)/status && pgrep -u edge -f vision-worker",
    );
}

/// Within the agent's control group, whose filter in the kernel is the question, and as its user, whom the packet
/// filter lets through.
fn connects(machine: &Machine, group: &str, user: &str, to: &str) -> bool {
    let enter =
        if group.is_empty() { String::new() } else { format!("echo 0 >/sys/fs/cgroup/{group}/cgroup.procs && ") };
    let connect = format!("timeout 10 bash -c \"exec 3<>/dev/tcp/{to}\"");
    let become_user = format!("exec setpriv --reuid={user} --regid=nogroup --clear-groups");
    machine.run(&format!("sh -c '{enter}{become_user} {connect}'")).0 == 0
}

fn talks_to_whom_the_configuration_names(machine: &Machine, town: &Town) {
    let allowed = machine.does("systemctl show --property=IPAddressAllow --value edge-agent edge-update");
    assert_eq!(allowed.matches("10.77.0.0/28").count(), 2, "{allowed}");
    let agent = "system.slice/edge-agent.service";
    let (here, elsewhere) = (format!("{HERE}/{}", town.broker_port()), format!("{ELSEWHERE}/{}", town.broker_port()));
    assert!(connects(machine, agent, "edge", &here), "the agent reaches its broker");
    assert!(!connects(machine, agent, "edge", &elsewhere), "the agent reaches an address that nobody allowed it");
    assert!(connects(machine, "", "edge", &elsewhere), "the packet filter is not what kept it from there");
    assert!(!connects(machine, "", "nobody", &here), "another account reaches the network");
}

fn lets_the_agents_account_speak_to_rauc(machine: &Machine) {
    let ask = |user: &str| {
        let call = "busctl call de.pengutronix.rauc / de.pengutronix.rauc.Installer GetSlotStatus";
        machine.run(&format!("setpriv --reuid={user} --regid=nogroup --clear-groups {call}"))
    };
    let (status, slots) = ask("edge");
    assert!(status == 0 && slots.contains("rootfs.1"), "{slots}");
    let (status, said) = ask("nobody");
    assert!(status != 0 && said.contains("denied"), "{said}");
    let status = machine.does("setpriv --reuid=edge --regid=edge --clear-groups edge-agent update status");
    assert!(status.contains("slot A") && status.contains("slot B"), "{status}");
}

/// No port answers at either side: this unit has a certificate, so its page is shut.
fn answers_nobody(machine: &Machine) {
    let own = machine.does("ip -4 -o address show dev service0");
    assert!(own.contains(SERVICE), "{own}");
    must(Command::new("ip").args(["address", "add", "192.168.217.9/24", "dev", PHONE]));
    // The packet filter lets 443 through to nobody who listens, which says that the cable holds.
    let page = SocketAddr::new(SERVICE.parse().expect("an address"), 443);
    wait_until("the service port answers", || {
        let refused = TcpStream::connect_timeout(&page, Duration::from_secs(2)).err()?;
        (refused.kind() == std::io::ErrorKind::ConnectionRefused).then_some(())
    });
    assert_eq!(open_ports(SERVICE), Vec::<u16>::new());
    let uplink =
        machine.does("ip -4 -o address show scope global | awk '/10\\.77\\./ { sub(\"/.*\", \"\", $4); print $4 }'");
    assert_eq!(open_ports(&uplink), Vec::<u16>::new());
}

/// Ports that take a connection.
fn open_ports(address: &str) -> Vec<u16> {
    let address: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address:?}: {error}"));
    let opens =
        |port: &u16| TcpStream::connect_timeout(&SocketAddr::new(address, *port), Duration::from_secs(2)).is_ok();
    let ports: Vec<u16> = (1..=1024).chain([1883, 5355, 8080, 8443, 8883, 9464]).collect();
    std::thread::scope(|scope| {
        let scans: Vec<_> = ports
            .chunks(16)
            .map(|part| scope.spawn(move || part.iter().copied().filter(opens).collect::<Vec<u16>>()))
            .collect();
        scans.into_iter().flat_map(|scan| scan.join().expect("a scan")).collect()
    })
}

fn comes_back_from_a_kill(machine: &Machine, town: &Town) {
    machine.does("systemctl kill --kill-whom=main --signal=KILL edge-agent");
    let health = town.wait_for_news("health", "the cause of the start", |event| {
        event["record"]["board"]["last_reset"].as_str().is_some_and(|cause| cause.contains("without being told"))
    });
    assert_eq!(health["record"]["cameras"][0]["camera"], "yard");
    assert_eq!(machine.does("systemctl show --property=NRestarts --value edge-agent"), "1");
}

fn comes_back_from_a_standstill(machine: &Machine, town: &Town) {
    machine.waits_for("systemctl is-active edge-agent");
    machine.does("systemctl kill --kill-whom=main --signal=STOP edge-agent");
    machine.hears("Watchdog timeout (limit 20s)");
    town.wait_for_news("health", "it records after the standstill", records);
    assert_eq!(machine.does("systemctl show --property=NRestarts --value edge-agent"), "2");
}

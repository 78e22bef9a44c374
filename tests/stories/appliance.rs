//! What the image is made of and does before the agent runs: identity on the first boot, the recipe's crates, and the
//! last look at an image's root.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story writes plain files")]

#[path = "appliance/clock.rs"]
mod clock;
#[path = "appliance/data_key.rs"]
mod data_key;
#[path = "appliance/factory.rs"]
mod factory;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(repository().join(program)).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn first_boot(persist: &Path) {
    let output = run("systemd/edge-first-boot", &["make", persist.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
}

fn line(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

/// Releases of the agent name the images that they are for by it.
#[test]
fn an_image_has_the_version_of_the_agent_that_it_brings() {
    let layer = repository().join("yocto/meta-edge-agent");
    let distro = std::fs::read_to_string(layer.join("conf/distro/edge.conf")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(distro.contains(&format!("\nDISTRO_VERSION = \"{version}\"\n")), "{distro}");
    assert!(layer.join(format!("recipes-core/edge-agent/edge-agent_{version}.bb")).exists());
}

#[test]
fn a_unit_gets_its_identity_once_and_keeps_it() {
    let persist = tempfile::tempdir().unwrap();
    first_boot(persist.path());
    let id = line(&persist.path().join("machine-id"));
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
    let name = line(&persist.path().join("hostname"));
    assert_eq!(name, format!("edge-{}", id.split_at(8).0));
    first_boot(persist.path());
    assert_eq!(line(&persist.path().join("machine-id")), id);
    assert_eq!(line(&persist.path().join("hostname")), name);
}

/// PID 1 lays a file with an id that it made up, which nobody may write, over that of a read-only root.
#[test]
fn the_id_that_a_boot_makes_up_takes_the_kept_one_s_value() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, made_up) = (folder.path().join("kept"), folder.path().join("made-up"));
    std::fs::write(&kept, "0123456789abcdef0123456789abcdef\n").unwrap();
    let identify = || run("systemd/edge-first-boot", &["identify", kept.to_str().unwrap(), made_up.to_str().unwrap()]);
    // A root with an id of its own has no such file, and gets none.
    assert!(identify().status.success());
    assert!(!made_up.exists());
    std::fs::write(&made_up, "fedcba9876543210fedcba9876543210\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    std::fs::set_permissions(&made_up, mode).unwrap();
    let shown = std::fs::File::open(&made_up).unwrap();
    assert!(identify().status.success());
    // Into the same file, since that one is what the mount shows.
    assert_eq!(std::io::read_to_string(shown).unwrap(), std::fs::read_to_string(&kept).unwrap());
    assert!(std::fs::metadata(&made_up).unwrap().permissions().readonly());
}

#[test]
fn two_units_are_not_the_same() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    first_boot(one.path());
    first_boot(other.path());
    assert_ne!(line(&one.path().join("machine-id")), line(&other.path().join("machine-id")));
}

#[test]
fn a_torn_identity_is_made_anew_and_leaves_nothing_behind() {
    let persist = tempfile::tempdir().unwrap();
    std::fs::write(persist.path().join("machine-id"), "0123").unwrap();
    std::fs::write(persist.path().join("machine-id.new"), "").unwrap();
    first_boot(persist.path());
    assert_eq!(line(&persist.path().join("machine-id")).len(), 32);
    let mut left: Vec<_> = std::fs::read_dir(persist.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["config", "hostname", "machine-id"]);
}

#[test]
fn a_name_that_is_torn_is_made_anew() {
    let persist = tempfile::tempdir().unwrap();
    for torn in ["", "edge-\n", "reboot; edge-1\n"] {
        std::fs::write(persist.path().join("hostname"), torn).unwrap();
        first_boot(persist.path());
        let (name, id) = (line(&persist.path().join("hostname")), line(&persist.path().join("machine-id")));
        assert_eq!(name, format!("edge-{}", id.split_at(8).0), "instead of {torn:?}");
    }
}

/// A service manager that notes what it is told, and knows these units.
fn service_manager(folder: &Path, known: &str) {
    let text = format!(
        "#!/bin/sh\n\
         echo \"$*\" >>{told}\n\
         case \"$1 $4\" in\n\
         'show '*) case \" {known} \" in *\" $4 \"*) echo loaded ;; *) echo not-found ;; esac ;;\n\
         esac\n",
        told = folder.join("told").display()
    );
    std::fs::write(folder.join("systemctl"), text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("systemctl"), mode).unwrap();
}

/// What `edge-site` tells a service manager that knows these units, and how it ends.
fn site(config: &str, known: &str) -> (Vec<String>, Output) {
    let folder = tempfile::tempdir().unwrap();
    service_manager(folder.path(), known);
    let file = folder.path().join("edge-agent.toml");
    std::fs::write(&file, config).unwrap();
    let agent = edge_tests::process::program("edge-agent");
    let path = format!("{}:{}:/usr/bin:/bin", folder.path().display(), agent.parent().unwrap().display());
    let mut script = Command::new(repository().join("systemd/edge-site"));
    let output = script.arg(&file).env_clear().env("PATH", path).output().unwrap();
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap_or_default();
    let set = told.lines().filter(|line| !line.starts_with("show "));
    (set.map(str::to_owned).collect(), output)
}

fn example() -> String {
    std::fs::read_to_string(repository().join("edge-agent/docs/edge-agent.example.toml")).unwrap()
}

#[test]
fn both_services_may_talk_to_what_the_configuration_names() {
    let (told, output) = site(&example(), "edge-agent.service edge-update.service");
    assert!(output.status.success(), "{}", said(&output));
    let set = |unit| format!("set-property --runtime {unit} IPAddressAllow=192.0.2.10 192.0.2.11 198.51.100.0/24");
    assert_eq!(told, [set("edge-agent.service"), set("edge-update.service")]);
    let (told, output) = site(&example(), "edge-agent.service");
    assert!(output.status.success(), "a machine without updates: {}", said(&output));
    assert_eq!(told, [set("edge-agent.service")]);
}

#[test]
fn nothing_is_opened_for_a_configuration_that_names_nobody_or_cannot_be_used() {
    let units = "edge-agent.service edge-update.service";
    let nobody = example().replace("allow = [\"198.51.100.0/24\"]", "").replace("rtsp://192.0.2", "rtsp://127.0.0");
    let (told, output) = site(&nobody, units);
    assert!(output.status.success() && told.is_empty(), "{told:?} {}", said(&output));
    let (told, output) = site("data_dir = 7\n", units);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(told.is_empty() && said(&output).contains("data_dir"), "{told:?} {}", said(&output));
}

#[test]
fn the_recipe_fetches_the_crates_of_the_lock_file() {
    let output = run("yocto/crates-inc", &["--check"]);
    assert!(output.status.success(), "{}", said(&output));
}

/// How long PID 1 may be silent before the hardware resets the board. The layer sets it for oe-core's recipe, which writes
/// it as `RuntimeWatchdogSec` into the image's system.conf; the doctor warns of what is none or long.
#[test]
fn the_image_has_pid_1_feed_the_hardwares_watchdog() {
    let layer = repository().join("yocto/meta-edge-agent");
    let distro = std::fs::read_to_string(layer.join("conf/distro/edge.conf")).unwrap();
    let set: Vec<_> =
        distro.lines().filter_map(|line| line.strip_prefix("WATCHDOG_RUNTIME_SEC:pn-systemd = ")).collect();
    assert_eq!(set, ["\"30\""], "RuntimeWatchdogSec, once");
    let kernel = std::fs::read_to_string(layer.join("recipes-kernel/linux/files/edge.cfg")).unwrap();
    for option in ["CONFIG_WATCHDOG=y", "CONFIG_WATCHDOG_NOWAYOUT=y", "CONFIG_WATCHDOG_SYSFS=y"] {
        assert!(kernel.lines().any(|line| line == option), "{option}");
    }
}

/// A root as an image has it.
fn root(passwords: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in ["etc/systemd/system", "etc/ssh", "etc/edge-agent", "usr/sbin", "usr/bin", "usr/lib/systemd/system"] {
        std::fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    std::fs::write(root.path().join("etc/shadow"), passwords).unwrap();
    std::fs::write(root.path().join("usr/lib/systemd/system/getty@.service"), "").unwrap();
    std::os::unix::fs::symlink("/dev/null", root.path().join("etc/systemd/system/getty@.service")).unwrap();
    root
}

fn refuse(kind: &str, root: &Path) -> Output {
    run("yocto/meta-edge-agent/files/refuse-in-image", &[kind, root.to_str().unwrap()])
}

const LOCKED: &str = "root:*:20000:0:99999:7:::\nedge:!:20000:0:99999:7:::\n";

#[test]
fn an_image_without_doors_passes() {
    let root = root(LOCKED);
    let output = refuse("release", root.path());
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
}

/// Spoils an image's root.
type Spoil = fn(&Path);

#[test]
fn every_door_in_an_image_is_named() {
    let cases: [(&str, Spoil); 5] = [
        ("/usr/sbin/sshd", |root| std::fs::write(root.join("usr/sbin/sshd"), "").unwrap()),
        ("/usr/bin/gdb", |root| std::fs::write(root.join("usr/bin/gdb"), "").unwrap()),
        ("getty@.service", |root| std::fs::remove_file(root.join("etc/systemd/system/getty@.service")).unwrap()),
        ("ssh_host_rsa_key", |root| std::fs::write(root.join("etc/ssh/ssh_host_rsa_key"), "").unwrap()),
        ("unit.key", |root| std::fs::write(root.join("etc/edge-agent/unit.key"), "").unwrap()),
    ];
    for (what, open) in cases {
        let root = root(LOCKED);
        open(root.path());
        let output = refuse("release", root.path());
        assert!(!output.status.success() && said(&output).contains(what), "{what}: {}", said(&output));
    }
}

#[test]
fn passwords_are_refused_in_a_development_image_too_and_its_ssh_is_not() {
    for password in ["", "$6$salt$hash"] {
        let root = root(&format!("root:{password}:20000:0:99999:7:::\n"));
        let output = refuse("development", root.path());
        assert!(!output.status.success() && said(&output).contains("the account root"), "{}", said(&output));
    }
    let root = root(LOCKED);
    std::fs::write(root.path().join("usr/sbin/sshd"), "").unwrap();
    assert!(refuse("development", root.path()).status.success());
    assert!(!refuse("release", root.path()).status.success());
}

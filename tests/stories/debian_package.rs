//! The Debian package on a bare system: it installs, its agent runs as the service would run it, and it goes without a
//! trace. Runs where `EDGE_DEBIAN_PACKAGE=1` asks for it, after `make deb`: it needs root and the distribution's
//! package servers, and takes minutes.
//!
//! There is no running systemd in a chroot: a small parent here stands for it, with the unit's own command line, user
//! and notify socket. What the unit's sandbox lets through is looked at on a board.
#![cfg(test)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a story writes plain files and says aloud what it skips"
)]

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use edge_tests::pki::Pki;
use edge_tests::process::Process;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Opening three models on a busy machine, with time to spare.
const READY: Duration = Duration::from_mins(3);

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The package that `make deb` made last.
fn package() -> Option<PathBuf> {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("debian");
    let files = std::fs::read_dir(target).ok()?.filter_map(|file| Some(file.ok()?.path()));
    let debs = files.filter(|path| path.extension().is_some_and(|extension| extension == "deb"));
    debs.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
}

/// A bare Debian in a folder of its own.
struct Bare {
    root: tempfile::TempDir,
}

impl Bare {
    /// From the servers that this machine's own packages come from.
    fn new() -> Bare {
        let root = tempfile::Builder::new().prefix("edge-debian-").tempdir().unwrap();
        let format = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm"];
        let server = must(Command::new("apt-get").args(format));
        let server = server.lines().next().expect("a package server for bookworm").to_owned();
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--include=systemd,ca-certificates", "bookworm"]);
        must(debootstrap.arg(root.path()).arg(server));
        let bare = Bare { root };
        for folder in ["sources.list", "sources.list.d", "apt.conf.d", "trusted.gpg.d", "keyrings"] {
            let from = Path::new("/etc/apt").join(folder);
            if from.exists() {
                must(Command::new("cp").arg("-rT").arg(&from).arg(bare.path(&format!("etc/apt/{folder}"))));
            }
        }
        // Whatever way this machine has to its servers holds inside too.
        for file in ["etc/resolv.conf", "etc/hosts"] {
            must(Command::new("cp").arg("-L").arg(Path::new("/").join(file)).arg(bare.path(file)));
        }
        bare
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside.trim_start_matches('/'))
    }

    /// A command inside, with nothing of this machine's environment but what apt needs to reach its servers.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.root.path()).args(words).env_clear().env("PATH", PATH).env("HOME", "/root");
        command.env("DEBIAN_FRONTEND", "noninteractive").env("LC_ALL", "C.UTF-8");
        command.envs(std::env::vars().filter(|(name, _)| name.ends_with("_proxy")));
        command
    }

    fn run(&self, words: &[&str]) -> String {
        must(&mut self.command(words))
    }

    /// A command inside as the service's user.
    fn as_edge(&self, words: &[&str]) -> Command {
        let mut all = vec!["setpriv", "--reuid=edge", "--regid=edge", "--init-groups", "--no-new-privs"];
        all.extend(words);
        self.command(&all)
    }

    /// Certificates and a configuration with a drawn camera, readable by the service alone.
    fn configure(&self) {
        let pki = Pki::new("testville");
        let unit = pki.unit("pole-1");
        for (from, to) in [
            (&pki.root_path(), "etc/edge-agent/root.pem"),
            (&unit.certificate_path, "etc/edge-agent/unit.pem"),
            (&unit.key_path, "etc/edge-agent/unit.key"),
        ] {
            std::fs::copy(from, self.path(to)).unwrap();
        }
        let config = "profile = \"dev\"\ndata_dir = \"/var/lib/edge-agent\"\n\
            [unit]\nagency = \"testville\"\nid = \"pole-1\"\n\
            [uplink]\nhost = \"localhost\"\nport = 9\nca = \"/etc/edge-agent/root.pem\"\n\
            certificate = \"/etc/edge-agent/unit.pem\"\nkey = \"/etc/edge-agent/unit.key\"\n\
            [control]\nagency_root = \"/etc/edge-agent/root.pem\"\n\
            [models]\ndir = \"/usr/share/edge-agent/models\"\n\
            [health]\nmetrics_enabled = false\n\
            [[camera]]\nid = \"yard\"\nname = \"Yard\"\nplates = \"off\"\nanalysed_fps = 1.0\nquota_bytes = 1073741824\n\
            [camera.source]\nkind = \"test\"\n";
        std::fs::write(self.path("etc/edge-agent/edge-agent.toml"), config).unwrap();
        self.run(&["chown", "-R", "edge:edge", "/etc/edge-agent"]);
        self.run(&["chmod", "600", "/etc/edge-agent/unit.key"]);
    }

    /// The unit's command line and environment, as systemd would read them.
    fn exec_start(&self) -> (Vec<String>, Vec<String>) {
        let unit = std::fs::read_to_string(self.path("usr/lib/systemd/system/edge-agent.service")).unwrap();
        let values = |key: &str| -> Vec<String> {
            unit.lines().filter_map(|line| line.strip_prefix(key)).map(str::to_owned).collect()
        };
        let command = values("ExecStart=");
        (command[0].split_whitespace().map(str::to_owned).collect(), values("Environment="))
    }

    /// Starts the unit's command as its user, waits for READY, and ends it as systemd does.
    fn start_and_stop(&self) {
        std::fs::create_dir_all(self.path("run")).unwrap();
        let socket = self.path("run/notify");
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(READY)).unwrap();
        must(Command::new("chmod").arg("666").arg(&socket));
        let (words, environment) = self.exec_start();
        let mut command = self.as_edge(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.envs(environment.iter().filter_map(|pair| pair.split_once('=')));
        command.env("NOTIFY_SOCKET", "/run/notify").env("NO_COLOR", "1");
        let mut agent = Process::spawn("edge-agent", &mut command);
        let mut message = [0_u8; 4096];
        loop {
            let length = notify.recv(&mut message).unwrap_or_else(|error| {
                panic!("the agent does not say READY ({error}); it said:\n{}", agent.lines().join("\n"))
            });
            if String::from_utf8_lossy(&message[..length]).contains("READY=1") {
                break;
            }
        }
        let status = agent.terminate(Duration::from_secs(15));
        assert!(status.success(), "{status}:\n{}", agent.lines().join("\n"));
        std::fs::remove_file(socket).unwrap();
    }
}

/// /proc, /dev and the packages' own mounts end with the story, whatever happens in it.
struct Mounted(Vec<PathBuf>);

impl Mounted {
    fn new(bare: &Bare) -> Mounted {
        let mut mounted = Mounted(Vec::new());
        for (kind, inside) in [("proc", "proc"), ("tmpfs", "dev/shm")] {
            let place = bare.path(inside);
            std::fs::create_dir_all(&place).unwrap();
            must(Command::new("mount").args(["-t", kind, kind]).arg(&place));
            mounted.0.push(place);
        }
        mounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for place in self.0.iter().rev() {
            if let Err(error) = Command::new("umount").arg("--lazy").arg(place).status() {
                eprintln!("{} stays mounted: {error}", place.display());
            }
        }
    }
}

#[test]
fn the_package_installs_runs_and_goes() {
    if std::env::var_os("EDGE_DEBIAN_PACKAGE").is_none() {
        eprintln!("SKIPPED: takes minutes and a network; EDGE_DEBIAN_PACKAGE=1 asks for it");
        return;
    }
    if !nix::unistd::geteuid().is_root() || Command::new("debootstrap").arg("--version").output().is_err() {
        eprintln!("SKIPPED: a bare Debian needs root and debootstrap");
        return;
    }
    let Some(package) = package() else { panic!("no package in target/debian: run `make deb`") };
    let bare = Bare::new();
    let _mounted = Mounted::new(&bare);
    std::fs::copy(&package, bare.path("agent.deb")).unwrap();
    bare.run(&["apt-get", "update", "-q"]);
    bare.run(&["apt-get", "install", "-y", "-q", "--no-install-recommends", "/agent.deb"]);

    for unit in [
        "edge-agent.service",
        "edge-site.service",
        "edge-clock.service",
        "edge-clock.timer",
        "edge-wear.service",
        "edge-wear.timer",
    ] {
        assert!(bare.path("usr/lib/systemd/system").join(unit).exists(), "the package has no {unit}");
    }
    assert!(bare.path("usr/libexec/edge-agent/edge-wear").exists(), "edge-wear.service has no program");
    let version = bare.run(&["edge-agent", "--version"]);
    assert_eq!(version.trim(), format!("edge-agent {}", env!("CARGO_PKG_VERSION")));
    let shell = bare.run(&["getent", "passwd", "edge"]);
    assert!(shell.trim_end().ends_with("/usr/sbin/nologin"), "{shell}");
    let enabled = bare.command(&["systemctl", "is-enabled", "edge-agent.service"]).output().unwrap();
    assert!(said(&enabled).contains("disabled"), "an agent without configuration must not start: {}", said(&enabled));

    bare.configure();
    let config = "/etc/edge-agent/edge-agent.toml";
    must(&mut bare.as_edge(&["edge-agent", "check-config", config]));
    let nobody = bare.command(&["setpriv", "--reuid=nobody", "--clear-groups", "cat", "/etc/edge-agent/unit.key"]);
    assert!(!{ nobody }.output().unwrap().status.success(), "the unit's key is everybody's to read");
    bare.start_and_stop();
    assert!(bare.path("var/lib/edge-agent").read_dir().unwrap().next().is_some(), "the agent kept nothing");

    bare.run(&["apt-get", "remove", "-y", "-q", "edge-agent"]);
    assert!(!bare.path("usr/bin/edge-agent").exists() && bare.path(config).exists(), "removal keeps the configuration");
    bare.run(&["apt-get", "purge", "-y", "-q", "edge-agent"]);
    let left = ["etc/edge-agent", "var/lib/edge-agent", "usr/share/edge-agent", "usr/lib/edge-agent"];
    let left: Vec<_> = left.into_iter().filter(|place| bare.path(place).exists()).collect();
    assert!(left.is_empty(), "purged, and still there: {left:?}");
    assert!(!bare.command(&["getent", "passwd", "edge"]).status().unwrap().success(), "the account is still there");
}

//! The emulated machine: its disk, its TPM, its boot state, its bootloader, and the way in for the story.
//!
//! There is no firmware with slots here. [`Hardware::power_on`] is the bootloader: it counts attempts as the boards'
//! boot script does, and starts kernel and slot. What the machine asks for with a reboot ends the emulator.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use edge_tests::process::Process;

use crate::town::{PHONE, UPLINK};

/// A boot and the longest step in it, without the processor's help and on a machine with other things to do.
pub(crate) const DEADLINE: Duration = Duration::from_mins(8);
/// Between two looks at something that changes by itself.
const LOOK: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 3;
/// PID 1 feeds the watchdog within 30 s on the image; an emulated processor that others are in the way of may take
/// longer.
const WATCHDOG_S: u32 = 120;

/// A machine that is switched off.
pub(crate) struct Hardware {
    folder: tempfile::TempDir,
    /// Kernel and initrd.
    images: PathBuf,
}

/// A machine that runs; dropping it is a power cut.
pub(crate) struct Machine {
    emulator: Process,
    shell: PathBuf,
    _tpm: Process,
}

pub(crate) fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether the processor helps with a machine within this one. A kernel's own word for it is not enough: there are such
/// that only run guests of their own kind.
fn has_help() -> bool {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    Path::new("/dev/kvm").exists() && flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm")
}

impl Hardware {
    /// A disk as it is flashed, with what the factory has put into `persist`.
    pub(crate) fn new(images: &Path, persist: &Path) -> Hardware {
        let folder = tempfile::Builder::new().prefix("edge-machine-").tempdir_in("/var/tmp").expect("a folder");
        let hardware = Hardware { folder, images: images.to_owned() };
        let (disk, part) = (hardware.path("flashed"), hardware.path("persist"));
        let room = |path: &Path, mib: u64| {
            std::fs::File::create(path).and_then(|file| file.set_len(mib << 20)).expect("room on the disk");
        };
        room(&disk, 3840);
        room(&part, 64);
        let table = "label: gpt\nstart=4MiB, size=1200MiB, name=rootfs.0\nsize=1200MiB, name=rootfs.1\nsize=64MiB, name=persist\n";
        std::fs::write(hardware.path("table"), table).expect("a partition table");
        let script = "set -e; cd \"$1\"; sfdisk -q flashed <table; mkfs.ext4 -q -F -L persist -d \"$3\" persist\n\
             dd if=\"$2/slot.ext4\" of=flashed bs=1M seek=4 conv=sparse,notrunc status=none\n\
             dd if=persist of=flashed bs=1M seek=2404 conv=sparse,notrunc status=none";
        must(Command::new("sh").args(["-c", script, "sh"]).arg(hardware.folder.path()).arg(images).arg(persist));
        hardware.set_boot_state("A B", [ATTEMPTS, ATTEMPTS]);
        hardware
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set_boot_state(&self, order: &str, left: [u32; 2]) {
        let mut text = format!("BOOT_ORDER={order}\nBOOT_A_LEFT={}\nBOOT_B_LEFT={}\n", left[0], left[1]).into_bytes();
        text.resize(4096, 0);
        std::fs::write(self.path("boot-state"), text).expect("the boot state");
    }

    /// The order of the slots, and how many attempts each has left.
    pub(crate) fn boot_state(&self) -> (String, [u32; 2]) {
        let bytes = std::fs::read(self.path("boot-state")).expect("the boot state");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).expect("a line").to_owned();
        let left = |name| value(name).parse().expect("a number");
        (value("BOOT_ORDER="), [left("BOOT_A_LEFT="), left("BOOT_B_LEFT=")])
    }

    /// The first slot of the order with attempts left, of which one is used up.
    fn choose(&self) -> usize {
        let (order, mut left) = self.boot_state();
        if left == [0, 0] {
            left = [ATTEMPTS, ATTEMPTS];
        }
        let number = |slot| usize::from(slot == "B");
        let slot = order.split(' ').map(number).find(|slot| left[*slot] > 0).expect("a slot with attempts left");
        left[slot] -= 1;
        self.set_boot_state(&order, left);
        slot
    }

    /// Switches the machine on.
    pub(crate) fn power_on(&self) -> Machine {
        let slot = self.choose();
        let mut qemu = Command::new("qemu-system-x86_64");
        let accelerator: &[&str] = if has_help() {
            &["-accel", "kvm", "-cpu", "host"]
        } else {
            &["-accel", "tcg,thread=multi", "-cpu", "max"]
        };
        qemu.current_dir(self.folder.path()).args(["-machine", "q35"]).args(accelerator);
        qemu.args(["-smp", "2", "-m", "2048", "-nodefaults", "-display", "none", "-serial", "stdio"]);
        qemu.arg("-kernel").arg(self.images.join("kernel")).arg("-initrd").arg(self.images.join("initrd"));
        // Debian has two drivers of watchdogs for this machine: the product's boards have one.
        qemu.arg("-append").arg(format!(
            "console=ttyS0 root=PARTLABEL=rootfs.{slot} rootfstype=ext4 ro rauc.slot={} panic=0 systemd.volatile=state \
             systemd.journald.forward_to_console=1 systemd.show_status=0 modprobe.blacklist=iTCO_wdt \
             systemd.watchdog_sec={WATCHDOG_S}",
            ["A", "B"][slot]
        ));
        qemu.args([
            "-drive",
            "file=flashed,if=none,id=disk,format=raw,discard=unmap",
            "-device",
            "nvme,drive=disk,serial=edge",
        ]);
        qemu.args(["-drive", "file=boot-state,if=none,id=boot,format=raw,cache=directsync"]);
        qemu.args(["-device", "virtio-blk-pci,drive=boot,serial=boot-state", "-device", "virtio-rng-pci"]);
        qemu.args(["-device", "i6300esb", "-action", "watchdog=reset", "-device", "virtio-serial-pci"]);
        qemu.args(["-chardev", "socket,id=story,path=story,server=on,wait=off"]);
        qemu.args(["-device", "virtserialport,chardev=story,name=story"]);
        qemu.arg("-no-reboot");
        for (id, interface, device) in
            [("uplink", UPLINK, "virtio-net-pci,mac=52:54:00:00:00:01"), ("service", PHONE, "usb-net")]
        {
            if device == "usb-net" {
                qemu.args(["-device", "qemu-xhci"]);
            }
            qemu.args(["-netdev", &format!("tap,id={id},ifname={interface},script=no,downscript=no")]);
            qemu.args(["-device", &format!("{device},netdev={id}")]);
        }
        let tpm = self.start_tpm(&mut qemu);
        Machine { emulator: Process::spawn("machine", &mut qemu), shell: self.path("story"), _tpm: tpm }
    }

    /// The TPM, which keeps its seed.
    fn start_tpm(&self, qemu: &mut Command) -> Process {
        let (state, socket) = (self.path("tpm-state"), self.path("tpm"));
        std::fs::create_dir_all(&state).expect("a folder for the TPM");
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--tpmstate"]).arg(format!("dir={}", state.display()));
        swtpm.arg("--ctrl").arg(format!("type=unixio,path={}", socket.display()));
        let process = Process::spawn("swtpm", &mut swtpm);
        wait_until("the TPM listens", || UnixStream::connect(&socket).is_ok().then_some(()));
        qemu.args(["-chardev", "socket,id=tpm,path=tpm", "-tpmdev", "emulator,id=tpm,chardev=tpm"]);
        qemu.args(["-device", "tpm-tis,tpmdev=tpm"]);
        process
    }
}

/// Looks until there is something to see.
pub(crate) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

impl Machine {
    /// Waits for words on the serial console, where kernel and journal speak.
    pub(crate) fn hears(&self, words: &str) -> String {
        self.emulator.wait_for_line(words, DEADLINE)
    }

    pub(crate) fn said(&self) -> Vec<String> {
        self.emulator.lines()
    }

    /// What a command in the machine said, as root, and its status.
    pub(crate) fn run(&self, command: &str) -> (i32, String) {
        self.ask(command).unwrap_or_else(|error| {
            panic!("{command}: {error}; the machine said:\n{}", self.said().join("\n"));
        })
    }

    fn ask(&self, command: &str) -> std::io::Result<(i32, String)> {
        let mut shell = UnixStream::connect(&self.shell)?;
        shell.set_read_timeout(Some(DEADLINE))?;
        shell.write_all(format!("{command}\n").as_bytes())?;
        let mut said = Vec::new();
        for line in BufReader::new(shell).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            match (line.strip_prefix('|'), line.strip_prefix('=')) {
                (Some(text), _) => said.push(text.to_owned()),
                (_, Some(status)) => return Ok((status.parse().map_err(std::io::Error::other)?, said.join("\n"))),
                // What a command did not end with a line of its own.
                (None, None) => {}
            }
        }
        Err(std::io::Error::other("the machine has ended"))
    }

    /// What a command said that must succeed.
    pub(crate) fn does(&self, command: &str) -> String {
        let (status, said) = self.run(command);
        assert_eq!(status, 0, "{command}: {said}\nthe machine said:\n{}", self.said().join("\n"));
        said
    }

    /// Repeats a command until it succeeds.
    pub(crate) fn waits_for(&self, command: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let (status, said) = self.run(command);
            if status == 0 {
                return said;
            }
            let all = || self.said().join("\n");
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {command}: {said}\nthe machine said:\n{}", all());
            std::thread::sleep(LOOK);
        }
    }

    /// The way in is there, and the boot has nothing left to do.
    pub(crate) fn is_up(&self) {
        self.hears("Started story-shell.service");
        self.waits_for(
            "systemctl is-system-running --wait | grep -E 'running|degraded'; systemctl list-jobs | grep -q '^No jobs'",
        );
    }

    /// Waits for a reboot or a halt that the machine asked for.
    pub(crate) fn ends(mut self) -> Vec<String> {
        let _status: std::process::ExitStatus = self.emulator.wait(DEADLINE);
        self.emulator.lines()
    }

    /// Ends it in order.
    pub(crate) fn shuts_down(self) -> Vec<String> {
        self.does("systemctl --no-block poweroff");
        self.ends()
    }

    /// Pulls the plug: what the machine had not written is lost.
    pub(crate) fn loses_power(mut self) -> Vec<String> {
        let _status: std::process::ExitStatus = self.emulator.kill();
        self.emulator.lines()
    }
}

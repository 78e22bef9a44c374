use edge_store::disk::{RealDisk, replace};
use tempfile::TempDir;

use super::*;

/// A board of files, whose data lies on the device `name`.
struct Board {
    folder: TempDir,
    machine: Machine,
}

impl Board {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let machine = Machine { sys: at("sys"), crypttab: at("crypttab"), rauc: at("rauc.conf"), wear: at("wear") };
        Self { folder, machine }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        replace(&RealDisk, &path, text.as_bytes()).unwrap();
    }

    /// Puts the data of this test on the device with this folder in `sys`.
    fn lies_on(&self, device: &str) {
        let number = std::fs::metadata(self.folder.path()).unwrap().st_dev();
        let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
        let links = self.folder.path().join("sys/dev/block");
        std::fs::create_dir_all(&links).unwrap();
        let device = self.folder.path().join("sys").join(device);
        std::fs::create_dir_all(&device).unwrap();
        std::os::unix::fs::symlink(device, links.join(format!("{major}:{minor}"))).unwrap();
    }

    fn seal(&self) -> SealFacts {
        self.machine.seal(&self.folder.path().join("data"))
    }

    fn wear(&self) -> Wear {
        self.machine.wear(&self.folder.path().join("data"), WallTime::from_millis(0))
    }
}

#[test]
fn a_watchdog_is_read_as_the_kernel_shows_it() {
    let board = Board::new();
    assert_eq!(board.machine.watchdog(), None);
    board.write("sys/class/watchdog/watchdog0/identity", "imx2+ watchdog\n");
    let unknown = WatchdogFacts { identity: "imx2+ watchdog".to_owned(), is_active: None, timeout_s: None };
    assert_eq!(board.machine.watchdog(), Some(unknown.clone()));
    board.write("sys/class/watchdog/watchdog0/state", "active\n");
    board.write("sys/class/watchdog/watchdog0/timeout", "30\n");
    assert_eq!(board.machine.watchdog(), Some(WatchdogFacts { is_active: Some(true), timeout_s: Some(30), ..unknown }));
}

#[test]
fn storage_is_sealed_by_what_maps_it_and_expected_to_be_by_the_image() {
    let board = Board::new();
    assert_eq!(board.seal(), SealFacts { mapped: None, is_expected: false });
    board.write("crypttab", "# data is commented\nother /dev/sda1\n  data /dev/disk/by-partlabel/data /run/key luks\n");
    board.write("sys/devices/dm-0/dm/uuid", "CRYPT-LUKS2-0f2c-data\n");
    board.lies_on("devices/dm-0");
    assert_eq!(board.seal(), SealFacts { mapped: Some("CRYPT-LUKS2-0f2c-data".to_owned()), is_expected: true });
}

#[test]
fn wear_is_that_of_the_drive_beneath_and_of_its_worse_cells() {
    let board = Board::new();
    assert_eq!(board.wear(), Wear::NoDrive);
    board.write("sys/devices/mmcblk0/device/life_time", "0x01 0x03\n");
    board.write("sys/devices/mmcblk0/mmcblk0p4/partition", "4\n");
    std::fs::create_dir_all(board.folder.path().join("sys/devices/dm-0/slaves")).unwrap();
    let partition = board.folder.path().join("sys/devices/mmcblk0/mmcblk0p4");
    std::os::unix::fs::symlink(partition, board.folder.path().join("sys/devices/dm-0/slaves/mmcblk0p4")).unwrap();
    board.lies_on("devices/dm-0");
    assert_eq!(board.wear(), Wear::Tenths { name: "mmcblk0".to_owned(), tenths: 3 });
    for (text, tenths) in [("0x0b 0x00", Some(11)), ("0x00 0x00", None), ("none", None)] {
        assert_eq!(life_time(text), tenths, "{text}");
    }
    let board = Board::new();
    board.lies_on("devices/sda");
    assert_eq!(board.wear(), Wear::Untold { name: "sda".to_owned() });
}

#[test]
fn the_wear_of_an_nvme_drive_is_in_the_note_of_its_controller() {
    // As Linux 6.1 shows a drive: with `nvme_core.multipath=N`, and without.
    for (drive, device) in [("devices/pci/nvme/nvme4/nvme2n1", ""), ("devices/virtual/nvme-subsys2/nvme2n1", "/nvme4")]
    {
        let board = Board::new();
        let at = |name: &str| board.folder.path().join("sys").join(name);
        board.write(&format!("sys/{drive}/nvme2n1p4/partition"), "4\n");
        let above = at(drive).parent().unwrap().to_owned();
        std::os::unix::fs::symlink(&above, at(drive).join("device")).unwrap();
        if !device.is_empty() {
            std::fs::create_dir_all(at("devices/pci/nvme/nvme4")).unwrap();
            std::os::unix::fs::symlink(at("devices/pci/nvme/nvme4"), above.join("nvme4")).unwrap();
        }
        board.lies_on(&format!("{drive}/nvme2n1p4"));
        let note = board.folder.path().join("wear/nvme4.json");
        let told = Err(smart::Unread::NoNote);
        assert_eq!(board.wear(), Wear::Nvme { name: "nvme2n1".to_owned(), note, told });
        board.write("wear/nvme4.json", "{}");
        assert!(matches!(board.wear(), Wear::Nvme { told: Err(smart::Unread::Ahead), .. }), "{:?}", board.wear());
    }
}

#[test]
fn slots_are_those_that_the_update_tells_of() {
    let board = Board::new();
    let nobody = Path::new("/nowhere/edge-agent");
    assert_eq!(board.machine.slots(nobody, nobody), None);
    board.write("rauc.conf", "");
    assert!(board.machine.slots(nobody, nobody).unwrap().unwrap_err().contains("edge-agent update status"));
    let json = r#"{"state":"idle","floor":null,"order":null,"why_no_slots":null,"slots":[
        {"slot":"A","booted":true,"primary":true,"good":true,"version":"1.2.0"},
        {"slot":"B","booted":false,"primary":false,"good":false,"version":null}]}"#;
    let facts = told(json.as_bytes()).unwrap();
    assert_eq!(facts.words, "A: 1.2.0, good, booted, boots next; B: version unknown, bad");
    assert_eq!((facts.update.as_str(), facts.bad, facts.is_booted_next), ("idle", vec!["B".to_owned()], true));
    let silent = told(br#"{"state":"idle","slots":null,"why_no_slots":"rauc: no such service"}"#);
    assert_eq!(silent.unwrap_err(), "rauc: no such service");
}

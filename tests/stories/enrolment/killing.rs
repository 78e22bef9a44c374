//! The system's own disk, on which the process is killed before a stated operation, and a unit that is enrolled on it.

use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_store::disk::{Disk as Seam, DiskFile, Entry, RealDisk, Room};
use edge_tests::process::Process;
use edge_tests::token::SoftToken;
use nix::sys::signal::{Signal, raise};

use crate::city::{City, DEADLINE};
use crate::factory::FromFactory;

/// Counts what changes anything; reading is no operation.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    operations: Arc<AtomicU64>,
    dies_at: u64,
}

#[derive(Debug)]
struct File {
    disk: Disk,
    file: Box<dyn DiskFile>,
}

impl Disk {
    pub(crate) fn new(dies_at: u64) -> Self {
        Self { operations: Arc::default(), dies_at }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    fn count(&self) {
        if self.operations.fetch_add(1, Ordering::Relaxed) + 1 == self.dies_at {
            raise(Signal::SIGKILL).expect("a process may kill itself");
        }
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(File { disk: self.clone(), file })
    }
}

impl Seam for Disk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.count();
        RealDisk.make_folder(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        RealDisk.list(folder)
    }

    fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.folders(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.count();
        RealDisk.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path).map(|file| self.file(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.count();
        RealDisk.remove(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.count();
        RealDisk.remove_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count();
        RealDisk.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.count();
        RealDisk.sync_folder(folder)
    }

    fn room(&self, folder: &Path) -> io::Result<Room> {
        RealDisk.room(folder)
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.count();
        self.file.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.count();
        self.file.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.count();
        self.file.sync()
    }
}

/// What a process that enrols and dies needs to know: the unit's folder, its code, the broker's port and when to die.
pub(crate) const CHILD: [&str; 4] = ["ENROLMENT_HOME", "ENROLMENT_CODE", "ENROLMENT_PORT", "ENROLMENT_DIES_AT"];

/// How many operations enrolling this unit takes.
pub(crate) fn operations(city: &City, unit: &FromFactory, token: Option<&SoftToken>) -> u64 {
    let mut child = enrol_in_child(city, unit, u64::MAX, token);
    city.approve_if_asked(unit, &mut child);
    let line = child.wait_for_line("operations ", DEADLINE);
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Enrols a unit in a process that dies before that operation.
pub(crate) fn enrol_in_child(city: &City, unit: &FromFactory, dies_at: u64, token: Option<&SoftToken>) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "a_child_that_enrols_and_dies", "--ignored", "--nocapture"]);
    let told = [unit.home.display().to_string(), unit.code.on_the_label(), city.port.to_string(), dies_at.to_string()];
    command.envs(CHILD.into_iter().zip(told));
    if let Some(token) = token {
        token.given_to(&mut command);
    }
    Process::spawn("enrolling child", &mut command)
}

//! A disk that loses what was not synced: for tests.
//!
//! It keeps, beside what the program sees, what a power cut would leave: files and names as of their last sync. A cut
//! ([`FaultyDisk::after_power_cut`]) then decides from a seed, page by page, which of the newer bytes made it (written,
//! torn or reordered) and which names did. Errors are injected by [`Plan`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Entry, Room};

/// Writes reach the medium in pages of this size, in any order.
const PAGE_BYTES: usize = 512;

/// What goes wrong, counted in operations since the disk was made. Reading counts as no operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    /// The power fails during this operation; it and all later ones fail.
    pub crash_at: Option<u64>,
    /// This operation, if it writes, does half of it and fails with EIO; a sync fails.
    pub broken_at: Option<u64>,
    /// Bytes that fit on the disk.
    pub capacity: Option<u64>,
    /// Bytes that it says fit on it.
    pub stated: Option<u64>,
}

impl Plan {
    /// Nothing goes wrong.
    pub const fn none() -> Self {
        Self { crash_at: None, broken_at: None, capacity: None, stated: None }
    }
}

/// A disk in memory with a memory of its own for what is durable.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    operations: u64,
    crashed: bool,
    files: Vec<Contents>,
    /// What the program sees.
    names: BTreeMap<PathBuf, usize>,
    /// What the folders hold on the medium.
    durable_names: BTreeMap<PathBuf, usize>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

impl FaultyDisk {
    /// An empty disk.
    pub fn new(plan: Plan) -> Self {
        Self { state: Arc::new(Mutex::new(State { plan, ..State::default() })) }
    }

    /// Changes what will go wrong.
    pub fn plan(&self, plan: Plan) {
        self.lock().plan = plan;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Whether the power has failed.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// Flips one bit of a file, on the medium too.
    pub fn rot(&self, path: &Path, offset: usize) {
        let mut state = self.lock();
        let Some(&file) = state.names.get(path) else { return };
        for bytes in [&mut state.files[file].bytes] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 0x10;
            }
        }
        let seen = state.files[file].bytes.clone();
        state.files[file].durable = seen;
    }

    /// The disk as a machine would find it after losing power now; `seed` decides what of the unsynced made it.
    #[must_use]
    pub fn after_power_cut(&self, seed: u64) -> Self {
        let state = self.lock();
        let mut dice = Dice(seed);
        let names = surviving_names(&state, &mut dice);
        let files: Vec<Contents> = state
            .files
            .iter()
            .map(|file| {
                let bytes = surviving_bytes(file, &mut dice);
                Contents { durable: bytes.clone(), bytes }
            })
            .collect();
        let after = State { files, durable_names: names.clone(), names, ..State::default() };
        Self { state: Arc::new(Mutex::new(after)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each name that differs from the medium's is there as it was, or as it was to be.
fn surviving_names(state: &State, dice: &mut Dice) -> BTreeMap<PathBuf, usize> {
    let paths: std::collections::BTreeSet<&PathBuf> = state.names.keys().chain(state.durable_names.keys()).collect();
    let mut names = BTreeMap::new();
    for path in paths {
        let (new, old) = (state.names.get(path), state.durable_names.get(path));
        if let Some(&file) = if dice.below(2) == 0 { new } else { old } {
            names.insert(path.clone(), file);
        }
    }
    names
}

/// Each page is as it was, as it was to be, or (where it is new) zeros; a new length may or may not have made it.
fn surviving_bytes(file: &Contents, dice: &mut Dice) -> Vec<u8> {
    if file.bytes == file.durable {
        return file.durable.clone();
    }
    let (new, old) = (&file.bytes, &file.durable);
    let length = match dice.below(3) {
        0 => old.len(),
        1 => new.len(),
        _ => old.len().min(new.len()) + dice.below(old.len().abs_diff(new.len()) + 1),
    };
    let mut bytes = vec![0; length];
    for (page, out) in bytes.chunks_mut(PAGE_BYTES).enumerate() {
        let from = page * PAGE_BYTES;
        let source = if dice.below(2) == 0 { new } else { old };
        let end = source.len().min(from + out.len());
        if let Some(source) = source.get(from..end) {
            out[..source.len()].copy_from_slice(source);
        }
        // What was durable and not overwritten stays, whichever way the page went.
        for (at, byte) in out.iter_mut().enumerate() {
            let at = from + at;
            if old.get(at).is_some() && old.get(at) == new.get(at) {
                *byte = old[at];
            }
        }
    }
    bytes
}

/// A small generator, so that a seed means the same everywhere (splitmix64).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (end.max(1) as u64)).unwrap_or(0)
    }
}

impl State {
    /// Counts an operation; whether it is to break half-way.
    fn operate(&mut self) -> io::Result<bool> {
        self.operations += 1;
        if self.crashed || self.plan.crash_at.is_some_and(|at| self.operations >= at) {
            let first = !self.crashed;
            self.crashed = true;
            // The operation that the cut falls into may have had its effect.
            return if first { Ok(true) } else { Err(power_is_off()) };
        }
        Ok(self.plan.broken_at == Some(self.operations))
    }

    fn broken(&self) -> io::Error {
        if self.crashed { power_is_off() } else { io::Error::from_raw_os_error(nix::libc::EIO) }
    }

    fn used(&self) -> u64 {
        self.names.values().map(|&file| self.files[file].bytes.len() as u64).sum()
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl Disk for FaultyDisk {
    fn make_folder(&self, _: &Path) -> io::Result<()> {
        // Folders are made once when a unit is set up; losing them is not modelled.
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let state = self.lock();
        let in_folder = state.names.iter().filter(|(path, _)| path.parent() == Some(folder));
        let entry = |(path, &file): (&PathBuf, &usize)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(Entry { name, bytes: state.files[file].bytes.len() as u64 })
        };
        Ok(in_folder.filter_map(entry).collect())
    }

    fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let first = |path: &PathBuf| {
            let mut inside = path.strip_prefix(folder).ok()?.components();
            let (first, _) = (inside.next()?, inside.next()?);
            first.as_os_str().to_str().map(str::to_owned)
        };
        let folders: std::collections::BTreeSet<String> = state.names.keys().filter_map(first).collect();
        Ok(folders.into_iter().collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        let broken = state.operate()?;
        if broken && !state.crashed {
            return Err(state.broken());
        }
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.files.push(Contents::default());
        let file = state.files.len() - 1;
        state.names.insert(path.to_owned(), file);
        if broken {
            return Err(state.broken());
        }
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.lock();
        let &file = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), file }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let broken = state.operate()?;
        if broken && !state.crashed {
            return Err(state.broken());
        }
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        if broken { Err(state.broken()) } else { Ok(()) }
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let inside: Vec<PathBuf> = {
            let state = self.lock();
            state.names.keys().filter(|path| path.starts_with(folder)).cloned().collect()
        };
        inside.iter().try_for_each(|path| self.remove(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let broken = state.operate()?;
        if broken && !state.crashed {
            return Err(state.broken());
        }
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        if broken { Err(state.broken()) } else { Ok(()) }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.operate()? {
            return Err(state.broken());
        }
        if cfg!(feature = "sabotage-fsync-off") {
            return Ok(());
        }
        let State { names, durable_names, .. } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(folder));
        durable_names.extend(
            names.iter().filter(|(path, _)| path.parent() == Some(folder)).map(|(path, &file)| (path.clone(), file)),
        );
        Ok(())
    }

    fn room(&self, _: &Path) -> io::Result<Room> {
        let state = self.lock();
        let total = state.plan.stated.unwrap_or(u64::MAX);
        Ok(Room { free: total.saturating_sub(state.used()), total })
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    file: usize,
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].bytes.len() as u64)
    }

    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let broken = state.operate()?;
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let mut end = from + if broken { bytes.len() / 2 } else { bytes.len() };
        let held = state.files[self.file].bytes.len();
        let room = state.plan.capacity.map(|capacity| capacity.saturating_sub(state.used()));
        let full = room.is_some_and(|room| end.saturating_sub(held) as u64 > room);
        if full {
            end = end.min(held + usize::try_from(room.unwrap_or(0)).map_err(io::Error::other)?).max(from);
        }
        let file = &mut state.files[self.file].bytes;
        if file.len() < end {
            file.resize(end, 0);
        }
        file[from..end].copy_from_slice(&bytes[..end - from]);
        match (broken, full) {
            (true, _) => Err(state.broken()),
            (false, true) => Err(io::ErrorKind::StorageFull.into()),
            (false, false) => Ok(()),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.lock();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let end = from.saturating_add(buffer.len());
        let bytes = state.files[self.file].bytes.get(from..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let broken = state.operate()?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        if !broken || state.crashed {
            state.files[self.file].bytes.resize(length, 0);
        }
        if broken { Err(state.broken()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.operate()? {
            return Err(state.broken());
        }
        if cfg!(feature = "sabotage-fsync-off") {
            return Ok(());
        }
        let file = &mut state.files[self.file];
        file.durable.clone_from(&file.bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests;

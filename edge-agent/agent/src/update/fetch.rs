//! Brings a bundle here: in pieces, from where it broke off, within the day's bytes and the disk's. [`Web`] is the seam
//! to HTTPS.
//!
//! What has come lies in `bundle.part` in the update's folder and becomes `bundle.raucb` when it is whole. How much of
//! it is surely on the disk is kept beside it, so that after a power cut nothing is believed that may not have been
//! written. Whether it is the file that was meant, its hash says to whoever installs it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edge_protocol::hash::Hash256;
use edge_store::disk::{Disk, DiskFile};
use serde::{Deserialize, Serialize};

use super::keep::{self, Found, KeepFault, Kind};
use super::updater::FETCHED;
use super::{Order, Refusal};

const PART: &str = "bundle.part";
const PROGRESS: &str = "fetched";
const KIND: Kind = Kind { first_line: "edge-update-fetched 1" };
/// Bytes are read in pieces of this size.
const PIECE: usize = 1 << 18;
/// After so many bytes the disk is made to hold them: what a power cut can cost.
const SYNC_EVERY: u64 = 4 << 20;

/// Where bundles are. A trait so that tests can break it off anywhere.
pub trait Web: std::fmt::Debug {
    /// Opens a file from an offset on.
    ///
    /// # Errors
    /// Why not, and whether asking again may help.
    fn open(&mut self, url: &str, from: u64) -> Result<Opened, WebFault>;
}

/// A file that is arriving.
pub struct Opened {
    /// Where in the file the bytes begin: servers that cannot go on begin anew.
    pub from: u64,
    /// How long the whole file is, where the server says it.
    pub length: Option<u64>,
    /// The bytes.
    pub body: Box<dyn Read>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("from", &self.from).field("length", &self.length).finish_non_exhaustive()
    }
}

/// Why nothing arrives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebFault {
    /// Asking again will not help.
    #[error("{0}")]
    Never(String),
    /// The line or the server does not do it at the moment.
    #[error("{0}")]
    Later(String),
}

/// How much may be taken.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes a day over the line.
    pub daily_bytes: Option<u64>,
    /// The largest bundle.
    pub disk_bytes: u64,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// All of it is in this file.
    Whole(PathBuf),
    /// It broke off, and goes on from there; why.
    Broken(String),
    /// The day's bytes are spent.
    Spent,
}

/// What is surely here, and what was spent on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Of which file.
    hash: Option<Hash256>,
    /// Its first bytes, synced.
    have: u64,
    /// Which day it is, counted from 1970.
    day: i64,
    /// Bytes that came over the line on it.
    spent: u64,
}

/// A download.
#[derive(Debug)]
pub struct Fetch<'d> {
    disk: &'d dyn Disk,
    folder: &'d Path,
    limits: Limits,
    progress: Progress,
}

impl<'d> Fetch<'d> {
    /// Takes up what the folder holds.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn open(disk: &'d dyn Disk, folder: &'d Path, limits: Limits) -> Result<Self, KeepFault> {
        let progress = match KIND.read(disk, &folder.join(PROGRESS))? {
            Found::Kept(progress) => progress,
            Found::Nothing | Found::SetAside(_) => Progress::default(),
        };
        Ok(Self { disk, folder, limits, progress })
    }

    /// How many of a bundle's bytes are here.
    pub fn have(&self, order: &Order) -> u64 {
        if self.progress.hash == Some(order.hash) { self.progress.have } else { 0 }
    }

    /// The same in percent.
    pub fn percent(&self, order: &Order) -> u8 {
        let percent = u128::from(self.have(order)) * 100 / u128::from(order.bytes.max(1));
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// Takes what comes, until it is whole, breaks off, or the bytes of `day` are spent. `look` is told the percentage
    /// now and then, and says whether to go on.
    ///
    /// # Errors
    /// Why it will never be here.
    pub fn go_on(
        &mut self,
        order: &Order,
        web: &mut dyn Web,
        day: i64,
        look: &mut dyn FnMut(u8) -> bool,
    ) -> Result<Came, Refusal> {
        if self.progress.hash != Some(order.hash) {
            self.progress = Progress { hash: Some(order.hash), have: 0, ..self.progress };
        }
        if self.progress.day != day {
            self.progress = Progress { day, spent: 0, ..self.progress };
        }
        let whole = self.folder.join(FETCHED);
        if self.is_whole(order, &whole) {
            return Ok(Came::Whole(whole));
        }
        let mut part = self.part().map_err(|error| self.not_taken(order, &error))?;
        if self.progress.have < order.bytes {
            self.has_room(order).map_err(|error| self.not_taken(order, &error))??;
            let broken = self.take(order, web, part.as_mut(), look)?;
            self.keep(part.as_mut()).map_err(|error| self.not_taken(order, &error))?;
            if let Some(broken) = broken {
                return Ok(broken);
            }
        }
        let renamed = self.disk.rename(&self.folder.join(PART), &whole);
        let kept = renamed.and_then(|()| self.disk.sync_folder(self.folder));
        kept.map_err(|error| self.not_taken(order, &error))?;
        Ok(Came::Whole(whole))
    }

    /// Whether it was here before the power failed or the process ended: then no part is left of it.
    fn is_whole(&self, order: &Order, whole: &Path) -> bool {
        let length = |path: &Path| self.disk.open(path).and_then(|file| file.length()).ok();
        self.progress.have == order.bytes
            && length(&self.folder.join(PART)).is_none()
            && length(whole) == Some(order.bytes)
    }

    /// Forgets what came of a bundle that is given up; what was spent on it stays spent.
    ///
    /// # Errors
    /// When the disk does not let it go.
    pub fn discard(&mut self) -> Result<(), KeepFault> {
        self.progress = Progress { hash: None, have: 0, ..self.progress };
        // First: on a full disk nothing can be written before. Where the power fails in between, what is said to be
        // here and is not is fetched again.
        keep::remove(self.disk, &self.folder.join(PART))?;
        keep::remove(self.disk, &self.folder.join(FETCHED))?;
        keep::write(self.disk, &self.folder.join(PROGRESS), &KIND.bytes(&self.progress))
    }

    /// Reads from the line into the file; why it ended before the file did, if so.
    fn take(
        &mut self,
        order: &Order,
        web: &mut dyn Web,
        part: &mut dyn DiskFile,
        look: &mut dyn FnMut(u8) -> bool,
    ) -> Result<Option<Came>, Refusal> {
        if self.left_today() == 0 {
            return Ok(Some(Came::Spent));
        }
        let opened = match web.open(&order.url, self.progress.have) {
            Ok(opened) => opened,
            Err(WebFault::Never(why)) => return Err(Refusal::NotFetched(why)),
            Err(WebFault::Later(why)) => return Ok(Some(Came::Broken(why))),
        };
        let Opened { from, length, mut body } = opened;
        if let Some(length) = length.filter(|length| *length != order.bytes) {
            let why = format!("the file there has {length} bytes, and {} were ordered", order.bytes);
            return Err(Refusal::NotFetched(why));
        }
        if from != self.progress.have {
            self.progress.have = 0;
            if from != 0 {
                return Ok(Some(Came::Broken("the server sends another part than was asked for".to_owned())));
            }
        }
        let (mut piece, mut since_sync) = (vec![0; PIECE], 0);
        while self.progress.have < order.bytes {
            let most = PIECE as u64;
            let most = most.min(order.bytes - self.progress.have).min(self.left_today());
            let room = usize::try_from(most).unwrap_or(PIECE);
            let read = match piece.get_mut(..room).map(|room| body.read(room)) {
                None | Some(Ok(0)) if room == 0 => return Ok(Some(Came::Spent)),
                None | Some(Ok(0)) => return Ok(Some(Came::Broken("the connection ended".to_owned()))),
                Some(Err(error)) => return Ok(Some(Came::Broken(error.to_string()))),
                Some(Ok(read)) => read,
            };
            let bytes = piece.get(..read).unwrap_or_default();
            part.write_all_at(bytes, self.progress.have).map_err(|error| self.not_taken(order, &error))?;
            self.progress.have += bytes.len() as u64;
            self.progress.spent = self.progress.spent.saturating_add(bytes.len() as u64);
            since_sync += bytes.len() as u64;
            if since_sync >= SYNC_EVERY {
                since_sync = 0;
                self.keep(part).map_err(|error| self.not_taken(order, &error))?;
            }
            if !look(self.percent(order)) {
                return Ok(Some(Came::Broken("it was told to stop".to_owned())));
            }
        }
        Ok(None)
    }

    fn left_today(&self) -> u64 {
        self.limits.daily_bytes.map_or(u64::MAX, |daily| daily.saturating_sub(self.progress.spent))
    }

    /// The part that is here, cut to what is surely so.
    fn part(&mut self) -> io::Result<Box<dyn DiskFile>> {
        let path = self.folder.join(PART);
        let mut part = match self.disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(&path)?,
            other => other?,
        };
        if part.length()? < self.progress.have {
            self.progress.have = 0;
        }
        part.truncate(self.progress.have)?;
        Ok(part)
    }

    fn has_room(&self, order: &Order) -> io::Result<Result<(), Refusal>> {
        let Limits { disk_bytes, .. } = self.limits;
        if order.bytes > disk_bytes {
            let why = format!("it has {} bytes, and [update] disk_bytes allows {disk_bytes}", order.bytes);
            return Ok(Err(Refusal::NotFetched(why)));
        }
        let room = self.disk.room(self.folder)?;
        // The rest of the unit writes too; it is not for an update to fill the disk to the last byte.
        let needs = (order.bytes - self.progress.have).saturating_add(room.total / 50);
        Ok(if needs > room.free { Err(Refusal::DiskFull { needs, free: room.free }) } else { Ok(()) })
    }

    /// What the disk says to a bundle. Others write too, so it may fill up although there was room.
    fn not_taken(&self, order: &Order, error: &io::Error) -> Refusal {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Refusal::NotFetched(format!("the disk does not take it: {error}"));
        }
        let free = self.disk.room(self.folder).map_or(0, |room| room.free);
        Refusal::DiskFull { needs: order.bytes.saturating_sub(self.progress.have), free }
    }

    /// Makes what came durable, and then says so.
    fn keep(&self, part: &mut dyn DiskFile) -> io::Result<()> {
        part.sync()?;
        self.disk.sync_folder(self.folder)?;
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        edge_store::disk::replace(self.disk, &self.folder.join(PROGRESS), &KIND.bytes(&self.progress))
    }
}

#[cfg(test)]
mod tests;

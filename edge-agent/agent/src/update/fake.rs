//! A board for tests: two slots, RAUC's steps of an installation, and a bootloader that counts as the boot script does.
//!
//! Every step is an operation that the power can fail before. What a step changed is durable, as U-Boot's doubled
//! environment is; a slot that is being written is torn until its last piece.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edge_store::disk::faulty::{FaultyDisk, Plan};

use super::{BootState, BundleInfo, Refusal, Slot, SlotName, Slots, SlotsFault, Standing, Version};

/// Boots that a slot has until it is marked good.
const ATTEMPTS: u8 = 3;
/// Pieces in which a slot is written.
const PIECES: u8 = 4;

/// What is in a slot.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Image {
    Whole(Version),
    Torn,
}

/// What is done wrong on purpose, to see that the tests find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    None,
    /// The other slot becomes primary before it is written.
    PrimaryBeforeWrite,
    /// Attempts are not counted: what hangs, hangs for ever.
    NothingCounts,
}

#[derive(Debug)]
struct Board {
    order: [SlotName; 2],
    left: [u8; 2],
    images: [Image; 2],
    booted: SlotName,
    operations: u64,
    cut_at: Option<u64>,
    off: bool,
    disk: FaultyDisk,
    bundle: Version,
    sabotage: Sabotage,
}

/// The board; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct FakeBoard(Arc<Mutex<Board>>);

fn place(name: SlotName) -> usize {
    usize::from(name == SlotName::B)
}

impl FakeBoard {
    /// `old` is booted from A; in B is what is given. `bundle` is what can be installed.
    pub(super) fn new(old: &str, other: Image, bundle: &str, sabotage: Sabotage) -> Self {
        let left = if other == Image::Torn { 0 } else { ATTEMPTS };
        Self(Arc::new(Mutex::new(Board {
            order: [SlotName::A, SlotName::B],
            left: [ATTEMPTS, left],
            images: [Image::Whole(old.parse().unwrap()), other],
            booted: SlotName::A,
            operations: 0,
            cut_at: None,
            off: false,
            disk: FaultyDisk::new(Plan::none()),
            bundle: bundle.parse().unwrap(),
            sabotage,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk(&self) -> FaultyDisk {
        self.lock().disk.clone()
    }

    pub(super) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The power fails before this operation from now.
    pub(super) fn cut_at(&self, operation: u64) {
        let mut board = self.lock();
        board.cut_at = Some(board.operations + operation);
    }

    pub(super) fn is_off(&self) -> bool {
        let board = self.lock();
        board.off || board.disk.crashed()
    }

    /// The power comes back, what was not synced decided by the seed; then the bootloader chooses. What runs now.
    pub(super) fn power_on(&self, seed: u64) -> Result<Version, String> {
        let mut board = self.lock();
        board.disk = board.disk.after_power_cut(seed);
        (board.off, board.cut_at) = (false, None);
        let chosen = board.order.into_iter().find(|name| board.left[place(*name)] > 0);
        let chosen = chosen.ok_or("no slot has attempts left: the unit boots neither")?;
        if board.sabotage != Sabotage::NothingCounts {
            board.left[place(chosen)] -= 1;
        }
        board.booted = chosen;
        match &board.images[place(chosen)] {
            Image::Whole(version) => Ok(version.clone()),
            Image::Torn => Err(format!("slot {} is booted and half written", chosen.as_str())),
        }
    }
}

impl Board {
    fn operate(&mut self) -> Result<(), SlotsFault> {
        if self.off || self.disk.crashed() {
            return Err(SlotsFault("the power is off".into()));
        }
        self.operations += 1;
        if self.cut_at == Some(self.operations) {
            self.off = true;
            // The disk has no power either.
            self.disk.plan(Plan { crash_at: Some(0), ..Plan::none() });
            return Err(SlotsFault("the power is off".into()));
        }
        Ok(())
    }

    fn write(&mut self, to: SlotName) -> Result<(), SlotsFault> {
        for _ in 0..PIECES {
            self.operate()?;
            self.images[place(to)] = Image::Torn;
        }
        self.operate()?;
        self.images[place(to)] = Image::Whole(self.bundle.clone());
        Ok(())
    }

    fn set_primary(&mut self, to: SlotName) -> Result<(), SlotsFault> {
        self.operate()?;
        self.order = [to, to.other()];
        self.operate()?;
        self.left[place(to)] = ATTEMPTS;
        Ok(())
    }
}

impl Slots for FakeBoard {
    fn status(&mut self) -> Result<Standing, SlotsFault> {
        let mut board = self.lock();
        board.operate()?;
        let slot = |name: SlotName| Slot {
            state: if board.left[place(name)] > 0 { BootState::Good } else { BootState::Bad },
            version: match &board.images[place(name)] {
                Image::Whole(version) => Some(version.clone()),
                Image::Torn => None,
            },
        };
        let (a, b) = (slot(SlotName::A), slot(SlotName::B));
        Ok(Standing { compatible: "test".into(), booted: board.booted, primary: Some(board.order[0]), a, b })
    }

    fn inspect(&mut self, _: &Path) -> Result<BundleInfo, Refusal> {
        let mut board = self.lock();
        board.operate().map_err(|fault| Refusal::Damaged(fault.to_string()))?;
        let (version, build) = (board.bundle.to_string(), "20261101120000".to_owned());
        Ok(BundleInfo { compatible: "test".into(), version, build })
    }

    fn install(&mut self, _: &Path) -> Result<(), SlotsFault> {
        let mut board = self.lock();
        let to = board.booted.other();
        if board.sabotage == Sabotage::PrimaryBeforeWrite {
            board.set_primary(to)?;
            return board.write(to);
        }
        board.operate()?;
        board.left[place(to)] = 0;
        board.write(to)?;
        board.set_primary(to)
    }

    fn mark_booted(&mut self, state: BootState) -> Result<(), SlotsFault> {
        let mut board = self.lock();
        board.operate()?;
        let booted = place(board.booted);
        board.left[booted] = match state {
            BootState::Good => ATTEMPTS,
            BootState::Bad => 0,
        };
        Ok(())
    }
}

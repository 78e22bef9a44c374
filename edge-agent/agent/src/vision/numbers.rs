//! Which numbers a worker gives to tracks and passes. A worker counts from where it is told to and forgets when it
//! ends, so each life gets a stretch of its own, and no number names two vehicles of one unit.
//!
//! The file, replaced whole: one line `edge-vision 1 LIVES`. One that is not so counts as none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use edge_store::disk::{self, Disk};

/// Numbers of one life: 67 million, which is a month of a street on which twenty things a second are taken for a road
/// user for a moment. A number still takes five bytes in a record for the first 64 lives, and is exact in JSON for 134
/// million.
const STRETCH_BITS: u32 = 26;

/// Counts the lives of workers.
#[derive(Debug)]
pub struct Numbers {
    kept: Option<(Arc<dyn Disk>, PathBuf)>,
    lives: u64,
}

impl Numbers {
    /// For a worker of which nothing is told.
    pub const fn forgotten() -> Self {
        Self { kept: None, lives: 0 }
    }

    /// Goes on from what the file says.
    pub fn kept(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        let lives = match disk::read(disk.as_ref(), &path) {
            Ok(bytes) => parse(&bytes).ok_or_else(|| "it does not say".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = &lives {
            let path = path.display();
            tracing::error!(why, %path, "numbers of tracks and passes begin anew: how often they were given is not known");
        }
        Self { lives: lives.unwrap_or(0), kept: Some((disk, path)) }
    }

    /// Begins a life: the first number of its stretch. The count is on the disk before any of them is used; where the
    /// disk refuses that, looking goes on, and only the next start of the agent may give the stretch again.
    pub fn begin(&mut self) -> u64 {
        let first = (self.lives << STRETCH_BITS) + 1;
        self.lives += 1;
        if let Some((disk, path)) = &self.kept {
            let line = format!("edge-vision 1 {}\n", self.lives);
            if let Err(error) = disk::replace(disk.as_ref(), path, line.as_bytes()) {
                tracing::error!(%error, path = %path.display(), "the lives of the vision worker cannot be counted");
            }
        }
        first
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let lives: u64 = std::str::from_utf8(bytes).ok()?.strip_prefix("edge-vision 1 ")?.trim_end().parse().ok()?;
    // More would not leave a stretch's numbers exact everywhere.
    (lives < 1 << 27).then_some(lives)
}

#[cfg(test)]
mod tests {
    use edge_store::disk::RealDisk;

    use super::*;

    #[test]
    fn no_two_lives_share_a_number_whoever_of_agent_and_worker_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vision.lives");
        let open = || Numbers::kept(Arc::new(RealDisk), path.clone());
        let mut numbers = open();
        assert_eq!((numbers.begin(), numbers.begin()), (1, (1 << STRETCH_BITS) + 1));
        assert_eq!(open().begin(), (2 << STRETCH_BITS) + 1);
    }

    #[test]
    fn a_file_that_says_nothing_counts_as_none() {
        for line in ["", "edge-vision 1 x\n", "edge-vision 2 7\n", "edge-vision 1 536870912\n"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(parse(b"edge-vision 1 7\n"), Some(7));
    }
}

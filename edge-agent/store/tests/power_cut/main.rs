//! Power cuts on a real file system: an ext4 in a file, mounted over a loop device and shut down without flushing while
//! a process of its own stores as fast as it can.
//!
//! The oracle is outside: each thing that the writer was told is stored, it says on its pipe. After the cut all of it
//! must be there. `POWER_CUTS` sets how many, `POWER_CUT_SEED` where they fall.

#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a test's own files, and its own processes")]

mod oracle;
mod volume;
mod writer;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use oracle::Oracle;
use volume::Volume;

/// Tells this program, started again, that it is the writer, and where to write.
const WRITE_TO: &str = "POWER_CUT_WRITE_TO";
/// Room for all that the longest life can store.
const VOLUME_BYTES: u64 = 96 << 20;

/// Cuts the power `cuts` times; what was lost, if anything.
fn run(cuts: u64) -> Result<(), String> {
    let seed = number("POWER_CUT_SEED").unwrap_or(1);
    println!("{cuts} cuts, seed {seed}");
    let volume = match Volume::new(VOLUME_BYTES) {
        Ok(volume) => volume,
        Err(reason) => {
            println!("SKIPPED: {reason}");
            return Ok(());
        }
    };
    let mut oracle = Oracle::default();
    for cut in 0..cuts {
        volume.mount();
        oracle.check(&volume.folder()).map_err(|lost| format!("before cut {cut}, seed {seed}: {lost}"))?;
        let mut writer = start_writer(&volume);
        let mut said = BufReader::new(writer.stdout.take().unwrap()).lines();
        // Somewhere within the first hundreds of things stored, elsewhere each time.
        for line in said.by_ref().take(usize::try_from((seed + cut) * 7919 % 251).unwrap()) {
            oracle.hear(&line.unwrap());
        }
        volume.cut_power();
        // An fsync that is under way while ext4 is shut down may still report success, which no real power cut lets a
        // process see. So only what was heard before the cut counts.
        said.for_each(drop);
        writer.wait().unwrap();
        volume.unmount();
    }
    volume.mount();
    let checked = oracle.check(&volume.folder());
    volume.unmount();
    println!("{} things stored", oracle.heard());
    checked.map_err(|lost| format!("after the last cut, seed {seed}: {lost}"))
}

fn start_writer(volume: &Volume) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer", "--nocapture", "--include-ignored"])
        .env(WRITE_TO, volume.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[ignore = "not a test: the process whose power is cut"]
fn the_writer() {
    if let Some(folder) = std::env::var_os(WRITE_TO) {
        writer::write_until_the_cut(folder.as_ref());
    }
}

#[test]
#[cfg(not(any(feature = "sabotage-fsync-off", feature = "sabotage-ack-before-commit")))]
fn nothing_that_was_said_to_be_stored_is_lost_in_a_power_cut() {
    if let Err(lost) = run(number("POWER_CUTS").unwrap_or(50)) {
        panic!("{lost}");
    }
}

#[test]
#[cfg(any(feature = "sabotage-fsync-off", feature = "sabotage-ack-before-commit"))]
fn a_power_cut_sees_a_store_that_says_too_early_that_something_is_stored() {
    match Volume::new(VOLUME_BYTES) {
        // The first loss ends it. Most cuts find none: the writer is already past what was heard last.
        Ok(_) => println!("seen: {}", run(500).expect_err("nothing was lost")),
        Err(reason) => println!("SKIPPED: {reason}"),
    }
}

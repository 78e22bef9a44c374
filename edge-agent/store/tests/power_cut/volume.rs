//! A file system of its own whose power can be cut.

use std::path::PathBuf;
use std::process::Command;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from one moment to the next nothing reaches the disk, as
/// when the power fails. Through perl, which is on every Debian, because the call needs `unsafe`.
const SHUT_DOWN: &str = r#"open(my $f, "<", $ARGV[0]) or die $!; my $how = pack("L", 2);
                           ioctl($f, 0x8004587d, $how) or die "no shutdown: $!";"#;

pub(crate) struct Volume {
    base: tempfile::TempDir,
}

impl Volume {
    /// Makes one of so many bytes, or says why this machine cannot.
    pub(crate) fn new(bytes: u64) -> Result<Self, String> {
        let base = tempfile::tempdir().map_err(|error| error.to_string())?;
        let volume = Self { base };
        std::fs::create_dir(volume.folder()).map_err(|error| error.to_string())?;
        let image = std::fs::File::create(volume.image()).map_err(|error| error.to_string())?;
        image.set_len(bytes).map_err(|error| error.to_string())?;
        run(Command::new("mkfs.ext4").arg("-q").arg(volume.image()))?;
        volume.try_mount()?;
        volume.unmount();
        Ok(volume)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.base.path().join("mounted")
    }

    pub(crate) fn mount(&self) {
        self.try_mount().unwrap();
    }

    pub(crate) fn unmount(&self) {
        run(Command::new("umount").arg(self.folder())).unwrap();
    }

    pub(crate) fn cut_power(&self) {
        run(Command::new("perl").args(["-e", SHUT_DOWN]).arg(self.folder())).unwrap();
    }

    fn try_mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.folder()))
    }

    fn image(&self) -> PathBuf {
        self.base.path().join("disk")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Mounted only where a check has failed; the folder cannot be removed before.
        match run(Command::new("umount").arg("-q").arg(self.folder())) {
            Ok(()) | Err(_) => {}
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

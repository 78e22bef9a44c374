//! This very program: how to start it once more, and how to start another in its place.
//!
//! The image's agent may run a signed release instead of itself ([`Sealed::take_the_place`]). That one is in memory and
//! has no path, so whoever needs the program's own place asks here.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest;
use edge_protocol::hash::Hash256;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Names the image's own program to the one that it started in its place.
const FIRST: &str = "EDGE_AGENT_FIRST";
/// How people know the process, wherever its program is.
const NAME: &str = "edge-agent";
/// What is hashed is read in pieces of this size.
const PIECE: usize = 1 << 16;

/// The image's own program, where this one was started in its place.
pub fn first() -> Option<PathBuf> {
    std::env::var_os(FIRST).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// What to start to have this program run once more.
///
/// # Errors
/// When the system does not say.
pub fn itself() -> io::Result<PathBuf> {
    if first().is_some() { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// The folder that the program was installed in, beside which its libraries and models are.
pub fn folder() -> Option<PathBuf> {
    let installed = first().or_else(|| std::env::current_exe().ok())?;
    installed.parent().map(Path::to_path_buf)
}

/// Has this process be called by its name: one whose program is in memory is called by a number.
pub fn keep_name() {
    if first().is_some()
        && let Err(error) = nix::sys::prctl::set_name(c"edge-agent")
    {
        tracing::debug!(%error, "the process is called by a number");
    }
}

/// A program in memory that nobody can change any more. What is started is what was checked, whatever becomes of the
/// file that it came from.
#[derive(Debug)]
pub struct Sealed(File);

impl Sealed {
    /// Copies a program of this length and hash.
    ///
    /// # Errors
    /// When it cannot be read, is another one, or there is no memory for it.
    pub fn copy(from: &mut dyn Read, bytes: u64, hash: Hash256) -> io::Result<Self> {
        let mut memory = File::from(executable()?);
        io::copy(&mut from.take(bytes.saturating_add(1)), &mut memory)?;
        let all = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(all))?;
        // Compared only now: what nobody can change any more is what must be right.
        memory.rewind()?;
        if hash_of(&mut memory)? != hash {
            return Err(io::Error::other("it is not what was signed"));
        }
        Ok(Self(memory))
    }

    /// A command that starts it, while this is kept.
    pub fn command(&self) -> Command {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.0.as_raw_fd()));
        command.arg0(NAME);
        command
    }

    /// Runs it in this process's place, with the same arguments.
    ///
    /// # Errors
    /// Where it cannot be started; this process is as it was.
    pub fn take_the_place(&self, arguments: impl Iterator<Item = OsString>) -> io::Result<Infallible> {
        let itself = std::env::current_exe()?;
        Err(self.command().args(arguments).env(FIRST, itself).exec())
    }
}

/// Memory that a program can be started from. Newer kernels want to be told so, older ones do not know the word.
fn executable() -> nix::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let told = memfd_create(NAME, flags | MFdFlags::from_bits_retain(nix::libc::MFD_EXEC));
    told.or_else(|error| if error == Errno::EINVAL { memfd_create(NAME, flags) } else { Err(error) })
}

/// The hash of what is read, to its end.
///
/// # Errors
/// The reader's.
pub fn hash_of(from: &mut dyn Read) -> io::Result<Hash256> {
    let (mut context, mut piece) = (digest::Context::new(&digest::SHA256), vec![0; PIECE]);
    loop {
        let read = from.read(&mut piece)?;
        match piece.get(..read) {
            Some([]) | None => return Ok(Hash256::from_digest(&context.finish())),
            Some(read) => context.update(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;

    #[test]
    fn a_program_runs_from_memory_as_it_was_checked() {
        let bytes = std::fs::read("/bin/echo").unwrap();
        let length = bytes.len() as u64;
        let sealed = Sealed::copy(&mut &*bytes, length, Hash256::of(&bytes)).unwrap();
        let said = sealed.command().arg("from memory").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout), "from memory\n");
        let mut memory = &sealed.0;
        assert_eq!(memory.write_all(b"x").unwrap_err().kind(), io::ErrorKind::PermissionDenied, "it can be changed");
        for other in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()] {
            let refused = Sealed::copy(&mut &*other, length, Hash256::of(&bytes)).unwrap_err().to_string();
            assert!(refused.contains("not what was signed"), "{refused}");
        }
    }
}

//! The part of the lock-down that must come before the first thread.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, User, close, getuid, setgroups, setresgid, setresuid};

use super::{ConfineError, Layers};

/// Files a worker may still read until the late part: plug-ins are loaded from there during warm-up.
const READABLE: [&str; 8] = [
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/sys/devices/system/cpu",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
];

/// Open files are few: the socket, stderr, and an event descriptor or two for each decoder.
const OPEN_FILES: u64 = 256;

/// A stream that claims to be enormous ends the worker, not the box. Sixteen cameras need far less.
const MEMORY_BYTES: u64 = 4 << 30;

/// The user the worker becomes where the agent runs as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// `edge-vision` where the appliance image made that user, else `nobody`.
pub fn resolve_identity() -> Identity {
    let named = ["edge-vision", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    named.map_or(Identity { uid: 65_534, gid: 65_534 }, |user| Identity {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
    })
}

/// Gives up everything that can be given up before models are loaded. `readable` names further folders and files
/// that loading needs.
///
/// # Errors
/// When the process has more than one thread, or a step failed that works on every kernel the product supports.
/// Namespaces and landlock may be refused by a kernel or a container; they are then named in [`Layers::missing`].
pub fn early(identity: Identity, readable: &[PathBuf]) -> Result<Layers, ConfineError> {
    let threads = threads()?;
    if threads != 1 {
        return Err(ConfineError::Threads(threads));
    }
    give_up(identity, readable)
}

/// The steps themselves; apart from namespaces of a plain user they work in a thread of many, for that thread.
pub(super) fn give_up(identity: Identity, readable: &[PathBuf]) -> Result<Layers, ConfineError> {
    let mut layers = Layers::default();
    // Where memory runs out, the kernel takes the worker, never the process that records.
    layers.note("first to go when memory runs out", first_for_memory());
    limits()?;
    layers.note("no network", namespaces());
    layers.note("empty capability bounding set", bounding_set());
    become_other(identity)?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| step("ask to die with the agent", e))?;
    prctl::set_no_new_privs().map_err(|e| step("give up new privileges", e))?;
    layers.note("files by landlock", landlock(readable));
    prctl::set_dumpable(false).map_err(|e| step("forbid memory dumps", e))?;
    Ok(layers)
}

fn step(step: &'static str, errno: nix::errno::Errno) -> ConfineError {
    ConfineError::Step { step, source: io::Error::from(errno) }
}

fn threads() -> Result<usize, ConfineError> {
    let tasks = std::fs::read_dir("/proc/self/task");
    let tasks = tasks.map_err(|source| ConfineError::Step { step: "count the worker's threads", source })?;
    Ok(tasks.count())
}

/// Closes everything beyond the standard three that a careless parent left open; the socket is stdin. For the very
/// beginning, before the process has opened anything of its own.
///
/// # Errors
/// When the open files cannot be listed.
pub fn close_inherited_files() -> Result<(), ConfineError> {
    let entries = std::fs::read_dir("/proc/self/fd");
    let entries = entries.map_err(|source| ConfineError::Step { step: "list open files", source })?;
    // Collected first: the listing has a descriptor of its own, closed when it is dropped.
    let open: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    for fd in open {
        match close(fd) {
            Ok(()) | Err(nix::errno::Errno::EBADF) => {}
            Err(e) => return Err(step("close inherited files", e)),
        }
    }
    Ok(())
}

fn first_for_memory() -> Result<(), String> {
    let file = std::fs::OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
    file.and_then(|mut file| file.write_all(b"1000")).map_err(|error| error.to_string())
}

fn limits() -> Result<(), ConfineError> {
    let limits = [
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        (Resource::RLIMIT_DATA, MEMORY_BYTES),
    ];
    for (resource, most) in limits {
        setrlimit(resource, most, most).map_err(|e| step("set resource limits", e))?;
    }
    Ok(())
}

fn namespaces() -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    if !getuid().is_root() {
        // Without root, a user namespace of its own is what allows the other two.
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags).map_err(|e| e.to_string())
}

fn bounding_set() -> Result<(), String> {
    if !getuid().is_root() {
        return Err("needs root, and a plain user has no capabilities to bound".to_owned());
    }
    caps::clear(None, CapSet::Bounding).map_err(|e| e.to_string())
}

fn become_other(identity: Identity) -> Result<(), ConfineError> {
    if !getuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&[]).map_err(|e| step("leave all groups", e))?;
    setresgid(gid, gid, gid).map_err(|e| step("change the group", e))?;
    setresuid(uid, uid, uid).map_err(|e| step("change the user", e))
}

fn landlock(readable: &[PathBuf]) -> Result<(), String> {
    let read = AccessFs::from_read(ABI::V1);
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let ruleset = ruleset.handle_access(AccessFs::from_all(ABI::V5)).map_err(|e| e.to_string())?;
    let ruleset = ruleset.handle_access(AccessNet::from_all(ABI::V5)).map_err(|e| e.to_string())?;
    let ruleset = ruleset.scope(Scope::from_all(ABI::V6)).map_err(|e| e.to_string())?;
    let mut ruleset = ruleset.create().map_err(|e| e.to_string())?;
    for path in READABLE.iter().map(Path::new).chain(readable.iter().map(PathBuf::as_path)) {
        // A path that is not there or not reachable cannot be read anyway.
        let Ok(fd) = PathFd::new(path) else { continue };
        let access = if path.is_dir() { read } else { AccessFs::ReadFile.into() };
        ruleset = ruleset.add_rule(PathBeneath::new(fd, access)).map_err(|e| e.to_string())?;
    }
    let status = ruleset.restrict_self().map_err(|e| e.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("the kernel does not have it".to_owned()),
    }
}

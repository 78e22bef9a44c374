//! The system call filter: three programs, installed for all threads at once.
//!
//! The kernel runs every installed program and takes the strictest answer. The first two refuse with an error number
//! what libraries try and can do without; the third lists everything allowed (including those, so that theirs is the
//! strictest answer) and kills the process for the rest. Found by tracing five decoders with three codecs; each entry
//! that looks odd says who needs it.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter_all_threads,
};

use super::ConfineError;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allowed with any arguments.
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    // GLib copies the scheduling attributes to every thread it starts and logs a critical if refused.
    libc::SYS_sched_setattr,
    libc::SYS_sched_getattr,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Each GstBus and GstPoll has one.
    libc::SYS_eventfd2,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_membarrier,
];

/// Refused with EACCES: malloc reads `/proc/sys/vm/overcommit_memory`, `GLib`'s log asks what stderr is.
const DENIED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_ioctl,
    libc::SYS_getpeername,
];

/// Calls that only the older architecture has.
#[cfg(target_arch = "x86_64")]
mod arch {
    use nix::libc;

    pub(super) const ALLOWED: &[i64] = &[libc::SYS_poll, libc::SYS_time];
    pub(super) const DENIED: &[i64] =
        &[libc::SYS_open, libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink];
}

#[cfg(not(target_arch = "x86_64"))]
mod arch {
    pub(super) const ALLOWED: &[i64] = &[];
    pub(super) const DENIED: &[i64] = &[];
}

/// Installs the filter for every thread of the process, present and future.
///
/// # Errors
/// When the kernel refuses it; the worker must not go on then.
pub fn late() -> Result<(), ConfineError> {
    for program in programs()? {
        apply_filter_all_threads(&program).map_err(|e| ConfineError::Filter(e.to_string()))?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 3], ConfineError> {
    let absent: Rules = [(libc::SYS_clone3, Vec::new())].into();
    let denied: Rules = DENIED.iter().chain(arch::DENIED).map(|call| (*call, Vec::new())).collect();
    let mut allowed: Rules = ALLOWED.iter().chain(arch::ALLOWED).map(|call| (*call, Vec::new())).collect();
    allowed.extend(absent.clone());
    allowed.extend(denied.clone());
    allowed.extend(conditional()?);
    let refuse = |errno: i32| SeccompAction::Errno(errno.unsigned_abs());
    Ok([
        // glibc falls back to clone, whose flags a filter can see; clone3 hides them behind a pointer.
        compile(absent, SeccompAction::Allow, refuse(libc::ENOSYS))?,
        compile(denied, SeccompAction::Allow, refuse(libc::EACCES))?,
        compile(allowed, SeccompAction::KillProcess, SeccompAction::Allow)?,
    ])
}

/// Allowed for some arguments only.
fn conditional() -> Result<Rules, ConfineError> {
    let mut rules = Rules::new();
    let no_exec = || masked(2, flag(libc::PROT_EXEC), 0);
    rules.insert(libc::SYS_mmap, vec![rule(no_exec()?)?]);
    rules.insert(libc::SYS_mprotect, vec![rule(no_exec()?)?]);
    let thread = flag(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![rule(masked(0, thread, thread)?)?]);
    let names = [flag(libc::PR_SET_NAME), flag(libc::PR_SET_VMA)];
    let names = names.into_iter().map(|option| rule(equal(0, option)?)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_prctl, names);
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule(equal(0, own)?)?]);
    rules.insert(libc::SYS_socketpair, vec![rule(equal(0, flag(libc::AF_UNIX))?)?]);
    Ok(rules)
}

fn flag(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, ConfineError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
        .map_err(|e| filter(&e))
}

fn equal(argument: u8, value: u64) -> Result<SeccompCondition, ConfineError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).map_err(|e| filter(&e))
}

fn rule(condition: SeccompCondition) -> Result<SeccompRule, ConfineError> {
    SeccompRule::new(vec![condition]).map_err(|e| filter(&e))
}

fn compile(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram, ConfineError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| filter(&e))?;
    let filter_ = SeccompFilter::new(rules, otherwise, matched, arch).map_err(|e| filter(&e))?;
    filter_.try_into().map_err(|e| filter(&e))
}

fn filter(error: &seccompiler::BackendError) -> ConfineError {
    ConfineError::Filter(error.to_string())
}

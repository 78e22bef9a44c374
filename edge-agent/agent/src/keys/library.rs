//! The one thread that talks to the library of a token.
//!
//! The library knows one application, not its threads, so all that is asked of it is asked here, one thing after
//! another. A chip that hangs holds up this thread and nobody else: whoever asks waits a few seconds and is told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use edge_protocol::hash::Hash256;

use super::KeyError;
use crate::supervise::queue::{Bounds, Overflow, ReceiveError, SendError, Sender, bounded};

/// A chip makes a key within a second or two. The agent's watchdog waits for longer than for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// Between two looks where nobody asks.
const LOOK: Duration = Duration::from_hours(1);
const WAITING: Bounds = Bounds::items("token", 8, Overflow::Refuse);
const ANSWER: Bounds = Bounds::items("token.answer", 1, Overflow::Refuse);

type Work = Box<dyn FnOnce(&mut Known) + Send>;

/// Where the thread hears, once it was started. It lives as long as the process: a library that hangs cannot be joined.
static THREAD: Mutex<Option<Sender<Work>>> = Mutex::new(None);

/// What the thread knows between two questions.
#[derive(Default)]
pub(super) struct Known {
    loaded: Option<Loaded>,
    /// Of a PIN that was refused. A token counts wrong ones, so this process never tries the same twice.
    pub(super) refused: Option<Hash256>,
}

/// A library that is initialised.
struct Loaded {
    module: PathBuf,
    library: Pkcs11,
}

impl Known {
    /// The library; loaded and initialised where it is not.
    pub(super) fn library(&mut self, module: &Path) -> Result<Pkcs11, KeyError> {
        let loaded = match self.loaded.take().filter(|loaded| loaded.module == module) {
            Some(loaded) => loaded,
            None => Loaded { module: module.to_owned(), library: load(module)? },
        };
        Ok(self.loaded.insert(loaded).library.clone())
    }

    /// Lets the library go; whether there was one. What it believed of its tokens goes with it.
    pub(super) fn forget(&mut self) -> bool {
        self.loaded.take().is_some()
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // A library that does not let go is initialised again as it is.
        drop(self.library.clone().finalize());
    }
}

fn load(module: &Path) -> Result<Pkcs11, KeyError> {
    let unfit = |error: &Error| KeyError::Library { module: module.to_owned(), why: words(error) };
    let library = Pkcs11::new(module).map_err(|error| unfit(&error))?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(library),
        Err(error) => Err(unfit(&error)),
    }
}

/// What a library says, by the name that its return code has in PKCS#11: what the crate makes of it is a paragraph of
/// the standard.
pub(super) fn words(error: &Error) -> String {
    let Error::Pkcs11(code, function) = error else { return error.to_string() };
    let code = if let RvError::VendorDefined(number) | RvError::UnknownErrorCode(number) = code {
        format!("0x{number:08x}")
    } else {
        name(&format!("{code:?}"))
    };
    format!("C_{function:?}: {code}")
}

/// `CKR_GENERAL_ERROR` of `GeneralError`.
fn name(camel: &str) -> String {
    let mut name = "CKR".to_owned();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Has the thread do something; none where no answer comes in time.
pub(super) fn ask<T: Send + 'static>(work: impl FnOnce(&mut Known) -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = bounded(ANSWER);
    // What nobody waits for any more is not begun: by then a list of keys to keep may be an old one.
    let wanted = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&wanted);
    let work: Work = Box::new(move |known| {
        if still.load(Ordering::Acquire) {
            drop(answer.send(work(known)));
        }
    });
    hand_over(work)?;
    let answer = answered.receive_timeout(PATIENCE).ok();
    wanted.store(false, Ordering::Release);
    answer
}

fn hand_over(work: Work) -> Option<()> {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if thread.is_none() {
        *thread = start();
    }
    let handed_over = thread.as_ref()?.send(work);
    if let Err(SendError::Closed(_)) = handed_over {
        // A library that brought its thread down is begun anew with the next question.
        *thread = None;
    }
    handed_over.ok()
}

fn start() -> Option<Sender<Work>> {
    let (asked, asking) = bounded::<Work>(WAITING);
    let body = move || {
        let mut known = Known::default();
        loop {
            match asking.receive_timeout(LOOK) {
                Ok(work) => work(&mut known),
                Err(ReceiveError::Timeout) => {}
                Err(ReceiveError::Closed) => return,
            }
        }
    };
    thread::Builder::new().name("token".to_owned()).spawn(body).ok().map(|_| asked)
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn what_a_library_says_is_named_as_in_its_standard() {
        let said = |code| words(&Error::Pkcs11(code, Function::Initialize));
        assert_eq!(said(RvError::GeneralError), "C_Initialize: CKR_GENERAL_ERROR");
        assert_eq!(said(RvError::CryptokiAlreadyInitialized), "C_Initialize: CKR_CRYPTOKI_ALREADY_INITIALIZED");
        assert_eq!(said(RvError::VendorDefined(0x8000_0001)), "C_Initialize: 0x80000001");
        assert!(!words(&Error::InvalidValue).is_empty());
    }
}

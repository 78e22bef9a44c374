//! Models of other makers, with manifests of ours: a city can bring such without code. The graphs are not part of
//! the repository; a test that needs one says so and ends where it is absent.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use edge_agent::app::vision::Runner;
use edge_agent::inference::library::{Surroundings, find};

/// Folders made so far: each test gets its own copy.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Folders with models, kept until the test process ends.
fn workplace() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("foreign-models")
}

/// Whether ONNX Runtime can be loaded; says so if not.
pub(crate) fn runtime_is_here() -> bool {
    find(None, &Surroundings::of_this_process()).inspect_err(|error| eprintln!("SKIPPED: {error}")).is_ok()
}

/// The runtime in this process.
#[allow(dead_code, reason = "not every test file runs models itself")]
pub(crate) fn runner() -> Runner {
    Runner::load(&find(None, &Surroundings::of_this_process()).unwrap()).unwrap()
}

/// A folder with manifest and graph of one foreign model; `name` is the manifest's. None, with a word why, where the
/// graph or ONNX Runtime is absent.
pub(crate) fn model(name: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !runtime_is_here() {
        return None;
    }
    let manifest = here.join("tests/foreign-models").join(format!("{name}.json"));
    let json = std::fs::read(&manifest).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let graph = value["file"].as_str().unwrap();
    let source = here.join("../../../shared/models").join(graph);
    let Ok(source) = source.canonicalize() else {
        eprintln!("SKIPPED: {} is not there", source.display());
        return None;
    };
    let place = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = workplace().join(format!("{name}-{}-{place}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(&manifest, folder.join("manifest.json")).unwrap();
    std::fs::copy(source, folder.join(graph)).unwrap();
    Some(folder)
}

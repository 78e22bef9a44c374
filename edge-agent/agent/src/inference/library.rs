//! Finds ONNX Runtime's shared library and loads it once.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use super::{InferenceError, telemetry_is_off};
use crate::supervise::program;

/// The version that the build fetches and the tests ran with.
pub const VERSION: &str = "1.31.1";
/// Must be `1` in the environment before the library is loaded.
pub const TELEMETRY_SWITCH: &str = "ORT_DISABLE_TELEMETRY";

/// Where a library may be, as the process finds itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The folder of the running program.
    pub program_folder: Option<PathBuf>,
    /// The value of `ORT_DYLIB_PATH`.
    pub named_by_environment: Option<PathBuf>,
    /// The user's cache folder.
    pub cache: Option<PathBuf>,
}

impl Surroundings {
    /// Reads them from the process.
    pub fn of_this_process() -> Self {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            program_folder: program::folder(),
            named_by_environment: absolute("ORT_DYLIB_PATH"),
            cache: absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache"))),
        }
    }

    /// Every path that may be the library, best first.
    pub fn candidates(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        if let Some(folder) = &self.program_folder {
            folders.extend([folder.clone(), folder.join("../lib"), folder.join("../lib/edge-agent")]);
        }
        let mut paths: Vec<PathBuf> = folders.iter().flat_map(|folder| files_in(folder)).collect();
        paths.extend(self.named_by_environment.clone());
        if let Some(cache) = &self.cache {
            paths.extend(files_in(&cache.join("edge-agent/onnxruntime").join(VERSION)));
        }
        paths
    }
}

fn files_in(folder: &Path) -> [PathBuf; 2] {
    [folder.join("libonnxruntime.so"), folder.join(format!("libonnxruntime.so.{VERSION}"))]
}

/// The library to load: the configured one, else the first candidate that exists.
///
/// # Errors
/// When there is none; the error lists every place that was looked at.
pub fn find(configured: Option<&Path>, around: &Surroundings) -> Result<PathBuf, InferenceError> {
    let tried = configured.map_or_else(|| around.candidates(), |path| vec![path.to_path_buf()]);
    let found = tried.iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok());
    found.ok_or(InferenceError::LibraryMissing { tried })
}

/// The loaded library with its one environment.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(super) environment: Environment,
}

/// ONNX Runtime allows one environment per process, and it cannot be made again once dropped.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

impl Runtime {
    /// Loads the library. A second call with the same path gives the same runtime.
    ///
    /// # Errors
    /// When telemetry is not off, the library does not load or is too old, or another one is loaded already.
    pub fn load(path: &Path) -> Result<Self, InferenceError> {
        if !telemetry_is_off() {
            return Err(InferenceError::Telemetry);
        }
        let fail = |what: String| InferenceError::Library { path: path.to_path_buf(), what };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some((other, _)) if other != path => Err(fail(format!("{} is loaded already", other.display()))),
            Some((_, environment)) => Ok(Self { environment: environment.clone() }),
            None => {
                let builder = ort::init_from(path).map_err(|e| fail(e.to_string()))?;
                let environment = builder.with_name("edge-agent").with_telemetry(false).build();
                let environment = environment.map_err(|e| fail(e.to_string()))?;
                *loaded = Some((path.to_path_buf(), environment.clone()));
                Ok(Self { environment })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(root: &Path) -> Surroundings {
        Surroundings {
            program_folder: Some(root.join("bin")),
            named_by_environment: Some(root.join("named.so")),
            cache: Some(root.join("cache")),
        }
    }

    fn touch(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap();
    }

    #[test]
    fn the_library_beside_the_program_wins_over_environment_and_cache() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let cached = root.join(format!("cache/edge-agent/onnxruntime/{VERSION}/libonnxruntime.so"));
        for library in [cached, root.join("named.so"), root.join("lib/libonnxruntime.so")] {
            touch(&library);
            assert_eq!(find(None, &around(&root)).unwrap(), library);
        }
    }

    #[test]
    fn a_configured_library_that_is_missing_is_not_replaced_by_another() {
        let root = tempfile::tempdir().unwrap();
        touch(&root.path().join("named.so"));
        let missing = root.path().join("mine.so");
        let error = find(Some(&missing), &around(root.path())).unwrap_err();
        assert!(error.to_string().contains("mine.so"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error_not_a_crash() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("libonnxruntime.so");
        touch(&path);
        assert!(matches!(Runtime::load(&path), Err(InferenceError::Library { .. })));
    }
}

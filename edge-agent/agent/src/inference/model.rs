//! A model's files: manifest and graph, read together and refused together.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use edge_analytics::infer::ModelRole;
use edge_analytics::manifest::{ManifestError, ModelSpec, Task};

use super::InferenceError;

/// A manifest with the graph it describes; the hash has been compared.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// What the manifest says.
    pub spec: ModelSpec,
    /// The manifest as it was read, for handing on.
    pub manifest: Bytes,
    /// The chosen variant; none for the model's own format.
    pub variant: Option<String>,
    /// The ONNX graph.
    pub graph: Bytes,
}

impl ModelFile {
    /// Reads `manifest.json` and the graph beside it from a model's folder. `variant` names another number format of
    /// the manifest, `int8` say.
    ///
    /// # Errors
    /// When a file cannot be read, the manifest is wrong, or the graph's hash is not the manifest's.
    pub fn read(folder: &Path, variant: Option<&str>) -> Result<Self, InferenceError> {
        let path = folder.join("manifest.json");
        let manifest = Bytes::from(read(&path)?);
        let spec = parse(&path.display().to_string(), &manifest)?;
        let (file, _) = chosen(&spec, variant)?;
        let graph = Bytes::from(read(&folder.join(file))?);
        Self::from_parts(manifest, variant, graph)
    }

    /// Puts a manifest and a graph together that were read elsewhere.
    ///
    /// # Errors
    /// As [`ModelFile::read`], without the files.
    pub fn from_parts(manifest: Bytes, variant: Option<&str>, graph: Bytes) -> Result<Self, InferenceError> {
        let spec = parse("manifest.json", &manifest)?;
        let (file, wanted) = chosen(&spec, variant)?;
        let found = hex::encode(digest(&SHA256, &graph));
        if found != wanted {
            let what = format!("the file's hash is {found}, the manifest says {wanted}");
            return Err(mismatch(file, "sha256", what));
        }
        Ok(Self { spec, manifest, variant: variant.map(str::to_owned), graph })
    }

    /// The role that the model's task serves.
    pub fn role(&self) -> ModelRole {
        match self.spec.task {
            Task::Objects => ModelRole::Objects,
            Task::Plates => ModelRole::Plates,
            Task::PlateText => ModelRole::PlateText,
        }
    }

    /// Name, version and variant, as events name the model in force.
    pub fn label(&self) -> String {
        let variant = self.variant.as_deref().map(|variant| format!("+{variant}")).unwrap_or_default();
        format!("{}-{}{variant}", self.spec.name, self.spec.version)
    }
}

pub(super) fn mismatch(file: &str, field: &'static str, what: impl Into<String>) -> InferenceError {
    InferenceError::Mismatch { file: file.to_owned(), field, what: what.into() }
}

fn read(path: &Path) -> Result<Vec<u8>, InferenceError> {
    std::fs::read(path).map_err(|source| InferenceError::Read { path: path.to_path_buf(), source })
}

fn parse(file: &str, manifest: &[u8]) -> Result<ModelSpec, InferenceError> {
    ModelSpec::parse(manifest).map_err(|error| match error {
        ManifestError::Wrong(mistakes) => {
            let field = mistakes.first().map_or("manifest", |mistake| mistake.field);
            let words = mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.what));
            mismatch(file, field, words.collect::<Vec<_>>().join("; "))
        }
        ManifestError::Unreadable(error) => mismatch(file, "manifest", error.to_string()),
    })
}

/// File and hash of the variant.
fn chosen<'s>(spec: &'s ModelSpec, variant: Option<&str>) -> Result<(&'s str, &'s str), InferenceError> {
    let Some(name) = variant else { return Ok((&spec.file, spec.sha256.as_str())) };
    let found = spec.variants.iter().find(|variant| variant.name == name);
    let found = found.ok_or_else(|| {
        let known: Vec<&str> = spec.variants.iter().map(|variant| variant.name.as_str()).collect();
        let there = if known.is_empty() { "only its own format".to_owned() } else { known.join(", ") };
        mismatch(&spec.name, "variants", format!("has no variant `{name}`; there is: {there}"))
    })?;
    Ok((&found.file, found.sha256.as_str()))
}

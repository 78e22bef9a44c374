//! `rtcc models`: a signed set of models for the units.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::hash::Hash256;
use edge_protocol::model_set::{ModelFile, ModelSet};
use edge_protocol::record::Word;
use edge_protocol::time::WallTime;
use rtcc::clock::wall_us;
use rtcc::files::{self, Access};

use super::signer::Signer;

/// Sign the models in a folder as one set, which a unit takes with `edge-agent update models`.
///
/// The set is whole or nothing: a unit tests all of it on its own board before it uses any of it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc models --from models --revision 7 --least-software 0.1.0 \\
              --key pat.key --cert pat.pem -o models-7.set

FOLDER holds one folder per model: road-objects, plates, plate-text. The signer \
is a policy-admin.")]
pub(crate) struct Models {
    /// The folder with one folder per model.
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
    /// Rises with each set; a unit never goes back.
    #[arg(long)]
    revision: u64,
    /// The least version of the agent that can run it.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    least_software: Word,
    /// Your private key, PEM.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your certificate, PEM.
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Where the set goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Models {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let signer = Signer::open(&self.key, &self.cert)?;
        let mut found = Vec::new();
        for entry in listed(&self.from)? {
            if entry.join("manifest.json").is_file() {
                collect(&self.from, &entry, &mut found)?;
            }
        }
        ensure!(!found.is_empty(), "{} holds no folder with a model", self.from.display());
        let (files, contents): (Vec<ModelFile>, Vec<Vec<u8>>) = found.into_iter().unzip();
        let set = ModelSet {
            version: CONTRACT_VERSION,
            agency: signer.agency().clone(),
            revision: self.revision,
            built: WallTime::from_micros(wall_us()),
            least_software: self.least_software,
            files,
        };
        let whole = [signer.sign_models(&set)?, contents.concat()].concat();
        files::replace(&self.output, &whole, Access::Everybody)
            .with_context(|| format!("cannot write {}", self.output.display()))?;
        let (revision, count, bytes) = (set.revision, set.files.len(), set.bytes());
        writeln!(std::io::stdout(), "revision {revision}: {count} files, {bytes} bytes")?;
        Ok(())
    }
}

fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Every file below a folder, with its path from `base`.
fn collect(base: &Path, folder: &Path, found: &mut Vec<(ModelFile, Vec<u8>)>) -> anyhow::Result<()> {
    for path in listed(folder)? {
        if path.is_dir() {
            collect(base, &path, found)?;
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let place = path.strip_prefix(base)?.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
        let file = ModelFile { path: place.to_owned(), bytes: bytes.len() as u64, hash: Hash256::of(&bytes) };
        found.push((file, bytes));
    }
    Ok(())
}

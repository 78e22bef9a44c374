//! `rtcc verify`: is this clip what a unit recorded? Needs no center and no network.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use edge_protocol::evidence::{VerifiedClip, verify_clip};
use edge_protocol::sign::Root;
use jiff::tz::TimeZone;
use rtcc::show::verdict;

/// Check a clip against the manifest that the unit signed, and the manifest against the agency's root.
///
/// Says which group of pictures is the first that is not what was recorded. Ends with 0 only if all are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rtcc verify clip.mp4 --root pki/root.pem
  rtcc verify clip.mp4 --manifest clip.mp4.manifest --root root.pem --json")]
pub(crate) struct Verify {
    /// The MP4 file.
    file: PathBuf,
    /// The signed manifest [default: FILE.manifest].
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The agency's root certificate.
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The findings as JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let beside = self.manifest.unwrap_or_else(|| manifest_beside(&self.file));
        let verified = check(&self.file, &beside, &self.root)?;
        say(&verified, self.json)
    }
}

/// The name of the manifest that belongs to a clip's file.
pub(super) fn manifest_beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".manifest");
    PathBuf::from(name)
}

/// Checks a clip that is on disk.
pub(super) fn check(file: &Path, manifest: &Path, root: &Path) -> anyhow::Result<VerifiedClip> {
    let media = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let sealed = std::fs::read(manifest).with_context(|| without_manifest(manifest))?;
    let root_pem = std::fs::read(root).with_context(|| format!("cannot read {}", root.display()))?;
    let root = Root::from_pem(&root_pem).context("the root certificate")?;
    verify_clip(&mut BufReader::new(media), &sealed, &root).with_context(|| format!("NOT VERIFIED: {}", file.display()))
}

fn without_manifest(path: &Path) -> String {
    let path = path.display();
    format!("cannot read {path} (a clip and its FILE.manifest stay together, or --manifest names it)")
}

/// Says what was found.
pub(super) fn say(verified: &VerifiedClip, json: bool) -> anyhow::Result<()> {
    let found = if json {
        verdict::as_json(&verified.manifest).to_string()
    } else {
        verdict::words(&verified.manifest, &TimeZone::system())
    };
    writeln!(std::io::stdout(), "{found}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rtcc::files::{self, Access};
    use rtcc::pki::Authority;

    use super::*;

    #[test]
    fn the_file_that_is_not_there_is_named_the_video_first() {
        let folder = tempfile::tempdir().unwrap();
        let [media, manifest, root] = ["a.mp4", "a.mp4.manifest", "root.pem"].map(|name| folder.path().join(name));
        let said = || format!("{:#}", check(&media, &manifest, &root).unwrap_err());
        assert!(said().starts_with(&format!("cannot read {}: ", media.display())), "{}", said());
        files::replace(&media, b"garbage", Access::Owner).unwrap();
        assert!(said().contains("a.mp4.manifest (a clip and its FILE.manifest stay together"), "{}", said());
        files::replace(&manifest, b"garbage", Access::Owner).unwrap();
        assert!(said().starts_with(&format!("cannot read {}: ", root.display())), "{}", said());
    }

    #[test]
    fn what_is_wrong_with_a_clip_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        Authority::create(folder.path(), &"metro".parse().unwrap(), 1_795_000_000_000_000).unwrap();
        let [media, manifest] = ["a.mp4", "a.mp4.manifest"].map(|name| folder.path().join(name));
        for path in [&media, &manifest] {
            files::replace(path, b"garbage", Access::Owner).unwrap();
        }
        let said = format!("{:#}", check(&media, &manifest, &folder.path().join("root.pem")).unwrap_err());
        assert!(said.contains("NOT VERIFIED") && said.contains("the manifest's signature is no good"), "{said}");
        assert_eq!(said.matches("not a signed message").count(), 1, "{said}");
    }
}

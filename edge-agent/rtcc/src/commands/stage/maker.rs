//! Whoever makes images, as tests of what they sign need them.

use std::path::PathBuf;

use clap::Parser;
use edge_protocol::sign::Root;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rtcc::files::{self, Access};

use crate::commands::Arguments;

/// The agent's program, as far as anybody looks into it.
pub(in crate::commands) const PROGRAM: &[u8] = b"\x7fELF and the rest";

/// A root as the keyring of images has it, and a folder with what signs bundles under it.
pub(in crate::commands) struct Maker {
    folder: tempfile::TempDir,
    pub(in crate::commands) root: Root,
}

impl Maker {
    pub(in crate::commands) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
        let mut signing = CertificateParams::default();
        signing.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        let key = KeyPair::generate().unwrap();
        let certificate = signing.signed_by(&key, &root).unwrap();
        let maker = Self { folder, root: Root::from_pem(root.pem().as_bytes()).unwrap() };
        maker.write("signing.key", key.serialize_pem().as_bytes());
        maker.write("signing.pem", certificate.pem().as_bytes());
        maker.write("edge-agent", PROGRAM);
        maker
    }

    pub(in crate::commands) fn write(&self, name: &str, bytes: &[u8]) {
        files::replace(&self.path(name), bytes, Access::Owner).unwrap();
    }

    pub(in crate::commands) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `rtcc agent`, which leaves `agent.release`: with what is usual, and in place of that what is given. Files
    /// are those of the folder.
    pub(in crate::commands) fn release(&self, given: &[(&str, &str)]) -> Result<(), String> {
        let file = |name: &str| self.path(name).display().to_string();
        let mut words = vec!["rtcc".to_owned(), "agent".to_owned()];
        for (flag, usual, is_file) in [
            ("--program", "edge-agent", true),
            ("--software", "1.4.1", false),
            ("--images", "1.4.0,1.4.0-rc.1", false),
            ("--key", "signing.key", true),
            ("--cert", "signing.pem", true),
            ("-o", "agent.release", true),
        ] {
            let value = given.iter().find(|(of, _)| *of == flag).map_or(usual, |(_, value)| *value);
            words.extend([flag.to_owned(), if is_file { file(value) } else { value.to_owned() }]);
        }
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        arguments.run().map_err(|error| format!("{error:#}"))
    }
}

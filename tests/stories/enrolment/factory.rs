//! A unit as it comes from the factory.

use std::path::{Path, PathBuf};
use std::process::Command;

use edge_protocol::enrolment::{Request, Serial, SetupCode};
use edge_protocol::sign::{Chain, SigningKey};
use edge_tests::process::program;
use edge_tests::world::library;

/// A unit as it comes from the factory, with the code on its label.
pub(crate) struct FromFactory {
    pub(crate) serial: Serial,
    pub(crate) code: SetupCode,
    pub(crate) claim: PathBuf,
    /// Its own folder, for everything else.
    pub(crate) home: PathBuf,
}

impl FromFactory {
    /// `edge-agent enroll` as a technician types it.
    pub(crate) fn enroll_command(&self, code: &SetupCode) -> Command {
        let mut command = Command::new(program("edge-agent"));
        command.arg("enroll").arg("--config").arg(self.config()).arg("--claim").arg(&self.claim);
        command.args(["--code", &code.on_the_label(), "--wait", "5"]).env("NO_COLOR", "1");
        command
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.home.join("edge-agent.toml")
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.home.join("identity/identity.toml")
    }

    /// The agent's configuration, as it is before the unit is anybody's.
    pub(crate) fn configuration(&self) -> String {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        format!(
            "profile = \"dev\"\ndata_dir = \"{home}/data\"\nenrolment = \"{home}/identity\"\n\
             [models]\ndir = \"{models}\"\n{library}[health]\nevery_s = 1\nmetrics_enabled = false\n\
             [[camera]]\nid = \"yard\"\nplates = \"off\"\nanalysed_fps = 1.0\nquota_bytes = 1073741824\n\
             [camera.source]\nkind = \"test\"\n",
            home = self.home.display(),
            models = models.display(),
            library = library(),
        )
    }

    /// Gives its configuration a page at a port.
    pub(crate) fn with_a_page(&self, port: u16) {
        let page = format!("[page]\nlisten = \"127.0.0.1:{port}\"\nclaim = \"{}\"\n", self.claim.display());
        std::fs::write(self.config(), self.configuration().replace("[health]", &format!("{page}[health]"))).unwrap();
    }

    /// A request of this unit's claim for a key that is made on the spot.
    pub(crate) fn request(&self, nonce: [u8; 16], code: &SetupCode) -> Vec<u8> {
        let read = |file: &str| std::fs::read(self.claim.join(file)).unwrap();
        let (key, chain) = (SigningKey::from_pem(&read("claim.key")), Chain::from_pem(&read("claim.pem")));
        let own = rcgen::KeyPair::generate().unwrap();
        let asked = rcgen::CertificateParams::default().serialize_request(&own).unwrap().der().to_vec();
        let request = Request::new(self.serial.clone(), nonce, asked, &code.proof_key(&self.serial));
        request.seal(&key.unwrap(), &chain.unwrap()).unwrap()
    }

    /// The same unit's claim as somebody else copied it before.
    pub(crate) fn copy(&self, place: &str) -> FromFactory {
        let home = self.home.join(place);
        std::fs::create_dir_all(home.join("unit")).unwrap();
        for entry in std::fs::read_dir(&self.claim).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, home.join("unit").join(path.file_name().unwrap())).unwrap();
        }
        let copy = FromFactory { serial: self.serial.clone(), code: self.code.clone(), claim: home.join("unit"), home };
        std::fs::write(copy.config(), copy.configuration()).unwrap();
        copy
    }
}

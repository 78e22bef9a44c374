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

    /// Has it run on the configuration that the factory wrote, and its page listen at a port. What lies elsewhere on
    /// this machine than on the image is put in its place.
    pub(crate) fn as_the_factory_left_it(&self, port: u16) {
        let mut text = std::fs::read_to_string(self.home.join("persist/config/edge-agent.toml")).unwrap();
        let (home, models) = (self.home.display(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../models"));
        for (there, here) in [
            ("/var/lib/edge-agent/identity".to_owned(), format!("{home}/identity")),
            ("0.0.0.0:443".to_owned(), format!("127.0.0.1:{port}")),
            ("interface = \"service0\"".to_owned(), "interface = \"lo\"".to_owned()),
            ("/persist/claim".to_owned(), self.claim.display().to_string()),
            ("\"/usr/share/edge-agent/models\"\n".to_owned(), format!("\"{}\"\n{}", models.display(), library())),
            // Nobody is there either, and no packet leaves this machine.
            ("192.0.2.10:554".to_owned(), "127.0.0.1:9".to_owned()),
        ] {
            assert!(text.contains(&there), "no {there} in {text}");
            text = text.replace(&there, &here);
        }
        let own = format!("data_dir = \"{home}/data\"\n");
        let health = "\n[health]\nevery_s = 1\nmetrics_enabled = false\n";
        std::fs::write(self.config(), own + &text + health).unwrap();
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

//! Tokens that speak PKCS#11: `SoftHSM` with its objects in a folder of its own, and a TPM that is `swtpm`, both
//! Debian's.
//!
//! Their libraries find them by environment variables, so whoever uses one is a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::Process;
use crate::world::ended;

/// Where Debian puts `SoftHSM`'s library.
const SOFTHSM: [&str; 1] = ["/usr/lib/softhsm/libsofthsm2.so"];
/// Where Debian puts the library for a TPM.
const TPM: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so", "/usr/lib/aarch64-linux-gnu/pkcs11/libtpm2_pkcs11.so"];
/// The variables by which a child of a test finds folder and library.
const CHILD: [&str; 2] = ["EDGE_TEST_TOKEN", "EDGE_TEST_TOKEN_MODULE"];
/// What the outside of a TPM needs to come up.
const DEADLINE: Duration = Duration::from_secs(30);
const OBJECTS: &str = "objects";
const PIN: &str = "24680135";

/// What the token is called.
pub const LABEL: &str = "edge";

/// A token with a user's PIN in a file.
#[derive(Debug)]
pub struct SoftToken {
    folder: PathBuf,
    module: PathBuf,
    /// What its library has to be told.
    variables: Vec<(&'static str, String)>,
    /// What lives as long as this: a TPM, and the folder, which a child leaves to its parent.
    _held: (Option<Process>, Option<TempDir>),
}

impl SoftToken {
    /// A fresh one in `SoftHSM`; none where that is not there, which is said aloud.
    pub fn new() -> Option<Self> {
        let (module, owner) = begin("SoftHSM", &SOFTHSM)?;
        let settings = owner.path().join("softhsm2.conf");
        let objects = format!("directories.tokendir = {}\nlog.level = ERROR\n", owner.path().join(OBJECTS).display());
        fs::write(&settings, objects).unwrap();
        let variables = vec![("SOFTHSM2_CONF", settings.display().to_string())];
        let token = Self { folder: owner.path().to_owned(), module, variables, _held: (None, Some(owner)) };
        token.mend_pin();
        token.make_anew();
        Some(token)
    }

    /// A fresh one in a TPM of its own; none where its programs are not there, which is said aloud.
    pub fn in_a_tpm() -> Option<Self> {
        let (module, owner) = begin("the library for a TPM", &TPM)?;
        let [socket, control, state, store] =
            ["tpm", "tpm.ctrl", "state", "store"].map(|name| owner.path().join(name).display().to_string());
        fs::create_dir(&state).unwrap();
        fs::create_dir(&store).unwrap();
        let mut swtpm = Command::new("swtpm");
        swtpm.args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]);
        swtpm.args(["--server", &format!("type=unixio,path={socket}")]);
        swtpm.args(["--ctrl", &format!("type=unixio,path={control}"), "--tpmstate", &format!("dir={state}")]);
        let tpm = Process::spawn("swtpm", &mut swtpm);
        let until = Instant::now() + DEADLINE;
        while !Path::new(&control).exists() {
            assert!(Instant::now() < until, "swtpm does not come up: {:?}", tpm.lines());
            std::thread::yield_now();
        }
        let variables = vec![("TPM2_PKCS11_TCTI", format!("swtpm:path={socket}")), ("TPM2_PKCS11_STORE", store)];
        let token = Self { folder: owner.path().to_owned(), module, variables, _held: (Some(tpm), Some(owner)) };
        token.mend_pin();
        token.make(LABEL, PIN, &["--slot", "1"]);
        Some(token)
    }

    /// The token that the parent of this process has made.
    pub fn of_parent() -> Self {
        let [folder, module] = CHILD.map(|name| PathBuf::from(std::env::var_os(name).expect("started by its parent")));
        Self { folder, module, variables: Vec::new(), _held: (None, None) }
    }

    /// Runs an ignored test of this program in a process that finds the token; it must be there and pass.
    pub fn given_to_test(&self, test: &str) {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test, "--ignored", "--nocapture"]);
        let ended = ended(test, self.given_to(&mut child));
        assert!(ended.succeeded && ended.said.contains("1 passed"), "{}", ended.said);
    }

    /// Takes everything out of it, as a technician does who sets it up again.
    pub fn make_anew(&self) {
        self.make_anew_for(PIN);
    }

    /// The same, for a user with this PIN.
    pub fn make_anew_for(&self, pin: &str) {
        drop(fs::remove_dir_all(self.objects_folder()));
        fs::create_dir_all(self.objects_folder()).unwrap();
        self.make(LABEL, pin, &["--free"]);
    }

    /// Puts a further token beside it.
    pub fn make_another(&self, label: &str) {
        self.make(label, PIN, &["--free"]);
    }

    fn make(&self, label: &str, pin: &str, slot: &[&str]) {
        let mut util = Command::new("softhsm2-util");
        util.arg("--module").arg(&self.module).arg("--init-token").args(slot);
        util.args(["--label", label, "--so-pin", "13579024", "--pin", pin]);
        let made = ended("softhsm2-util", self.given_to(&mut util));
        assert!(made.succeeded, "{}", made.said);
    }

    /// Lets a program find it.
    pub fn given_to<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let child = CHILD.into_iter().zip([&self.folder, &self.module]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value))).envs(child)
    }

    /// `[token]` of the configuration.
    pub fn configuration(&self) -> String {
        let (module, pin_file) = (self.module.display(), self.pin_file());
        let pin_file = pin_file.display();
        format!("\n[token]\nmodule = \"{module}\"\nlabel = \"{LABEL}\"\npin_file = \"{pin_file}\"\n")
    }

    /// The library that speaks PKCS#11.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The file with the user's PIN.
    pub fn pin_file(&self) -> PathBuf {
        self.path("pin")
    }

    /// Writes the file with the PIN.
    pub fn write_pin(&self, pin: &str) {
        fs::write(self.pin_file(), format!("{pin}\n")).unwrap();
    }

    /// The right PIN again.
    pub fn mend_pin(&self) {
        self.write_pin(PIN);
    }

    /// How many keys lie in it: each is a pair of objects beside the token's own.
    pub fn keys(&self) -> usize {
        let tokens = fs::read_dir(self.objects_folder()).unwrap().map(|entry| entry.unwrap().path());
        let files = tokens.flat_map(|token| fs::read_dir(token).unwrap()).map(|entry| entry.unwrap().path());
        let objects = files.filter(|path| path.extension().is_some_and(|kind| kind == "object"));
        objects.filter(|path| path.file_name().is_some_and(|name| name != "token.object")).count() / 2
    }

    /// Takes it away.
    pub fn take_away(&self) {
        fs::rename(self.objects_folder(), self.path("elsewhere")).unwrap();
        fs::create_dir_all(self.objects_folder()).unwrap();
    }

    /// Brings it back.
    pub fn bring_back(&self) {
        fs::remove_dir_all(self.objects_folder()).unwrap();
        fs::rename(self.path("elsewhere"), self.objects_folder()).unwrap();
    }

    fn objects_folder(&self) -> PathBuf {
        self.path(OBJECTS)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The library, and a folder for the token.
fn begin(what: &str, modules: &[&str]) -> Option<(PathBuf, TempDir)> {
    let Some(module) = modules.iter().map(PathBuf::from).find(|module| module.exists()) else {
        eprintln!("SKIPPED: no token: {what} is not installed");
        return None;
    };
    Some((module, tempfile::Builder::new().prefix("edge-token-").tempdir().unwrap()))
}

use std::os::unix::fs::PermissionsExt as _;

use edge_store::disk::replace;
use tempfile::TempDir;

use super::*;
use crate::capture;

const EXAMPLE: &str = include_str!("../../../../../docs/edge-agent.example.toml");

/// A unit whose data is in a folder of the test.
struct Unit {
    folder: TempDir,
    switch: SourceSwitch,
    anew: Stop,
    sources: Sources,
}

impl Unit {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("edge-agent.toml");
        let text = EXAMPLE.replace("/var/lib/edge-agent\"", &format!("{}\"", folder.path().display()));
        replace(&RealDisk, &file, text.as_bytes()).unwrap();
        let config = Config::read(&file).unwrap();
        let switch = SourceSwitch::new(capture_settings(&config.cameras[0]).source);
        let switches = BTreeMap::from_iter([(config.cameras[0].id.clone(), switch.clone())]);
        let anew = Stop::new();
        let sources = Sources::new(&file, &config, switches, Some(anew.clone()));
        Self { folder, switch, anew, sources }
    }

    /// Puts a source of the camera `street`; what is noted.
    fn put(&self, address: &str, user: &str, password: &str) -> Result<String, Refusal> {
        let [address, user, password] = [address, user, password].map(str::to_owned);
        let mut noted = String::new();
        let typed = TypedSource { address, user, password };
        self.sources.put(&"street".parse().unwrap(), &typed, |words| {
            words.clone_into(&mut noted);
            Ok(())
        })?;
        Ok(noted)
    }

    /// The source after a start.
    fn started(&self) -> (String, Option<PathBuf>) {
        let config = Config::read(&self.folder.path().join("edge-agent.toml")).unwrap();
        assert_eq!(config.passed_over, None);
        let Source::Rtsp { url, credentials, .. } = &config.cameras[0].source else { panic!("{config:?}") };
        (url.clone(), credentials.clone())
    }

    /// What lies in the page's folder of passwords.
    fn passwords(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path().join(FOLDER)).into_iter().flatten();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    fn glance(&self) -> SourceGlance {
        self.sources.shown(&"street".parse().unwrap())
    }
}

#[test]
fn address_and_password_are_in_force_at_once_and_after_a_start_and_are_not_shown() {
    let unit = Unit::new();
    let noted = unit.put(" rtsp://192.0.2.20/a ", "admin", "hunter2").unwrap();
    assert_eq!(noted, "rtsp://192.0.2.20, with a user and password");
    let (url, credentials) = unit.started();
    assert_eq!(url, "rtsp://192.0.2.20/a");
    let credentials = credentials.unwrap();
    assert_eq!(std::fs::metadata(&credentials).unwrap().permissions().mode() & 0o777, 0o600);
    let login = Credentials::from_file(&credentials).unwrap();
    assert_eq!((login.user(), login.password()), ("admin", "hunter2"));
    let (number, source) = unit.switch.now();
    assert!(matches!(source, capture::Source::Rtsp { url, credentials: Some(kept), .. }
        if url == "rtsp://192.0.2.20/a" && kept == credentials && number == 1));
    let kept = std::fs::read_to_string(unit.folder.path().join("drawn.toml")).unwrap();
    for text in [noted, kept, format!("{:?}", unit.glance())] {
        assert!(!text.contains("hunter2") && !text.contains("admin"), "{text}");
    }
    assert_eq!(unit.glance(), SourceGlance { address: Some("rtsp://192.0.2.20/…".to_owned()), has_password: true });
}

#[test]
fn a_password_stays_with_its_camera_and_goes_with_it() {
    let unit = Unit::new();
    unit.put("rtsp://192.0.2.20:554/a", "admin", "hunter2").unwrap();
    unit.put("rtsp://192.0.2.20:554/b", "", "").unwrap();
    assert_eq!((unit.glance().has_password, unit.passwords().len()), (true, 1), "another path of the same camera");
    unit.put("rtsp://192.0.2.20:554/b", "admin", "other").unwrap();
    assert_eq!(unit.passwords(), ["admin:other\n"], "the former one goes");
    for elsewhere in ["rtsp://192.0.2.21:554/b", "rtsp://192.0.2.20:8554/b"] {
        unit.put("rtsp://192.0.2.20:554/b", "admin", "hunter2").unwrap();
        unit.put(elsewhere, "", "").unwrap();
        assert_eq!((unit.started(), unit.passwords()), ((elsewhere.to_owned(), None), Vec::new()), "{elsewhere}");
    }
    unit.put("rtsps://192.0.2.20/b", "admin", "hunter2").unwrap();
    unit.put("rtsp://192.0.2.20/b", "", "").unwrap();
    assert_eq!(unit.started().1, None, "without TLS it could be heard");
}

#[test]
fn what_is_refused_changes_nothing_and_does_not_repeat_a_password() {
    let unit = Unit::new();
    let before = unit.started();
    for (address, user, password, words) in [
        ("192.0.2.20", "admin", "hunter2", "the address is no address; give an address such as rtsp://"),
        ("http://192.0.2.20/", "admin", "hunter2", "the address has the scheme \"http\""),
        ("rtsp://admin:hunter2@192.0.2.20/", "", "", "the address holds a user or password"),
        ("rtsp://192.0.2.20/", "", "hunter2", "give the camera's user too"),
        ("rtsp://192.0.2.20/", "ad:min", "hunter2", "no colon"),
    ] {
        let refused = unit.put(address, user, password).unwrap_err().0;
        assert!(refused.contains(words) && !refused.contains("hunter2"), "{refused}");
    }
    let typed =
        TypedSource { address: "rtsp://192.0.2.20/".to_owned(), user: "u".to_owned(), password: "p".to_owned() };
    let full = |_: &str| Err(Refusal("it cannot be written down".to_owned()));
    assert!(unit.sources.put(&"street".parse().unwrap(), &typed, full).is_err());
    assert_eq!((unit.started(), unit.passwords(), unit.switch.now().0), (before, Vec::new(), 0));
}

#[test]
fn a_power_cut_between_the_files_leaves_the_old_pair() {
    let unit = Unit::new();
    unit.put("rtsp://192.0.2.20/a", "admin", "hunter2").unwrap();
    let before = unit.started();
    let typed = Credentials::typed("other", "secret").unwrap();
    let place = unit.sources.other_place(&"street".parse().unwrap(), before.1.as_deref());
    replace(&RealDisk, &place, typed.line().as_bytes()).unwrap();
    assert_eq!(unit.started(), before);
    assert_eq!(Credentials::from_file(&before.1.unwrap()).unwrap().password(), "hunter2");
    unit.put("rtsp://192.0.2.20/a", "third", "word").unwrap();
    assert_eq!(unit.passwords(), ["third:word\n"], "what the cut has left goes with the next change");
}

#[test]
fn a_password_in_an_address_is_kept_without_being_shown() {
    for address in [
        "rtsp://192.0.2.20:554/a?user=admin&password=hunter2",
        "rtsp://192.0.2.20:554/user=admin_password=hunter2_channel=1_stream=0.sdp",
        "rtsp://192.0.2.20:554/admin/hunter2/ch1",
        "rtsp://192.0.2.20:554?hunter2",
    ] {
        let unit = Unit::new();
        unit.put(address, "", "").unwrap();
        let shown = unit.glance().address.unwrap();
        assert_eq!(shown, "rtsp://192.0.2.20:554/…");
        let noted = unit.put(&shown, "admin", "other").unwrap();
        assert_eq!(unit.started().0, address, "left as it was shown");
        assert_eq!(noted, "rtsp://192.0.2.20:554, with a user and password");
        let refused = unit.put("rtsp://192.0.2.21/…", "", "").unwrap_err().0;
        assert!(refused.contains("type the whole address"), "of another camera it is no stand-in: {refused}");
        assert_eq!(unit.started().0, address);
    }
    for whole in ["rtsp://192.0.2.20", "rtsp://192.0.2.20:554/"] {
        assert_eq!(shown(whole), whole);
    }
    assert_eq!(shown("rtsp://admin:hunter2@192.0.2.20/a"), "rtsp://192.0.2.20/…");
    assert_eq!(shown("hunter2"), "/…");
}

#[test]
fn an_address_that_the_service_may_not_talk_to_has_the_agent_begin_anew() {
    let unit = Unit::new();
    for within in ["rtsp://198.51.100.9/a", "rtsp://192.0.2.11/b", "rtsp://127.0.0.1/a", "rtsp://camera.example/a"] {
        unit.put(within, "", "").unwrap();
        assert!(!unit.anew.is_set(), "{within}");
    }
    let after = |seconds| MonoTime::from_duration(std::time::Duration::from_secs(seconds));
    assert_eq!(unit.sources.waits(after(10)), None);
    unit.put("rtsp://203.0.113.9/a", "", "").unwrap();
    assert!(unit.anew.is_set());
    assert!(unit.sources.waits(after(20)).unwrap().contains("anew in 100 s"));
    assert!(unit.sources.waits(after(500)).unwrap().contains("anew in 0 s"));
}

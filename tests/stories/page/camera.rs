//! The camera's address and password, typed on the page of a unit that came with an address that nobody has.

use std::path::{Path, PathBuf};

use edge_tests::rtsp::Access;

use super::*;

const USER: &str = "viewer";
/// With what files and forms have their own ways to write.
const PASSWORD: &str = "Qx7:%w@öl/k#9&+u \"";
const WRONG_PASSWORD: &str = "Zj4%v@äm/p#6&+t";

/// Types where the video comes from, and saves.
fn save(browser: &Browser, address: &str, user: &str, password: &str) {
    browser.enter("#address", address);
    browser.enter("#camera-user", user);
    browser.enter("#camera-password", password);
    browser.click("#keep-source");
}

fn words(browser: &Browser, selector: &str, part: &str) -> String {
    browser.wait(part, |browser| Some(text(browser, selector)).filter(|words| words.contains(part)))
}

/// Every file under a folder that holds a text.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };
    files
        .flat_map(|path| {
            if path.is_dir() {
                holding(&path, text)
            } else if holds(&path) {
                vec![path]
            } else {
                vec![]
            }
        })
        .collect()
}

/// The gate's camera, which asks who looks by digest.
fn guarded() -> RtspCamera {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/check/gate_00.jpg");
    let digest = Some((USER.to_owned(), PASSWORD.to_owned()));
    RtspCamera::start_with(Reel::still(&picture, (1280, 720), 10, 30), Access { digest, tls: None })
}

#[test]
fn address_and_password_typed_on_the_page_bring_the_picture_stay_secret_and_outlast_a_power_cut() {
    let Some(browser) = Browser::start() else { return };
    let (unit, camera) = (Unit::new(), guarded());
    let nobody = format!("rtsp://127.0.0.1:{}/stream1", port::free());
    let settings = CameraPlan::test(CAMERA).settings.replace("\"off\"", "\"frame\"");
    let cameras = vec![CameraPlan { settings, ..CameraPlan::rtsp(CAMERA, &nobody) }];
    let settings = unit.settings(true) + &board::that_does_not_answer(&unit);
    let mut world = World::with("metro", Plan { cameras, settings, ..Plan::default() });
    world.start_agent();
    browser.resize(DESK);
    unit.open(&browser, &world);
    log_in(&browser, "Kim", &unit.code);
    words(&browser, "#source-state", "refuses the connection");
    for (address, why) in [
        ("gate", "the address is no address; give an address such as rtsp://"),
        ("rtsp://viewer:secret@127.0.0.1/stream", "the address holds a user or password"),
    ] {
        save(&browser, address, "", "");
        words(&browser, "#source-words", why);
    }
    save(&browser, &camera.url(), USER, WRONG_PASSWORD);
    words(&browser, "#source-state", "401: the camera refuses the configured user or password");
    assert_eq!(fits(&browser), true);
    keep(&browser, "page-camera.png");

    browser.be_a_phone(PHONE);
    save(&browser, &camera.url(), USER, PASSWORD);
    assert_eq!(picture(&browser), 960, "the gate's picture");
    words(&browser, "#source-state", "pictures come");
    browser.click("#source-box summary");
    words(&browser, "#password-words", "A user and password are kept");
    let field = |id: &str| browser.run(&format!("return document.querySelector('{id}').value"));
    let shown = format!("rtsp://127.0.0.1:{}/…", camera.port());
    browser.wait("the address without its end", |_| (field("#address") == *shown).then_some(()));
    assert_eq!(field("#camera-password"), "");
    assert_eq!(fits(&browser), true);
    browser.run("document.querySelector('#source-box').scrollIntoView()");
    keep(&browser, "page-camera-phone.png");
    board::tells_what_does_not_answer(&browser);
    // Nothing typed keeps the password of the same camera.
    save(&browser, &camera.url(), "", "");
    words(&browser, "#source-words", "saved and in force");
    world.wait_for_video(VIDEO);

    let told = browser.run("return document.documentElement.outerHTML").to_string();
    let said = world.kill_agent().join("\n");
    world.start_agent();
    world.wait_for_video_after(CAMERA, jiff::Timestamp::now());
    it_stays_secret(&world, &camera, &(told + &said));
}

/// The password is in one file of the unit, and nothing that was shown, said or sent has it.
fn it_stays_secret(world: &World, camera: &RtspCamera, shown: &str) {
    let becomes =
        format!("technician's page: Kim has the video of {CAMERA} come from rtsp://127.0.0.1:{}", camera.port());
    let noted = |event: &Value| event["record"]["text"].as_str().is_some_and(|text| text.starts_with(&becomes));
    world.wait_for_event("audit", "who changed it", noted);
    let sent = ["audit", "health", "alert"].map(|lane| format!("{:?}", world.events(lane))).concat();
    for password in [PASSWORD, WRONG_PASSWORD] {
        for escaped in [password.to_owned(), password.replace('"', "\\\"")] {
            assert!(!shown.contains(&escaped) && !sent.contains(&escaped), "a password was told");
        }
    }
    let kept = holding(&world.data_dir(), PASSWORD);
    let [file] = kept.as_slice() else { panic!("in one file alone: {kept:?}") };
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).expect("the file").permissions()) & 0o777,
        0o600
    );
    assert_eq!(holding(&world.data_dir(), WRONG_PASSWORD), Vec::<PathBuf>::new());
}

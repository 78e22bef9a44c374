//! The technician's page, in a real browser on a phone and on a larger screen: over agent, vision worker, broker and
//! center. Skipped where there is no browser, but not in CI.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "a story writes plain files")]

#[path = "page/board.rs"]
mod board;
#[path = "page/camera.rs"]
mod camera;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use edge_agent::config::Config;
use edge_protocol::commissioning::{Report, SealedReport};
use edge_protocol::sign::Root;
use edge_tests::browser::Browser;
use edge_tests::label::code_on;
use edge_tests::port;
use edge_tests::process::program;
use edge_tests::rtsp::{Reel, RtspCamera};
use edge_tests::world::{CAMERA, CameraPlan, Plan, UNIT, World, ended};
use serde_json::Value;
use tempfile::TempDir;

const WRONG: &str = "3333-3333-3333";
const DESK: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);
/// Enough video for the checks to find a ring.
const VIDEO: Duration = Duration::from_secs(3);
/// Where the gate hangs, in ten millionths of a degree.
const PLACE_E7: (i64, i64) = (123_456_000, -456_789_000);
/// Has all that is read in a picture change, and gives what it was. The addresses of this machine are told as those of
/// a unit in the field, with an address of RFC 5737 for its camera.
const ELSEWHERE: &str = r"
    const told = text => text.replace(/\/tmp\/edge-story-\w+\//g, '/etc/edge-agent/').replace(/127\.0\.0\.1:\d+/g, '192.0.2.10');
    const change = to => {
        const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const places = [...document.querySelectorAll('input')].map(input => [input, 'value']);
        while (texts.nextNode()) places.push([texts.currentNode, 'nodeValue']);
        return places.map(([node, key]) => {
            const before = node[key];
            const after = to(before);
            if (after !== before) node[key] = after;
            return before;
        });
    };";
/// Keeps the next glance's answer until it is let go, and counts those that came.
const HOLD_A_GLANCE: &str = "
    const real = window.fetch;
    Object.assign(window, { held: false, glances: 0 });
    window.fetch = async (path, options) => {
        const answer = await real(path, options);
        if (path !== '/api/glance') return answer;
        if (!window.held) { window.held = true; await new Promise(done => { window.letGo = done; }); }
        const text = await answer.text();
        // Counted once whoever asked has seen the one before.
        setTimeout(() => { window.glances += 1; });
        return new Response(text, { status: answer.status });
    }";
/// Sky, at the upper left.
const MASK: &str = "[[camera.mask]]\npoints = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2], [0.0, 0.2]]\n";
/// How bright the report's picture is within the mask and beside it, 0 to 255, and how wide it is.
const LIGHT: &str = "
    const image = document.querySelector('#report-pictures img');
    if (!image || !image.naturalWidth) return null;
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const drawn = canvas.getContext('2d');
    drawn.drawImage(image, 0, 0);
    const at = (x, y) => Math.max(...drawn.getImageData(x * width, y * height, 1, 1).data.slice(0, 3));
    return [at(0.1, 0.1), at(0.5, 0.05), width]";
/// The checks as they are shown.
const FINDINGS: &str = "return [...document.querySelectorAll('#findings li')].map(row => ({ verdict: row.className,
    check: row.querySelector('h2').textContent, measured: row.querySelector('p').textContent }))";

/// A unit as it comes from the factory, and where its page is.
struct Unit {
    folder: TempDir,
    code: String,
    port: u16,
}

impl Unit {
    fn new() -> Unit {
        let folder = tempfile::Builder::new().prefix("edge-page-").tempdir().expect("folder");
        let (pki, home) = (folder.path().join("pki"), folder.path().join("SN42"));
        rtcc(&["pki", "init", "--agency", "metro", "--dir"], &pki);
        rtcc(&["factory", "--serial", "SN42", "--pki", &pki.display().to_string(), "-o"], &home);
        Unit { code: code_on(&home.join("label.pdf")), folder, port: port::free() }
    }

    fn claim(&self) -> PathBuf {
        self.folder.path().join("SN42/persist/claim")
    }

    /// The configuration's table.
    fn settings(&self, armed: bool) -> String {
        let (port, claim) = (self.port, self.claim());
        format!("[page]\nlisten = \"127.0.0.1:{port}\"\nclaim = \"{}\"\narmed = {armed}\n", claim.display())
    }

    fn open(&self, browser: &Browser, world: &World) {
        world.wait("the page listens", || TcpStream::connect(("127.0.0.1", self.port)).ok());
        browser.open(&format!("https://localhost:{}/", self.port));
    }
}

fn rtcc(arguments: &[&str], last: &Path) -> String {
    let ran = ended("rtcc", Command::new(program("rtcc")).args(arguments).arg(last).env("NO_COLOR", "1"));
    assert!(ran.succeeded, "rtcc {arguments:?}: {}", ran.said);
    ran.said
}

/// A camera that looks at a gate.
fn gate() -> RtspCamera {
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/check/gate_00.jpg");
    RtspCamera::start(Reel::still(&picture, (1280, 720), 10, 30))
}

/// The gate's camera on a simulated board.
fn plan(gate: &RtspCamera, unit: &Unit, armed: bool) -> Plan {
    let camera = CameraPlan::rtsp(CAMERA, &gate.url());
    let settings = camera.settings.replace("\"off\"", "\"frame\"") + "name = \"Depot gate\"\n" + MASK;
    Plan {
        cameras: vec![CameraPlan { settings, ..camera }],
        head: "board = \"sim\"\n".to_owned(),
        settings: unit.settings(armed),
        ..Plan::default()
    }
}

/// What stands in an element that is to be seen; empty where it is hidden.
fn text(browser: &Browser, selector: &str) -> String {
    let script = format!(
        "const found = document.querySelector('{selector}'); return found && found.offsetParent ? found.textContent : ''"
    );
    browser.run(&script).as_str().unwrap_or_default().to_owned()
}

fn log_in(browser: &Browser, name: &str, code: &str) {
    browser.enter("#name", name);
    browser.enter("#code", code);
    browser.click("#enter");
}

/// Waits until a picture is shown and measured; its width.
fn picture(browser: &Browser) -> u64 {
    browser.wait("a picture and its focus", |browser| {
        let shown = browser.run("return document.querySelector('#picture').naturalWidth").as_u64()?;
        (shown > 0 && text(browser, "#focus").parse::<u32>().is_ok_and(|focus| focus > 0)).then_some(shown)
    })
}

/// Types a speed and two exposures, and sees what they do to the plate that stands there.
fn smear(browser: &Browser) {
    let (speed, exposure) = (50.0 / 3.6, 1000.0);
    browser.run("document.querySelector('#speed-unit').value = 'kmh'");
    browser.enter("#speed", "50");
    browser.enter("#exposure", "1000");
    browser.wait("the smear of the plate that stands there", |browser| {
        let height: f64 = text(browser, "#plate").trim_end_matches(" px").parse().ok()?;
        (text(browser, "#blur") == format!("{:.1} px", speed / exposure / 0.152 * height)).then_some(())
    });
    browser.enter("#exposure", "100");
    assert!(
        text(browser, "#blur-words").contains("too much, set the camera to 1/"),
        "{}",
        text(browser, "#blur-words")
    );
    browser.enter("#exposure", "4000");
    assert!(text(browser, "#blur-words").contains("the reader bears it"), "{}", text(browser, "#blur-words"));
}

/// Waits until a plate was seen and measured.
fn plate(browser: &Browser) {
    browser.wait("the height of the plate", |browser| text(browser, "#plate").contains(" px").then_some(()));
}

/// Whether nothing sticks out to the right of the screen.
fn fits(browser: &Browser) -> Value {
    browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
}

/// Keeps what is seen for people who read about it, where they ask for it.
fn keep(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("EDGE_SCREENSHOTS") {
        browser.run(&format!("{ELSEWHERE} window.own = change(told)"));
        std::fs::write(Path::new(&folder).join(name), browser.picture()).expect("write a screenshot");
        browser.run(&format!("{ELSEWHERE} change(() => window.own.shift())"));
    }
}

#[test]
fn a_technician_logs_in_with_the_labels_code_and_aims_the_camera() {
    let Some(browser) = Browser::start() else { return };
    let (unit, camera) = (Unit::new(), gate());
    let mut world = World::with("metro", plan(&camera, &unit, true));
    world.start_agent();
    browser.resize(DESK);
    unit.open(&browser, &world);

    log_in(&browser, "Kim", WRONG);
    let refused = browser.wait("red words", |browser| {
        let words = text(browser, "#refused");
        (!words.is_empty()).then_some(words)
    });
    assert!(refused.contains("the setup code is wrong") && refused.contains("4 more"), "{refused}");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('#refused')).color"), "rgb(176, 0, 32)");
    keep(&browser, "page-login.png");

    log_in(&browser, "Kim", &unit.code);
    assert_eq!(picture(&browser), 960, "the gate's picture as wide as a phone shows");
    browser.wait("how the box hangs", |browser| text(browser, "#tilt").contains('°').then_some(()));
    plate(&browser);
    browser.click("#test-read");
    browser.wait("a test read", |browser| text(browser, "#read").contains('%').then_some(()));
    smear(&browser);
    assert_eq!(fits(&browser), true);
    browser.run("window.scrollTo(0, 0)");
    keep(&browser, "page-aim.png");
    board::lives(&browser);
    board::is_readable(&browser);
    keep(&browser, "page-box.png");
    browser.be_a_phone(PHONE);
    assert_eq!(picture(&browser), 960);
    assert_eq!(fits(&browser), true);
    browser.run("window.scrollTo(0, 0)");
    keep(&browser, "page-aim-phone.png");
    board::is_readable(&browser);
    keep(&browser, "page-box-phone.png");

    browser.click("#logout");
    browser.wait("the way in again", |browser| text(browser, "#enter").contains("Log in").then_some(()));
    let audited = |words: &str| {
        world.wait_for_event("audit", words, |event| event["record"]["text"].as_str() == Some(words));
    };
    audited("technician's page: Kim logged in");
    audited("technician's page: Kim asked for a test read at yard");
    audited("technician's page: Kim logged out");
}

#[test]
fn checks_turn_green_zones_are_drawn_with_a_finger_and_a_signed_report_closes_the_page() {
    let Some(browser) = Browser::start() else { return };
    let (unit, camera) = (Unit::new(), gate());
    let mut world = World::with("metro", plan(&camera, &unit, false));
    // What a unit leaves that was enrolled a moment ago.
    std::fs::create_dir_all(world.data_dir()).expect("the unit's folder");
    let mark = world.data_dir().join("commissioning.mark");
    std::fs::write(&mark, "").expect("mark a commissioning that was begun");
    world.start_agent();
    browser.be_a_phone(PHONE);
    unit.open(&browser, &world);
    log_in(&browser, "Kim", &unit.code);
    picture(&browser);
    world.wait_for_video(VIDEO);

    say_where_it_hangs(&browser, &world);
    let checked = check_all(&browser);
    draw(&browser, &world);
    browser.click("[data-tab=aim]");
    picture(&browser);
    plate(&browser);

    browser.click("[data-tab=report]");
    browser.enter("#site", "Main St / 3rd Ave, pole 17");
    browser.click("#make-report");
    browser.wait("the report", |browser| text(browser, "#report-words").contains("on its way").then_some(()));
    let light = browser.wait("the report's picture", |browser| browser.run(LIGHT).as_array().cloned());
    let [masked, beside, width] = light.as_slice() else { panic!("{light:?}") };
    assert!(
        masked.as_u64() < Some(16) && beside.as_u64() > Some(64) && width.as_u64() >= Some(480),
        "black where it is masked: {light:?}"
    );
    assert_eq!(fits(&browser), true);
    browser.run("document.querySelector('#report').scrollIntoView()");
    keep(&browser, "page-report-phone.png");
    let report = arrived_report(&world);
    assert_eq!((report.unit.as_str(), report.serial.as_str(), report.technician.as_str()), (UNIT, "SN42", "Kim"));
    assert_eq!(report.findings.len(), checked, "every check");
    let gate = &report.cameras[0];
    assert!(gate.focus > Some(0) && gate.plate_px > Some(0), "{gate:?}");
    let place = gate.place.as_ref().expect("a place in the report");
    assert_eq!((place.latitude_e7.into(), place.longitude_e7.into()), PLACE_E7);
    assert_eq!(gate.drawn, ["left lane".parse().unwrap(), "stop line".parse().unwrap()]);
    let (root, file) = (world.pki.root_path().display().to_string(), world.file("left.cose"));
    let shown = rtcc(&["report", UNIT, "--center", &world.center_address(), "--root", &root, "-o"], &file);
    let picture = gate.picture.as_ref().expect("a picture in the report");
    assert!(shown.contains(&format!("picture   {CAMERA}, SHA-256 {}", picture.hash())), "{shown}");
    assert_eq!(
        std::fs::read(world.file(&format!("left-{CAMERA}.jpg"))).expect("beside the report"),
        picture.as_bytes()
    );
    assert!(shown.contains("left by Kim at") && shown.contains("ok        tilt"), "{shown}");
    let kept = std::fs::read_dir(world.data_dir().join("commissioning")).expect("reports are kept").count();
    assert_eq!((kept, mark.exists()), (1, false));
    browser.click("#logout");
    world.wait("the page is shut", || TcpStream::connect(("127.0.0.1", unit.port)).is_err().then_some(()));
}

/// Takes the phone's position, types a wrong and then the right one, and sees it at the center.
fn say_where_it_hangs(browser: &Browser, world: &World) {
    let at_the_center = || {
        let cameras = world.ask(&format!("/api/cameras?unit={UNIT}"))?;
        let place = &cameras[0]["place"];
        Some((place["latitude_e7"].as_i64()?, place["longitude_e7"].as_i64()?))
    };
    let words = |part: &str| {
        browser.wait(part, |browser| text(browser, "#place-words").contains(part).then_some(()));
    };
    words("not known yet");
    assert_eq!(at_the_center(), None);
    browser.be_at((34.5, -118.5, 9.0));
    browser.click("#here");
    words("within 9 m: not saved yet");
    assert_eq!(browser.run("return document.querySelector('#latitude').value"), "34.500000");
    browser.enter("#latitude", "91");
    browser.click("#keep-place");
    words("latitude is 91.0; give a number from -90 to 90");
    browser.enter("#latitude", "12.3456");
    browser.enter("#longitude", "-45,6789");
    // A glance that was under way while it was saved tells what was before.
    browser.run(HOLD_A_GLANCE);
    browser.wait("a glance is under way", |browser| browser.run("return window.held").as_bool().filter(|held| *held));
    browser.click("#keep-place");
    words("saved and in force");
    browser.run("window.letGo()");
    let glances = browser.run("return window.glances").as_u64();
    browser.wait("a later glance", |browser| (browser.run("return window.glances").as_u64() > glances).then_some(()));
    words("saved and in force");
    assert_eq!(fits(browser), true);
    world.wait("the place at the center", || (at_the_center() == Some(PLACE_E7)).then_some(()));
    browser.run("scrollTo(0, 0)");
}

/// Runs the checks on the page; how many there are.
fn check_all(browser: &Browser) -> usize {
    browser.click("[data-tab=checks]");
    browser.click("#run-checks");
    let findings = browser.wait("the checks", |browser| {
        let found = browser.run(FINDINGS);
        found.as_array().filter(|found| !found.is_empty()).cloned()
    });
    let of = |check: &str| {
        let found = findings.iter().find(|found| found["check"].as_str().is_some_and(|name| name.starts_with(check)));
        found.unwrap_or_else(|| panic!("no check {check} in {findings:?}"))
    };
    for check in ["agent", "camera", "picture", "self-test", "disk", "broker", "center", "position", "tilt", "power"] {
        assert_eq!(of(check)["verdict"], "ok", "{}", of(check));
    }
    assert!(of("clock")["measured"].as_str().is_some_and(|words| words.contains("20")), "{}", of("clock"));
    assert_eq!(fits(browser), true);
    keep(browser, "page-checks-phone.png");
    findings.len()
}

/// Draws a zone and a line with a finger.
fn draw(browser: &Browser, world: &World) {
    browser.click("[data-tab=zones]");
    browser.click("#new-zone");
    for corner in [(0.25, 0.6), (0.5, 0.6), (0.5, 0.95), (0.1, 0.95)] {
        browser.touch("#shapes", corner);
    }
    browser.enter("#shape-name", "left lane");
    keep(browser, "page-zones-phone.png");
    browser.click("#keep-shape");
    browser.click("#new-line");
    for end in [(0.1, 0.75), (0.5, 0.75)] {
        browser.touch("#shapes", end);
    }
    browser.enter("#shape-name", "stop line");
    browser.click("#keep-shape");
    browser.click("#save-shapes");
    browser.wait("the drawing is kept", |browser| (text(browser, "#save-words") == "saved and in force").then_some(()));
    let config = Config::read(&world.configuration()).expect("a good configuration");
    let drawn = &config.cameras[0];
    assert_eq!((drawn.zones[0].name.as_str(), drawn.lines[0].name.as_str()), ("left lane", "stop line"));
    let corner = drawn.zones[0].points[0];
    assert!((corner.0 - 0.25).abs() < 0.01 && (corner.1 - 0.6).abs() < 0.01, "{corner:?}");
    let words = "what to look for was changed";
    let says = |event: &Value| event["record"]["text"].as_str().is_some_and(|text| text.contains(words));
    world.wait_for_event("alert", words, says);
}

/// The commissioning report as it came to the center; it must be the unit's own.
fn arrived_report(world: &World) -> Report {
    let words = "technician's page: Kim commissioned the unit at Main St / 3rd Ave, pole 17: ";
    let says = |event: &Value| event["record"]["text"].as_str().is_some_and(|text| text.starts_with(words));
    let arrived = world.wait_for_event("audit", words, says);
    let sealed: SealedReport = serde_json::from_value(arrived["record"]["report"].clone()).expect("a signed report");
    let root = Root::from_pem(world.pki.root_pem().as_bytes()).expect("the agency's root");
    sealed.open(&root).expect("signed by the unit")
}

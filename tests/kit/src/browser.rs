//! Chromium without a window, steered over `WebDriver` as a person would: opens a page, clicks, looks.
//!
//! chromedriver listens on a port that it chooses itself and says; the browser has an empty profile of its own and
//! talks to nobody but the pages that it is given.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gstreamer::glib;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;

/// How long the browser may take to start, or anything it is told may take.
const DEADLINE: Duration = Duration::from_mins(1);
/// Between two looks at a page that changes by itself.
const LOOK: Duration = Duration::from_millis(50);
/// What chromedriver says once it listens, before the port's number.
const LISTENS: &str = "was started successfully on port ";
/// The key under which the protocol gives an element (W3C `WebDriver`, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// No window, no GPU, no sandbox (root has none), and nothing that a browser does by itself on the network.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A running browser with one tab; dropping it ends it and its driver.
#[derive(Debug)]
pub struct Browser {
    // Ended first: it is the one that can end the browser.
    session: Session,
    _driver: Process,
    _profile: TempDir,
}

#[derive(Debug)]
struct Session {
    http: ureq::Agent,
    address: String,
}

impl Browser {
    /// Starts a browser, or says why this machine has none; with `CI=true` that is a failure.
    pub fn start() -> Option<Browser> {
        let (Some(driver), Some(chromium)) = (installed("chromedriver"), installed("chromium")) else {
            let why = "chromium and chromedriver are not installed (edge-agent/setup/packages test)";
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
            eprintln!("SKIPPED: {why}");
            return None;
        };
        let profile = tempfile::Builder::new().prefix("edge-browser-").tempdir().expect("folder for the profile");
        let driver = Process::spawn("chromedriver", Command::new(driver).arg("--port=0"));
        let line = driver.wait_for_line(LISTENS, DEADLINE);
        let port = line.split_once(LISTENS).expect("the line that was waited for").1;
        let port: u16 = port.trim_end_matches('.').parse().unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let session = Session::begin(&format!("http://127.0.0.1:{port}"), &chromium, profile.path());
        Some(Browser { session, _driver: driver, _profile: profile })
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, address: &str) {
        self.session.tell("url", &json!({ "url": address }));
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub fn run(&self, script: &str) -> Value {
        self.session.tell("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Clicks the first element that a CSS selector names, as a person does: it must be there to be seen.
    pub fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.session.tell(&format!("element/{id}/click"), &json!({}));
    }

    /// Types into a field that a CSS selector names, in place of what it holds.
    pub fn enter(&self, selector: &str, text: &str) {
        let id = self.element(selector);
        self.session.tell(&format!("element/{id}/clear"), &json!({}));
        self.session.tell(&format!("element/{id}/value"), &json!({ "text": text }));
    }

    /// Touches an element with a finger, at shares of its width and height.
    pub fn touch(&self, selector: &str, (across, down): (f64, f64)) {
        let script = format!(
            "const box = document.querySelector('{selector}').getBoundingClientRect();
             return [box.left + box.width * {across}, box.top + box.height * {down}].map(Math.round)"
        );
        let place = self.run(&script);
        let step = |kind: &str| json!({ "type": kind, "button": 0 });
        let there = json!({ "type": "pointerMove", "duration": 0, "x": place[0], "y": place[1] });
        let steps = json!([there, step("pointerDown"), step("pointerUp")]);
        let finger = json!({ "pointerType": "touch" });
        let finger = json!({ "type": "pointer", "id": "finger", "parameters": finger, "actions": steps });
        self.session.tell("actions", &json!({ "actions": [finger] }));
    }

    fn element(&self, selector: &str) -> String {
        let element = self.session.tell("element", &json!({ "using": "css selector", "value": selector }));
        let id = element[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector:?} names no element: {element}"));
        id.to_owned()
    }

    /// Gives the window a size in pixels.
    pub fn resize(&self, (width, height): (u32, u32)) {
        self.session.tell("window/rect", &json!({ "width": width, "height": height }));
    }

    /// Shows pages as a phone of this size does, which is narrower than any window.
    pub fn be_a_phone(&self, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.session.tell("goog/cdp/execute", &command);
    }

    /// Is where a phone says that it is, as degrees north and east, with what it says of its accuracy in metres.
    pub fn be_at(&self, (latitude, longitude, accuracy): (f64, f64, f64)) {
        for (command, parameters) in [
            ("Browser.grantPermissions", json!({ "permissions": ["geolocation"] })),
            (
                "Emulation.setGeolocationOverride",
                json!({ "latitude": latitude, "longitude": longitude, "accuracy": accuracy }),
            ),
        ] {
            self.session.tell("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
        }
    }

    /// What is seen in the window, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let answer = self.session.ask("screenshot");
        glib::base64_decode(answer.as_str().expect("a picture is text in base 64"))
    }

    /// Looks at the page until there is something to see.
    pub fn wait<T>(&self, what: &str, look: impl Fn(&Browser) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
            std::thread::sleep(LOOK);
        }
    }
}

impl Session {
    fn begin(driver: &str, chromium: &Path, profile: &Path) -> Session {
        // Answers that say what is wrong are read, not only counted as errors.
        let config = ureq::Agent::config_builder().timeout_global(Some(DEADLINE)).http_status_as_error(false);
        let http = config.build().new_agent();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
        }}});
        let begun = answer(http.post(format!("{driver}/session")).send_json(wanted), "a browser");
        let id = begun["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {begun}"));
        Session { http, address: format!("{driver}/session/{id}") }
    }

    fn tell(&self, what: &str, how: &Value) -> Value {
        answer(self.http.post(format!("{}/{what}", self.address)).send_json(how), what)
    }

    fn ask(&self, what: &str) -> Value {
        answer(self.http.get(format!("{}/{what}", self.address)).call(), what)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = self.http.delete(&self.address).call() {
            eprintln!("browser: not ended by its driver: {error}");
        }
    }
}

/// The value of an answer; panics with the driver's words where it refuses.
fn answer(came: Result<ureq::http::Response<ureq::Body>, ureq::Error>, what: &str) -> Value {
    let mut came = came.unwrap_or_else(|error| panic!("browser: {what}: {error}"));
    let mut body: Value = came.body_mut().read_json().unwrap_or_else(|error| panic!("browser: {what}: {error}"));
    assert!(came.status().is_success(), "browser: {what}: {}", body["value"]["message"]);
    body["value"].take()
}

fn installed(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_opened_clicked_resized_and_seen() {
        let Some(browser) = Browser::start() else { return };
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.html");
        std::fs::write(&page, "<button onclick='this.textContent += 1'>clicked</button>").unwrap();
        browser.open(&format!("file://{}", page.display()));
        browser.click("button");
        let text = browser.run("return document.querySelector('button').textContent");
        assert_eq!(text, "clicked1");
        browser.resize((500, 700));
        browser.wait("the new size", |browser| (browser.run("return window.outerWidth") == 500).then_some(()));
        assert!(browser.picture().starts_with(b"\x89PNG\r\n"));
    }
}

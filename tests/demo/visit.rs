//! The technician's visit: over the unit's page as a phone would, from the log-in to a report that the unit signs.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use edge_tests::label::code_on;
use serde_json::{Value, json};
use ureq::http::Response;
use ureq::tls::{TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::center::Center;
use crate::steps::Steps;
use crate::summary::Commissioning;
use crate::world::{AGENCY, Places, UNIT, output_of};

const SERIAL: &str = "DEMO1";
const TECHNICIAN: &str = "Kim";
const SITE: &str = "Main St / 3rd Ave, pole 1";
/// Where the demo's cameras hang, degrees north and east. Nobody says it of a visitor's own.
const PLACES: [(&str, f64, f64); 2] = [("street", 34.0195, -118.4912), ("gate", 34.0197, -118.4915)];
/// Far beyond what the checks or the way to the center take.
const DEADLINE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(200);

/// What the factory made, and where the page is.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The folder that goes onto the unit.
    pub(crate) claim: PathBuf,
    /// The port it listens on.
    pub(crate) port: u16,
    code: String,
}

impl Page {
    /// What `rtcc factory` makes for the demo's unit.
    pub(crate) fn make(places: &Places, port: u16) -> Result<Self> {
        let folder = places.folder.join("factory");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        let mut factory = Command::new(places.programs.join("rtcc"));
        factory.args(["factory", "--serial", SERIAL, "--pki"]).arg(places.folder.join("pki"));
        output_of(factory.arg("-o").arg(&folder))?;
        Ok(Self { claim: folder.join("persist/claim"), port, code: code_on(&folder.join("label.pdf")) })
    }

    /// Where it is, and what opens it.
    pub(crate) fn words(&self) -> String {
        format!("page: https://localhost:{}/ for the technician, setup code {}", self.port, self.code)
    }
}

/// A browser that is logged in.
struct Phone {
    http: Agent,
    address: String,
    cookie: String,
}

impl Phone {
    fn log_in(page: &Page) -> Result<Self> {
        // A person compares the certificate with the label; on this machine nobody stands between.
        let tls = TlsConfig::builder().provider(TlsProvider::Rustls).disable_verification(true);
        let tls = tls.unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = Agent::config_builder().tls_config(tls.build()).http_status_as_error(false);
        let http = config.timeout_global(Some(Duration::from_secs(10))).build().new_agent();
        let mut phone = Self { http, address: format!("https://localhost:{}", page.port), cookie: String::new() };
        let answer = phone.tell("/api/login", &json!({ "name": TECHNICIAN, "code": page.code }))?;
        let cookie = answer.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok());
        cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().clone_into(&mut phone.cookie);
        Ok(phone)
    }

    fn tell(&self, what: &str, how: &Value) -> Result<Response<Body>> {
        let request = self.http.post(format!("{}{what}", self.address)).header("cookie", &self.cookie);
        answered(what, request.send_json(how))
    }

    fn place(&self, camera: &str, how: &Value) -> Result<Response<Body>> {
        let what = format!("/api/place/{camera}");
        let request = self.http.put(format!("{}{what}", self.address)).header("cookie", &self.cookie);
        answered(&what, request.send_json(how))
    }

    fn glance(&self) -> Result<Value> {
        let request = self.http.get(format!("{}/api/glance", self.address)).header("cookie", &self.cookie);
        Ok(answered("/api/glance", request.call())?.body_mut().read_json()?)
    }
}

fn answered(what: &str, answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
    let mut answer = answer.with_context(|| format!("the page does not answer {what}"))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let told: Value = answer.body_mut().read_json().unwrap_or_default();
    bail!("{what}: the page answers {}: {}", answer.status(), told["error"].as_str().unwrap_or_default());
}

/// Logs in, runs every check, commissions, and has the center show the report.
pub(crate) fn commission(places: &Places, page: &Page, center: &Center, steps: &Steps) -> Result<Commissioning> {
    steps.say("a technician logs in on the page with the setup code, says where the cameras hang, and runs the checks");
    let phone = Phone::log_in(page)?;
    let cameras = phone.glance()?["cameras"].as_array().cloned().unwrap_or_default();
    for (id, latitude, longitude) in PLACES.iter().filter(|(id, ..)| cameras.iter().any(|camera| camera["id"] == *id)) {
        phone.place(id, &json!({ "latitude": latitude, "longitude": longitude }))?;
    }
    phone.tell("/api/checks", &json!({}))?;
    let checked = until("the checks", || {
        let glance = phone.glance()?;
        let checks = &glance["checks"];
        Ok((checks["running"] == false && !checks["at"].is_null()).then_some(()))
    });
    checked?;
    let report: Value = phone.tell("/api/report", &json!({ "site": SITE }))?.body_mut().read_json()?;
    let findings = report["findings"].as_array().context("a report without checks")?;
    let count = |verdict: &str| findings.iter().filter(|found| found["verdict"] == verdict).count();
    let file = places.folder.join("commissioning.cose");
    until("the report at the center", || {
        let mut show = Command::new(places.programs.join("rtcc"));
        show.args(["report", UNIT, "--center", center.address(), "--root"]).arg(places.folder.join("pki/root.pem"));
        let shown = show.arg("-o").arg(&file).stdin(Stdio::null()).output()?;
        Ok(shown.status.success().then_some(()))
    })?;
    let (ok, warnings, failed) = (count("ok"), count("warning"), count("failed"));
    ensure!(report["unit"] == UNIT && report["agency"] == AGENCY, "a report on another unit");
    steps.say(&format!(
        "{TECHNICIAN} commissioned {UNIT} at {SITE}: {ok} checks ok, {warnings} to look at, {failed} failed"
    ));
    for found in findings.iter().filter(|found| found["verdict"] != "ok") {
        steps.say(&format!("  {}", words(found)));
    }
    let board = board(&center.ask(&format!("/api/units/{UNIT}"))?);
    steps.say(&format!("the simulated board, as the unit's health tells it: {board}"));
    steps.say(&format!("the center has the unit's signed report, verified by rtcc report: {}", file.display()));
    let not_green = findings.iter().filter(|found| !is_green(found)).map(words).collect();
    Ok(Commissioning { ok, warnings, failed, not_green, board, verified: true, file: file.display().to_string() })
}

/// Whether a check is well, of something that this machine has not, or tells what is the machine's own affair: whether
/// its clock follows a source, and how fast a disk and processors are that others use too.
pub(crate) fn is_green(found: &Value) -> bool {
    let slow = found["advice"].as_str().is_some_and(|advice| advice.contains("too slow"));
    let excused = match found["check"].as_str() {
        Some("clock" | "inference") => true,
        Some("disk") => slow,
        Some(_) | None => false,
    };
    found["verdict"] == "ok" || found["verdict"] == "unchecked" || (found["verdict"] == "warning" && excused)
}

pub(crate) fn words(found: &Value) -> String {
    let text = |key: &str| found[key].as_str().unwrap_or_default();
    format!("{} {} {}: {}", text("verdict"), text("check"), text("of"), text("measured"))
}

/// What the board's parts measure; empty where the unit tells nothing of a board.
fn board(unit: &Value) -> String {
    let (health, board) = (&unit["health"], &unit["health"]["board"]);
    let thousandths = |value: &Value, unit: &str| Some(format!("{:.1} {unit}", value.as_f64()? / 1000.0));
    let warmth = health["temperatures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|each| Some(format!("{} {}", each["of"].as_str()?, thousandths(&each["millicelsius"], "°C")?)));
    let others = [("supply_mv", "V"), ("supply_ma", "A"), ("tilt_mdeg", "° off upright"), ("light_mlx", "lx")];
    let others = others.into_iter().filter_map(|(key, unit)| thousandths(&board[key], unit));
    let lid = board["opened"].as_bool().map(|opened| if opened { "lid open" } else { "lid shut" }.to_owned());
    warmth.chain(others).chain(lid).collect::<Vec<_>>().join(", ")
}

fn until<T>(what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "not within {} s: {what}", DEADLINE.as_secs());
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clock_and_a_slow_machine_are_excused_and_only_a_warning() {
        let found = |check: &str, verdict: &str, advice: &str| {
            is_green(&json!({ "check": check, "verdict": verdict, "advice": advice, "measured": "" }))
        };
        assert!(
            found("camera", "ok", "") && found("clock", "warning", "") && found("disk", "warning", "it is too slow")
        );
        assert!(found("inference", "warning", "") && !found("inference", "failed", ""));
        assert!(!found("clock", "failed", "") && !found("disk", "warning", "replace it"));
        assert!(!found("position", "warning", "") && !found("camera", "failed", ""));
    }

    #[test]
    fn the_boards_readings_are_one_line() {
        let parts = json!({ "supply_mv": 12_100, "tilt_mdeg": 300, "opened": false });
        let warm = json!([{ "of": "enclosure", "millicelsius": 31_500 }]);
        let unit = json!({ "health": { "temperatures": warm, "board": parts } });
        assert_eq!(board(&unit), "enclosure 31.5 °C, 12.1 V, 0.3 ° off upright, lid shut");
        assert_eq!(board(&json!({})), "");
    }
}

mod fake;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use edge_store::disk::{RealDisk, replace};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use super::*;
use crate::supervise::Heartbeats;
use fake::Fake;

const CODE: &str = "3469-ACDE-FGHJ";

/// An answer: its first line and headers, and its body.
struct Answer(String, String);

impl Answer {
    fn status(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The cookie as a browser sends it back.
    fn cookie(&self) -> String {
        let line = self.0.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        for flag in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(line.split("; ").any(|found| found == flag), "{flag} in {line}");
        }
        line.split(';').next().unwrap().to_owned()
    }
}

/// A page that listens, and a browser that knows its certificate.
struct Site {
    unit: Arc<Fake>,
    address: SocketAddr,
    browser: Arc<ClientConfig>,
    _folder: TempDir,
}

/// Runs a visit to a page that serves; whether it still does is the visit's business.
fn visit(what: impl FnOnce(&Site)) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("page.pem"), folder.path().join("page.key"));
    replace(&RealDisk, &certificate, made.cert.pem().as_bytes()).unwrap();
    replace(&RealDisk, &key, made.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let browser = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let browser = Arc::new(browser.with_root_certificates(roots).with_no_client_auth());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, stop) = (Clock::system(), Stop::new());
    let pulse = Heartbeats::default().register("page", Duration::from_mins(1), clock.mono());
    let unit = Arc::new(Fake::default());
    let page = Page::new(
        Settings { listen: address, interface: None, certificate, key },
        Arc::clone(&unit) as _,
        clock,
        pulse,
    );
    let site = Site { unit, address, browser, _folder: folder };
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| page.serve(|| TcpListener::from_std(listener), &stop));
        let visited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| what(&site)));
        stop.set();
        serving.join().unwrap().unwrap();
        visited.unwrap_or_else(|why| std::panic::resume_unwind(why));
    });
}

impl Site {
    fn ask(&self, method: &str, path: &str, cookie: &str, body: &str) -> Answer {
        let connection = ClientConnection::new(Arc::clone(&self.browser), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut line = StreamOwned::new(connection, stream);
        write!(
            line,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        // The other side may end without a word of TLS; what it has said until then is the answer.
        let _ended = line.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{method} {path}: {answer:?}"));
        Answer(head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str, cookie: &str) -> Answer {
        self.ask("GET", path, cookie, "")
    }

    fn login(&self, name: &str, code: &str, take_over: bool) -> Answer {
        let body = format!("{{\"name\":\"{name}\",\"code\":\"{code}\",\"take_over\":{take_over}}}");
        self.ask("POST", "/api/login", "", &body)
    }
}

#[test]
fn without_a_session_there_is_the_empty_page_and_nothing_else() {
    visit(|site| {
        for (path, holds) in [("/", "Setup code"), ("/page.css", "--ink"), ("/page.js", "use strict")] {
            let answer = site.get(path, "");
            assert!(answer.status() == 200 && answer.1.contains(holds), "{path}: {}", answer.0);
            assert!(answer.0.contains("default-src 'none'") && answer.0.contains("no-store"), "{}", answer.0);
        }
        let made_up = format!("__Host-session={}", "0".repeat(64));
        for cookie in ["", "__Host-session=", &made_up] {
            for (method, path) in [
                ("GET", "/api/glance"),
                ("GET", "/api/picture/gate"),
                ("POST", "/api/test-read/gate"),
                ("POST", "/api/logout"),
                ("POST", "/api/checks"),
                ("POST", "/api/enrol"),
                ("POST", "/api/report"),
                ("GET", "/api/report"),
                ("GET", "/api/report.cose"),
                ("GET", "/api/drawing/gate"),
                ("PUT", "/api/drawing/gate"),
                ("PUT", "/api/place/gate"),
                ("PUT", "/api/source/gate"),
                ("POST", "/api/cameras"),
                ("POST", "/api/streams"),
            ] {
                let answer = site.ask(method, path, cookie, "{}");
                assert_eq!(answer.status(), 401, "{method} {path}: {}", answer.1);
            }
        }
        assert_eq!(site.get("/ring", "").status(), 404);
        assert!(site.unit.notes().is_empty() && site.unit.tested.lock().unwrap().is_empty());
    });
}

#[test]
fn the_right_code_and_a_name_open_it_until_the_technician_leaves() {
    visit(|site| {
        let wrong = site.login("Kim", "3333-3333-3333", false);
        assert!(wrong.status() == 403 && wrong.1.contains("the setup code is wrong"), "{}", wrong.1);
        assert_eq!(site.login("  ", CODE, false).status(), 400);
        let cookie = site.login("Kim", CODE, false).cookie();
        let glance = site.get("/api/glance", &cookie);
        assert!(glance.1.contains("\"technician\":\"Kim\",\"unit\":\"metro/gate-1\""), "{}", glance.1);
        let picture = site.get("/api/picture/gate?after=6", &cookie);
        assert!(picture.1 == "a picture" && picture.0.contains("\"focus\":93"), "{}", picture.0);
        assert_eq!(site.get("/api/picture/yard", &cookie).status(), 404);
        assert_eq!(site.ask("POST", "/api/test-read/gate", &cookie, "{}").status(), 200);
        assert_eq!(site.unit.tested.lock().unwrap().len(), 1);
        assert_eq!(site.ask("POST", "/api/logout", &cookie, "{}").status(), 200);
        assert_eq!(site.get("/api/glance", &cookie).status(), 401);
        let begins = "technician's page: Kim ";
        let said: Vec<String> = site.unit.notes().iter().map(|note| note.replace(begins, "")).collect();
        let noted =
            ["was not let in: the setup code is wrong", "logged in", "asked for a test read at gate", "logged out"];
        assert_eq!(said, noted);
    });
}

#[test]
fn what_is_drawn_is_judged_and_comes_back_and_checks_are_begun() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        let lane = r#"{"zone":[{"name":"lane","points":[[0.1,0.2],[0.5,0.25],[0.5,1.0]]}],"line":[]}"#;
        assert_eq!(site.ask("PUT", "/api/drawing/gate", &cookie, lane).status(), 200);
        assert_eq!(site.get("/api/drawing/gate", &cookie).1, lane);
        let bad = r#"{"zone":[{"name":"lane","points":[[0.1,0.2]]}],"line":[]}"#;
        let refused = site.ask("PUT", "/api/drawing/gate", &cookie, bad);
        assert!(refused.status() == 422 && refused.1.contains("at least 3 points"), "{}", refused.1);
        assert_eq!(site.get("/api/drawing/gate", &cookie).1, lane, "what was refused changes nothing");
        assert_eq!(site.ask("POST", "/api/checks", &cookie, "{}").status(), 200);
        assert!(site.get("/api/glance", &cookie).1.contains("\"running\":true"));
        assert_eq!(site.unit.notes()[1..], ["Kim drew", "technician's page: Kim began the checks"]);
    });
}

#[test]
fn a_position_is_judged_and_written_down_before_it_is_taken() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        let put = |body: &str| site.ask("PUT", "/api/place/gate", &cookie, body);
        let placed = || *site.unit.placed.lock().unwrap();
        let refused = put(r#"{"latitude":91,"longitude":0}"#);
        assert!(refused.status() == 422 && refused.1.contains("latitude is from -90 to 90"), "{}", refused.1);
        for bad in [r#"{"latitude":1}"#, r#"{"latitude":"1","longitude":2}"#, r#"{"latitude":1,"longitude":2,"x":3}"#] {
            assert_eq!(put(bad).status(), 422, "{bad}");
        }
        site.unit.log_is_full.store(true, Ordering::Relaxed);
        assert_eq!(put(r#"{"latitude":1,"longitude":2}"#).status(), 422);
        assert_eq!(placed(), None, "nothing is taken that cannot be written down");
        site.unit.log_is_full.store(false, Ordering::Relaxed);
        assert_eq!(put(r#"{"latitude":34.0195,"longitude":-118.4912}"#).status(), 200);
        assert_eq!(placed(), Some(Position { latitude: 34.0195, longitude: -118.4912 }));
        assert_eq!(site.unit.notes().last().unwrap(), "Kim placed it");
    });
}

#[test]
fn a_cameras_password_goes_in_and_never_comes_out_and_nothing_is_asked_unwritten() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        let put = |body: &str| site.ask("PUT", "/api/source/gate", &cookie, body);
        let refused = put(r#"{"address":"gate","user":"admin","password":"hunter2"}"#);
        assert!(refused.status() == 422 && refused.1.contains("the address is no address"), "{}", refused.1);
        let typed = r#"{"address":"rtsp://192.0.2.20/a","user":"admin","password":"hunter2"}"#;
        let taken = put(typed);
        assert_eq!(taken.status(), 200);
        let kept = site.unit.source.lock().unwrap().clone().expect("a source");
        assert_eq!((kept.user.as_str(), kept.password.as_str()), ("admin", "hunter2"));
        assert_eq!(put(r#"{"address":"rtsp://192.0.2.20/a","x":1}"#).status(), 422);
        for path in ["/api/cameras", "/api/streams"] {
            assert_eq!(site.ask("POST", path, &cookie, typed).status(), 200);
        }
        assert_eq!(site.unit.searches.load(Ordering::Relaxed), 2);
        let said = [refused.1, taken.1, site.get("/api/glance", &cookie).1, site.unit.notes().join("\n")];
        assert!(said.iter().all(|said| !said.contains("hunter2")), "{said:?}");
        assert!(!format!("{kept:?}").contains("hunter2"));
        site.unit.log_is_full.store(true, Ordering::Relaxed);
        for path in ["/api/cameras", "/api/streams"] {
            assert_eq!(site.ask("POST", path, &cookie, typed).status(), 422);
        }
        assert_eq!(site.unit.searches.load(Ordering::Relaxed), 2, "nothing is asked that cannot be written down");
    });
}

#[test]
fn what_the_unit_will_not_do_is_said_in_its_words() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        let enrol = site.ask("POST", "/api/enrol", &cookie, r#"{"code":"x","broker":" broker:8883 "}"#);
        assert!(enrol.status() == 422 && enrol.1.contains("no way to broker:8883"), "{}", enrol.1);
        assert_eq!(site.ask("POST", "/api/report", &cookie, r#"{"site":" "}"#).status(), 400);
        let report = site.ask("POST", "/api/report", &cookie, r#"{"site":"Main St"}"#);
        assert!(report.status() == 422 && report.1.contains("Kim must run the checks before Main St"), "{}", report.1);
        for path in ["/api/report", "/api/report.cose"] {
            assert_eq!(site.get(path, &cookie).status(), 404);
        }
    });
}

#[test]
fn a_second_technician_is_told_who_is_in_and_may_take_over() {
    visit(|site| {
        let first = site.login("Kim", CODE, false).cookie();
        let second = site.login("Sam", CODE, false);
        assert!(second.status() == 409 && second.1.contains("\"by\":\"Kim\""), "{}", second.1);
        assert_eq!(site.get("/api/glance", &first).status(), 200, "asking changes nothing");
        let second = site.login("Sam", CODE, true).cookie();
        let first = site.get("/api/glance", &first);
        assert!(first.status() == 401 && first.1.contains("Sam has taken over"), "{}", first.1);
        assert_eq!(site.get("/api/glance", &second).status(), 200);
        assert_eq!(site.unit.notes().last().unwrap(), "technician's page: Sam took over from Kim");
    });
}

#[test]
fn nobody_signs_a_report_who_was_taken_over_while_its_pictures_came() {
    let (unit, clock) = (Arc::new(Fake::default()), Clock::system());
    let gate = CameraGlance {
        id: "gate".parse().unwrap(),
        name: "Gate".to_owned(),
        streaming: true,
        words: String::new(),
        fps: 10.0,
        source: SourceGlance::default(),
        place: None,
        reads_plates: false,
        plate: None,
    };
    unit.cameras.lock().unwrap().push(gate);
    let shared = Arc::new(Shared::new(Arc::clone(&unit) as _, clock));
    let [kim, sam] = [1, 2].map(|sign| door::Ticket::of(&[sign; door::Ticket::RANDOM_BYTES]));
    let mut headers = HeaderMap::new();
    headers.insert("cookie", format!("__Host-session={}", kim.0).parse().unwrap());
    let (now, wall) = (shared.clock.mono(), shared.clock.wall().time);
    shared.door().enter("Kim", &kim, now, wall);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sign = || {
        let site = Json(serde_json::from_str(r#"{"site":"Main St"}"#).unwrap());
        let made = reports::commission(State(Arc::clone(&shared)), headers.clone(), site);
        runtime.block_on(made).unwrap_err().into_response().status().as_u16()
    };
    assert_eq!(sign(), 422, "as long as Kim is in, it is for the unit to judge");
    let later = Arc::clone(&shared);
    let takes_over = move || later.door().enter("Sam", &sam, now, wall);
    *unit.meanwhile.lock().unwrap() = Some(Box::new(takes_over));
    assert_eq!(sign(), 401);
}

#[test]
fn nothing_is_done_that_cannot_be_written_down() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        site.unit.log_is_full.store(true, Ordering::Relaxed);
        let refused = site.ask("POST", "/api/test-read/gate", &cookie, "{}");
        assert!(refused.status() == 503 && refused.1.contains("cannot be written down"), "{}", refused.1);
        assert!(site.unit.tested.lock().unwrap().is_empty());
        let refused = site.login("Sam", CODE, true);
        assert!(refused.status() == 503 && !refused.0.contains("set-cookie"), "{}", refused.0);
    });
}

#[test]
fn a_disk_that_does_not_answer_keeps_waiting_only_who_needs_it_and_two_come_in_one_after_the_other() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        assert_eq!(site.ask("POST", "/api/logout", &cookie, "{}").status(), 200);
        let before = site.unit.noting.load(Ordering::Relaxed);
        let disk = site.unit.notes.lock().unwrap();
        let mut answers = std::thread::scope(|scope| {
            let logins = ["Kim", "Sam"].map(|name| scope.spawn(move || site.login(name, CODE, false)));
            while site.unit.noting.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            for _ in 0..20 {
                assert_eq!(site.get("/", "").status(), 200, "others have their answers meanwhile");
            }
            drop(disk);
            logins.map(|login| login.join().unwrap().status())
        });
        answers.sort_unstable();
        assert_eq!(answers, [200, 409], "the second is told who is in");
    });
}

#[test]
fn a_page_that_is_closed_does_not_listen_and_forgets_who_was_in() {
    visit(|site| {
        let cookie = site.login("Kim", CODE, false).cookie();
        site.unit.is_closed.store(true, Ordering::Relaxed);
        let before = site.unit.looks.load(Ordering::Relaxed);
        while site.unit.looks.load(Ordering::Relaxed) < before + 2 {
            assert_eq!(site.get("/api/glance", &cookie).status(), 200, "not while somebody is in");
        }
        assert_eq!(site.ask("POST", "/api/logout", &cookie, "{}").status(), 200);
        let deadline = Clock::system();
        while TcpStream::connect(site.address).is_ok() {
            assert!(deadline.mono().as_duration() < Duration::from_secs(30), "it still listens");
        }
    });
}

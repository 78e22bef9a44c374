use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use ureq::Agent;

use super::{Center, NotLocal, Readers, check_local, is_local_name, local_router};
use crate::broker::{Departure, LinkStatus};
use crate::database::Database;
use crate::database::ingest::{Ingest, NewRecord, StreamName};
use crate::database::requests::{NewRequest, Part, RequestStatus};
use crate::database::spans::{Span, SpanTable};
use crate::enrolment::{Desk, Told};
use crate::files::{self, Access};
use crate::pki::{Authority, Subject};
use crate::receiver::clips;

use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::command::{Challenge, Command, Operation, Role};
use edge_protocol::id::{CommandId, RequestId};
use edge_protocol::record::Word;
use edge_protocol::sign::{Chain, Root, SigningKey};
use edge_protocol::time::WallTime;

const NOW: i64 = 1_795_219_200_000_000;

/// The interface on a free port, over a database in a temporary folder.
struct Site {
    base: String,
    agent: Agent,
    database: Database,
    folder: tempfile::TempDir,
    news: watch::Sender<u64>,
    link: Arc<LinkStatus>,
    departures: mpsc::Receiver<Departure>,
    _tasks: JoinSet<()>,
    _runtime: Runtime,
}

/// A desk of the agency.
fn desk(folder: &std::path::Path) -> Arc<Desk> {
    let issuer = Authority::create(folder, &"metro".parse().unwrap(), NOW).unwrap();
    Arc::new(Desk {
        agency: "metro".parse().unwrap(),
        root: Root::from_pem(issuer.certificate().as_bytes()).unwrap(),
        issuer: Some(issuer),
        told: Told { broker_host: "localhost".to_owned(), broker_port: 8883, purposes: Vec::new() },
        broker_pid: None,
    })
}

impl Site {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("center.db");
        let database = Database::open(&path, Duration::from_secs(1)).unwrap();
        for name in ["clips", "thumbs"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (news, watched) = watch::channel(0);
        let (departures, departures_out) = mpsc::channel(8);
        let link = Arc::new(LinkStatus::default());
        let center = Center {
            agency: "metro".into(),
            folder: folder.path().into(),
            database: path,
            link: Arc::clone(&link),
            receiver: Arc::default(),
            desk: desk(&folder.path().join("pki")),
            news: watched,
            stop: watch::channel(false).1,
            departures,
            now_us: || NOW,
            readers: Readers::default(),
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn_on(
            async move { axum::serve(listener, local_router(Arc::new(center))).await.unwrap() },
            runtime.handle(),
        );
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Self { base, agent, database, folder, news, link, departures: departures_out, _tasks: tasks, _runtime: runtime }
    }

    fn change(&mut self, change: impl FnOnce(&Ingest<'_>)) {
        let transaction = self.database.write().unwrap();
        change(&Ingest::new(&transaction, NOW));
        transaction.commit().unwrap();
        self.news.send_modify(|count| *count += 1);
    }

    fn record(&mut self, lane: &'static str, sequence: u64, plate: Option<&str>) {
        let name = StreamName { unit: "gate-1", epoch: 7, lane };
        let record = NewRecord {
            sequence,
            camera: Some("north".into()),
            at_us: Some(NOW - 20_000),
            seal: None,
            plate: plate.map(str::to_owned),
            body: "{\"text\":\"AB12\"}".into(),
        };
        self.change(|ingest| {
            let stream = ingest.stream(name).unwrap().id;
            ingest.record(stream, name, &record, NOW).unwrap();
            ingest.settle(stream, Span::new(sequence, sequence).unwrap()).unwrap();
        });
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let mut response = self.agent.get(format!("{}{path}", self.base)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_json().unwrap())
    }

    fn events(&self, query: &str) -> (Vec<i64>, i64) {
        let (status, answer) = self.get(&format!("/api/events?{query}"));
        assert_eq!(status, 200, "{answer}");
        let events = answer["events"].as_array().unwrap();
        (events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect(), answer["next"].as_i64().unwrap())
    }
}

#[test]
fn a_reader_that_goes_on_from_the_cursor_sees_every_event_once() {
    let mut site = Site::open();
    for sequence in 1..=5 {
        site.record("read", sequence, None);
    }
    let (first, next) = site.events("limit=2");
    assert_eq!(first, [1, 2]);
    let (rest, next) = site.events(&format!("after={next}"));
    assert_eq!(rest, [3, 4, 5]);
    assert_eq!(site.events(&format!("after={next}")), (vec![], next));
}

#[test]
fn a_filter_narrows_and_its_cursor_still_moves_on() {
    let mut site = Site::open();
    site.record("hit", 1, Some("AB12"));
    site.record("read", 1, Some("CD34"));
    assert_eq!(site.events("plate=AB12").0.len(), 1);
    assert_eq!(site.events("plate=ab12").0.len(), 1, "plates are capitals, however they are typed");
    let (none, next) = site.events("lane=hit&after=1");
    assert!(none.is_empty());
    assert_eq!(next, 2, "what the filter left out is not looked at again");
}

#[test]
fn a_waiting_question_is_answered_by_the_next_commit() {
    let mut site = Site::open();
    let url = format!("{}/api/events?wait_ms=15000", site.base);
    let agent = site.agent.clone();
    let asked = std::thread::Builder::new()
        .spawn(move || agent.get(url).call().unwrap().body_mut().read_json::<Value>().unwrap())
        .unwrap();
    site.record("hit", 1, None);
    let answer = asked.join().unwrap();
    assert_eq!(answer["events"].as_array().unwrap().len(), 1);
}

#[test]
fn a_waiting_question_is_answered_when_the_broker_is_lost_or_found() {
    let site = Site::open();
    for there in [true, false] {
        let url = format!("{}/api/events?wait_ms=30000", site.base);
        let agent = site.agent.clone();
        let waits = std::thread::Builder::new()
            .spawn(move || agent.get(url).call().unwrap().body_mut().read_json::<Value>().unwrap())
            .unwrap();
        // The question listens for news of its own beside the interface.
        while site.news.receiver_count() < 2 && !waits.is_finished() {
            std::thread::yield_now();
        }
        if there {
            site.link.begin();
        } else {
            site.link.end();
        }
        assert_eq!(waits.join().unwrap()["broker_connected"], there);
    }
}

#[test]
fn what_cannot_be_answered_is_said_in_words() {
    let site = Site::open();
    for (path, status) in [
        ("/api/events?lmit=5", 400),
        ("/api/events?limit=0", 400),
        ("/api/events?limit=100000", 400),
        ("/api/events?lane=hits", 400),
        ("/api/events?lane=clip", 400),
        ("/api/events?plate=%21%21", 400),
        ("/api/units/gate-9", 404),
        ("/api/cameras?unit=gate-9", 404),
        ("/api/ring?camera=nocam", 404),
        ("/api/requests/00", 404),
        ("/api/clips/..%2Fcenter", 404),
        ("/api/thumbs/..%2Fcenter.db", 400),
        ("/api/thumbs/0123456789abcdef", 404),
        ("/api/nothing", 404),
    ] {
        let (found, answer) = site.get(path);
        assert_eq!(found, status, "{path} {answer}");
        assert!(answer["error"].as_str().is_some_and(|words| !words.is_empty()), "{path}");
    }
}

#[test]
fn a_page_from_elsewhere_gets_no_answer() {
    let site = Site::open();
    let asked = site.agent.get(format!("{}/api/units", site.base)).header("Host", "evil.example:80").call().unwrap();
    assert_eq!(asked.status(), 403);
    for (host, local) in [
        ("localhost:8480", true),
        ("127.0.0.1", true),
        ("[::1]:8480", true),
        ("localhost.evil.example", false),
        ("[::1", false),
        ("", false),
    ] {
        assert_eq!(is_local_name(host), local, "{host}");
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused_without_tls() {
    for local in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80"] {
        assert_eq!(check_local(local.parse().unwrap()), Ok(()));
    }
    for open in ["0.0.0.0:80", "192.168.1.4:80", "[::]:80"] {
        let address = open.parse().unwrap();
        assert_eq!(check_local(address), Err(NotLocal(address)));
    }
}

#[test]
fn a_command_is_only_taken_as_one() {
    let site = Site::open();
    let url = format!("{}/api/requests", site.base);
    let plain = site.agent.post(&url).content_type("text/plain").send(&b"x"[..]).unwrap();
    assert_eq!(plain.status(), 400);
    let garbage = site.agent.post(&url).content_type("application/cose").send(&[0xff; 100][..]).unwrap();
    assert_eq!(garbage.status(), 400);
    let huge = site.agent.post(&url).content_type("application/cose").send(&vec![0; 100_000][..]).unwrap();
    assert_eq!(huge.status(), 413);
}

#[test]
fn a_command_whose_receipt_was_lost_is_handed_in_again_and_told_what_came_of_it() {
    let mut site = Site::open();
    site.link.begin();
    let authority = Authority::create(&site.folder.path().join("people"), &"metro".parse().unwrap(), NOW).unwrap();
    let issued = authority.issue(&Subject::Person("ada".parse().unwrap(), Role::Investigator), NOW).unwrap();
    let key = SigningKey::from_pem(&std::fs::read(issued.key).unwrap()).unwrap();
    let chain = Chain::from_pem(&std::fs::read(issued.certificate).unwrap()).unwrap();
    let request = RequestId::from_bytes([7; 16]);
    let command = Command {
        version: CONTRACT_VERSION,
        id: CommandId::from_bytes([1; 16]),
        request,
        agency: "metro".parse().unwrap(),
        unit: "gate-1".parse().unwrap(),
        issuer: "ada".parse().unwrap(),
        role: Role::Investigator,
        operation: Operation::Health,
        purpose: Word::cut("theft"),
        case: Word::cut("26-1"),
        policy: None,
        issued: WallTime::from_micros(NOW),
        expires: WallTime::from_micros(NOW + 1),
        challenge: Challenge::from_bytes([1; 16]),
    };
    let sealed = command.seal(&key, &chain).unwrap();
    let hand_in = |site: &Site| {
        let request = site.agent.post(format!("{}/api/requests", site.base)).content_type("application/cose");
        let mut answer = request.send(&sealed[..]).unwrap();
        let told: Value = answer.body_mut().read_json().unwrap();
        (answer.status().as_u16(), told["status"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(hand_in(&site), (202, "waiting".to_owned()));
    site.change(|ingest| {
        ingest.answer(&request.to_string(), "gate-1", RequestStatus::Accepted, "the unit accepted it").unwrap();
    });
    assert_eq!(hand_in(&site), (200, "accepted".to_owned()));
    assert!(site.departures.try_recv().is_ok() && site.departures.try_recv().is_err(), "the unit is asked once");
}

#[test]
fn a_clip_is_given_when_it_is_complete_and_in_ranges() {
    let mut site = Site::open();
    site.change(|ingest| {
        let request = NewRequest { id: "ab", unit: "gate-1", question: "{}", envelope: b"" };
        ingest.hand_in(&request).unwrap();
    });
    let (status, answer) = site.get("/api/clips/ab");
    assert_eq!(status, 409);
    assert!(answer["error"].as_str().unwrap().contains("waiting"), "{answer}");
    for (part, bytes) in [(Part::Media, &b"0123456789"[..]), (Part::Manifest, b"signed")] {
        files::replace(&clips::clip(site.folder.path(), "ab", part), bytes, Access::Owner).unwrap();
    }
    site.change(|ingest| {
        ingest.answer("ab", "gate-1", RequestStatus::Complete, "here").unwrap();
    });
    let url = format!("{}/api/clips/ab", site.base);
    let whole = site.agent.get(&url).call().unwrap().body_mut().read_to_vec().unwrap();
    assert_eq!(whole, b"0123456789");
    let mut part = site.agent.get(&url).header("Range", "bytes=7-").call().unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 7-9/10");
    assert_eq!(part.body_mut().read_to_vec().unwrap(), b"789");
    let manifest = site.agent.get(format!("{}/api/requests/ab/manifest", site.base)).call().unwrap();
    assert_eq!(manifest.into_body().read_to_vec().unwrap(), b"signed");
}

#[test]
fn numbers_are_told_to_people_and_to_prometheus() {
    let mut site = Site::open();
    site.record("hit", 1, None);
    site.record("hit", 4, None);
    site.change(|ingest| {
        ingest.count("duplicates", 3).unwrap();
        ingest.refuse("gate-1", "malformed", "at byte 3").unwrap();
    });
    let (_, statistics) = site.get("/api/statistics");
    assert_eq!(statistics["missing"], 2);
    assert_eq!(statistics["counters"]["duplicates"], 3);
    assert_eq!(statistics["delays"][0]["p50_ms"], 20.0);
    let text = site.agent.get(format!("{}/metrics", site.base)).call().unwrap().into_body().read_to_string().unwrap();
    for line in [
        "rtcc_total{name=\"duplicates\"} 3",
        "rtcc_records{lane=\"hit\"} 2",
        "rtcc_refused_total{reason=\"malformed\"} 1",
        "rtcc_units 1",
        "rtcc_broker_connected 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    let (_, gaps) = site.get("/api/gaps");
    assert_eq!((&gaps[0]["first"], &gaps[0]["last"], &gaps[0]["kind"]), (&2.into(), &3.into(), &"missing".into()));
    assert!(!SpanTable::Settled.contains(site.database.reader(), 1, 2).unwrap());
}

#[test]
fn cameras_and_rings_are_found_by_unit_and_camera() {
    let mut site = Site::open();
    site.change(|ingest| {
        let born = |cameras: &str| format!("{{\"cameras\":{cameras}}}");
        ingest.birth("gate-1", Some(7), &born("[{\"id\":\"north\"},{\"id\":\"south\"}]")).unwrap();
        ingest.birth("gate-2", Some(8), &born("[{\"id\":\"north\"}]")).unwrap();
        let health = "{\"at\":\"A\",\"cameras\":[{\"camera\":\"north\",\"ring\":{\"oldest\":\"B\"}}]}";
        ingest.health("gate-1", health).unwrap();
    });
    let count = |query: &str| site.get(query).1.as_array().map(Vec::len);
    assert_eq!(count("/api/cameras"), Some(3));
    assert_eq!(count("/api/cameras?unit=gate-1"), Some(2));
    assert_eq!(count("/api/cameras?unit=gate-1&camera=south"), Some(1));
    assert_eq!(site.get("/api/cameras?kamera=south").0, 400);
    assert_eq!(count("/api/ring?unit=gate-2"), Some(0), "it has not said yet");
    for (query, names) in [
        ("unit=nobody", ["nobody", "unit"]),
        ("unit=nobody&camera=north", ["nobody", "unit"]),
        ("camera=nocam", ["nocam", "any unit"]),
        ("unit=gate-2&camera=south", ["south", "gate-2"]),
    ] {
        for path in ["/api/cameras", "/api/ring"] {
            let (status, answer) = site.get(&format!("{path}?{query}"));
            assert_eq!(status, 404, "{path}?{query} {answer}");
            assert!(names.iter().all(|name| answer["error"].as_str().unwrap().contains(name)), "{answer}");
        }
    }
    let (_, rings) = site.get("/api/ring?unit=gate-1&camera=north");
    let expected = serde_json::json!([
        {"unit": "gate-1", "online": true, "at": "A", "camera": "north", "ring": {"oldest": "B"}}
    ]);
    assert_eq!(rings, expected);
    assert_eq!(site.get("/api/health").1["units"][0]["health"]["at"], "A");
}

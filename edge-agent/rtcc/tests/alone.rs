//! `rtcc serve` without a broker: what it says, and to whom its folder belongs.
#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rtcc::clock::wall_us;
use rtcc::database::Database;
use rtcc::pki::{Authority, Subject};

const START: Duration = Duration::from_secs(20);

/// `rtcc serve`, which ends with its owner.
struct Center(Child);

impl Center {
    /// Nothing listens on port 1.
    fn start(folder: &Path, whose: &Subject) -> Self {
        let pki = folder.join("pki");
        let authority =
            Authority::open(&pki).or_else(|_| Authority::create(&pki, &"metro".parse().unwrap(), wall_us())).unwrap();
        let issued = authority.issue(whose, wall_us()).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_rtcc"))
            .args(["serve", "--agency", "metro", "--listen", "127.0.0.1:0", "--broker", "localhost:1", "--data"])
            .arg(folder.join("city/center"))
            .arg("--root")
            .arg(folder.join("pki/root.pem"))
            .arg("--cert")
            .arg(&issued.certificate)
            .arg("--key")
            .arg(&issued.key)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(process)
    }

    /// The first line of its log with these words.
    fn says(&mut self, words: &'static str) -> String {
        self.says_up_to(words).pop().unwrap()
    }

    /// Its log up to the first line with these words.
    fn says_up_to(&mut self, words: &'static str) -> Vec<String> {
        let log = BufReader::new(self.0.stderr.take().unwrap());
        let (found, lines) = sync_channel(1);
        let read = move || {
            let mut lines = Vec::new();
            for line in log.lines().map_while(Result::ok) {
                println!("{line}");
                let last = line.contains(words);
                lines.push(line);
                if last {
                    found.send(lines).unwrap();
                    return;
                }
            }
        };
        std::thread::Builder::new().spawn(read).unwrap();
        lines.recv_timeout(START).unwrap_or_else(|_| panic!("rtcc serve does not say {words:?}"))
    }
}

impl Drop for Center {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        self.0.wait().unwrap();
    }
}

#[test]
fn a_center_that_cannot_reach_its_broker_says_why_and_keeps_what_it_has_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Center::start(folder.path(), &Subject::Center("center-1".parse().unwrap()));
    let said = center.says("cannot reach the broker");
    assert!(said.contains("WARN") && said.contains("localhost:1") && said.contains("nothing listens there"), "{said}");
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    for (name, expected) in [
        ("city/center", 0o700),
        ("city/center/clips", 0o700),
        ("city/center/thumbs", 0o700),
        ("city/center/center.db", 0o600),
        ("city/center/center.db-wal", 0o600),
        ("city/center/center.db-shm", 0o600),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }
}

#[test]
fn a_center_with_the_certificate_of_a_unit_does_not_start_and_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut center = Center::start(folder.path(), &Subject::Unit("gate-1".parse().unwrap()));
    let said = center.says("rtcc: ");
    assert!(said.contains("unit-gate-1.pem is no receiver's certificate of metro: it is unit gate-1's"), "{said}");
    assert!(!center.0.wait().unwrap().success());
    assert!(!folder.path().join("city/center").exists());
}

/// A certificate of a receiver that was made before those said that they are is to the bit such a one as a unit's.
#[test]
fn a_center_that_ran_starts_with_a_certificate_of_before_that_is_no_units_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("city/center");
    std::fs::create_dir_all(&data).unwrap();
    let path = data.join("center.db");
    drop(Database::open(&path, START).unwrap());
    let database = rusqlite::Connection::open(&path).unwrap();
    let bare = |name: &str| Subject::Unit(name.parse().unwrap());
    let refused = |name: &'static str| {
        let mut center = Center::start(folder.path(), &bare(name));
        let said = center.says("rtcc: ");
        assert!(said.contains(&format!("it is unit {name}'s of metro, or was made before")), "{said}");
        assert!(!center.0.wait().unwrap().success());
    };
    // Whose it is cannot be told where no unit is known.
    refused("center-1");
    database
        .execute_batch(
            "INSERT INTO units (unit, heard_us) VALUES ('gate-1', 1);
             INSERT INTO certificates (number, unit, key_hash, der, issued_us, until_us)
             VALUES ('1', 'gate-2', '1', x'00', 1, 2);",
        )
        .unwrap();
    refused("gate-1");
    refused("gate-2");
    let mut center = Center::start(folder.path(), &bare("center-1"));
    let said = center.says_up_to("the interface listens");
    let told =
        said.iter().find(|line| line.contains("unit-center-1.pem does not say that it is a receiver's")).unwrap();
    assert!(told.contains("WARN") && told.contains("`rtcc pki center` makes it anew"), "{told}");
}

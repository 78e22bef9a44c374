//! What a technician has put on the page: zones and lines, where a camera hangs, and where its video comes from. It
//! stands instead of what the file says for the same camera, and is read by the same code.
//!
//! It lies in a file of its own in `data_dir`, with the camera tables of the configuration and nothing in them but
//! `id`, `zone`, `line`, `place` and `source`: the agent never writes into a file that people write. Without it a unit
//! sees what its configuration says, so that damage to it keeps no unit from its work. A password is never in it: its
//! `source.credentials` names the file.

use std::io;
use std::path::{Path, PathBuf};

use edge_protocol::id::CameraId;
use toml::{Table, Value};

use super::{Config, ConfigError};

const FILE: &str = "drawn.toml";
const HEAD: &str = "# Put on the technician's page: in force instead of what the configuration says of these cameras.\n\
                    # To have that again, remove this file.\n";
/// What is drawn, by the configuration's own words. Of a camera that was drawn for, both are there.
const DRAWN: [&str; 2] = ["zone", "line"];
const PLACE: &str = "place";
const SOURCE: &str = "source";
/// What the page says of a source; the rest stays as the file has it, where that is a network camera too.
const SAID_OF_SOURCE: [&str; 2] = ["url", "credentials"];

/// What was put on the page and found good: what the configuration is with it, and what is to be written where.
#[derive(Debug)]
pub struct Redrawn {
    /// The configuration with it.
    pub config: Config,
    /// The file that keeps it.
    pub path: PathBuf,
    /// All that this file shall hold.
    pub text: String,
}

/// What was put on the page and cannot be used: the configuration stands alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
    /// Whether what it holds is wrong. Otherwise it cannot be read, which may pass.
    pub is_damaged: bool,
}

impl Config {
    /// Checks zones and lines (`zone` and `line`, as in the configuration) that were drawn for a camera of a unit, by
    /// the rules for the configuration itself. Nothing is written.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn redrawn(text: &str, camera: &CameraId, mut drawing: Table) -> Result<Redrawn, ConfigError> {
        Self::put(text, camera, |own| {
            for key in DRAWN {
                own.insert(key.to_owned(), drawing.remove(key).unwrap_or_else(|| Value::Array(Vec::new())));
            }
        })
    }

    /// Checks where a camera of a unit hangs (the keys of `place`, as in the configuration), by the rules for the
    /// configuration itself. What is not said stays, for example the heading. Nothing is written.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn placed(text: &str, camera: &CameraId, place: Table) -> Result<Redrawn, ConfigError> {
        Self::put(text, camera, |own| {
            own.insert(PLACE.to_owned(), Value::Table(place));
        })
    }

    /// Checks where the video of a camera of a unit comes from (`url` and `credentials` of `source`, as in the
    /// configuration), by the rules for the configuration itself. Nothing is written.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn sourced(text: &str, camera: &CameraId, source: Table) -> Result<Redrawn, ConfigError> {
        Self::put(text, camera, |own| {
            own.insert(SOURCE.to_owned(), Value::Table(source));
        })
    }

    /// The configuration with one camera's table of what was put on the page changed.
    fn put(text: &str, camera: &CameraId, change: impl FnOnce(&mut Table)) -> Result<Redrawn, ConfigError> {
        let file = super::parse(text)?;
        let path = path(&file);
        let mut all: Vec<Table> = cameras(&mut read(&path)?).map(|table| table.clone()).collect();
        let at = all.iter().position(|table| id(table) == Some(camera.as_str())).unwrap_or_else(|| {
            all.push(Table::from_iter([("id".to_owned(), Value::from(camera.as_str()))]));
            all.len() - 1
        });
        if let Some(own) = all.get_mut(at) {
            change(own);
        }
        let all = all.into_iter().map(Value::Table).collect();
        let mut drawn = Table::from_iter([("camera".to_owned(), Value::Array(all))]);
        let identity = match super::identity_of(&file) {
            Err(ConfigError::NotEnrolled { .. }) => super::identity::nobody(),
            read => read?,
        };
        let text = format!("{HEAD}{drawn}");
        let config = Self::check(&lay_over(file, &mut drawn), &identity)?;
        Ok(Redrawn { config, path, text })
    }
}

/// Checks the configuration with what was put on the page for its cameras, or alone where that cannot be used.
pub(super) fn check(file: &Table, identity: &Table) -> Result<Config, ConfigError> {
    let path = path(file);
    let mut drawn = match read(&path) {
        Ok(drawn) => drawn,
        Err(error) => {
            let is_damaged =
                matches!(&error, ConfigError::Read { source, .. } if source.kind() == io::ErrorKind::InvalidData);
            let passed_over = Some(PassedOver { path, why: error.to_string(), is_damaged });
            return Ok(Config { passed_over, ..Config::check(file, identity)? });
        }
    };
    Config::check(&lay_over(file.clone(), &mut drawn), identity).or_else(|error| {
        // The configuration is not at fault where it is good without.
        let Ok(alone) = Config::check(file, identity) else { return Err(error) };
        let passed_over = Some(PassedOver { path, why: error.to_string(), is_damaged: true });
        Ok(Config { passed_over, ..alone })
    })
}

/// The configuration with what was put on the page for its cameras. A camera that is there no longer is passed over.
fn lay_over(mut file: Table, drawn: &mut Table) -> Table {
    for drawn in cameras(drawn) {
        let own = cameras(&mut file).find(|table| id(table).is_some() && id(table) == id(drawn));
        let Some(own) = own else { continue };
        for key in DRAWN {
            if let Some(shapes) = drawn.get(key) {
                own.insert(key.to_owned(), shapes.clone());
            }
        }
        if let Some(Value::Table(put)) = drawn.get(PLACE) {
            let place = own.entry(PLACE).or_insert_with(|| Value::Table(Table::new()));
            // A place that is no table is for the reader of the whole to find fault with.
            if let Some(place) = place.as_table_mut() {
                place.extend(put.clone());
            }
        }
        if let Some(Value::Table(put)) = drawn.get(SOURCE) {
            let said = own.remove(SOURCE);
            own.insert(SOURCE.to_owned(), Value::Table(network_camera(said.as_ref().and_then(Value::as_table), put)));
        }
    }
    file
}

/// The source that the page names, with what the file says of packets and certificate where it names one like it.
fn network_camera(said: Option<&Table>, put: &Table) -> Table {
    let is_like_it = |said: &&Table| said.get("kind").is_none_or(|kind| kind.as_str() == Some("rtsp"));
    let is_tls = put.get("url").and_then(Value::as_str).is_some_and(|url| url.starts_with("rtsps://"));
    let stays = |key: &str| key == "transport" || (key == "certificate" && is_tls);
    let stays = said.filter(is_like_it).into_iter().flatten().filter(|(key, _)| stays(key));
    let named = put.iter().filter(|(key, _)| SAID_OF_SOURCE.contains(&key.as_str()));
    let kind = ("kind".to_owned(), Value::from("rtsp"));
    stays.chain(named).map(|(key, value)| (key.clone(), value.clone())).chain([kind]).collect()
}

fn path(file: &Table) -> PathBuf {
    super::data_dir(file).join(FILE)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let fail = |source| ConfigError::Read { path: path.to_owned(), source };
    let damaged = |why: String| fail(io::Error::new(io::ErrorKind::InvalidData, why));
    match std::fs::read_to_string(path) {
        // It was never written so; a power cut may have left it so.
        Ok(text) if text.is_empty() => Err(damaged("it is empty".to_owned())),
        Ok(text) => super::parse(&text).map_err(|error| damaged(error.to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(fail(error)),
    }
}

/// The camera tables; what is no list of tables is for the reader of the whole to find fault with.
fn cameras(table: &mut Table) -> impl Iterator<Item = &mut Table> {
    let tables = table.get_mut("camera").and_then(Value::as_array_mut);
    tables.into_iter().flatten().filter_map(Value::as_table_mut)
}

fn id(table: &Table) -> Option<&str> {
    table.get("id").and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;
    use crate::config::{Source, Transport};

    const EXAMPLE: &str = include_str!("../../../docs/edge-agent.example.toml");

    /// The example with its data in a folder of the test.
    fn text(folder: &Path) -> String {
        EXAMPLE.replace("/var/lib/edge-agent\"", &format!("{}\"", folder.display()))
    }

    fn drawing(text: &str) -> Table {
        text.parse().unwrap()
    }

    fn zones(config: &Config, camera: usize) -> Vec<&str> {
        config.cameras[camera].zones.iter().map(|zone| zone.name.as_str()).collect()
    }

    #[test]
    fn what_is_drawn_takes_the_place_of_what_the_file_says_for_that_camera_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let (street, gate) = ("street".parse().unwrap(), "gate".parse().unwrap());
        let lane = drawing("[[zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 0], [0.5, 1.0]]\n");
        let first = Config::redrawn(&text, &gate, lane.clone()).unwrap();
        assert_eq!((zones(&first.config, 0), zones(&first.config, 1)), (vec!["crossing"], vec!["lane"]));
        replace(&RealDisk, &first.path, first.text.as_bytes()).unwrap();
        assert_eq!(Config::with_identity(&text).unwrap(), first.config);
        let second = Config::redrawn(&text, &street, drawing("")).unwrap();
        replace(&RealDisk, &second.path, second.text.as_bytes()).unwrap();
        let config = Config::with_identity(&text).unwrap();
        assert_eq!((zones(&config, 0), zones(&config, 1)), (Vec::new(), vec!["lane"]), "both drawings stay");
        assert!(config.cameras[0].lines.is_empty());
        let again = Config::redrawn(&text, &gate, Table::new()).unwrap();
        assert!(zones(&again.config, 1).is_empty());
        // A camera that is gone takes its drawing along.
        let one = text.split("[[camera]]\nid = \"gate\"").next().unwrap();
        assert_eq!(Config::with_identity(one).unwrap().cameras.len(), 1);
    }

    #[test]
    fn what_cannot_be_used_is_passed_over_and_the_configuration_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let alone = Config::with_identity(&text).unwrap();
        let path = folder.path().join(FILE);
        let outside = "[[camera]]\nid = \"gate\"\n[[camera.zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 2]]\n";
        for harm in [&b""[..], b"[[camera", b"\xa5\xa5", outside.as_bytes(), b"camera = 7\nplace = 3"] {
            replace(&RealDisk, &path, harm).unwrap();
            let config = Config::with_identity(&text).unwrap();
            if let Some(passed_over) = &config.passed_over {
                assert!(passed_over.is_damaged && passed_over.path == path, "{passed_over:?}");
            } else {
                assert_eq!(harm, b"camera = 7\nplace = 3", "nothing in it is of a camera");
            }
            assert_eq!(Config { passed_over: None, ..config }, alone);
            let refused = Config::with_identity(&text.replace("every_s = 60", "every_s = 0")).unwrap_err().to_string();
            assert!(refused.contains("health.every_s"), "the file's own mistakes stay mistakes: {refused}");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let passed_over = Config::with_identity(&text).unwrap().passed_over.unwrap();
        assert!(!passed_over.is_damaged, "it may be read another time: {passed_over:?}");
    }

    fn place(text: &str, camera: &str, place: &str) -> Result<Redrawn, ConfigError> {
        Config::placed(text, &camera.parse().unwrap(), place.parse().unwrap())
    }

    #[test]
    fn a_place_that_is_typed_leaves_the_heading_and_what_was_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(folder.path());
        let gate = "gate".parse().unwrap();
        let lane = drawing("[[zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 0], [0.5, 1.0]]\n");
        let keep = |put: &Redrawn| replace(&RealDisk, &put.path, put.text.as_bytes()).unwrap();
        keep(&Config::redrawn(&text, &gate, lane).unwrap());
        keep(&place(&text, "gate", "latitude = 51.5\nlongitude = -0.12").unwrap());
        keep(&place(&text, "street", "latitude = -33.9\nlongitude = 18.4").unwrap());
        let config = Config::with_identity(&text).unwrap();
        let at = |camera: usize| config.cameras[camera].place.map(|place| (place.latitude, place.longitude));
        assert_eq!((at(0), at(1)), (Some((-33.9, 18.4)), Some((51.5, -0.12))));
        assert_eq!(config.cameras[0].place.and_then(|place| place.heading), Some(15.0), "as the file says");
        assert_eq!((zones(&config, 0), zones(&config, 1)), (vec!["crossing"], vec!["lane"]), "zones stay");
        keep(&Config::redrawn(&text, &gate, Table::new()).unwrap());
        assert_eq!(Config::with_identity(&text).unwrap().cameras[1].place.map(|place| place.latitude), Some(51.5));
    }

    #[test]
    fn a_place_is_judged_as_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let refused = place(&text(folder.path()), "gate", "latitude = 91.0\nlongitude = 200").unwrap_err().to_string();
        for words in ["place.latitude: is 91.0; give a number from -90 to 90", "place.longitude: is 200; give"] {
            assert!(refused.contains(words), "{refused}");
        }
    }

    fn source(text: &str, source: &str) -> Result<Redrawn, ConfigError> {
        Config::sourced(text, &"street".parse().unwrap(), source.parse().unwrap())
    }

    #[test]
    fn an_address_from_the_page_stands_instead_of_the_files_and_leaves_what_it_says_of_packets_and_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let said = "transport = \"udp\"\ncertificate = \"/c.pem\"";
        let text =
            text(folder.path()).replace("transport = \"tcp\"", said).replace("rtsp://192.0.2.10", "rtsps://192.0.2.10");
        let put = source(&text, "url = \"rtsps://192.0.2.20/a\"\ncredentials = \"/data/a\"\nkind = \"test\"").unwrap();
        replace(&RealDisk, &put.path, put.text.as_bytes()).unwrap();
        let of = |config: &Config| {
            let Source::Rtsp { url, transport, credentials, certificate } = &config.cameras[0].source else {
                panic!("{config:?}")
            };
            (url.clone(), *transport, credentials.is_some(), certificate.is_some())
        };
        let address = |url: &str| url.to_owned();
        let config = Config::with_identity(&text).unwrap();
        assert_eq!(of(&config), (address("rtsps://192.0.2.20/a"), Transport::Udp, true, true));
        assert_eq!(config.cameras[0].zones.len(), 1, "zones stay");
        let open = source(&text, "url = \"rtsp://192.0.2.20/a\"").unwrap();
        assert_eq!(of(&open.config), (address("rtsp://192.0.2.20/a"), Transport::Udp, false, false));
        let drawn_picture = text.replace("kind = \"rtsp\"                         #", "kind = \"test\" #");
        assert_ne!(drawn_picture, text);
        let other = source(&drawn_picture, "url = \"rtsp://192.0.2.20/a\"").unwrap();
        assert_eq!(of(&other.config), (address("rtsp://192.0.2.20/a"), Transport::Tcp, false, false));
    }

    #[test]
    fn an_address_is_judged_as_the_file_is_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        for (wrong, words) in [
            ("http://192.0.2.20/a", "source.url: has the scheme"),
            ("192.0.2.20", "source.url: is no address"),
            ("rtsp://admin:hunter2@192.0.2.20/a", "source.url: holds a user or password"),
            ("rtsp:///a", "source.url: names no host"),
            ("rtsp://192.0.2.20/a b", "source.url: holds a space"),
        ] {
            let refused = source(&text(folder.path()), &format!("url = \"{wrong}\"")).unwrap_err().to_string();
            assert!(refused.contains(words) && !refused.contains("hunter2"), "{wrong}: {refused}");
        }
    }

    #[test]
    fn a_drawing_is_judged_as_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let wrong =
            drawing("[[zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 2]]\n[[line]]\npoints = [[0, 0], [1, 1]]\n");
        let refused = Config::redrawn(&text(folder.path()), &"gate".parse().unwrap(), wrong).unwrap_err().to_string();
        assert!(refused.contains("camera[1].zone[0].points: is"), "{refused}");
        assert!(refused.contains("camera[1].line[0].name: is missing"), "{refused}");
    }
}

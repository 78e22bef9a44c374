//! Zones and lines that a technician has drawn on the page. They take the place of those that the file has for the same
//! camera, and are read by the same code.
//!
//! They lie in a file of their own in `data_dir`, with the camera tables of the configuration and nothing in them but
//! `id`, `zone` and `line`: the agent never writes into a file that people write.

use std::path::{Path, PathBuf};

use edge_protocol::id::CameraId;
use toml::{Table, Value};

use super::{Config, ConfigError};

const FILE: &str = "drawn.toml";
const HEAD: &str = "# Drawn on the technician's page: in force instead of the zones and lines of these cameras in the \
                    configuration.\n# To have those again, remove this file.\n";
/// What is drawn, by the configuration's own words.
const DRAWN: [&str; 2] = ["zone", "line"];

/// A drawing that was found good: what the configuration is with it, and what is to be written where.
#[derive(Debug)]
pub struct Redrawn {
    /// The configuration with it.
    pub config: Config,
    /// The file that keeps it.
    pub path: PathBuf,
    /// All that this file shall hold.
    pub text: String,
}

impl Config {
    /// Checks zones and lines (`zone` and `line`, as in the configuration) that were drawn for a camera of a unit, by
    /// the rules for the configuration itself. Nothing is written.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn redrawn(text: &str, camera: &CameraId, drawing: Table) -> Result<Redrawn, ConfigError> {
        let file = super::parse(text)?;
        let path = path(&file);
        let name = ("id".to_owned(), Value::from(camera.as_str()));
        let shapes = drawing.into_iter().filter(|(key, _)| DRAWN.contains(&key.as_str()));
        let own = std::iter::once(name).chain(shapes).collect::<Table>();
        let mut before = read(&path)?;
        let others = cameras(&mut before).filter(|table| id(table) != Some(camera.as_str())).map(|table| table.clone());
        let all = others.chain([own]).map(Value::Table).collect();
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

/// The configuration with what was drawn for its cameras. A camera that is there no longer is passed over.
pub(super) fn laid_over(file: Table) -> Result<Table, ConfigError> {
    let mut drawn = read(&path(&file))?;
    Ok(lay_over(file, &mut drawn))
}

fn lay_over(mut file: Table, drawn: &mut Table) -> Table {
    for drawn in cameras(drawn) {
        let own = cameras(&mut file).find(|table| id(table).is_some() && id(table) == id(drawn));
        let Some(own) = own else { continue };
        for key in DRAWN {
            match drawn.get(key) {
                Some(shapes) => own.insert(key.to_owned(), shapes.clone()),
                None => own.remove(key),
            };
        }
    }
    file
}

fn path(file: &Table) -> PathBuf {
    super::data_dir(file).join(FILE)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => super::parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
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
    fn a_drawing_is_judged_as_the_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let wrong =
            drawing("[[zone]]\nname = \"lane\"\npoints = [[0, 0], [1, 2]]\n[[line]]\npoints = [[0, 0], [1, 1]]\n");
        let refused = Config::redrawn(&text(folder.path()), &"gate".parse().unwrap(), wrong).unwrap_err().to_string();
        assert!(refused.contains("camera[1].zone[0].points: is"), "{refused}");
        assert!(refused.contains("camera[1].line[0].name: is missing"), "{refused}");
    }
}

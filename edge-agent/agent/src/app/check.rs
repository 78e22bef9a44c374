//! `edge-agent check-config`: whether a configuration is good, and all that is wrong with it.

use std::path::Path;

use super::named;
use crate::config::{self, Config, ConfigError, Mistake};

/// Checks a configuration and says everything that is wrong with it; of a good one also what it names that is not
/// there.
///
/// # Errors
/// All mistakes at once.
pub fn check_config(path: &Path) -> Result<String, ConfigError> {
    let (config, unit, is_new) = match Config::read(path) {
        // All that the file itself says can be judged.
        Err(ConfigError::NotEnrolled { .. }) => {
            (Config::before_enrolment(&config::read_text(path)?)?, "not enrolled yet".to_owned(), true)
        }
        Err(error) => return board(path).unwrap_or(Err(error)),
        Ok(config) => {
            let unit = format!("unit {}/{}", config.agency, config.unit);
            (config, unit, false)
        }
    };
    if let Some(label) = named::token_unnamed(&config).filter(|_| !is_new) {
        return Err(ConfigError::Mistakes(vec![unnamed(&config, &label)]));
    }
    let board = match &config.board {
        config::BoardChoice::None => "no board".to_owned(),
        config::BoardChoice::Simulated => "a simulated board".to_owned(),
        config::BoardChoice::File(file) => format!("board {}", config::Board::read(file)?.name),
    };
    let passed_over = config.passed_over.as_ref().map(|passed_over| {
        format!("\nwhat was put on the page cannot be used, and is not in force: {}", passed_over.why)
    });
    let lacks = named::lacks(&config, is_new);
    Ok(format!(
        "{}: good. {board}, {unit}, {} camera(s), reads published: {}{}{}",
        path.display(),
        config.cameras.len(),
        match config.reads.publish {
            config::Publish::Counts => "counts alone",
            config::Publish::All => "all",
        },
        passed_over.unwrap_or_default(),
        told(&lacks)
    ))
}

/// What is told of things that are not as they should be on this machine.
fn told(lacks: &[named::Lack]) -> String {
    if lacks.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = lacks.iter().map(|lack| format!("\n  {lack}")).collect();
    format!("\nwhat it names is not all as it should be on this machine, {} thing(s):{}", lacks.len(), lines.concat())
}

/// The unit's key lies in a token that the configuration does not name.
fn unnamed(config: &Config, label: &str) -> Mistake {
    let key = config.uplink.key.display();
    let words = match &config.token {
        None => format!("is missing: the unit's key {key} lies in a token; write [token] with label = \"{label}\""),
        Some(token) => format!(
            "names the token \"{}\", and the unit's key {key} lies in \"{label}\"; name that one, or enrol the unit anew",
            token.label
        ),
    };
    Mistake { key: "token".to_owned(), words }
}

/// What there is to say of a file that describes a board, which the configuration names; none where it is no such file.
fn board(path: &Path) -> Option<Result<String, ConfigError>> {
    let text = config::read_text(path).ok()?;
    if !config::Board::is_meant(&text) {
        return None;
    }
    let board = config::Board::parse(&text).map_err(|error| config::Board::wrong(path, error));
    Some(board.map(|board| {
        let (file, name) = (path.display(), board.name);
        format!(
            "{file}: good. It describes the board {name}; the unit's configuration names it: [board] file = \"{file}\""
        )
    }))
}

#[cfg(test)]
mod tests {
    use edge_store::disk::{RealDisk, replace};

    use super::*;

    #[test]
    fn what_was_put_on_the_page_and_cannot_be_used_is_told_and_is_no_mistake_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let example = include_str!("../../../docs/edge-agent.example.toml");
        let text = example.replace("/var/lib/edge-agent\"", &format!("{}\"", folder.path().display()));
        let config = folder.path().join("edge-agent.toml");
        replace(&RealDisk, &config, text.as_bytes()).unwrap();
        assert!(!check_config(&config).unwrap().contains("not in force"));
        let drawn = folder.path().join("drawn.toml");
        replace(&RealDisk, &drawn, b"[[camera").unwrap();
        let said = check_config(&config).unwrap();
        assert!(said.contains("good.") && said.contains("is not in force") && said.contains("drawn.toml"), "{said}");
        assert!(drawn.exists(), "nothing is changed");
    }

    #[test]
    fn a_file_that_describes_a_board_is_told_as_such_with_its_own_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("board.toml");
        let example = include_str!("../../../docs/board.example.toml");
        replace(&RealDisk, &file, example.as_bytes()).unwrap();
        let said = check_config(&file).unwrap();
        assert!(said.contains("describes the board carrier-a") && said.contains("[board] file = \""), "{said}");
        replace(&RealDisk, &file, example.replace("shunt_ohms", "shunt").as_bytes()).unwrap();
        let wrong = check_config(&file).unwrap_err().to_string();
        assert!(wrong.contains("power.shunt") && !wrong.contains("unit.agency"), "{wrong}");
        assert!(wrong.starts_with(&format!("the board file {} has ", file.display())), "{wrong}");
        replace(&RealDisk, &file, b"x = 1").unwrap();
        assert!(check_config(&file).unwrap_err().to_string().contains("unit.agency"));
    }

    /// The example with its data, its key and a board in a folder of the test.
    fn example(folder: &Path) -> String {
        let key = ("/etc/edge-agent/unit.key", folder.join("unit.key"));
        let data = ("/var/lib/edge-agent\"", folder.join(""));
        let text = include_str!("../../../docs/edge-agent.example.toml");
        text.replace(key.0, &key.1.display().to_string()).replace(data.0, &format!("{}\"", data.1.display()))
    }

    #[test]
    fn a_good_configuration_comes_with_all_that_it_names_and_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("edge-agent.toml");
        replace(&RealDisk, &config, example(folder.path()).as_bytes()).unwrap();
        let said = check_config(&config).unwrap();
        assert!(said.contains("good.") && said.contains("not all as it should be on this machine, "), "{said}");
        assert!(said.contains("\n  uplink.ca: ") && said.contains("unit.key is not there; put it there"), "{said}");
    }

    #[test]
    fn a_key_in_a_token_that_is_not_named_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let (config, key) = (folder.path().join("edge-agent.toml"), folder.path().join("unit.key"));
        let public = "04".repeat(65);
        replace(&RealDisk, &key, format!("token = \"edge\"\nid = \"07\"\npublic = \"{public}\"\n").as_bytes()).unwrap();
        let said = |token: &str| {
            replace(&RealDisk, &config, (example(folder.path()) + token).as_bytes()).unwrap();
            check_config(&config).map_err(|error| error.to_string())
        };
        let none = said("").unwrap_err();
        assert!(none.contains("token: is missing") && none.contains("label = \"edge\""), "{none}");
        let named = |label: &str| format!("[token]\nmodule = \"/m\"\nlabel = \"{label}\"\npin_file = \"/p\"\n");
        let other = said(&named("other")).unwrap_err();
        assert!(other.contains("names the token \"other\"") && other.contains("lies in \"edge\""), "{other}");
        assert!(said(&named("edge")).unwrap().contains("good."));
    }

    #[test]
    fn mistakes_of_a_board_are_told_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (config, board) = (folder.path().join("edge-agent.toml"), folder.path().join("board.toml"));
        let text = format!("{}[board]\nfile = \"{}\"\n", example(folder.path()), board.display());
        replace(&RealDisk, &config, text.as_bytes()).unwrap();
        let said = || check_config(&config).unwrap_err().to_string();
        assert!(
            said().starts_with(&format!("cannot read the board file {}: No such file", board.display())),
            "{}",
            said()
        );
        replace(&RealDisk, &board, b"foo = 1\n").unwrap();
        let wrong = said();
        assert!(wrong.starts_with(&format!("the board file {} has 2 mistake(s):", board.display())), "{wrong}");
        replace(&RealDisk, &board, b"foo = \n").unwrap();
        assert!(said().contains("board.toml is not valid TOML, line 1"), "{}", said());
    }
}

//! `edge-agent check-config`: whether a configuration is good, and all that is wrong with it.

use std::path::Path;

use crate::config::{self, Config, ConfigError};

/// Checks a configuration and says everything that is wrong with it.
///
/// # Errors
/// All mistakes at once.
pub fn check_config(path: &Path) -> Result<String, ConfigError> {
    let (config, unit) = match Config::read(path) {
        // All that the file itself says can be judged.
        Err(ConfigError::NotEnrolled { .. }) => {
            (Config::before_enrolment(&config::read_text(path)?)?, "not enrolled yet".to_owned())
        }
        Err(error) => return board(path).unwrap_or(Err(error)),
        Ok(config) => {
            let unit = format!("unit {}/{}", config.agency, config.unit);
            (config, unit)
        }
    };
    let board = match &config.board {
        config::BoardChoice::None => "no board".to_owned(),
        config::BoardChoice::Simulated => "a simulated board".to_owned(),
        config::BoardChoice::File(file) => format!("board {}", config::Board::read(file)?.name),
    };
    let passed_over = config.passed_over.as_ref().map(|passed_over| {
        format!("\nwhat was put on the page cannot be used, and is not in force: {}", passed_over.why)
    });
    Ok(format!(
        "{}: good. {board}, {unit}, {} camera(s), reads published: {}{}",
        path.display(),
        config.cameras.len(),
        match config.reads.publish {
            config::Publish::Counts => "counts alone",
            config::Publish::All => "all",
        },
        passed_over.unwrap_or_default()
    ))
}

/// What there is to say of a file that describes a board, which the configuration names; none where it is no such file.
fn board(path: &Path) -> Option<Result<String, ConfigError>> {
    let text = config::read_text(path).ok()?;
    if !config::Board::is_meant(&text) {
        return None;
    }
    Some(config::Board::parse(&text).map(|board| {
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
        replace(&RealDisk, &file, b"x = 1").unwrap();
        assert!(check_config(&file).unwrap_err().to_string().contains("unit.agency"));
    }
}

//! `edge-agent networks`: whom this unit's service has to reach, for `systemd/edge-site`, which tells systemd.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edge_store::disk::RealDisk;

use super::run::surviving::usable;
use crate::config::{self, Config, ConfigError, Network, literal};
use crate::enrolment::Label;

/// Arguments of `edge-agent networks`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  edge-agent networks                 beside localhost, which is always allowed
  edge-agent networks --config edge-agent.toml

What [network] allow names, and cameras, broker and hosts of bundles that are given by address; with a \
technician's page the address at which it asks for cameras. Names are not looked up. Ends with 78 where \
no configuration can be used, with 1 where it cannot be read, and then names nothing.")]
pub struct NetworksArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-agent/edge-agent.toml")]
    config: PathBuf,
}

/// The networks, of the configuration that the agent would start with.
///
/// # Errors
/// What is wrong with it, where there is no last good one.
pub fn networks(arguments: &NetworksArgs) -> Result<BTreeSet<Network>, ConfigError> {
    match usable(&arguments.config) {
        Ok(usable) => Ok(usable.config.networks()),
        Err(ConfigError::NotEnrolled { .. }) => of_a_new_unit(&arguments.config),
        Err(error) => Err(error),
    }
}

/// A unit that is nobody's yet goes to the broker that the factory named.
fn of_a_new_unit(file: &Path) -> Result<BTreeSet<Network>, ConfigError> {
    let config = config::read_text(file).and_then(|text| Config::before_enrolment(&text))?;
    let label = config.page.as_ref().and_then(|page| Label::read(&RealDisk, &page.claim).ok());
    let broker = label.and_then(|label| literal(&label.broker?.host)).filter(|address| !address.is_loopback());
    Ok(config.networks().into_iter().chain(broker.map(Network::of_one)).collect())
}

#[cfg(test)]
mod tests {
    use edge_protocol::enrolment::SetupCode;
    use edge_store::disk::replace;
    use toml::{Table, Value};

    use super::*;

    const EXAMPLE: &str = include_str!("../../../docs/edge-agent.example.toml");

    /// What is told of a text.
    fn told(text: &str) -> Result<Vec<String>, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("edge-agent.toml");
        replace(&RealDisk, &config, text.as_bytes()).unwrap();
        let networks = networks(&NetworksArgs { config })?;
        Ok(networks.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_of_cameras_broker_and_bundles_come_with_what_is_allowed_and_each_once() {
        assert_eq!(told(EXAMPLE).unwrap(), ["192.0.2.10", "192.0.2.11", "198.51.100.0/24"]);
        let text = EXAMPLE
            .replace("host = \"broker.riverton.example\"", "host = \"203.0.113.5\"")
            .replace("# hosts = [\"updates.riverton.example\"]", "hosts = [\"2001:db8::9\", \"updates.example\"]")
            .replace("rtsp://192.0.2.11:554/main", "rtsp://127.0.0.1:554/main");
        assert_eq!(told(&text).unwrap(), ["192.0.2.10", "198.51.100.0/24", "203.0.113.5", "2001:db8::9"]);
    }

    #[test]
    fn a_new_unit_reaches_the_broker_that_the_factory_named() {
        let folder = tempfile::tempdir().unwrap();
        let code = SetupCode::draw(&[7; SetupCode::RANDOM_BYTES]).stored([7; 16]);
        let label = Table::from_iter([
            ("serial".to_owned(), Value::from("SN42")),
            ("broker".to_owned(), Value::from("203.0.113.6:8883")),
            ("setup_code".to_owned(), Value::try_from(code).unwrap()),
        ]);
        replace(&RealDisk, &folder.path().join("unit.toml"), label.to_string().as_bytes()).unwrap();
        let own =
            ["agency = ", "id = \"pole", "host = ", "port = ", "ca = ", "certificate = ", "key = ", "agency_root"];
        let lines = EXAMPLE.lines().filter(|line| !own.iter().any(|key| line.starts_with(key)));
        let page = format!("[page]\nclaim = \"{}\"\n[health]", folder.path().display());
        let text = lines.collect::<Vec<_>>().join("\n").replace("[health]", &page);
        let text = format!("enrolment = \"{}/nothing\"\n{text}", folder.path().display());
        assert_eq!(
            told(&text).unwrap(),
            ["192.0.2.10", "192.0.2.11", "198.51.100.0/24", "203.0.113.6", "239.255.255.250"]
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_used_allows_nothing() {
        assert!(matches!(told("data_dir = 7\n"), Err(ConfigError::Mistakes(_))));
    }
}

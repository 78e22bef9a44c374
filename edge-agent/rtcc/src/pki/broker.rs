//! The configuration of a development Mosquitto: TLS 1.3 only, and access by certificate name.
//!
//! The broker takes user name and client id from the certificate, so a unit can neither claim another identity nor
//! reach another unit's topics. What may be done is said once in a pattern for units and once per receiver.
//!
//! A revoked certificate is on a list that the broker reads at its start and on SIGHUP. The session that a revoked unit
//! has is ended through Mosquitto's own dynamic-security plugin, where it is installed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use edge_protocol::id::{AgencyId, CenterId};

use super::{Authority, PkiError, at};
use crate::files::{self, Access};

/// The access list's name in the folder.
const ACCESS_LIST: &str = "acl";

/// What the broker's configuration needs to know.
#[derive(Debug)]
pub struct BrokerPlan<'a> {
    /// The folder that holds `root.pem`, `broker.pem`, `broker.key` and `acl`; an absolute path.
    pub folder: &'a Path,
    /// The port to listen on, on 127.0.0.1 alone.
    pub port: u16,
    /// The agency whose units and receivers connect.
    pub agency: &'a AgencyId,
    /// The names of the receivers' certificates.
    pub centers: &'a [CenterId],
    /// Mosquitto's dynamic-security plugin, where there is one.
    pub plugin: Option<&'a Path>,
}

/// What the plugin knows before anybody was revoked: it leaves everything to the access list.
const NOBODY_SHUT_OUT: &str = r#"{
  "defaultACLAccess": {
    "publishClientSend": false, "publishClientReceive": false, "subscribe": false, "unsubscribe": false
  },
  "clients": [], "groups": [], "roles": []
}
"#;

/// Mosquitto's dynamic-security plugin where packages put it.
fn plugin() -> Option<PathBuf> {
    const NAME: &str = "mosquitto_dynamic_security.so";
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")];
    // Debian's folder is called like the machine.
    let found = std::fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    folders.extend(found.filter(|entry| entry.path().join(NAME).exists()).map(|entry| entry.path()));
    folders.into_iter().map(|folder| folder.join(NAME)).find(|path| path.exists())
}

impl BrokerPlan<'_> {
    /// The text of `mosquitto.conf`.
    pub fn configuration(&self) -> String {
        let folder = self.folder.display();
        let port = self.port;
        let plugin = self.plugin.map_or_else(String::new, |plugin| {
            format!("plugin {}\nplugin_opt_config_file {folder}/dynamic-security.json\n", plugin.display())
        });
        format!(
            "# Development broker. The certificate's name is user name and client id.\n\
             per_listener_settings false\n\
             allow_anonymous false\n\
             acl_file {folder}/acl\n\
             # Only has a meaning when started by root: the keys are readable by their owner alone.\n\
             user root\n\
             persistence false\n\
             log_dest stderr\n\
             log_type error\n\
             log_type warning\n\
             log_type notice\n\
             set_tcp_nodelay true\n\
             max_inflight_messages 512\n\
             max_packet_size 2097152\n\
             \n\
             listener {port} 127.0.0.1\n\
             tls_version tlsv1.3\n\
             cafile {folder}/root.pem\n\
             certfile {folder}/broker.pem\n\
             keyfile {folder}/broker.key\n\
             require_certificate true\n\
             use_identity_as_username true\n\
             use_username_as_clientid true\n\
             # Certificates that are good no longer: read at the start and on SIGHUP.\n\
             crlfile {folder}/revoked.pem\n\
             pid_file {folder}/mosquitto.pid\n\
             {plugin}"
        )
    }

    /// The text of the access list.
    ///
    /// Mosquitto has no variable for the first half of a certificate's name, so the broadcasts are readable by every
    /// client of this broker: they are signed, and a broker of one agency has no other clients.
    pub fn access_list(&self) -> String {
        let agency = self.agency;
        let mut lines = vec![
            "# A unit writes its own lanes and state, and reads what is meant for it. %u is the certificate's name."
                .to_owned(),
            "pattern write rtcc/v1/%u/up/#".to_owned(),
            "pattern write rtcc/v1/%u/state".to_owned(),
            "pattern read rtcc/v1/%u/down/#".to_owned(),
            format!("pattern read rtcc/v1/{agency}/all/#"),
            "# A claim certificate is named enroll/{serial}: it asks under its own serial number and hears the answer."
                .to_owned(),
            "pattern write rtcc/v1/%u/request".to_owned(),
            "pattern read rtcc/v1/%u/response".to_owned(),
        ];
        lines.push(String::new());
        self.centers.iter().fold(lines.join("\n"), |list, center| list + &paragraph(agency, center))
    }
}

/// What the access list says of one receiver.
fn paragraph(agency: &AgencyId, center: &CenterId) -> String {
    format!(
        "\n\
         user {agency}/{center}\n\
         topic read rtcc/v1/{agency}/+/up/#\n\
         topic read rtcc/v1/{agency}/+/state\n\
         topic write rtcc/v1/{agency}/+/down/#\n\
         topic write rtcc/v1/{agency}/all/#\n\
         topic read rtcc/v1/enroll/+/request\n\
         topic write rtcc/v1/enroll/+/response\n\
         topic write $CONTROL/dynamic-security/v1\n\
         topic read $CONTROL/dynamic-security/v1/response\n"
    )
}

/// What became of a receiver's place in the broker's access list.
#[derive(Debug, PartialEq, Eq)]
pub enum LetIn {
    /// The list in this file has the receiver now. A broker that runs has to read it again.
    Now(PathBuf),
    /// It had the receiver before.
    Before(PathBuf),
    /// There is no list beside the root. This has to stand in the broker's.
    Nowhere(String),
}

impl Authority {
    /// Writes `mosquitto.conf` and `acl` for a broker on `port` that lets the named receivers in. What the broker knows
    /// of revoked units stays, and so does whose an access list is that is there.
    ///
    /// # Errors
    /// Says where the list could not stay whose it is, and returns what the file system says.
    pub fn write_broker_files(&self, port: u16, centers: &[CenterId], now_us: i64) -> Result<PathBuf, PkiError> {
        let folder = self.folder.canonicalize().map_err(|source| at(&self.folder, source))?;
        let plugin = plugin();
        let plan = BrokerPlan { folder: &folder, port, agency: &self.agency, centers, plugin: plugin.as_deref() };
        if !folder.join("revoked.pem").exists() {
            self.write("revoked.pem", &self.revocation_list(&[], now_us)?, Access::Everybody)?;
        }
        if plugin.is_some() && !folder.join("dynamic-security.json").exists() {
            self.write("dynamic-security.json", NOBODY_SHUT_OUT, Access::Owner)?;
        }
        self.write_access_list(&plan.access_list())?;
        self.write("mosquitto.conf", &plan.configuration(), Access::Everybody)
    }

    /// The receivers that the access list beside the root lets hear all units; none where there is no list.
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn let_in(&self) -> Result<Vec<CenterId>, PkiError> {
        let list = self.access_list()?.unwrap_or_default();
        let agency = &self.agency;
        let (user, reads) = (format!("user {agency}/"), format!("topic read rtcc/v1/{agency}/+/up/#"));
        // Others may stand in the list as well, who read something else.
        let pairs = list.lines().zip(list.lines().skip(1)).filter(|(_, next)| **next == reads);
        Ok(pairs.filter_map(|(line, _)| line.strip_prefix(&user)?.parse().ok()).collect())
    }

    /// Whether a unit of that name would be let in as a receiver.
    ///
    /// # Errors
    /// Returns what the file system says.
    pub fn is_receiver(&self, unit: &str) -> Result<bool, PkiError> {
        Ok(self.let_in()?.iter().any(|center| center.as_str() == unit))
    }

    /// Puts a receiver into the access list beside the root, where there is one. What else stands in it stays, and so
    /// does whose it is.
    ///
    /// # Errors
    /// Says where the list could not stay whose it is, and returns what the file system says.
    pub fn let_in_also(&self, center: &CenterId) -> Result<LetIn, PkiError> {
        let path = self.folder.join(ACCESS_LIST);
        let Some(list) = self.access_list()? else {
            return Ok(LetIn::Nowhere(paragraph(&self.agency, center)));
        };
        if self.let_in()?.contains(center) {
            return Ok(LetIn::Before(path));
        }
        let end = if list.is_empty() || list.ends_with('\n') { "" } else { "\n" };
        let list = format!("{list}{end}{}", paragraph(&self.agency, center));
        self.write_access_list(&list).map(LetIn::Now)
    }

    /// The broker reads the list as another user, who must still be able to: Mosquitto goes on without any list, and
    /// lets everybody do everything, where it cannot read its own on SIGHUP.
    fn write_access_list(&self, list: &str) -> Result<PathBuf, PkiError> {
        let path = self.folder.join(ACCESS_LIST);
        if !path.exists() {
            return self.write(ACCESS_LIST, list, Access::Owner);
        }
        files::replace_as_it_is(&path, list.as_bytes()).map_err(|source| at(&path, source))?;
        Ok(path)
    }

    fn access_list(&self) -> Result<Option<String>, PkiError> {
        let path = self.folder.join(ACCESS_LIST);
        match std::fs::read_to_string(&path) {
            Ok(list) => Ok(Some(list)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(at(&path, source)),
        }
    }
}

//! The configuration of a development Mosquitto: TLS 1.3 only, and access by certificate name.
//!
//! The broker takes user name and client id from the certificate, so a unit can neither claim another identity nor
//! reach another unit's topics. What may be done is said once in a pattern for units and once per receiver.
//!
//! A revoked certificate is on a list that the broker reads at its start and on SIGHUP. The session that a revoked unit
//! has is ended through Mosquitto's own dynamic-security plugin, where it is installed.

use std::path::{Path, PathBuf};

use super::Name;

/// What the broker's configuration needs to know.
#[derive(Debug)]
pub struct BrokerPlan<'a> {
    /// The folder that holds `root.pem`, `broker.pem`, `broker.key` and `acl`; an absolute path.
    pub folder: &'a Path,
    /// The port to listen on, on 127.0.0.1 alone.
    pub port: u16,
    /// The agency whose units and receivers connect.
    pub agency: &'a Name,
    /// The names of the receivers' certificates.
    pub centers: &'a [Name],
    /// Mosquitto's dynamic-security plugin, where there is one.
    pub plugin: Option<&'a Path>,
}

/// What the plugin knows before anybody was revoked: it leaves everything to the access list.
pub(super) const NOBODY_SHUT_OUT: &str = r#"{
  "defaultACLAccess": {
    "publishClientSend": false, "publishClientReceive": false, "subscribe": false, "unsubscribe": false
  },
  "clients": [], "groups": [], "roles": []
}
"#;

/// Mosquitto's dynamic-security plugin where packages put it.
pub(super) fn plugin() -> Option<PathBuf> {
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
        for center in self.centers {
            lines.extend([
                String::new(),
                format!("user {agency}/{center}"),
                format!("topic read rtcc/v1/{agency}/+/up/#"),
                format!("topic read rtcc/v1/{agency}/+/state"),
                format!("topic write rtcc/v1/{agency}/+/down/#"),
                format!("topic write rtcc/v1/{agency}/all/#"),
                "topic read rtcc/v1/enroll/+/request".to_owned(),
                "topic write rtcc/v1/enroll/+/response".to_owned(),
                "topic write $CONTROL/dynamic-security/v1".to_owned(),
                "topic read $CONTROL/dynamic-security/v1/response".to_owned(),
            ]);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

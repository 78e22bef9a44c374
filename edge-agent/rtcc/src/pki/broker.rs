//! The configuration of a development Mosquitto: TLS 1.3 only, and access by certificate name.
//!
//! The broker takes user name and client id from the certificate, so a unit can neither claim another identity nor
//! reach another unit's topics. What may be done is said once in a pattern for units and once per receiver.

use std::path::Path;

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
}

impl BrokerPlan<'_> {
    /// The text of `mosquitto.conf`.
    pub fn configuration(&self) -> String {
        let folder = self.folder.display();
        let port = self.port;
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
             use_username_as_clientid true\n"
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
            ]);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

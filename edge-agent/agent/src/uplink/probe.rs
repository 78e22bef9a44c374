//! The way to the broker, step by step, for `edge-agent doctor`: nothing is sent over it.

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use edge_protocol::topic;
use rumqttc::v5::{AsyncClient, MqttOptions};
use rumqttc::{TlsConfiguration, Transport};
use rustls::{CertificateError, ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;

use super::link::connect;
use super::{Settings, trouble};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why the broker's certificate is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// Another authority signed it.
    Authority,
    /// Its time is over, or not yet come.
    Time,
    /// It is for another name.
    Name,
    /// Anything else that keeps TLS from standing.
    Other,
}

/// Where the way ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The name is unknown, or nothing answers.
    #[error("{0}")]
    NoConnection(String),
    /// It answers and does not prove who it is.
    #[error("{0}")]
    Untrusted(String, Distrust),
    /// It proves who it is and does not take the unit.
    #[error("{0}")]
    Refused(String),
}

/// Goes as far as TLS; the broker's certificate in DER.
///
/// # Errors
/// Where the way ends.
pub fn tls(settings: &Settings) -> Result<Vec<u8>, ProbeError> {
    let lost = |error: io::Error| ProbeError::NoConnection(error.to_string());
    let mut socket = reach(&settings.host, settings.port).map_err(lost)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(lost)?;
    let mut connection = client(&settings.host, &settings.tls)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).map_err(|error| distrust(&error))?;
    }
    let certificate = connection.peer_certificates().and_then(<[_]>::first).map(|der| der.to_vec());
    connection.send_close_notify();
    // What is told of the end does not matter any more.
    drop(connection.complete_io(&mut socket));
    drop(socket.flush());
    certificate.ok_or_else(|| ProbeError::Untrusted("the broker shows no certificate".to_owned(), Distrust::Other))
}

/// Goes all the way, as the unit itself. An agent that is connected would lose its connection by this.
///
/// # Errors
/// Where the way ends.
pub fn mqtt(settings: &Settings) -> Result<(), ProbeError> {
    let lost = |error: io::Error| ProbeError::NoConnection(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(lost)?;
    let name = topic::client_name(&settings.agency, settings.unit.as_str());
    // Without a last will: a probe that ends is not the end of the unit.
    let mut options = MqttOptions::new(name, &settings.host, settings.port);
    options
        .set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(&settings.tls))))
        .set_clean_start(true)
        .set_connection_timeout(PATIENCE.as_secs());
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::new(options, 4);
        let connected = tokio::time::timeout(PATIENCE, connect(&mut events)).await;
        connected
            .map_err(|_| ProbeError::Refused(format!("no answer to MQTT within {} s", PATIENCE.as_secs())))?
            .map_err(ProbeError::Refused)?;
        if client.try_disconnect().is_ok() {
            let said = async { while events.poll().await.is_ok() {} };
            drop(tokio::time::timeout(GOODBYE, said).await);
        }
        Ok(())
    })
}

/// The first address of the name that answers; the last one's trouble otherwise.
fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut trouble = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => return Ok(socket),
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

fn client(host: &str, tls: &Arc<ClientConfig>) -> Result<ClientConnection, ProbeError> {
    let other = |words: String| ProbeError::Untrusted(words, Distrust::Other);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| other(error.to_string()))?;
    ClientConnection::new(Arc::clone(tls), name).map_err(|error| other(error.to_string()))
}

fn distrust(error: &io::Error) -> ProbeError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match tls {
        Some(rustls::Error::InvalidCertificate(why)) => kind(why),
        // No certificate was the matter, or the broker hung up in the middle: that is no TLS as we want it.
        Some(_) | None => Distrust::Other,
    };
    ProbeError::Untrusted(trouble::of_the_line(error), why)
}

fn kind(why: &CertificateError) -> Distrust {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    // An authority of the same name with another key makes a bad signature.
    if matches!(why, UnknownIssuer | BadSignature) {
        Distrust::Authority
    } else if matches!(why, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }) {
        Distrust::Time
    } else if matches!(why, NotValidForName | NotValidForNameContext { .. }) {
        Distrust::Name
    } else {
        Distrust::Other
    }
}

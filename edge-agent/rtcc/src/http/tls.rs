//! The interface for other machines: TLS 1.3, and only for persons of the agency, by their certificates.
//!
//! Units and receivers have certificates of the same root; they have no business here and are turned away.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use edge_protocol::command::Role;
use edge_protocol::sign::{Chain, Subject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::broker::tls::{IdentityError, certificates, private_key};

/// Handshakes that may be under way at once: what comes beyond waits in the system's queue.
const HANDSHAKES: usize = 64;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait after the system gave no connection, as when it has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// The files with which the interface proves who it is and knows persons.
#[derive(Debug, Clone)]
pub struct InterfaceIdentity {
    /// The agency's root certificate, PEM.
    pub root: PathBuf,
    /// The interface's certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl InterfaceIdentity {
    /// The server's side of TLS.
    ///
    /// # Errors
    /// Returns which file is missing or unfit.
    pub fn server_configuration(&self) -> Result<Arc<ServerConfig>, IdentityError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        for root in certificates(&self.root, "the root certificate")? {
            roots.add(root)?;
        }
        let persons = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let persons = persons.map_err(|error| rustls::Error::General(error.to_string()))?;
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(persons)
            .with_single_cert(certificates(&self.certificate, "the certificate")?, private_key(&self.key)?)?;
        Ok(Arc::new(configuration))
    }
}

/// Takes connections of persons of one agency.
pub struct PersonListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Accepted>>,
    agency: Arc<str>,
}

type Accepted = (TlsStream<TcpStream>, SocketAddr);

impl std::fmt::Debug for PersonListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersonListener").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl PersonListener {
    /// Takes connections from `listener` for persons of `agency`.
    pub fn new(listener: TcpListener, configuration: Arc<ServerConfig>, agency: &str) -> Self {
        Self { listener, acceptor: TlsAcceptor::from(configuration), handshakes: JoinSet::new(), agency: agency.into() }
    }

    /// Begins a handshake; others are not kept waiting by one that never ends.
    fn begin(&mut self, stream: TcpStream, from: SocketAddr) {
        let (acceptor, agency) = (self.acceptor.clone(), Arc::clone(&self.agency));
        self.handshakes.spawn(async move {
            match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) if is_person(&stream, &agency) => Some((stream, from)),
                Ok(Ok(_)) => {
                    tracing::warn!(%from, "turned away: no person of this agency");
                    None
                }
                Ok(Err(error)) => {
                    tracing::debug!(%from, %error, "no handshake");
                    None
                }
                Err(_) => None,
            }
        });
    }
}

impl Listener for PersonListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        loop {
            tokio::select! {
                arrived = self.listener.accept(), if self.handshakes.len() < HANDSHAKES => match arrived {
                    Ok((stream, from)) => self.begin(stream, from),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A person who asks, as the certificate says. The chain was checked by the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// What the person may do.
    pub role: Role,
}

impl Connected<IncomingStream<'_, PersonListener>> for Person {
    fn connect_info(stream: IncomingStream<'_, PersonListener>) -> Self {
        // Nobody gets this far without; a viewer may change nothing.
        person(stream.io()).unwrap_or(Self { name: String::new(), role: Role::Viewer })
    }
}

fn is_person(stream: &TlsStream<TcpStream>, agency: &str) -> bool {
    subject(stream).is_some_and(|subject| matches!(subject, Subject::Person(of, ..) if of.as_str() == agency))
}

fn person(stream: &TlsStream<TcpStream>) -> Option<Person> {
    let Subject::Person(_, name, role) = subject(stream)? else { return None };
    Some(Person { name: name.to_string(), role })
}

fn subject(stream: &TlsStream<TcpStream>) -> Option<Subject> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    Chain::from_der(certificate.to_vec()).subject().ok()
}

#[cfg(test)]
mod tests;

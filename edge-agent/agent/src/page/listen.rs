//! The port: TLS 1.3 with the page's own certificate, and a bound on how many knock.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::supervise::Fault;

/// Connections at once: a browser opens six, and two technicians may come.
const CONNECTIONS: usize = 24;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait after the system gave no connection, as when it has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait to be taken.
const WAITING: u32 = 64;

/// A network interface that is there: by name and the kernel's number for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    name: String,
    number: u32,
}

impl Interface {
    /// The interface of that name; none where nothing of it is plugged in.
    pub(super) fn find(name: &str) -> Option<Self> {
        let number = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
        Some(Self { name: name.to_owned(), number: number.trim().parse().ok()? })
    }
}

/// Listens, at one interface alone where one is given: packets that come in elsewhere find nobody, whatever address
/// they are for. Within a runtime.
///
/// # Errors
/// The system's.
pub(super) fn bind(address: SocketAddr, interface: Option<&Interface>) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if let Some(Interface { name, .. }) = interface {
        socket.bind_device(Some(name.as_bytes()))?;
    }
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// The server's side of TLS.
///
/// # Errors
/// Names the file that is missing or unfit.
pub(super) fn configuration(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let unfit = |path: &Path, error: &dyn std::fmt::Display| {
        Fault(format!("the technician's page has no certificate ([page] claim): {}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unfit(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unfit(key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let configuration = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    configuration.map(Arc::new).map_err(|error| unfit(certificate, &error))
}

/// Takes connections; one that never ends its handshake keeps no other waiting.
pub(super) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
    places: Arc<Semaphore>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, configuration: Arc<ServerConfig>) -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Self { listener, acceptor: TlsAcceptor::from(configuration), handshakes: JoinSet::new(), places }
    }

    fn begin(&mut self, stream: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let handshake = self.acceptor.accept(stream);
        self.handshakes.spawn(async move {
            // A browser that does not know the certificate yet ends the first one.
            let stream = tokio::time::timeout(PATIENCE, handshake).await.ok()?.ok()?;
            Some((Connection { stream, _place: place }, from))
        });
    }
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let next = async {
                // Closed by nobody, so there is always a permit in the end.
                let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
                self.listener.accept().await.map(|(stream, from)| (stream, from, place))
            };
            tokio::select! {
                arrived = next => match arrived {
                    Ok((stream, from, place)) => self.begin(stream, from, place),
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

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection, which gives its place back when it ends.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_one_interface_it_is_reached_and_at_no_other() {
        assert_eq!(Interface::find("no-such-one"), None);
        let reached = |interface: &Interface| {
            let listener = bind(SocketAddr::from(([0, 0, 0, 0], 0)), Some(interface)).unwrap();
            let port = listener.local_addr().unwrap().port();
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        };
        let lo = Interface::find("lo").expect("every machine has it");
        assert!(reached(&lo));
        // A machine may have no other; one that has must not answer there.
        let all = std::fs::read_dir("/sys/class/net")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let other = all.filter_map(|name| Interface::find(&name)).find(|other| *other != lo);
        assert!(!other.is_some_and(|other| reached(&other)), "a packet from elsewhere was answered");
    }
}

//! A file server over HTTPS that can begin in the middle of a file, as those that updates lie on can.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::pki::Identity;

/// No question takes as long.
const DEADLINE: Duration = Duration::from_secs(90);

/// The server; dropping it ends it.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tls: Arc<ServerConfig>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    asked: Vec<(String, u64)>,
    stopped: bool,
}

impl FileServer {
    /// Listens on a free port of the loopback interface.
    pub fn start(identity: &Identity) -> FileServer {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth();
        let tls = builder.with_single_cert(vec![identity.certificate()], identity.key()).expect("server");
        let shared = Arc::new(Shared { tls: Arc::new(tls), state: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind file server");
        let address = listener.local_addr().expect("file server address");
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        FileServer { address, shared, accepting: Some(accepting) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves these bytes under a path such as `/bundle`.
    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        self.shared.lock().files.insert(path.to_owned(), bytes);
    }

    /// What was asked for so far, each with the offset from which it was wanted.
    pub fn asked(&self) -> Vec<(String, u64)> {
        self.shared.lock().asked.clone()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            assert!(accepting.join().is_ok() || std::thread::panicking(), "the file server's thread panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("file server lock")
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.lock().stopped {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        // A connection that breaks off is what the stories are about.
        std::thread::spawn(move || drop(serve(client, &shared)));
    }
}

/// Answers one question and closes.
fn serve(client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    client.set_read_timeout(Some(DEADLINE))?;
    client.set_write_timeout(Some(DEADLINE))?;
    let connection = ServerConnection::new(Arc::clone(&shared.tls)).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, client));
    let (path, from) = question(&mut stream)?;
    let mut state = shared.lock();
    state.asked.push((path.clone(), from.unwrap_or(0)));
    let file = state.files.get(&path).cloned();
    drop(state);
    let stream = stream.get_mut();
    let Some(file) = file else {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return finish(stream);
    };
    let length = file.len();
    let first = from.map_or(0, |from| usize::try_from(from).expect("an offset").min(length));
    let status = match from {
        Some(_) => {
            let last = length.saturating_sub(1);
            format!("206 Partial Content\r\nContent-Range: bytes {first}-{last}/{length}")
        }
        None => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", length - first);
    stream.write_all(head.as_bytes())?;
    stream.write_all(file.get(first..).unwrap_or_default())?;
    finish(stream)
}

/// What is asked for, and from which byte on where that is said.
fn question(stream: &mut impl BufRead) -> std::io::Result<(String, Option<u64>)> {
    let (mut path, mut from) = (None, None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((path.unwrap_or_default(), from));
        }
        if let Some(asked) = line.strip_prefix("GET ") {
            path = asked.split(' ').next().map(str::to_owned);
        }
        if let Some((name, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("range")) {
            let first = value.trim().strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
            from = Some(first.and_then(|first| first.parse().ok()).unwrap_or_else(|| panic!("{name}: {value}")));
        }
    }
}

fn finish(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    stream.conn.send_close_notify();
    stream.flush()
}

//! A TCP proxy on a free port that does to a connection what a bad link does.
//!
//! [`Proxy::set`] changes the link for existing and new connections; a *cut* ends a connection after an exact number of
//! bytes has been delivered in one direction, drawn from a seed, so that a failure can be played again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the link does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Bytes pass.
    Open,
    /// Bytes pass at most at this rate per second and direction.
    Slow(u32),
    /// Nothing passes and nothing is lost: connections stay open and bytes wait, as on a radio link that has gone away.
    Held,
    /// New connections are accepted and closed at once, existing ones are ended.
    Refusing,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the one who connected to the target.
    ToTarget,
    /// From the target back.
    FromTarget,
}

/// Ends each further connection after a number of delivered bytes drawn from `bytes`.
#[derive(Debug, Clone)]
pub struct Cuts {
    /// The seed of the draw; print it with a failure.
    pub seed: u64,
    /// The way whose bytes are counted.
    pub direction: Direction,
    /// The range of bytes after which the connection ends.
    pub bytes: std::ops::RangeInclusive<u64>,
    /// How many connections are cut; later ones pass whole.
    pub count: u32,
}

/// The proxy; dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    to_target: AtomicU64,
    from_target: AtomicU64,
}

#[derive(Debug)]
struct State {
    link: Link,
    cuts: Option<(Cuts, Draw)>,
    cuts_made: u32,
    connections: Vec<TcpStream>,
    accepted: u64,
    stopped: bool,
}

/// How bytes pass at present.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// As they come.
    Free,
    /// So many in a second.
    Rate(u32),
    /// No more: the connection is to end.
    Over,
}

impl Pace {
    /// Most bytes to pass at once: a tenth of a second's.
    fn most(self) -> usize {
        match self {
            Pace::Free => usize::MAX,
            Pace::Rate(rate) => usize::try_from(rate.div_ceil(10)).expect("rate fits"),
            Pace::Over => 0,
        }
    }

    /// How long `count` bytes take.
    fn takes(self, count: usize) -> Duration {
        match self {
            Pace::Rate(rate) => Duration::from_secs(1) * u32::try_from(count).expect("chunk fits") / rate,
            Pace::Free | Pace::Over => Duration::ZERO,
        }
    }
}

impl Proxy {
    /// Listens on a free port of the loopback interface and passes to `target`.
    pub fn to(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind proxy");
        let address = listener.local_addr().expect("proxy address");
        let state =
            State { link: Link::Open, cuts: None, cuts_made: 0, connections: Vec::new(), accepted: 0, stopped: false };
        let shared = Arc::new(Shared {
            target,
            state: Mutex::new(state),
            changed: Condvar::new(),
            to_target: AtomicU64::new(0),
            from_target: AtomicU64::new(0),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Proxy { address, shared, accepting: Some(accepting) }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Changes the link.
    pub fn set(&self, link: Link) {
        let mut state = self.shared.lock();
        state.link = link;
        if link == Link::Refusing {
            state.end_connections();
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Ends every present connection; new ones pass.
    pub fn cut_now(&self) {
        self.shared.lock().end_connections();
    }

    /// Cuts further connections as planned.
    pub fn plan_cuts(&self, cuts: Cuts) {
        let draw = Draw::new(cuts.seed);
        let mut state = self.shared.lock();
        state.cuts = Some((cuts, draw));
        state.cuts_made = 0;
    }

    /// How many connections the plan has cut so far.
    pub fn cuts_made(&self) -> u32 {
        self.shared.lock().cuts_made
    }

    /// How many bytes were delivered one way so far, over all connections.
    pub fn carried(&self, direction: Direction) -> u64 {
        self.shared.carried(direction).load(Ordering::Relaxed)
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.end_connections();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the accepting thread.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            assert!(accepting.join().is_ok() || std::thread::panicking(), "the proxy's accepting thread panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("proxy lock")
    }

    fn carried(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToTarget => &self.to_target,
            Direction::FromTarget => &self.from_target,
        }
    }

    /// Waits until bytes may pass; says how many at once, and how long each takes.
    fn pass(&self) -> Pace {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return Pace::Over;
            }
            match state.link {
                Link::Open => return Pace::Free,
                Link::Slow(rate) => return Pace::Rate(rate.max(1)),
                Link::Refusing => return Pace::Over,
                Link::Held => state = self.changed.wait(state).expect("proxy lock"),
            }
        }
    }

    /// Waits `time` or until the link changes.
    fn rest(&self, time: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout(state, time).expect("proxy lock"));
    }
}

impl State {
    fn end_connections(&mut self) {
        for connection in self.connections.drain(..) {
            // A connection that has ended by itself cannot be shut down again.
            drop(connection.shutdown(Shutdown::Both));
        }
    }

    fn next_cut(&mut self) -> Option<(Direction, u64)> {
        let (cuts, draw) = self.cuts.as_mut()?;
        cuts.count = cuts.count.checked_sub(1)?;
        let (low, high) = (*cuts.bytes.start(), *cuts.bytes.end());
        let after = low + draw.next() % (high.saturating_sub(low) + 1);
        eprintln!("proxy: seed {}: next connection is cut after {after} bytes", cuts.seed);
        Some((cuts.direction, after))
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let mut state = shared.lock();
        if state.stopped {
            return;
        }
        if state.link == Link::Refusing {
            continue;
        }
        let Ok(server) = TcpStream::connect(shared.target) else { continue };
        state.accepted += 1;
        let cut = state.next_cut();
        for stream in [&client, &server] {
            drop(stream.set_nodelay(true));
            state.connections.push(stream.try_clone().expect("clone socket"));
        }
        drop(state);
        let back = (server.try_clone().expect("clone socket"), client.try_clone().expect("clone socket"));
        for (way, ends) in [(Direction::ToTarget, (client, server)), (Direction::FromTarget, back)] {
            pump(Arc::clone(shared), way, ends, limit(cut, way));
        }
    }
}

fn limit(cut: Option<(Direction, u64)>, direction: Direction) -> Option<u64> {
    cut.filter(|(way, _)| *way == direction).map(|(_, bytes)| bytes)
}

/// Carries bytes one way until either side ends, the link says so, or `left` bytes were delivered.
fn pump(shared: Arc<Shared>, way: Direction, (mut from, mut to): (TcpStream, TcpStream), mut left: Option<u64>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        'connection: while let Ok(count) = from.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let mut chunk = buffer.get(..count).expect("read within buffer");
            while !chunk.is_empty() {
                let pace = shared.pass();
                if matches!(pace, Pace::Over) {
                    break 'connection;
                }
                let piece = chunk.len().min(pace.most());
                let piece = left.map_or(piece, |left| piece.min(usize::try_from(left).unwrap_or(piece)));
                let (now, rest) = chunk.split_at(piece);
                if to.write_all(now).is_err() {
                    break 'connection;
                }
                shared.carried(way).fetch_add(now.len() as u64, Ordering::Relaxed);
                left = left.map(|left| left - now.len() as u64);
                if left == Some(0) {
                    shared.lock().cuts_made += 1;
                    break 'connection;
                }
                let takes = pace.takes(now.len());
                if !takes.is_zero() {
                    shared.rest(takes);
                }
                chunk = rest;
            }
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    });
}

/// `SplitMix64` (Steele, Lea, Flood 2014): a small generator whose whole state is the seed.
#[derive(Debug, Clone)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Draw {
        Draw { state: seed }
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "a draw never ends, an iterator may")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

#[cfg(test)]
mod tests;

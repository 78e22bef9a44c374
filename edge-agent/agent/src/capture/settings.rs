//! What one camera needs to know; the configuration file's tables are turned into these.

use std::path::PathBuf;
use std::time::Duration;

use edge_protocol::id::CameraId;

use crate::supervise::Backoff;

/// One camera.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its id; every access unit carries it.
    pub camera: CameraId,
    /// Where its pictures come from.
    pub source: Source,
    /// How long to wait between tries.
    pub backoff: Backoff,
    /// How long to believe in a camera that sends nothing.
    pub watchdog: Watchdog,
}

impl Settings {
    /// A camera with the product's waits.
    pub fn new(camera: CameraId, source: Source) -> Self {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        Self { camera, source, backoff, watchdog: Watchdog::default() }
    }
}

/// Where a camera's pictures come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A network camera.
    Rtsp {
        /// `rtsp://` or `rtsps://`, without user and password.
        url: String,
        /// How packets travel.
        transport: Transport,
        /// The file with user and password, where the camera wants to know who asks. It is read for each connection, so
        /// that a new password needs no restart. Digest is used where the camera offers it.
        credentials: Option<PathBuf>,
        /// Whose certificate a camera under `rtsps://` must show.
        trust: Trust,
    },
    /// A recording.
    File {
        /// The file; any container that GStreamer knows.
        path: PathBuf,
        /// Start again at its end.
        repeat: bool,
        /// How fast.
        pace: Pace,
    },
    /// A camera on the box itself. It must offer H.264 or MJPEG; raw pictures are encoded as JPEG, which costs CPU.
    V4l2 {
        /// E.g. `/dev/video0`.
        device: PathBuf,
    },
    /// A drawn picture, to try a box without a camera.
    Test(TestPicture),
}

/// How RTSP's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Inside the RTSP connection: no packet is lost on the way.
    Tcp,
    /// Each by itself.
    Udp,
}

/// Whose certificate a camera must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// One that the system trusts, for the name in the address.
    System,
    /// The one in this PEM file, or one that it has signed; the name in it does not matter, since cameras are called by
    /// address and sign their own certificates.
    Certificate(PathBuf),
}

/// How fast a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As it was recorded, like a camera.
    Recorded,
    /// As fast as it is taken.
    Free,
}

/// The drawn picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestPicture {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// Pictures a second.
    pub fps: u32,
}

impl Default for TestPicture {
    fn default() -> Self {
        Self { size: (1280, 720), fps: 15 }
    }
}

/// How long to believe in a camera that sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    /// From connecting to the first picture.
    pub first: Duration,
    /// Between two pictures.
    pub silence: Duration,
    /// From the first picture to the first key picture; later on, how long without one is worth saying.
    pub key: Duration,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { first: Duration::from_secs(15), silence: Duration::from_secs(10), key: Duration::from_mins(1) }
    }
}

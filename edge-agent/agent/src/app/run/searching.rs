//! `edge-agent onvif`, asked for on the technician's page: which cameras are there, and where their streams are.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::errand::{self, Errand, Progress};
use super::sources::{HIDDEN, is_beyond, shown};
use super::surviving::is_managed;
use super::{Assembly, RunError};
use crate::capture::Credentials;
use crate::config::Network;
use crate::onvif::{DISCOVERY, Device, Left, Login, OnvifError, Stream, discover};
use crate::page::{FoundCamera, Offer, Refusal, Search, TypedSource};
use crate::supervise::{Clock, Fault};

/// How long cameras may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one camera may take for all that it is asked.
const LONGEST: Duration = Duration::from_secs(20);
const BUSY: &str = "cameras are being asked: wait for their answer";

/// What is asked.
enum Asked {
    /// All cameras that hear it.
    Everybody,
    /// One camera.
    Streams(Device),
}

impl Asked {
    /// The one camera that is asked.
    fn place(&self) -> Option<IpAddr> {
        let Self::Streams(device) = self else { return None };
        device.place().ok().map(|place| place.ip())
    }
}

/// Asks for cameras and sees what is found; clones are the same.
#[derive(Clone)]
pub(super) struct Searching {
    errand: Errand<Asked, Search>,
    /// The streams of the camera that was asked last: how each is shown, and its whole address.
    offered: Arc<Mutex<Vec<(String, String)>>>,
}

impl Searching {
    /// The address of a stream that was offered, as it is typed after it was taken.
    pub(super) fn whole(&self, typed: &str) -> Option<String> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        offered.iter().find(|(shown, _)| shown == typed.trim()).map(|(_, whole)| whole.clone())
    }

    fn offer(&self, streams: &[Stream]) -> Vec<Offer> {
        let shown = streams.iter().zip(1..).map(|(stream, number)| offered(&stream.url, number));
        let shown: Vec<String> = shown.collect();
        let whole = streams.iter().map(|stream| stream.url.clone());
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = shown.iter().cloned().zip(whole).collect();
        let offer = |(stream, address): (&Stream, String)| {
            let Stream { name, codec, size, .. } = stream.clone();
            Offer { address, codec, size, name }
        };
        streams.iter().zip(shown).map(offer).collect()
    }

    /// Looks for cameras. `note` writes it down before.
    ///
    /// # Errors
    /// Where something is looked for just now, or it cannot be written down.
    pub(super) fn everybody(&self, note: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
        self.free()?;
        note()?;
        self.begin(Asked::Everybody)
    }

    /// Asks a camera for its streams. `note` writes down before which one it is.
    ///
    /// # Errors
    /// Where it is none that may be asked, something is looked for just now, or it cannot be written down.
    pub(super) fn streams(
        &self,
        of: &TypedSource,
        note: impl FnOnce(SocketAddr) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let login = match (of.user.as_str(), of.password.as_str()) {
            ("", "") => None,
            (user, password) => {
                Credentials::typed(user, password).map_err(|error| Refusal::of(&error))?;
                Some(Login::new(user, password))
            }
        };
        let device = Device::new(&of.address, login).map_err(|error| Refusal::of(&error))?;
        let place = device.place().map_err(|error| Refusal::of(&error))?;
        self.free()?;
        note(place)?;
        self.begin(Asked::Streams(device))
    }

    fn free(&self) -> Result<(), Refusal> {
        if self.errand.see().running { Err(Refusal(BUSY.to_owned())) } else { Ok(()) }
    }

    fn begin(&self, asked: Asked) -> Result<(), Refusal> {
        // The cameras that were found stay while one of them is asked.
        let keeps = matches!(asked, Asked::Streams(..));
        let first = |before: Search| Search { found: before.found.filter(|_| keeps), ..Search::default() };
        if self.errand.begin(asked, first) { Ok(()) } else { Err(Refusal(BUSY.to_owned())) }
    }

    /// Takes what came of a question.
    fn take(&self, found: Result<Answer, String>) {
        let streams = match &found {
            Ok(Answer::Streams(streams)) => Some(self.offer(streams)),
            Ok(Answer::Cameras(_)) | Err(_) => None,
        };
        let mut search = self.errand.see();
        match found {
            Ok(Answer::Streams(_)) => search.streams = streams,
            Ok(Answer::Cameras(found)) => search.found = Some(found),
            Err(words) => search.failed = Some(words),
        }
    }

    /// How far it is.
    pub(super) fn search(&self) -> Search {
        self.errand.see().clone()
    }
}

impl Progress for Search {
    fn running(&mut self) -> &mut bool {
        &mut self.running
    }
}

/// Starts the stage that asks.
pub(super) fn start(assembly: &mut Assembly<'_>) -> Result<Searching, RunError> {
    let (errand, asked) = Errand::new();
    let searching = Searching { errand, offered: Arc::default() };
    let (own, clock) = (searching.clone(), assembly.clock.clone());
    // Where nobody stands before the agent, every network is within its reach.
    let reach = is_managed().then(|| assembly.config.networks());
    errand::start(assembly, "camera search", (searching.errand.clone(), asked), move |asked: Asked, stop| {
        let end = clock.mono().saturating_add(LONGEST);
        let left = || if stop.is_set() { Duration::ZERO } else { end.saturating_since(clock.mono()) };
        let place = asked.place();
        let is_shut_out = |reach: &BTreeSet<Network>| place.is_some_and(|place| is_beyond(place, reach));
        let is_shut_out = reach.as_ref().is_some_and(is_shut_out);
        own.take(answer(asked, (DISCOVERY, PATIENCE), &clock, &left).map_err(|error| in_words(&error, is_shut_out)));
    })?;
    Ok(searching)
}

#[derive(Debug)]
enum Answer {
    Cameras(Vec<FoundCamera>),
    Streams(Vec<Stream>),
}

/// What comes of a question; all cameras are asked at `target` and have `patience` to answer, one has what is `left`.
fn answer(
    asked: Asked,
    (target, patience): (SocketAddr, Duration),
    clock: &Clock,
    left: Left<'_>,
) -> Result<Answer, OnvifError> {
    match asked {
        Asked::Everybody => {
            let found = discover(target, patience, clock)?.into_iter();
            let found = found.map(|camera| FoundCamera {
                name: camera.name,
                hardware: camera.hardware,
                addresses: camera.addresses,
            });
            Ok(Answer::Cameras(found.collect()))
        }
        Asked::Streams(device) => Ok(Answer::Streams(device.streams(device.clock(left)?, left)?)),
    }
}

/// How the address of a stream is shown: a camera may write its password into it. The number tells one from another.
fn offered(url: &str, number: u32) -> String {
    let shown = shown(url);
    if shown.ends_with(HIDDEN) { format!("{shown}{number}") } else { shown }
}

/// What a technician can do about it, without the words for a terminal.
fn in_words(error: &OnvifError, is_shut_out: bool) -> String {
    match error {
        OnvifError::Unreachable { .. } if is_shut_out => {
            "the unit may not talk to this address: [network] allow in its configuration does not name its network. Type \
             the camera's own address above and save it, or have the office add the network; then ask again"
                .to_owned()
        }
        OnvifError::Refused => {
            "the camera refuses user or password: type them above, and see that the user may use ONVIF".to_owned()
        }
        OnvifError::Network(_)
        | OnvifError::Address(_)
        | OnvifError::Place
        | OnvifError::Late
        | OnvifError::Letters
        | OnvifError::Unreachable { .. }
        | OnvifError::Fault(_)
        | OnvifError::Answer { .. }
        | OnvifError::Random => Fault::from_error(error).0,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::supervise::queue::ReceiveError;

    const SHORT: Duration = Duration::from_millis(300);

    /// Answers one probe as a camera does.
    fn camera(socket: &UdpSocket) {
        let mut probe = [0; 4096];
        let (length, from) = socket.recv_from(&mut probe).unwrap();
        let probe = String::from_utf8_lossy(&probe[..length]).into_owned();
        let id = probe.split("uuid:").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
        let answer = format!(
            "<s:Envelope xmlns:s=\"e\"><s:Header><RelatesTo>uuid:{id}</RelatesTo></s:Header><s:Body><ProbeMatches>\
             <ProbeMatch><EndpointReference><Address>urn:uuid:1</Address></EndpointReference>\
             <Scopes>onvif://www.onvif.org/name/Gate%20cam onvif://www.onvif.org/hardware/X1</Scopes>\
             <XAddrs>http://127.0.0.1/onvif/device_service http://192.0.2.66/onvif</XAddrs></ProbeMatch></ProbeMatches></s:Body></s:Envelope>"
        );
        socket.send_to(answer.as_bytes(), from).unwrap();
    }

    #[test]
    fn cameras_that_answer_are_told_with_where_to_ask_them() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = (socket.local_addr().unwrap(), SHORT);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| camera(&socket));
            answer(Asked::Everybody, place, &Clock::system(), &|| SHORT).unwrap()
        });
        let Answer::Cameras(found) = found else { panic!("{found:?}") };
        let addresses = vec!["http://127.0.0.1/onvif/device_service".to_owned()];
        let (name, hardware) = (Some("Gate cam".to_owned()), Some("X1".to_owned()));
        assert_eq!(found, [FoundCamera { name, hardware, addresses }]);
    }

    #[test]
    fn a_password_in_an_offered_address_stays_on_the_unit() {
        let (errand, _waiting) = Errand::new();
        let searching = Searching { errand, offered: Arc::default() };
        let stream = |url: &str| Stream { name: "Main".into(), codec: "H264".into(), size: None, url: url.into() };
        let secret = "rtsp://192.0.2.10/user=admin_password=hunter2_channel=1_stream=0.sdp";
        let told = searching.offer(&[stream("rtsp://192.0.2.10/a?channel=1"), stream(secret)]);
        let addresses: Vec<_> = told.iter().map(|offer| offer.address.as_str()).collect();
        assert_eq!(addresses, ["rtsp://192.0.2.10/…1", "rtsp://192.0.2.10/…2"]);
        assert_eq!(searching.whole(" rtsp://192.0.2.10/…2 ").as_deref(), Some(secret));
        assert_eq!(searching.whole("rtsp://192.0.2.10/…3"), None);
    }

    #[test]
    fn which_camera_is_asked_is_written_down_and_the_unit_itself_is_not_asked() {
        let (errand, waiting) = Errand::new();
        let searching = Searching { errand, offered: Arc::default() };
        let mut noted = Vec::new();
        let mut ask = |address: &str| {
            let of = TypedSource { address: address.into(), user: "admin".into(), password: "hunter2".into() };
            searching.streams(&of, |place| {
                noted.push(place.to_string());
                Ok(())
            })
        };
        for address in [
            "http://127.0.0.1:9464/metrics",
            "127.0.0.1",
            "http://127.8.8.8:8480/",
            "http://[::1]:9464/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0:9464/",
            "http://169.254.169.254/latest/",
            "http://[fd00:ec2::254]/",
            "http://239.255.255.250/",
            "http://255.255.255.255/",
            "http://localhost:9464/",
            "http://127.1/",
            "http://2130706433/",
            "rtsp://192.0.2.10/a",
            "http://admin:hunter2@192.0.2.10/",
        ] {
            let refused = ask(address).expect_err(address).0;
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        assert!(matches!(waiting.receive_timeout(Duration::ZERO), Err(ReceiveError::Timeout)));
        for (user, password, words) in [("", "hunter2", "give the camera's user too"), ("a\nb", "hunter2", "invisible")]
        {
            let of = TypedSource { address: "192.0.2.10".into(), user: user.into(), password: password.into() };
            let refused = searching.streams(&of, |_| panic!("it is not asked")).unwrap_err().0;
            assert!(refused.contains(words) && !refused.contains("hunter2"), "{refused}");
        }
        ask("http://192.0.2.10:8080/onvif/device_service").unwrap();
        assert!(waiting.receive_timeout(Duration::ZERO).is_ok());
        assert_eq!(ask("192.0.2.11").unwrap_err().0, BUSY, "one at a time, and nothing is written down of another");
        assert!(searching.everybody(|| panic!("it is not begun")).is_err());
        searching.errand.see().running = false;
        ask("169.254.3.4").unwrap();
        assert_eq!(noted, ["192.0.2.10:8080", "169.254.3.4:80"], "a camera without DHCP gives itself such an address");
    }

    #[test]
    fn a_camera_that_gives_no_streams_is_told_in_words_without_the_password() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let login = Some(Login::new("admin", "hunter2"));
        let device = Device::new(&format!("http://{closed}/onvif/device_service"), login).unwrap();
        let refused = answer(Asked::Streams(device), (closed, SHORT), &Clock::system(), &|| SHORT).unwrap_err();
        assert!(in_words(&refused, true).contains("[network] allow"), "{refused}");
        let refused = in_words(&refused, false);
        assert!(refused.contains("cannot be reached") && !refused.contains("hunter2"), "{refused}");
        assert!(in_words(&OnvifError::Refused, true).contains("type them above"));
    }
}

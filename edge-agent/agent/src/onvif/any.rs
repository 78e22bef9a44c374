//! What is made of any bytes that come from a camera: for the fuzz target, which has no other way to these readers.

use edge_protocol::time::{Moment, WallTime};

use super::device::{clock, media_service, place, profiles, read};
use super::discovery::matched;
use super::http::authorization;
use super::soap::{Token, envelope};
use super::{Found, Login, OnvifError, Stream};

/// What bytes were taken for: an answer to each question, and the challenge of a web server.
#[derive(Debug, Default)]
pub struct Told {
    /// The camera that answers a probe.
    pub found: Option<Found>,
    /// Its clock.
    pub clock: Option<WallTime>,
    /// The media service that would be asked next.
    pub media: Option<String>,
    /// Streams: those of its profiles, if all answer with these same bytes.
    pub streams: Vec<Stream>,
    /// The envelopes that would ask for them.
    pub questions: Vec<String>,
    /// The proof of a password that would be sent.
    pub proof: Option<String>,
    /// Why it is no answer, as a person would read it.
    pub refusal: Option<String>,
}

/// Reads bytes as the answer of the camera at `asked` to every question there is.
pub fn read_any(bytes: &[u8], asked: &str) -> Told {
    let (text, login) = (String::from_utf8_lossy(bytes), Login::new("technician", "secret"));
    // What HTTP lets through in a header.
    let is_header = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let proof = is_header.then(|| authorization(&text, &login, "/onvif/device_service")).flatten();
    let found = place(asked).and_then(|camera| matched(&text, "", camera.ip()));
    let mut told = Told { found, proof, ..Told::default() };
    let leaves = match read("GetProfiles", &text) {
        Ok(leaves) => leaves,
        Err(error) => return Told { refusal: Some(error.to_string()), ..told },
    };
    let words = |error: OnvifError| error.to_string();
    told.clock = clock(&leaves).map_err(words).map_err(|words| told.refusal = Some(words)).ok();
    told.media = media_service(&leaves, asked).ok();
    drop(told.clock.map(|clock| Token::new(&login, &[7; 16], Moment::from(clock))));
    for profile in profiles(&leaves) {
        told.questions.push(envelope(&profile.question(), None));
        told.streams.extend(profile.at(&leaves).ok());
    }
    told
}

//! Which cameras are on the network: WS-Discovery's probe and its answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use edge_protocol::time::MonoTime;

use super::OnvifError;
use super::device::place;
use super::soap::{all, find, leaves, plain};
use crate::supervise::Clock;

/// Where cameras listen for probes.
pub const DISCOVERY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 3702));
/// The longest answer of a camera.
const LONGEST: usize = 16 << 10;
/// Most cameras that are told; a flood is not a network of cameras.
const MOST: usize = 64;
/// Most addresses of one: one a scheme and kind of address.
const MOST_ADDRESSES: usize = 4;

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its own name for itself, the same after every start.
    pub id: String,
    /// Maker's name for it, where it says one.
    pub name: Option<String>,
    /// Which hardware it is, where it says.
    pub hardware: Option<String>,
    /// Addresses of its device service.
    pub addresses: Vec<String>,
}

/// Asks at `target` and collects answers for `patience`.
///
/// # Errors
/// When the network does not let the question out.
pub fn discover(target: SocketAddr, patience: Duration, clock: &Clock) -> Result<Vec<Found>, OnvifError> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(OnvifError::Network)?;
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| OnvifError::Random)?;
    let id = uuid(id);
    socket.send_to(probe(&id).as_bytes(), target).map_err(OnvifError::Network)?;
    let end = clock.mono().saturating_add(patience);
    let mut found: Vec<Found> = Vec::new();
    let mut buffer = vec![0; LONGEST];
    while let Some((length, sender)) = receive(&socket, &mut buffer, end, clock)? {
        let answer = buffer.get(..length).map(String::from_utf8_lossy).unwrap_or_default();
        let known = |camera: &Found| found.iter().any(|known| known.id == camera.id);
        let camera = matched(&answer, &id, sender).filter(|camera| !known(camera) && found.len() < MOST);
        found.extend(camera);
    }
    found.sort_by(|a, b| a.addresses.cmp(&b.addresses));
    Ok(found)
}

fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    end: MonoTime,
    clock: &Clock,
) -> Result<Option<(usize, IpAddr)>, OnvifError> {
    loop {
        let left = end.saturating_since(clock.mono());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left)).map_err(OnvifError::Network)?;
        match socket.recv_from(buffer) {
            Ok((length, sender)) => return Ok(Some((length, sender.ip()))),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Ok(None);
            }
            // Where nobody listens, the system may say so for the question that was sent.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(OnvifError::Network(error)),
        }
    }
}

/// RFC 9562, version 4, of random bytes.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

fn probe(id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:n=\"http://www.onvif.org/ver10/network/wsdl\"><s:Header><a:MessageID>uuid:{id}</a:MessageID>\
         <a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
         <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>\
         <s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    )
}

/// The camera in an answer to our own question. Of its addresses those on `sender` alone are taken: whoever names
/// another host would have it shown a camera's password.
pub(super) fn matched(answer: &str, id: &str, sender: IpAddr) -> Option<Found> {
    let leaves = leaves(answer).ok()?;
    if !find(&leaves, "Header/RelatesTo")?.ends_with(id) {
        return None;
    }
    let scopes: Vec<&str> = all(&leaves, "ProbeMatch/Scopes").flat_map(str::split_whitespace).collect();
    let scope = |kind: &str| {
        let value = scopes.iter().find_map(|scope| scope.strip_prefix(&format!("onvif://www.onvif.org/{kind}/")))?;
        Some(readable(value))
    };
    let addresses = find(&leaves, "ProbeMatch/XAddrs")?.split_whitespace();
    let is_own = |url: &String| url.starts_with("http") && place(url).is_some_and(|place| place.ip() == sender);
    let addresses: Vec<String> = addresses.map(readable).filter(is_own).take(MOST_ADDRESSES).collect();
    if addresses.is_empty() {
        return None;
    }
    Some(Found {
        id: readable(find(&leaves, "EndpointReference/Address")?),
        name: scope("name"),
        hardware: scope("hardware"),
        addresses,
    })
}

/// What a camera says of itself, without what would disturb a terminal, `%20` and its like read.
fn readable(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (ahead.next(), ahead.next());
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(digits.0).zip(digit(digits.1))) {
            (b'%', Some((high, low))) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    plain(&String::from_utf8_lossy(&bytes), 120)
}

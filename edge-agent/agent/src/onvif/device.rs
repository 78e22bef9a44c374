//! A camera's device and media service: its clock, its streams.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use edge_protocol::time::{Moment, WallTime};
use quick_xml::escape::escape;

use super::http::{Asker, Left};
use super::soap::{Leaf, Token, all, envelope, find, leaves, plain};
use super::{Login, OnvifError};

/// Most profiles of a camera that are asked for.
const MOST_PROFILES: usize = 32;
/// The longest address that is taken from an answer, and the longest name.
const LONGEST_ADDRESS: usize = 1000;
const LONGEST_NAME: usize = 120;
const HTTP: u16 = 80;
/// Where a machine in a cloud is told its secrets.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];
const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";

/// A stream that a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The profile's name.
    pub name: String,
    /// Codec, as the camera says it; empty where it does not.
    pub codec: String,
    /// Width and height in pixels, where the camera says them.
    pub size: Option<(u32, u32)>,
    /// Where it is, without name and password.
    pub url: String,
}

/// A camera that is asked.
#[derive(Debug)]
pub struct Device {
    asker: Asker,
    address: String,
    login: Option<Login>,
}

impl Device {
    /// The camera at its device service's address, or at a host alone.
    ///
    /// # Errors
    /// When it is no address.
    pub fn new(address: &str, login: Option<Login>) -> Result<Self, OnvifError> {
        let wrong = || OnvifError::Address(address.to_owned());
        let address = match address.split_once("://") {
            Some(("http", rest)) if rest.contains('/') => address.to_owned(),
            Some(("http", host)) if !host.is_empty() => format!("http://{host}/onvif/device_service"),
            None if !address.is_empty() && !address.contains(['/', ' ']) => {
                format!("http://{address}/onvif/device_service")
            }
            Some(_) | None => return Err(wrong()),
        };
        // A password in an address would end up in logs.
        if host(&address).is_none_or(|host| host.contains('@') || host.is_empty()) {
            return Err(OnvifError::Address("what was given".to_owned()));
        }
        Ok(Self { asker: Asker::new(), address, login })
    }

    /// Host and port that are asked, by number, where that may be a camera.
    ///
    /// # Errors
    /// Where it is a name, which may stand for anything, or where no camera can be: the unit itself, a group, or where
    /// machines in a cloud are told their secrets.
    pub fn place(&self) -> Result<SocketAddr, OnvifError> {
        place(&self.address).filter(|place| may_be_a_camera(place.ip())).ok_or(OnvifError::Place)
    }

    /// The camera's clock. Asked without a password: a password's proof needs it.
    ///
    /// # Errors
    /// See [`OnvifError`].
    pub fn clock(&self, left: Left<'_>) -> Result<WallTime, OnvifError> {
        let body = format!("<GetSystemDateAndTime xmlns=\"{DEVICE}\"/>");
        let leaves = self.ask("GetSystemDateAndTime", &self.address, &envelope(&body, None), left)?;
        clock(&leaves)
    }

    /// The camera's streams, one a profile. `clock` is what [`Device::clock`] gave.
    ///
    /// # Errors
    /// See [`OnvifError`].
    pub fn streams(&self, clock: WallTime, left: Left<'_>) -> Result<Vec<Stream>, OnvifError> {
        let ask = |call, address: &str, body: &str| self.ask_secretly((call, body), address, clock, left);
        let body = format!("<GetCapabilities xmlns=\"{DEVICE}\"><Category>Media</Category></GetCapabilities>");
        let media = media_service(&ask("GetCapabilities", &self.address, &body)?, &self.address)?;
        let answer = ask("GetProfiles", &media, &format!("<GetProfiles xmlns=\"{MEDIA}\"/>"))?;
        let stream = |profile: Profile| {
            let answer = ask("GetStreamUri", &media, &profile.question())?;
            profile.at(&answer)
        };
        profiles(&answer).into_iter().map(stream).collect()
    }

    fn ask_secretly(
        &self,
        (call, body): (&'static str, &str),
        address: &str,
        clock: WallTime,
        left: Left<'_>,
    ) -> Result<Vec<Leaf>, OnvifError> {
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| OnvifError::Random)?;
        let token = self.login.as_ref().map(|login| Token::new(login, &nonce, Moment::from(clock)));
        self.ask(call, address, &envelope(body, token.as_ref()), left)
    }

    fn ask(&self, call: &'static str, address: &str, envelope: &str, left: Left<'_>) -> Result<Vec<Leaf>, OnvifError> {
        let answer = self.asker.post(address, envelope, self.login.as_ref(), left)?;
        read(call, &answer)
    }
}

/// Host and port of an address that gives its host by number.
pub(super) fn place(address: &str) -> Option<SocketAddr> {
    let host = host(address)?;
    let without_port = || Some(SocketAddr::new(host.trim_matches(['[', ']']).parse().ok()?, HTTP));
    host.parse().ok().or_else(without_port)
}

fn may_be_a_camera(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let nobody = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    !nobody && address != IpAddr::V4(Ipv4Addr::BROADCAST) && !METADATA.contains(&address)
}

/// What an answer holds, unless it says that something is wrong.
pub(super) fn read(call: &'static str, answer: &str) -> Result<Vec<Leaf>, OnvifError> {
    let leaves = leaves(answer).map_err(|what| OnvifError::Answer { call, what })?;
    if all(&leaves, "Subcode/Value").any(|code| code.ends_with("NotAuthorized")) {
        return Err(OnvifError::Refused);
    }
    if let Some(words) = find(&leaves, "Fault/Reason/Text").or_else(|| find(&leaves, "Fault/faultstring")) {
        return Err(OnvifError::Fault(plain(words, 200)));
    }
    Ok(leaves)
}

/// The answer to `GetSystemDateAndTime`.
pub(super) fn clock(leaves: &[Leaf]) -> Result<WallTime, OnvifError> {
    let missing = |what: &str| OnvifError::Answer { call: "GetSystemDateAndTime", what: format!("no {what}") };
    let field = |name: &str| -> Result<i16, OnvifError> {
        find(leaves, &format!("UTCDateTime/{name}")).and_then(|text| text.parse().ok()).ok_or_else(|| missing(name))
    };
    let small = |value: i16| i8::try_from(value).unwrap_or(-1);
    let date = jiff::civil::Date::new(field("Date/Year")?, small(field("Date/Month")?), small(field("Date/Day")?));
    let (hour, minute, second) = (field("Time/Hour")?, field("Time/Minute")?, field("Time/Second")?);
    // A leap second is told as 60.
    let time = jiff::civil::Time::new(small(hour), small(minute), small(second.min(59)), 0);
    let (Ok(date), Ok(time)) = (date, time) else { return Err(missing("such date")) };
    let stamp = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| missing("such date"))?;
    Ok(WallTime::from_micros(stamp.timestamp().as_microsecond()))
}

/// The media service in the answer to `GetCapabilities`, on the host that was asked: cameras behind a translated
/// network tell their inner one, and one that lies must not send the agent elsewhere.
pub(super) fn media_service(leaves: &[Leaf], asked: &str) -> Result<String, OnvifError> {
    let told = find(leaves, "Media/XAddr");
    let told = told.ok_or(OnvifError::Answer { call: "GetCapabilities", what: "no media service".to_owned() })?;
    let told = plain(told, LONGEST_ADDRESS);
    let rest = told.split_once("://").map_or(told.as_str(), |(_, rest)| rest);
    let path = rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/onvif/media_service");
    Ok(format!("http://{}{path}", host(asked).unwrap_or_default()))
}

fn host(address: &str) -> Option<&str> {
    address.split_once("://")?.1.split('/').next()
}

/// Some cameras write name and password into the addresses they give.
fn without_login(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A profile of a camera.
pub(super) struct Profile {
    token: String,
    name: String,
    codec: String,
    size: Option<(u32, u32)>,
}

impl Profile {
    /// The body that asks where its stream is.
    pub(super) fn question(&self) -> String {
        format!(
            "<GetStreamUri xmlns=\"{MEDIA}\"><StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">\
             RTP-Unicast</Stream><Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol>\
             </Transport></StreamSetup><ProfileToken>{}</ProfileToken></GetStreamUri>",
            escape(self.token.as_str())
        )
    }

    /// Its stream, by the answer to `GetStreamUri`.
    pub(super) fn at(self, leaves: &[Leaf]) -> Result<Stream, OnvifError> {
        let url = find(leaves, "MediaUri/Uri");
        let url = url.ok_or(OnvifError::Answer { call: "GetStreamUri", what: "no address".to_owned() })?;
        let url = without_login(&plain(url, LONGEST_ADDRESS));
        Ok(Stream { name: self.name, codec: self.codec, size: self.size, url })
    }
}

/// The answer to `GetProfiles`; what is beyond the most is left out.
pub(super) fn profiles(leaves: &[Leaf]) -> Vec<Profile> {
    let mut profiles: Vec<Profile> = Vec::new();
    for Leaf { path, text } in leaves {
        let Some((_, inner)) = path.split_once("GetProfilesResponse/Profiles") else { continue };
        if inner == "@token" {
            if profiles.len() == MOST_PROFILES {
                break;
            }
            let name = plain(text, LONGEST_NAME);
            let profile = Profile { token: text.clone(), name, codec: String::new(), size: None };
            profiles.push(profile);
            continue;
        }
        let Some(profile) = profiles.last_mut() else { continue };
        let number = || text.parse::<u32>().ok();
        match inner {
            "/Name" => profile.name = plain(text, LONGEST_NAME),
            "/VideoEncoderConfiguration/Encoding" => profile.codec = plain(text, LONGEST_NAME),
            "/VideoEncoderConfiguration/Resolution/Width" => profile.size = number().map(|width| (width, 0)),
            "/VideoEncoderConfiguration/Resolution/Height" => {
                profile.size = profile.size.zip(number()).map(|((width, _), height)| (width, height));
            }
            _ => {}
        }
    }
    profiles
}

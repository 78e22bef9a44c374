//! A camera's device and media service: its clock, its streams.

use edge_protocol::time::{Moment, WallTime};
use quick_xml::escape::escape;

use super::http::Asker;
use super::soap::{Leaf, Token, all, envelope, find, leaves};
use super::{Login, OnvifError};

/// Most profiles of a camera that are asked for.
const MOST_PROFILES: usize = 32;
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

    /// The camera's clock. Asked without a password: a password's proof needs it.
    ///
    /// # Errors
    /// See [`OnvifError`].
    pub fn clock(&self) -> Result<WallTime, OnvifError> {
        let body = format!("<GetSystemDateAndTime xmlns=\"{DEVICE}\"/>");
        let leaves = self.ask("GetSystemDateAndTime", &self.address, &envelope(&body, None))?;
        let missing = |what: &str| OnvifError::Answer { call: "GetSystemDateAndTime", what: format!("no {what}") };
        let field = |name: &str| -> Result<i16, OnvifError> {
            find(&leaves, &format!("UTCDateTime/{name}"))
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| missing(name))
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

    /// The camera's streams, one a profile. `clock` is what [`Device::clock`] gave.
    ///
    /// # Errors
    /// See [`OnvifError`].
    pub fn streams(&self, clock: WallTime) -> Result<Vec<Stream>, OnvifError> {
        let body = format!("<GetCapabilities xmlns=\"{DEVICE}\"><Category>Media</Category></GetCapabilities>");
        let answer = self.ask_secretly("GetCapabilities", &self.address, &body, clock)?;
        let media = find(&answer, "Media/XAddr");
        let media = media.ok_or(OnvifError::Answer { call: "GetCapabilities", what: "no media service".to_owned() })?;
        let media = self.at_home(media);
        let answer = self.ask_secretly("GetProfiles", &media, &format!("<GetProfiles xmlns=\"{MEDIA}\"/>"), clock)?;
        profiles(&answer).into_iter().take(MOST_PROFILES).map(|profile| self.stream(profile, &media, clock)).collect()
    }

    fn stream(&self, profile: Profile, media: &str, clock: WallTime) -> Result<Stream, OnvifError> {
        let body = format!(
            "<GetStreamUri xmlns=\"{MEDIA}\"><StreamSetup><Stream xmlns=\"http://www.onvif.org/ver10/schema\">\
             RTP-Unicast</Stream><Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol>\
             </Transport></StreamSetup><ProfileToken>{}</ProfileToken></GetStreamUri>",
            escape(profile.token.as_str())
        );
        let answer = self.ask_secretly("GetStreamUri", media, &body, clock)?;
        let url = find(&answer, "MediaUri/Uri");
        let url = url.ok_or(OnvifError::Answer { call: "GetStreamUri", what: "no address".to_owned() })?;
        Ok(Stream { name: profile.name, codec: profile.codec, size: profile.size, url: without_login(url) })
    }

    fn ask_secretly(
        &self,
        call: &'static str,
        address: &str,
        body: &str,
        clock: WallTime,
    ) -> Result<Vec<Leaf>, OnvifError> {
        let mut nonce = [0; 16];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| OnvifError::Random)?;
        let token = self.login.as_ref().map(|login| Token::new(login, &nonce, Moment::from(clock)));
        self.ask(call, address, &envelope(body, token.as_ref()))
    }

    fn ask(&self, call: &'static str, address: &str, envelope: &str) -> Result<Vec<Leaf>, OnvifError> {
        let answer = self.asker.post(address, envelope, self.login.as_ref())?;
        let leaves = leaves(&answer).map_err(|what| OnvifError::Answer { call, what })?;
        if all(&leaves, "Subcode/Value").any(|code| code.ends_with("NotAuthorized")) {
            return Err(OnvifError::Refused);
        }
        if let Some(words) = find(&leaves, "Fault/Reason/Text").or_else(|| find(&leaves, "Fault/faultstring")) {
            return Err(OnvifError::Fault(words.chars().filter(|c| !c.is_control()).take(200).collect()));
        }
        Ok(leaves)
    }

    /// An address of an answer on the host that was asked: cameras behind a translated network tell their inner one,
    /// and one that lies must not send the agent elsewhere.
    fn at_home(&self, told: &str) -> String {
        let rest = told.split_once("://").map_or(told, |(_, rest)| rest);
        let path = rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/onvif/media_service");
        format!("http://{}{path}", host(&self.address).unwrap_or_default())
    }
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

struct Profile {
    token: String,
    name: String,
    codec: String,
    size: Option<(u32, u32)>,
}

fn profiles(leaves: &[Leaf]) -> Vec<Profile> {
    let mut profiles: Vec<Profile> = Vec::new();
    for Leaf { path, text } in leaves {
        let Some((_, inner)) = path.split_once("GetProfilesResponse/Profiles") else { continue };
        if inner == "@token" {
            let profile = Profile { token: text.clone(), name: text.clone(), codec: String::new(), size: None };
            profiles.push(profile);
            continue;
        }
        let Some(profile) = profiles.last_mut() else { continue };
        let number = || text.parse::<u32>().ok();
        match inner {
            "/Name" => profile.name.clone_from(text),
            "/VideoEncoderConfiguration/Encoding" => profile.codec.clone_from(text),
            "/VideoEncoderConfiguration/Resolution/Width" => profile.size = number().map(|width| (width, 0)),
            "/VideoEncoderConfiguration/Resolution/Height" => {
                profile.size = profile.size.zip(number()).map(|((width, _), height)| (width, height));
            }
            _ => {}
        }
    }
    profiles
}

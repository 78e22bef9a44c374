//! Against a small camera of our own: it checks passwords' proofs as a camera does, and answers as the specification's
//! message forms say.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use edge_protocol::time::WallTime;

use super::soap::{find, leaves, md5};
use super::*;
use crate::supervise::Clock;

const ALWAYS: Left<'_> = &|| Duration::MAX;
const USER: &str = "technician";
const PASSWORD: &str = "s<e>c&ret";

/// How the camera wants to be convinced.
#[derive(Clone, Copy, PartialEq)]
enum Wants {
    Token,
    Digest,
}

/// A camera on a port of its own; it lives as long as the test's process.
#[allow(clippy::disallowed_methods, reason = "a fake's own thread, which ends with the test")]
fn camera(wants: Wants) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(&stream, wants);
        }
    });
    format!("http://{address}/onvif/device_service")
}

fn serve(stream: &TcpStream, wants: Wants) {
    let mut reader = BufReader::new(stream);
    loop {
        let Some((authorization, body)) = request(&mut reader) else { return };
        let (status, extra, body) = match convinced(wants, authorization.as_deref(), &body) {
            Ok(()) => ("200 OK", "", answer(&body)),
            Err(Wants::Digest) => {
                let challenge = "WWW-Authenticate: Digest realm=\"camera\", nonce=\"abc123\", qop=\"auth\"\r\n";
                ("401 Unauthorized", challenge, String::new())
            }
            Err(Wants::Token) => {
                let fault = "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value>\
                             </s:Subcode></s:Code><s:Reason><s:Text>Sender not Authorized</s:Text></s:Reason></s:Fault>";
                ("400 Bad Request", "", wrapped(fault))
            }
        };
        let head = format!("HTTP/1.1 {status}\r\n{extra}Content-Type: application/soap+xml\r\n");
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        if (&*stream).write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(Option<String>, String)> {
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => authorization = Some(value.to_owned()),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((authorization, String::from_utf8(body).unwrap()))
}

/// As a camera judges: the clock may be asked by everybody.
fn convinced(wants: Wants, authorization: Option<&str>, body: &str) -> Result<(), Wants> {
    if body.contains("GetSystemDateAndTime") {
        return Ok(());
    }
    let good = match wants {
        Wants::Token => {
            let leaves = leaves(body).unwrap();
            let proof = || {
                let nonce = gio::glib::base64_decode(find(&leaves, "UsernameToken/Nonce")?);
                let created = find(&leaves, "UsernameToken/Created")?;
                // The camera's clock stands at 2020-02-29T12:00:05Z; a proof of another time is stale.
                let fresh = created.starts_with("2020-02-29T12:00");
                let proof = [nonce.as_slice(), created.as_bytes(), PASSWORD.as_bytes()].concat();
                let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
                let digest = gio::glib::base64_encode(aws_lc_rs::digest::digest(sha1, &proof).as_ref()).to_string();
                let same = find(&leaves, "UsernameToken/Password")? == digest;
                Some(fresh && same && find(&leaves, "UsernameToken/Username")? == USER)
            };
            proof().unwrap_or(false)
        }
        Wants::Digest => authorization.is_some_and(|text| {
            let part = |name: &str| text.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            let secret = md5(&format!("{USER}:camera:{PASSWORD}"));
            let question = md5(&format!("POST:{}", part("uri").unwrap()));
            let ours = part("cnonce").unwrap();
            part("response") == Some(md5(&format!("{secret}:abc123:00000001:{ours}:auth:{question}")).as_str())
        }),
    };
    if good { Ok(()) } else { Err(wants) }
}

fn wrapped(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{body}</s:Body>\
         </s:Envelope>"
    )
}

fn answer(question: &str) -> String {
    if question.contains("GetSystemDateAndTime") {
        return wrapped(
            "<tds:GetSystemDateAndTimeResponse xmlns:tds=\"d\" xmlns:tt=\"t\"><tds:SystemDateAndTime>\
             <tt:UTCDateTime><tt:Time><tt:Hour>12</tt:Hour><tt:Minute>0</tt:Minute><tt:Second>5</tt:Second></tt:Time>\
             <tt:Date><tt:Year>2020</tt:Year><tt:Month>2</tt:Month><tt:Day>29</tt:Day></tt:Date></tt:UTCDateTime>\
             <tt:LocalDateTime><tt:Time><tt:Hour>4</tt:Hour></tt:Time></tt:LocalDateTime>\
             </tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>",
        );
    }
    if question.contains("GetCapabilities") {
        // As behind a translated network: the camera tells an address that leads elsewhere.
        return wrapped(
            "<GetCapabilitiesResponse><Capabilities><Media><XAddr>http://10.255.255.1:81/onvif/Media</XAddr></Media>\
             </Capabilities></GetCapabilitiesResponse>",
        );
    }
    if question.contains("GetProfiles") {
        return wrapped(
            "<trt:GetProfilesResponse xmlns:trt=\"m\"><trt:Profiles token=\"main&amp;1\" fixed=\"true\"><tt:Name>Main\
             </tt:Name><tt:VideoEncoderConfiguration token=\"v\"><tt:Encoding>H264</tt:Encoding><tt:Resolution>\
             <tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration>\
             </trt:Profiles><trt:Profiles token=\"sub\"><tt:Name>Sub</tt:Name></trt:Profiles></trt:GetProfilesResponse>",
        );
    }
    let stream = if question.contains("<ProfileToken>sub</ProfileToken>") { "sub" } else { "main" };
    assert!(stream == "sub" || question.contains("<ProfileToken>main&amp;1</ProfileToken>"), "{question}");
    wrapped(&format!(
        "<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://admin:1234@192.0.2.7/{stream}?a=1&amp;b=2</tt:Uri>\
         </trt:MediaUri></trt:GetStreamUriResponse>"
    ))
}

fn streams(wants: Wants, password: &str) -> Result<Vec<Stream>, OnvifError> {
    let device = Device::new(&camera(wants), Some(Login::new(USER, password))).unwrap();
    let clock = device.clock(ALWAYS)?;
    assert_eq!(clock, WallTime::from_millis(1_582_977_605_000));
    device.streams(clock, ALWAYS)
}

#[test]
fn streams_are_found_whichever_proof_of_the_password_the_camera_wants() {
    for wants in [Wants::Token, Wants::Digest] {
        let found = streams(wants, PASSWORD).unwrap();
        let main = Stream {
            name: "Main".to_owned(),
            codec: "H264".to_owned(),
            size: Some((1920, 1080)),
            url: "rtsp://192.0.2.7/main?a=1&b=2".to_owned(),
        };
        assert_eq!(found[0], main, "without the password that the camera wrote into it");
        assert_eq!((found.len(), found[1].url.as_str()), (2, "rtsp://192.0.2.7/sub?a=1&b=2"));
    }
}

#[test]
fn a_user_that_no_digest_can_carry_is_told_as_such() {
    let device = Device::new(&camera(Wants::Digest), Some(Login::new("jürgen", PASSWORD))).unwrap();
    let error = device.streams(device.clock(ALWAYS).unwrap(), ALWAYS).unwrap_err();
    assert!(matches!(error, OnvifError::Letters), "{error}");
}

#[test]
fn a_wrong_password_is_told_as_such_and_not_repeated() {
    for wants in [Wants::Token, Wants::Digest] {
        let error = streams(wants, "hunter2").unwrap_err();
        assert!(matches!(error, OnvifError::Refused) && !format!("{error} {error:?}").contains("hunter2"));
    }
    assert_eq!(format!("{:?}", Login::new("a", "b")), "Login");
}

#[test]
fn what_is_no_address_is_refused_without_asking_anybody() {
    for wrong in ["", "ftp://192.0.2.1", "http://", "http://u:hunter2@192.0.2.1/x", "a b"] {
        let error = Device::new(wrong, None).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn documents_that_are_no_answer_are_refused() {
    let deep = "<a>".repeat(100);
    for wrong in ["<a><b></a>", &deep, "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"] {
        assert!(leaves(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_document_within_its_bound_cannot_become_many_times_larger() {
    let name = "n".repeat(4000);
    let many = format!("<{name}>{}</{name}>", "<a b=\"c\"/>".repeat(10_000));
    assert!(leaves(&many).unwrap_err().contains("more than any camera"));
    let attributes: Vec<_> = (0..100).map(|number| format!("a{number}=\"\"")).collect();
    assert!(leaves(&format!("<a {}/>", attributes.join(" "))).unwrap_err().contains("too many attributes"));
}

#[test]
fn what_a_camera_says_of_itself_disturbs_no_terminal() {
    let document = wrapped(
        "<GetProfilesResponse><Profiles token=\"&#27;[2J\"><Name>a&#7;b</Name></Profiles></GetProfilesResponse>\
         <MediaUri><Uri>rtsp://a:b@192.0.2.7/&#27;c</Uri></MediaUri>",
    );
    let told = read_any(document.as_bytes(), "http://192.0.2.1/");
    let stream = &told.streams[0];
    assert_eq!((stream.name.as_str(), stream.url.as_str()), ("ab", "rtsp://192.0.2.7/c"));
    let refusal = read_any(b"<a\x1b[2J></b>", "http://192.0.2.1/").refusal.unwrap();
    assert!(!refusal.contains('\x1b'), "{refusal:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a fake's own thread, joined below")]
fn cameras_that_answer_a_probe_are_listed_once_and_strangers_answers_are_not() {
    let network = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target: SocketAddr = network.local_addr().unwrap();
    let cameras = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let (length, asker) = network.recv_from(&mut buffer).unwrap();
        let question = leaves(std::str::from_utf8(&buffer[..length]).unwrap()).unwrap();
        let id = find(&question, "Header/MessageID").unwrap().to_owned();
        let answer_at = |host: &str, id: &str, name: &str| {
            format!(
                "<s:Envelope><s:Header><a:RelatesTo>{id}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>\
                 <a:EndpointReference><a:Address>urn:uuid:{name}</a:Address></a:EndpointReference><d:Scopes>\
                 onvif://www.onvif.org/name/{name}%20Cam onvif://www.onvif.org/hardware/X1</d:Scopes><d:XAddrs>\
                 http://{host}:{}/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>",
                name.len()
            )
        };
        // One that tells more addresses than a camera has.
        let answer = |id: &str, name: &str| {
            let more = format!("/ http://127.0.0.1:{}", name.len()).repeat(300);
            answer_at("127.0.0.1", id, name).replace("</d:XAddrs>", &format!("{more}</d:XAddrs>"))
        };
        let elsewhere = ["192.0.2.66", "camera.example", "127.0.0.1@192.0.2.66", "127.0.0.1:80@192.0.2.66"];
        for text in elsewhere.map(|host| answer_at(host, &id, "liar")) {
            network.send_to(text.as_bytes(), asker).unwrap();
        }
        for text in [answer(&id, "gate"), answer("uuid:other", "stranger"), answer(&id, "gate"), answer(&id, "it")] {
            network.send_to(text.as_bytes(), asker).unwrap();
        }
        network.send_to(b"<not xml", asker).unwrap();
    });
    let found = discover(target, Duration::from_millis(500), &Clock::system()).unwrap();
    cameras.join().unwrap();
    let names: Vec<_> = found.iter().map(|camera| camera.name.clone().unwrap()).collect();
    assert_eq!(names, ["it Cam", "gate Cam"]);
    assert_eq!(found[1].addresses.len(), 4);
    assert_eq!(found[1].addresses[0], "http://127.0.0.1:4/onvif/device_service/");
    assert_eq!(found[1].hardware.as_deref(), Some("X1"));
}

#[test]
fn a_camera_is_asked_no_longer_than_was_said_whatever_it_answers() {
    let device = Device::new(&camera(Wants::Digest), Some(Login::new(USER, PASSWORD))).unwrap();
    let asked = std::cell::Cell::new(0);
    let left = || {
        asked.set(asked.get() + 1);
        if asked.get() > 3 { Duration::ZERO } else { Duration::from_secs(5) }
    };
    let clock = device.clock(&left).unwrap();
    assert!(matches!(device.streams(clock, &left), Err(OnvifError::Late)));
    assert_eq!(asked.get(), 4, "the clock, the media service with its challenge, and no question after that");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let device = Device::new(&format!("http://{}/", silent.local_addr().unwrap()), None).unwrap();
    let begun = Clock::system();
    assert!(device.clock(&|| Duration::from_millis(200)).is_err());
    assert!(begun.mono().as_duration() < Duration::from_secs(3), "the last question ends with the time there is");
}

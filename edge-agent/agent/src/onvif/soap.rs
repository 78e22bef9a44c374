//! Envelopes to cameras, and what is found in theirs.

use edge_protocol::time::Moment;
use gio::glib::{self, ChecksumType};
use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;

use super::Login;

/// No camera needs elements nested deeper.
const DEEPEST: usize = 64;
/// Nor more attributes of an element, which the reader compares with each other.
const MOST_ATTRIBUTES: usize = 64;
/// The longest that is told of what is wrong with a document: it may quote it.
const LONGEST_WORDS: usize = 200;
/// The most bytes of paths and texts. A path is told with every leaf, so that few bytes on the wire could become many.
const MOST_BYTES: usize = 8 << 20;

/// Proof of a password without the password (WS-Security `UsernameToken` Profile 1.0, section 3.1).
#[derive(Debug)]
pub(super) struct Token {
    user: String,
    digest: String,
    nonce: String,
    created: String,
}

impl Token {
    /// `created` is the camera's own time: it refuses what is minutes off.
    pub(super) fn new(login: &Login, nonce: &[u8], created: Moment) -> Self {
        let created = created.to_string();
        let proof: Vec<u8> = [nonce, created.as_bytes(), login.password.as_bytes()].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &proof);
        let base64 = |bytes: &[u8]| glib::base64_encode(bytes).to_string();
        Self { user: login.user.clone(), digest: base64(digest.as_ref()), nonce: base64(nonce), created }
    }

    fn header(&self) -> String {
        const NS: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
        let Self { user, digest, nonce, created } = self;
        format!(
            "<s:Header><w:Security s:mustUnderstand=\"1\" xmlns:w=\"{NS}-wssecurity-secext-1.0.xsd\" \
             xmlns:u=\"{NS}-wssecurity-utility-1.0.xsd\"><w:UsernameToken><w:Username>{}</w:Username>\
             <w:Password Type=\"{NS}-username-token-profile-1.0#PasswordDigest\">{digest}</w:Password>\
             <w:Nonce EncodingType=\"{NS}-soap-message-security-1.0#Base64Binary\">{nonce}</w:Nonce>\
             <u:Created>{created}</u:Created></w:UsernameToken></w:Security></s:Header>",
            escape(user.as_str())
        )
    }
}

/// A SOAP 1.2 envelope around a body.
pub(super) fn envelope(body: &str, token: Option<&Token>) -> String {
    let header = token.map(Token::header).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">\
         {header}<s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// MD5 in hexadecimal, for HTTP digest (RFC 7616), which cameras still ask for.
pub(super) fn md5(text: &str) -> String {
    glib::compute_checksum_for_string(ChecksumType::Md5, text).map(String::from).unwrap_or_default()
}

/// An element that holds text or attributes: its path of local names, and what it holds.
#[derive(Debug, PartialEq)]
pub(super) struct Leaf {
    /// Local names from the root, e.g. `Envelope/Body/GetStreamUriResponse/MediaUri/Uri`.
    pub(super) path: String,
    /// The text, or an attribute's value under `path@name`.
    pub(super) text: String,
}

/// Every text and attribute of a document, in order. Namespaces are left out: cameras choose prefixes freely, and the
/// names that are asked for here are unique by their path.
pub(super) fn leaves(document: &str) -> Result<Vec<Leaf>, String> {
    let mut reader = Reader::from_str(document);
    let (mut path, mut text, mut leaves): (Vec<String>, String, _) = (Vec::new(), String::new(), Leaves::default());
    loop {
        let event = reader.read_event().map_err(|error| plain(&error.to_string(), LONGEST_WORDS))?;
        match event {
            Event::Start(start) => {
                if path.len() >= DEEPEST {
                    return Err("its elements are nested too deep".to_owned());
                }
                path.push(local(start.local_name().as_ref()));
                text.clear();
                attributes(&start, &path, &mut leaves)?;
            }
            Event::Empty(start) => {
                path.push(local(start.local_name().as_ref()));
                attributes(&start, &path, &mut leaves)?;
                path.pop();
            }
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            // The five of XML itself and numbers; any other would be one that the document declares, which is a trap.
            Event::GeneralRef(name) => text.push_str(&entity(&name.xml10_content()).ok_or("an entity is not known")?),
            Event::End(_) => {
                let value = text.trim();
                if !value.is_empty() {
                    leaves.push(path.join("/"), value.to_owned())?;
                }
                text.clear();
                path.pop();
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    Ok(leaves.told)
}

/// What was found so far, bounded.
#[derive(Default)]
struct Leaves {
    told: Vec<Leaf>,
    bytes: usize,
}

impl Leaves {
    fn push(&mut self, path: String, text: String) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(path.len()).saturating_add(text.len());
        if self.bytes > MOST_BYTES {
            return Err("it holds more than any camera has to say".to_owned());
        }
        self.told.push(Leaf { path, text });
        Ok(())
    }
}

fn local(name: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(name.as_ref()).into_owned()
}

fn attributes(start: &quick_xml::events::BytesStart<'_>, path: &[String], leaves: &mut Leaves) -> Result<(), String> {
    for (number, attribute) in start.attributes().enumerate() {
        if number >= MOST_ATTRIBUTES {
            return Err("an element has too many attributes".to_owned());
        }
        let Ok(attribute) = attribute else { continue };
        let name = local(attribute.key.local_name().as_ref());
        let Ok(text) = unescape(attribute.value.as_ref()).map(String::from) else { continue };
        leaves.push(format!("{}@{name}", path.join("/")), text)?;
    }
    Ok(())
}

fn entity(name: &str) -> Option<String> {
    let known = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some(known.to_string())
}

/// What a camera says, without what would disturb a terminal.
pub(super) fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// The first leaf whose path ends so.
pub(super) fn find<'l>(leaves: &'l [Leaf], end: &str) -> Option<&'l str> {
    all(leaves, end).next()
}

/// Every leaf whose path ends so.
pub(super) fn all<'l>(leaves: &'l [Leaf], end: &str) -> impl Iterator<Item = &'l str> {
    let end = format!("/{end}");
    leaves.iter().filter(move |leaf| leaf.path.ends_with(&end)).map(|leaf| leaf.text.as_str())
}

//! One question over HTTP, with digest where the camera asks for it. No redirects, bounded answers.

use std::time::Duration;

use ureq::Agent;
use ureq::http::StatusCode;

use super::soap::md5;
use super::{Login, OnvifError};

/// The longest answer, in bytes: profiles of a camera with many streams.
const LONGEST: u64 = 1 << 20;
/// How long a camera may take for one answer: less than a stage has for its end.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long whoever asks goes on; nothing once that is over.
pub type Left<'a> = &'a dyn Fn() -> Duration;

/// Asks cameras.
#[derive(Debug)]
pub(super) struct Asker {
    agent: Agent,
}

impl Asker {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A unit's way to its cameras is its own; no proxy of the surroundings is one.
            .proxy(None)
            .build();
        Self { agent: config.into() }
    }

    /// Posts an envelope; the answer's body, faults included.
    pub(super) fn post(
        &self,
        address: &str,
        envelope: &str,
        login: Option<&Login>,
        left: Left<'_>,
    ) -> Result<String, OnvifError> {
        let (status, challenge, body) = self.once(address, envelope, None, left)?;
        let answer = challenge.filter(|_| status == StatusCode::UNAUTHORIZED).zip(login);
        let answer = answer.and_then(|(challenge, login)| authorization(&challenge, login, path(address)));
        let (status, body) = match answer {
            Some(authorization) => {
                let (status, _, body) = self.once(address, envelope, Some(&authorization), left)?;
                (status, body)
            }
            None => (status, body),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(OnvifError::Refused),
            // SOAP says what is wrong in the body of a 400 or 500.
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR => Ok(body),
            other => Err(unreachable(address, format!("it answers {other}"))),
        }
    }

    fn once(
        &self,
        address: &str,
        envelope: &str,
        authorization: Option<&str>,
        left: Left<'_>,
    ) -> Result<(StatusCode, Option<String>, String), OnvifError> {
        let left = left().min(PATIENCE);
        if left.is_zero() {
            return Err(OnvifError::Late);
        }
        let request = self.agent.post(address).config().timeout_global(Some(left)).build();
        let mut request = request.header("content-type", "application/soap+xml; charset=utf-8");
        if let Some(authorization) = authorization {
            if !authorization.is_ascii() {
                return Err(OnvifError::Letters);
            }
            request = request.header("authorization", authorization);
        }
        let failed = |error: ureq::Error| unreachable(address, error.to_string());
        let mut response = request.send(envelope).map_err(failed)?;
        let digest = response.headers().get_all("www-authenticate").into_iter();
        let mut digest = digest.filter_map(|value| Some(value.to_str().ok()?.to_owned()));
        let digest = digest.find(|value| value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("digest")));
        let body = response.body_mut().with_config().limit(LONGEST).read_to_string().map_err(failed)?;
        Ok((response.status(), digest, body))
    }
}

fn unreachable(address: &str, reason: String) -> OnvifError {
    OnvifError::Unreachable { address: address.to_owned(), reason }
}

fn path(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
}

/// A quote or backslash in a quoted string, RFC 9110 section 5.6.4.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// The answer to a challenge by RFC 7616 with MD5, with `qop=auth` where it is offered.
pub(super) fn authorization(challenge: &str, login: &Login, uri: &str) -> Option<String> {
    let field = |name: &str| {
        let at = challenge.find(&format!("{name}="))? + name.len() + 1;
        let rest = challenge.get(at..)?;
        match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().map(str::to_owned),
            None => rest.split([',', ' ']).next().map(str::to_owned),
        }
    };
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    if field("algorithm").is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("md5")) {
        return None;
    }
    let Login { user, password } = login;
    let secret = md5(&format!("{user}:{realm}:{password}"));
    let question = md5(&format!("POST:{uri}"));
    let offered = field("qop").is_some_and(|qop| qop.split(',').any(|word| word.trim() == "auth"));
    let count = "00000001";
    // One question a challenge, so that its own nonce serves as ours.
    let ours = md5(&format!("{nonce}:{user}:{uri}"));
    let (response, quality) = if offered {
        let response = md5(&format!("{secret}:{nonce}:{count}:{ours}:auth:{question}"));
        (response, format!(", qop=auth, nc={count}, cnonce=\"{ours}\""))
    } else {
        (md5(&format!("{secret}:{nonce}:{question}")), String::new())
    };
    let opaque = field("opaque").map(|opaque| format!(", opaque=\"{opaque}\"")).unwrap_or_default();
    Some(format!(
        "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\"{quality}{opaque}",
        quoted(user)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_without_quality_is_answered_as_rfc_2069_computes_it() {
        let login = Login::new("Mufasa", "CircleOfLife");
        let challenge =
            "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc\"";
        let answer = authorization(challenge, &login, "/dir/index.html").unwrap();
        // The first of the three hashes is the one of RFC 2617's example, whose user, realm and password these are.
        let secret = md5("Mufasa:testrealm@host.com:CircleOfLife");
        let expected = md5(&format!("{secret}:dcd98b7102dd2f0e8b11d0f600bfb0c093:{}", md5("POST:/dir/index.html")));
        assert!(answer.contains(&format!("response=\"{expected}\"")) && answer.contains("opaque=\"5ccc\""), "{answer}");
        assert!(!answer.contains("CircleOfLife"));
    }

    #[test]
    fn a_quote_in_a_name_ends_nothing() {
        let login = Login::new("a\"b\\", "c");
        let answer = authorization("Digest realm=\"r\", nonce=\"n\"", &login, "/").unwrap();
        assert!(answer.starts_with(r#"Digest username="a\"b\\", realm="r""#), "{answer}");
    }

    #[test]
    fn a_digest_of_another_kind_is_not_answered() {
        let login = Login::new("a", "b");
        assert_eq!(authorization("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256", &login, "/"), None);
        assert_eq!(path("http://192.0.2.1:8080/onvif/media?x=1"), "/onvif/media?x=1");
        assert_eq!(path("http://192.0.2.1"), "/");
    }
}

//! What keeps the center from its broker, in words for whoever started it; each reason is said once.

use std::io::{self, ErrorKind};

use rumqttc::TlsError;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};

/// What was said since the broker was last there.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Vec<String>,
}

impl Trouble {
    /// Forgets what was said: the broker is there.
    pub(super) fn over(&mut self) {
        self.said.clear();
    }

    /// The words to be said; none where they were.
    pub(super) fn met(&mut self, error: &ConnectionError) -> Option<String> {
        let words = words(error);
        if self.said.contains(&words) {
            return None;
        }
        self.said.push(words.clone());
        Some(words)
    }
}

fn words(error: &ConnectionError) -> String {
    match advice(error) {
        Some(advice) => format!("{error}: {advice}"),
        None => error.to_string(),
    }
}

/// What most often is the cause, where that can be told.
fn advice(error: &ConnectionError) -> Option<&'static str> {
    match error {
        ConnectionError::Timeout(_) => Some("nobody answers there: is --broker right, and no wall between?"),
        ConnectionError::ConnectionRefused(code) => refused(*code),
        ConnectionError::Io(error)
        | ConnectionError::Tls(TlsError::Io(error))
        | ConnectionError::MqttState(StateError::Io(error)) => broken(error),
        ConnectionError::Tls(TlsError::TLS(error)) => unfit(error),
        ConnectionError::Tls(_)
        | ConnectionError::MqttState(_)
        | ConnectionError::NotConnAck(_)
        | ConnectionError::RequestsDone => None,
    }
}

fn refused(code: ConnectReturnCode) -> Option<&'static str> {
    let ours = matches!(
        code,
        ConnectReturnCode::NotAuthorized
            | ConnectReturnCode::BadUserNamePassword
            | ConnectReturnCode::ClientIdentifierNotValid
    );
    ours.then_some("the broker does not take this receiver: is --cert a receiver's, and in the broker's access list?")
}

fn broken(error: &io::Error) -> Option<&'static str> {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return unfit(error);
    }
    let kind = error.kind();
    let no_way = [ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable, ErrorKind::TimedOut];
    if kind == ErrorKind::ConnectionRefused {
        Some("nothing listens there: does the broker run, and is --broker right?")
    } else if no_way.contains(&kind) {
        Some("there is no way there: is --broker right?")
    } else if error.raw_os_error().is_none() && error.to_string().contains("lookup") {
        Some("its name is not known: is --broker right?")
    } else {
        None
    }
}

fn unfit(error: &rustls::Error) -> Option<&'static str> {
    if matches!(error, rustls::Error::InvalidCertificate(_)) {
        Some("the broker's certificate is not of --root, is out of date, or has another name than --broker")
    } else if matches!(error, rustls::Error::AlertReceived(_)) {
        Some("the broker does not take this receiver's certificate: is --cert of its agency?")
    } else if matches!(error, rustls::Error::InvalidMessage(_)) {
        Some("what listens there does not speak TLS: is the port of --broker right?")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: impl Into<ConnectionError>) -> String {
        words(&error.into())
    }

    fn over_tls(error: rustls::Error) -> String {
        said(TlsError::Io(io::Error::new(ErrorKind::InvalidData, error)))
    }

    #[test]
    fn what_a_person_has_set_wrong_is_named() {
        assert!(said(io::Error::from(ErrorKind::ConnectionRefused)).contains("nothing listens there"));
        assert!(said(io::Error::other("failed to lookup address information")).contains("name is not known"));
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(over_tls(unknown).contains("not of --root"));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        assert!(over_tls(alert).contains("--cert of its agency"));
        let refused = ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized);
        assert!(said(refused).contains("access list"));
        assert!(!said(ConnectionError::RequestsDone).contains(": "), "nothing is guessed");
    }

    #[test]
    fn a_reason_is_said_once_until_the_broker_was_there_again() {
        let away = ConnectionError::from(io::Error::from(ErrorKind::ConnectionRefused));
        let other = ConnectionError::from(io::Error::from(ErrorKind::ConnectionReset));
        let mut trouble = Trouble::default();
        assert!(trouble.met(&away).is_some());
        assert!(trouble.met(&other).is_some());
        assert_eq!((trouble.met(&away), trouble.met(&other)), (None, None));
        trouble.over();
        assert!(trouble.met(&away).is_some());
    }
}

//! Why there is no connection to the broker, in the words of whoever has to do something about it.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "foreign enums, which grow; whatever has no words here speaks for itself"
)]

use std::io;

use rumqttc::TlsError;
use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};
use rustls::{AlertDescription, Error as RustlsError};

/// A connection that did not come about, or ended.
pub(super) fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error)
        | ConnectionError::Tls(TlsError::Io(error))
        | ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)),
        ) => of_the_line(error),
        ConnectionError::Tls(TlsError::TLS(error)) => of_tls(error),
        ConnectionError::Tls(error) => format!("TLS: {error}"),
        ConnectionError::Timeout(_) => "the broker does not answer in time".to_owned(),
        ConnectionError::ConnectionRefused(code) => format!("the broker refuses the unit: {}", of_refusal(*code)),
        ConnectionError::NotConnAck(_) => "whoever answers speaks no MQTT 5".to_owned(),
        ConnectionError::MqttState(StateError::ConnFail { reason }) => {
            format!("the broker refuses the unit: {}", of_refusal(*reason))
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => "the connection was cut".to_owned(),
        ConnectionError::MqttState(StateError::AwaitPingResp) => "the broker no longer answers".to_owned(),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            format!("the broker ended the connection: {reason_code:?}")
        }
        ConnectionError::MqttState(error) => error.to_string(),
        ConnectionError::RequestsDone => "the unit ended the connection".to_owned(),
    }
}

pub(super) fn of_the_line(error: &io::Error) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) {
        return of_tls(tls);
    }
    let what = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens at the broker's address",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to the broker",
        // systemd's IPAddressDeny=, or the image's packet filter.
        io::ErrorKind::PermissionDenied => "the service may not talk to the broker's address: see [network] allow",
        io::ErrorKind::TimedOut => "the broker does not answer in time",
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => "the connection was cut",
        _ => return error.to_string(),
    };
    format!("{what} ({error})")
}

fn of_tls(error: &RustlsError) -> String {
    match error {
        // What the unit's own key says when it does not sign: words of ours, and no fault of the broker's.
        RustlsError::General(why) => why.clone(),
        RustlsError::AlertReceived(AlertDescription::CertificateRevoked) => {
            "the broker says that the unit's certificate was revoked: ask the center".to_owned()
        }
        RustlsError::AlertReceived(AlertDescription::CertificateExpired) => {
            "the broker says that the time of the unit's certificate is over: check the unit's clock, and ask the center"
                .to_owned()
        }
        RustlsError::InvalidCertificate(why) => format!("TLS: the broker's certificate is not believed: {why}"),
        RustlsError::AlertReceived(AlertDescription::ProtocolVersion) | RustlsError::PeerIncompatible(_) => {
            format!("TLS: the broker does not speak TLS 1.3 ({error})")
        }
        RustlsError::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => format!("TLS: the broker does not take the unit's certificate ({error})"),
        _ => format!("TLS: {error}"),
    }
}

fn of_refusal(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::NotAuthorized => "not authorised",
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => "its name is not accepted",
        ConnectReturnCode::BadUserNamePassword => "its name or password is not accepted",
        ConnectReturnCode::ServerUnavailable | ConnectReturnCode::ServiceUnavailable => "not available",
        ConnectReturnCode::ServerBusy => "busy",
        ConnectReturnCode::Banned => "banned",
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
            "it does not speak MQTT 5"
        }
        other => return format!("{other:?}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, PeerIncompatible};

    use super::*;

    fn io(kind: io::ErrorKind) -> ConnectionError {
        ConnectionError::Io(kind.into())
    }

    fn tls(error: RustlsError) -> ConnectionError {
        ConnectionError::Tls(TlsError::Io(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    #[test]
    fn what_the_units_key_says_stands_for_itself() {
        let said = "no token \"edge\" ([token] label) is there; there is none at all";
        assert_eq!(words(&tls(RustlsError::General(said.to_owned()))), said);
    }

    #[test]
    fn a_revoked_certificate_is_told_the_same_wherever_the_broker_says_so() {
        let alert = || RustlsError::AlertReceived(AlertDescription::CertificateRevoked);
        let line = || io::Error::new(io::ErrorKind::InvalidData, alert());
        let said = "the broker says that the unit's certificate was revoked: ask the center";
        let reading = StateError::Deserialization(mqttbytes::Error::Io(line()));
        for error in [tls(alert()), ConnectionError::Io(line()), ConnectionError::MqttState(reading)] {
            assert_eq!(words(&error), said, "{error:?}");
        }
    }

    #[test]
    fn every_usual_reason_has_words_of_its_own() {
        let refused = |code| ConnectionError::ConnectionRefused(code);
        for (error, said) in [
            (io(io::ErrorKind::ConnectionRefused), "nothing listens"),
            (io(io::ErrorKind::NetworkUnreachable), "no route"),
            (io(io::ErrorKind::HostUnreachable), "no route"),
            (io(io::ErrorKind::PermissionDenied), "[network] allow"),
            (io(io::ErrorKind::ConnectionReset), "was cut"),
            (ConnectionError::Io(io::Error::other("failed to lookup address information")), "lookup address"),
            (tls(RustlsError::InvalidCertificate(CertificateError::UnknownIssuer)), "certificate is not believed"),
            (tls(RustlsError::AlertReceived(AlertDescription::ProtocolVersion)), "does not speak TLS 1.3"),
            (tls(PeerIncompatible::ServerDoesNotSupportTls12Or13.into()), "does not speak TLS 1.3"),
            (tls(RustlsError::AlertReceived(AlertDescription::UnknownCA)), "does not take the unit's certificate"),
            (tls(RustlsError::AlertReceived(AlertDescription::CertificateExpired)), "certificate is over: check the"),
            (refused(ConnectReturnCode::NotAuthorized), "not authorised"),
            (refused(ConnectReturnCode::ServerBusy), "busy"),
            (
                ConnectionError::MqttState(StateError::ConnFail { reason: ConnectReturnCode::NotAuthorized }),
                "refuses the unit: not authorised",
            ),
            (ConnectionError::MqttState(StateError::Io(io::ErrorKind::UnexpectedEof.into())), "was cut"),
        ] {
            let words = words(&error);
            assert!(words.contains(said), "{error:?}: {words}");
        }
    }
}

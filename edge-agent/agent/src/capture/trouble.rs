//! Why a camera sends nothing, in the words that a technician reads.

use std::time::Duration;

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::glib;

/// Why a camera sends nothing. The words name what to look at and never contain a user or password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The name in the address is unknown.
    #[error("the name in the camera's address cannot be resolved")]
    UnknownName,
    /// Nothing listens there.
    #[error("the camera's address refuses the connection: wrong port, or the camera is starting")]
    Refused,
    /// Nothing answers there.
    #[error("nothing answers at the camera's address: wrong address, no power, or no network")]
    Unreachable,
    /// Something listens that does not speak RTSP, or stops in the middle.
    #[error(
        "something answers at the camera's address but does not hold an RTSP conversation: wrong port or a hanging camera"
    )]
    NotRtsp,
    /// 401 without credentials.
    #[error("401: the camera wants a user and password, and none are configured")]
    CredentialsMissing,
    /// 401 or 403 in spite of credentials.
    #[error("401: the camera refuses the configured user or password")]
    CredentialsRefused,
    /// The file with user and password cannot be used; it is named, its content never.
    #[error("{0}")]
    Credentials(String),
    /// 404.
    #[error("404: the camera has no stream under this path")]
    NoSuchStream,
    /// TLS failed.
    #[error("the camera's certificate is not trusted, or it does not speak TLS")]
    Certificate,
    /// No picture in time after connecting.
    #[error("connected, but no picture came within {} s", .0.as_secs())]
    NoPicture(Duration),
    /// No further picture in time.
    #[error("no packets for {} s", .0.as_secs())]
    Silent(Duration),
    /// Pictures, but none that decoding can start with.
    #[error("pictures come, but no key picture within {} s: check the camera's key frame interval", .0.as_secs())]
    NoKeyPicture(Duration),
    /// The camera closed the stream, or a recording holds no picture.
    #[error("the stream ended")]
    Ended,
    /// No stream that is understood.
    #[error("the source sends {0}; H.264, H.265 and MJPEG are understood")]
    Codec(String),
    /// There is no such file or device.
    #[error("there is no {0}")]
    Missing(String),
    /// An installation without what this source needs.
    #[error("this installation lacks the GStreamer element {0}")]
    Element(&'static str),
    /// Anything else, in GStreamer's words.
    #[error("the stream failed: {0}")]
    Stream(String),
}

/// What GStreamer's error means. Whether credentials were given, and what an unreachable address does, the caller
/// knows.
pub(super) fn of_error(error: &glib::Error) -> Trouble {
    match error.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NotAuthorized) => Trouble::CredentialsRefused,
        Some(gst::ResourceError::NotFound) => Trouble::NoSuchStream,
        Some(gst::ResourceError::OpenReadWrite) => Trouble::Unreachable,
        _ => Trouble::Stream(error.message().to_owned()),
    }
}

/// Looks closer at an address that cannot be connected to, so that the words name the cause. Takes `at_most`
/// altogether, also where no name server answers: the camera's thread must go on beating.
pub(super) fn look_closer(url: &str, at_most: Duration) -> Trouble {
    let Some((scheme, rest)) = url.split_once("://") else { return Trouble::UnknownName };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let standard = if scheme == "rtsps" { 322 } else { 554 };
    let client = gio::SocketClient::new();
    client.set_enable_proxy(false);
    let context = glib::MainContext::new();
    let connecting = || {
        let connection = client.connect_to_host_future(authority, standard);
        context.block_on(glib::future_with_timeout(at_most, connection))
    };
    match context.with_thread_default(connecting) {
        Ok(Ok(Ok(_))) if scheme == "rtsps" => Trouble::Certificate,
        Ok(Ok(Ok(_))) => Trouble::NotRtsp,
        Ok(Ok(Err(error))) if error.matches(gio::IOErrorEnum::ConnectionRefused) => Trouble::Refused,
        Ok(Ok(Err(error))) if error.kind::<gio::ResolverError>().is_some() => Trouble::UnknownName,
        Ok(Ok(Err(error))) if error.matches(gio::IOErrorEnum::InvalidArgument) => Trouble::UnknownName,
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Trouble::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SHORT: Duration = Duration::from_secs(5);

    #[test]
    fn an_address_is_looked_at_closer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(look_closer(&format!("rtsp://127.0.0.1:{port}/a"), SHORT), Trouble::NotRtsp);
        assert_eq!(look_closer(&format!("rtsps://127.0.0.1:{port}"), SHORT), Trouble::Certificate);
        drop(listener);
        assert_eq!(look_closer(&format!("rtsp://127.0.0.1:{port}/a?b:c"), SHORT), Trouble::Refused);
        assert_eq!(look_closer("rtsp:///a", SHORT), Trouble::UnknownName);
        assert_eq!(look_closer("camera", SHORT), Trouble::UnknownName);
    }
}

//! The access unit: what capture makes, and what recorder and vision worker pass on.
//!
//! Belongs here: the one type that crosses stations, and how its bytes are framed ([`nal`]); nothing that acts on it.

pub mod nal;

use bytes::Bytes;
use edge_protocol::id::CameraId;
use edge_protocol::media::Codec;
use edge_protocol::time::{MediaTime, MonoTime, WallStamp};

/// One coded picture as the camera sent it, with the times it is known by.
///
/// `bytes` hold H.264 and H.265 as NAL units, each behind its length in 4 bytes, most significant first
/// (ISO/IEC 14496-15 with `lengthSizeMinusOne = 3`); parameter sets stay in band. MJPEG is one JPEG picture.
/// The ring stores exactly these bytes, the evidence leaf is taken over them, and a clip's media data are these bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessUnit {
    /// The camera it came from.
    pub camera: CameraId,
    /// How the bytes are coded.
    pub codec: Codec,
    /// When the picture is shown, on the stream's own time line.
    pub media: MediaTime,
    /// When it must be decoded; differs from `media` only where the camera sends B-frames.
    pub decode: MediaTime,
    /// When its last byte arrived.
    pub arrival: MonoTime,
    /// The wall clock for the picture: the camera's sender report where there is one, else the box's clock at arrival.
    pub wall: WallStamp,
    /// Whether decoding can start here.
    pub key: bool,
    /// Width and height in pixels as the stream states them, where known.
    pub size: Option<(u32, u32)>,
    /// The coded picture.
    pub bytes: Bytes,
}

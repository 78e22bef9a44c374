//! A decoded frame as the decoder left it, and the view of it that analytics takes.

use edge_analytics::picture::{Colorimetry, Matrix, Picture, Plane, Planes, Range};
use edge_protocol::time::MediaTime;
use gstreamer as gst;
use gstreamer_video::prelude::*;
use gstreamer_video::video_frame::Readable;
use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrame, VideoInfo};

/// A decoded frame; it holds the decoder's own buffer, nothing is copied.
#[derive(Debug)]
pub struct Frame {
    media: MediaTime,
    video: VideoFrame<Readable>,
}

impl Frame {
    /// Maps a decoder's buffer.
    pub(super) fn map(media: MediaTime, buffer: gst::Buffer, info: &VideoInfo) -> Result<Self, String> {
        let video = VideoFrame::from_buffer_readable(buffer, info);
        let video = video.map_err(|_| "the decoder's buffer is smaller than its frame".to_owned())?;
        Ok(Self { media, video })
    }

    /// When the picture is shown.
    pub fn media(&self) -> MediaTime {
        self.media
    }

    /// The planes, checked.
    ///
    /// # Errors
    /// When the format is not one that analytics reads, or the planes do not hold the frame.
    pub fn picture(&self) -> Result<Picture<'_>, String> {
        let info = self.video.info();
        let plane = |index: u32| -> Result<Plane<'_>, String> {
            let bytes = self.video.plane_data(index).map_err(|error| error.to_string())?;
            let stride = self.video.plane_stride().get(index as usize).copied().unwrap_or(0);
            Ok(Plane { bytes, stride: usize::try_from(stride).map_err(|_| "rows run backward".to_owned())? })
        };
        let format = info.format();
        let planes = if format == VideoFormat::Nv12 {
            Planes::Nv12 { y: plane(0)?, uv: plane(1)? }
        } else if format == VideoFormat::I420 {
            Planes::I420 { y: plane(0)?, u: plane(1)?, v: plane(2)? }
        } else {
            return Err(format!("a frame in {format} is not read"));
        };
        Picture::new(info.width(), info.height(), planes, colorimetry(info)).map_err(|error| error.to_string())
    }
}

/// What the stream says about its colours; where it is silent, what is customary for its size.
fn colorimetry(info: &VideoInfo) -> Colorimetry {
    let mut meant = Colorimetry::customary(info.height());
    let said = info.colorimetry();
    if said.matrix() == VideoColorMatrix::Bt601 {
        meant.matrix = Matrix::Bt601;
    } else if said.matrix() == VideoColorMatrix::Bt709 {
        meant.matrix = Matrix::Bt709;
    }
    if said.range() == VideoColorRange::Range0_255 {
        meant.range = Range::Full;
    }
    meant
}

//! Video ring to MP4 and evidence package.

pub mod mp4;

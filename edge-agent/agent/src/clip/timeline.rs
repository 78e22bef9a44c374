//! When each picture of a clip is shown, in ticks of the file: the clock of the street, gaps included.

use edge_protocol::time::MediaTime;
use edge_store::ring::{Group, Picture};

use super::mp4::{Sample, TICKS};

/// The times of a clip while its pictures are listed.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    samples: Vec<Sample>,
    /// When the last sample is decoded.
    at: u64,
    /// Where the present stretch without discontinuity began: on the file's line and on the stream's.
    stretch: Option<(u64, MediaTime)>,
    origin: Option<edge_protocol::time::WallTime>,
}

impl Timeline {
    /// Adds a group's pictures.
    pub(super) fn push(&mut self, group: &Group, pictures: &[Picture]) {
        let Some(first) = pictures.first() else { return };
        let origin = *self.origin.get_or_insert(group.wall.time);
        let (file, stream) = match self.stretch {
            Some(stretch) if !group.discontinuity => stretch,
            // What does not follow is placed by the wall clock, but never before what stands there already.
            _ => (ticks(group.wall.time.saturating_since(origin)).max(self.at), first.decode),
        };
        self.stretch = Some((file, stream));
        for picture in pictures {
            let at = (file + ticks(picture.decode.saturating_since(stream))).max(self.at);
            self.end_last(at);
            self.at = at;
            let shown_after = ticks(picture.media.saturating_since(picture.decode));
            self.samples.push(Sample {
                size: picture.bytes,
                duration: 0,
                composition_offset: i32::try_from(shown_after).unwrap_or(i32::MAX),
                key: picture.key,
            });
        }
    }

    /// The samples; the last one lasts as long as the one before.
    pub(super) fn finish(mut self) -> Vec<Sample> {
        let usual = self.samples.iter().rev().nth(1).map_or(TICKS / 25, |sample| sample.duration.min(TICKS));
        if let Some(last) = self.samples.last_mut() {
            last.duration = usual;
        }
        self.samples
    }

    fn end_last(&mut self, at: u64) {
        let duration = u32::try_from(at - self.at).unwrap_or(u32::MAX);
        if let Some(last) = self.samples.last_mut() {
            last.duration = duration;
        }
    }
}

fn ticks(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos() * u128::from(TICKS) / 1_000_000_000).unwrap_or(u64::MAX)
}

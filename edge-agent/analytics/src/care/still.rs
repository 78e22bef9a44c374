//! Whether the picture stands still: a camera whose encoder hangs goes on sending its last picture, in good order.
//!
//! Noise alone changes some pixel of a lens's picture from one key frame to the next, so that a minute in which every
//! picture is one of a few that were there before, to the last bit, comes from no lens. A few and not one: a still
//! picture is coded a little differently in a key frame and after it. One that shows nothing, as at night without
//! light, is left out: what is black is black to the last bit too.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use super::{CareSighting, Finding};
use crate::picture::Picture;
use crate::time::MediaTime;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Without a new picture for so long it stands still; longer than cameras go without a key frame.
pub(super) const LASTS: Duration = Duration::from_mins(1);
/// Pictures that are remembered: the ways in which one picture is coded, and far fewer than a loop of video has.
const REMEMBERED: usize = 16;
/// Of every so many rows one is compared; what moves in a street is taller.
const ROW_STEP: usize = 4;
/// Brightest less darkest sample, of 255, below which a picture shows nothing.
const FLAT: u8 = 24;

/// Watches whether one camera's picture stands still.
#[derive(Clone, Debug, Default)]
pub struct Stillness {
    looked: Option<MediaTime>,
    /// Fingerprints of the last pictures that were new.
    known: VecDeque<u64>,
    /// When the last of them was.
    since: Option<MediaTime>,
    told: bool,
}

impl Stillness {
    /// Takes in a picture; once a second it is looked at. Tells that it stands still, or no longer does.
    pub fn see(&mut self, picture: &Picture<'_>, media: MediaTime) -> Option<CareSighting> {
        let back = self.looked.is_some_and(|looked| media < looked);
        if !back && self.looked.is_some_and(|looked| media.saturating_since(looked) < EVERY) {
            return None;
        }
        self.looked = Some(media);
        let print = fingerprint(picture);
        let since = self.since.filter(|_| !back && print.is_some_and(|print| self.known.contains(&print)));
        let Some(since) = since else {
            let over = self.over(media);
            self.since = Some(media);
            self.known.extend(print);
            if self.known.len() > REMEMBERED {
                self.known.pop_front();
            }
            return over;
        };
        let lasted = media.saturating_since(since);
        if self.told || lasted < LASTS {
            return None;
        }
        self.told = true;
        Some(sighting(media, lasted, false))
    }

    /// Nothing is known of the picture any more: its stream has ended. Tells that it no longer stands still, if it did.
    pub fn end(&mut self, media: MediaTime) -> Option<CareSighting> {
        self.known.clear();
        self.over(media)
    }

    fn over(&mut self, media: MediaTime) -> Option<CareSighting> {
        let since = self.since.take();
        let told = std::mem::take(&mut self.told);
        since.filter(|_| told).map(|since| sighting(media, media.saturating_since(since), true))
    }
}

fn sighting(media: MediaTime, lasted: Duration, over: bool) -> CareSighting {
    CareSighting { media, finding: Finding::Frozen, over, measured: lasted.as_secs_f32(), limit: LASTS.as_secs_f32() }
}

/// A number that any change of the compared rows changes; none for a picture that shows nothing.
fn fingerprint(picture: &Picture<'_>) -> Option<u64> {
    let (plane, channels) = picture.first_channel();
    let (width, height) = (picture.width() as usize * channels, picture.height() as usize);
    let rows = (0..height).step_by(ROW_STEP).filter_map(|row| plane.bytes.get(row * plane.stride..)?.get(..width));
    let mut hasher = DefaultHasher::new();
    let (mut darkest, mut brightest) = (u8::MAX, u8::MIN);
    for row in rows {
        hasher.write(row);
        darkest = row.iter().copied().fold(darkest, u8::min);
        brightest = row.iter().copied().fold(brightest, u8::max);
    }
    (brightest.saturating_sub(darkest) >= FLAT).then(|| hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 32;

    /// Shows what `pixel` gives for each quarter of a second and place; what is told, as (second, over).
    fn shown(seconds: i64, pixel: impl Fn(i64, usize) -> u8) -> Vec<(i64, bool)> {
        let mut still = Stillness::default();
        let told = (0..seconds * 4).filter_map(|quarter| {
            let bytes: Vec<u8> = (0..(SIDE * SIDE * 3) as usize).map(|place| pixel(quarter, place)).collect();
            let picture = Picture::rgb(SIDE, SIDE, &bytes).unwrap();
            let told = still.see(&picture, MediaTime::from_nanos(quarter * 250_000_000))?;
            assert_eq!(told.finding, Finding::Frozen);
            Some((told.media.as_nanos() / 1_000_000_000, told.over))
        });
        told.collect()
    }

    fn street(place: usize) -> u8 {
        u8::try_from(place * 7 % 200).unwrap()
    }

    #[test]
    fn a_picture_that_is_the_same_for_a_minute_stands_still_until_it_changes() {
        let told = shown(100, |quarter, place| street(if quarter < 320 { place } else { place + 1 }));
        assert_eq!(told, [(60, false), (80, true)]);
    }

    #[test]
    fn one_sample_of_noise_a_key_frame_is_enough_to_be_alive() {
        let noise = |quarter: i64| u8::try_from(quarter / 40 * 7 % 50).unwrap();
        assert_eq!(shown(300, |quarter, place| street(place) + if place == 40 { noise(quarter) } else { 0 }), []);
    }

    #[test]
    fn a_key_frame_and_what_follows_it_are_one_still_picture() {
        let told = shown(70, |quarter, place| street(place) + u8::from(quarter % 8 == 0 && place == 40));
        assert_eq!(told, [(61, false)]);
    }

    #[test]
    fn a_black_picture_is_not_a_still_one() {
        assert_eq!(shown(300, |_, place| street(place) / 10), []);
    }

    #[test]
    fn the_end_of_the_stream_ends_it_and_a_minute_must_pass_anew() {
        let bytes: Vec<u8> = (0..(SIDE * SIDE * 3) as usize).map(street).collect();
        let picture = Picture::rgb(SIDE, SIDE, &bytes).unwrap();
        let mut still = Stillness::default();
        let at = |second: i64| MediaTime::from_nanos(second * 1_000_000_000);
        let first: Vec<i64> = (0..70).filter(|second| still.see(&picture, at(*second)).is_some()).collect();
        let over = still.end(at(70));
        let again: Vec<i64> = (0..70).filter(|second| still.see(&picture, at(*second)).is_some()).collect();
        assert_eq!((first, over.map(|told| told.over), again), (vec![60], Some(true), vec![60]));
    }
}

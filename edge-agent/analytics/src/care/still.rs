//! Whether the picture stands still: a camera whose encoder hangs goes on sending its last picture, in good order.
//!
//! Noise alone changes some pixel of a lens's picture from one key frame to the next, so that a picture which is the
//! same to the last bit for a minute comes from no lens. One that shows nothing, as at night without light, is left
//! out: what is black is black to the last bit too.

use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use super::{CareSighting, Finding};
use crate::picture::{Picture, Planes};
use crate::time::MediaTime;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// A picture that is the same for so long stands still; longer than cameras go without a key frame.
const LASTS: Duration = Duration::from_mins(1);
/// Of every so many rows one is compared; what moves in a street is taller.
const ROW_STEP: usize = 4;
/// Brightest less darkest sample, of 255, below which a picture shows nothing.
const FLAT: u8 = 24;

/// Watches whether one camera's picture stands still.
#[derive(Clone, Debug, Default)]
pub struct Stillness {
    looked: Option<MediaTime>,
    same: Option<Same>,
}

/// The picture that is there, and since when.
#[derive(Clone, Copy, Debug)]
struct Same {
    print: u64,
    since: MediaTime,
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
        match (fingerprint(picture), &mut self.same) {
            (Some(print), Some(same)) if same.print == print && !back => {
                let lasted = media.saturating_since(same.since);
                if same.told || lasted < LASTS {
                    return None;
                }
                same.told = true;
                Some(sighting(media, lasted, false))
            }
            (print, _) => {
                let over = self.end(media);
                self.same = print.map(|print| Same { print, since: media, told: false });
                over
            }
        }
    }

    /// Nothing is known of the picture any more: its stream has ended. Tells that it no longer stands still, if it did.
    pub fn end(&mut self, media: MediaTime) -> Option<CareSighting> {
        let same = self.same.take().filter(|same| same.told)?;
        Some(sighting(media, media.saturating_since(same.since), true))
    }
}

fn sighting(media: MediaTime, lasted: Duration, over: bool) -> CareSighting {
    CareSighting { media, finding: Finding::Frozen, over, measured: lasted.as_secs_f32(), limit: LASTS.as_secs_f32() }
}

/// A number that any change of the compared rows changes; none for a picture that shows nothing.
fn fingerprint(picture: &Picture<'_>) -> Option<u64> {
    let (plane, channels) = match picture.planes() {
        Planes::Nv12 { y, .. } | Planes::I420 { y, .. } | Planes::Grey(y) => (y, 1),
        Planes::Rgb(rgb) => (rgb, 3),
    };
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
        let told = shown(300, |quarter, place| street(place) + u8::from(place == 40 && quarter / 40 % 2 == 0));
        assert_eq!(told, []);
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

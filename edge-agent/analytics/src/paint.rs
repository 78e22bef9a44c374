//! The colour of a vehicle in the words of a witness: a vote over pixels of its body and over frames.
//!
//! By night and under sodium lamps this is worth little; what nothing wins clearly is left unsaid.

use crate::geometry::Rect;
use crate::picture::Picture;
use crate::preprocess::{PixelRect, crop_rgb};
use crate::sighting::Colour;

/// Frames after which a colour is settled.
const FRAMES: u32 = 12;
/// Smallest box, in pixels, whose paint can be told.
const LEAST_SIDE: f32 = 24.0;
/// Share of the votes that a colour needs.
const CLEAR: f32 = 0.35;
/// Pixels per side that are looked at.
const SAMPLES: u32 = 24;

/// Votes for the colour of one vehicle.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaintVotes {
    votes: [f32; Colour::ALL.len()],
    frames: u32,
}

impl PaintVotes {
    /// Looks at a vehicle in a frame; small ones and ones cut by the edge tell little and are passed over.
    pub fn look(&mut self, picture: &Picture<'_>, vehicle: Rect) {
        if self.frames >= FRAMES || vehicle.w < LEAST_SIDE || vehicle.h < LEAST_SIDE {
            return;
        }
        // The middle band between windows and wheels: bonnet, doors, boot.
        let body = Rect {
            x: vehicle.x + vehicle.w * 0.2,
            y: vehicle.y + vehicle.h * 0.35,
            w: vehicle.w * 0.6,
            h: vehicle.h * 0.35,
        };
        let Some(pixels) = PixelRect::around(body, picture.width(), picture.height()) else { return };
        let crop = crop_rgb(picture, pixels).shrunk(SAMPLES);
        let pixels = crop.bytes.as_chunks::<3>().0;
        #[expect(clippy::cast_precision_loss, reason = "at most 24 x 24 pixels")]
        let share = 1.0 / pixels.len().max(1) as f32;
        for rgb in pixels {
            let place = Colour::ALL.iter().position(|colour| *colour == name(*rgb));
            if let Some(votes) = place.and_then(|place| self.votes.get_mut(place)) {
                *votes += share;
            }
        }
        self.frames += 1;
    }

    /// The colour that wins clearly after at least three frames.
    pub fn verdict(&self) -> Option<Colour> {
        let all: f32 = self.votes.iter().sum();
        let best = Colour::ALL.into_iter().zip(self.votes).max_by(|a, b| a.1.total_cmp(&b.1))?;
        (self.frames >= 3 && best.1 > all * CLEAR).then_some(best.0)
    }
}

/// The witness's word for one pixel, by hue, saturation and value (Smith 1978).
fn name([r, g, b]: [u8; 3]) -> Colour {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let spread = most - least;
    // Shares of 255, so that dark pixels need more colour to count as coloured.
    let coloured = u16::from(spread) * 100 > u16::from(most) * 28 && spread > 24;
    if most < 45 {
        return Colour::Black;
    }
    if !coloured {
        return match most {
            0..=75 => Colour::Black,
            76..=135 => Colour::Grey,
            136..=195 => Colour::Silver,
            196.. => Colour::White,
        };
    }
    let (red, green, blue, spread) = (f32::from(r), f32::from(g), f32::from(b), f32::from(spread));
    let sixths = if most == r {
        ((green - blue) / spread).rem_euclid(6.0)
    } else if most == g {
        (blue - red) / spread + 2.0
    } else {
        (red - green) / spread + 4.0
    };
    match sixths * 60.0 {
        hue if !(15.0..335.0).contains(&hue) => Colour::Red,
        hue if hue < 42.0 => {
            if most < 150 || spread < 90.0 {
                Colour::Brown
            } else {
                Colour::Orange
            }
        }
        hue if hue < 70.0 => {
            if most < 110 {
                Colour::Brown
            } else {
                Colour::Yellow
            }
        }
        hue if hue < 165.0 => Colour::Green,
        hue if hue < 260.0 => Colour::Blue,
        _ => Colour::Violet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_have_the_names_a_witness_would_give_them() {
        for (rgb, colour) in [
            ([10, 12, 11], Colour::Black),
            ([240, 242, 238], Colour::White),
            ([160, 162, 165], Colour::Silver),
            ([100, 100, 104], Colour::Grey),
            ([200, 20, 30], Colour::Red),
            ([30, 60, 170], Colour::Blue),
            ([40, 120, 50], Colour::Green),
            ([240, 210, 20], Colour::Yellow),
            ([250, 130, 10], Colour::Orange),
            ([110, 70, 40], Colour::Brown),
            ([140, 40, 160], Colour::Violet),
        ] {
            assert_eq!(name(rgb), colour, "{rgb:?}");
        }
    }

    #[test]
    fn a_colour_is_told_after_three_frames_if_it_wins() {
        let bytes = [200_u8, 20, 30].repeat(64 * 64);
        let picture = Picture::rgb(64, 64, &bytes).unwrap();
        let mut votes = PaintVotes::default();
        let told: Vec<Option<Colour>> = (0..3)
            .map(|_| {
                votes.look(&picture, Rect { x: 4.0, y: 4.0, w: 56.0, h: 56.0 });
                votes.verdict()
            })
            .collect();
        assert_eq!(told, [None, None, Some(Colour::Red)]);
    }
}

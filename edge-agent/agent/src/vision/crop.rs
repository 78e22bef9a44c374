//! Crops leave the worker as JPEG files.

use edge_analytics::mask;
use edge_analytics::picture::{Picture, RgbCrop};
use edge_analytics::preprocess::{PixelRect, crop_rgb};
use edge_analytics::settings::Polygon;
use edge_analytics::sighting::{Crop, Sighting};
use edge_protocol::commissioning::{MAX_PICTURE_BYTES, MAX_PICTURES_BYTES};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

/// Both crops of a hit together, as the contract promises, are at most 12 KiB.
const PLATE_BYTES: usize = 4 << 10;
const VEHICLE_BYTES: usize = 8 << 10;

/// A picture for the technician's page: as wide as a phone held sideways shows, and no more than half of what the
/// worker may say at once.
const EYE_PIXELS: u32 = 960;
const EYE_BYTES: usize = 512 << 10;

/// Pictures for the commissioning report, by their longer side: the first that fits is taken.
const REPORT_PIXELS: [u32; 4] = [640, 480, 320, 160];

/// Qualities to try, best first; the first that fits is taken.
const QUALITIES: [u8; 5] = [85, 70, 55, 40, 25];

/// Replaces a plate read's pixels by JPEG files. A crop that cannot be made small enough is left out: a read
/// without its picture is worth more than a lane that is clogged.
pub fn compress(sighting: &mut Sighting) {
    if let Sighting::Plate(read) = sighting {
        read.plate_crop = read.plate_crop.take().and_then(|crop| jpeg(crop, PLATE_BYTES));
        read.vehicle_crop = read.vehicle_crop.take().and_then(|crop| jpeg(crop, VEHICLE_BYTES));
    }
}

/// A whole picture as a small JPEG file, black where it is masked.
pub(super) fn for_the_eye(picture: &Picture<'_>, masks: &[Polygon]) -> Option<Vec<u8>> {
    let small = masked(picture, masks, EYE_PIXELS);
    QUALITIES.into_iter().find_map(|quality| encode(&small, quality, EYE_BYTES))
}

/// The same for a report, which all cameras of the unit share.
pub(super) fn for_the_report(picture: &Picture<'_>, masks: &[Polygon], cameras: usize) -> Option<Vec<u8>> {
    let most = (MAX_PICTURES_BYTES / cameras.max(1)).min(MAX_PICTURE_BYTES);
    let mut tries = REPORT_PIXELS.into_iter().map(|side| masked(picture, masks, side));
    tries.find_map(|small| QUALITIES.into_iter().find_map(|quality| encode(&small, quality, most)))
}

/// A whole picture, no side longer than `longest`, black where it is masked.
fn masked(picture: &Picture<'_>, masks: &[Polygon], longest: u32) -> RgbCrop {
    let (width, height) = (picture.width(), picture.height());
    let whole = PixelRect { x: 0, y: 0, width, height };
    let mut small = crop_rgb(picture, whole).shrunk(longest);
    mask::cover(&mut small, whole, (width, height), masks);
    small
}

fn jpeg(crop: Crop, most: usize) -> Option<Crop> {
    match crop {
        Crop::Jpeg(bytes) => Some(Crop::Jpeg(bytes)),
        Crop::Pixels(pixels) => {
            QUALITIES.into_iter().find_map(|quality| encode(&pixels, quality, most)).map(Crop::Jpeg)
        }
    }
}

fn encode(pixels: &RgbCrop, quality: u8, most: usize) -> Option<Vec<u8>> {
    let wanted =
        usize::try_from(pixels.width).ok()?.checked_mul(usize::try_from(pixels.height).ok()?)?.checked_mul(3)?;
    if wanted == 0 || pixels.bytes.len() != wanted {
        return None;
    }
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, quality);
    encoder.encode(&pixels.bytes, pixels.width, pixels.height, ExtendedColorType::Rgb8).ok()?;
    (file.len() <= most).then_some(file)
}

#[cfg(test)]
mod tests {
    use edge_analytics::geometry::Point;

    use super::*;

    #[test]
    fn a_crop_becomes_a_jpeg_of_the_same_size_within_its_bytes() {
        // Noise is what compresses worst.
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24).unwrap()
        });
        let pixels = RgbCrop { width: 96, height: 40, bytes: noise.take(96 * 40 * 3).collect() };
        let Some(Crop::Jpeg(file)) = jpeg(Crop::Pixels(pixels), PLATE_BYTES) else { panic!("no file") };
        assert!(file.len() <= PLATE_BYTES);
        let back = image::load_from_memory(&file).unwrap();
        assert_eq!((back.width(), back.height()), (96, 40));
    }

    #[test]
    fn a_picture_for_the_report_is_small_and_black_where_it_is_masked() {
        let (width, height) = (1280_u32, 720_u32);
        let white = vec![255; usize::try_from(width * height * 3).unwrap()];
        let picture = Picture::rgb(width, height, &white).unwrap();
        let corner = [(0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (0.0, 0.5)].map(|(x, y)| Point { x, y });
        for cameras in [1, 16] {
            let file = for_the_report(&picture, &[Polygon(corner.to_vec())], cameras).unwrap();
            assert!(file.len() <= MAX_PICTURE_BYTES && file.len() <= MAX_PICTURES_BYTES / cameras);
            let back = image::load_from_memory(&file).unwrap().to_luma8();
            assert!(back.width() == 640 || cameras > 1, "{} px", back.width());
            let at = |x: u32, y: u32| back.get_pixel(x * back.width() / 100, y * back.height() / 100).0[0];
            assert!(at(10, 10) < 8 && at(45, 45) < 8, "masked");
            assert!(at(60, 10) > 247 && at(10, 90) > 247, "not masked");
        }
    }

    #[test]
    fn pixels_that_do_not_fit_their_size_make_no_file() {
        let torn = RgbCrop { width: 10, height: 10, bytes: vec![0; 299] };
        assert_eq!(jpeg(Crop::Pixels(torn), PLATE_BYTES), None);
        let empty = RgbCrop { width: 0, height: 0, bytes: vec![] };
        assert_eq!(jpeg(Crop::Pixels(empty), PLATE_BYTES), None);
    }
}

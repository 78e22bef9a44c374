//! A picture from a disk, the way up it is meant to be seen. Decoders differ in how they round; the training code's
//! differs from this one by a few levels on a JPEG.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, ImageResult, RgbImage};

use super::InspectError;
use crate::vision::decode::is_cut_off_jpeg;

/// Reads a picture; boxes found in it are in pixels as it is shown, turned as its EXIF says.
pub(super) fn read(path: &Path) -> Result<RgbImage, InspectError> {
    if path.is_dir() {
        return Err(InspectError::file(path, "is a folder: name its pictures, as in FOLDER/*.jpg"));
    }
    let bytes = std::fs::read(path).map_err(|error| InspectError::file(path, error))?;
    if is_video(&bytes) {
        let words =
            "is a video: `edge-agent inspect track` follows what moves in it, `edge-agent replay` tells its events";
        return Err(InspectError::file(path, words));
    }
    if is_cut_off_jpeg(&bytes) {
        // The decoder would fill the missing part with grey and say nothing.
        return Err(InspectError::file(path, "the JPEG is cut off before its end"));
    }
    decode(&bytes).map_err(|error| InspectError::file(path, error))
}

fn decode(bytes: &[u8]) -> ImageResult<RgbImage> {
    let mut decoder = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// Whether a file begins as MP4 and its kin (ISO/IEC 14496-12), Matroska, AVI or a stream of H.264 or H.265 does.
fn is_video(bytes: &[u8]) -> bool {
    let at = |place: usize, mark: &[u8]| bytes.get(place..).is_some_and(|rest| rest.starts_with(mark));
    // Pictures of this kin, HEIF and AVIF, are brands of their own.
    let picture = [b"heic", b"heix", b"mif1", b"avif"].into_iter().any(|brand| at(8, brand));
    (at(4, b"ftyp") && !picture)
        || at(0, &[0x1A, 0x45, 0xDF, 0xA3])
        || (at(0, b"RIFF") && at(8, b"AVI "))
        || at(0, &[0, 0, 0, 1])
}

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::*;

    fn jpeg(image: &RgbImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    fn said(name: &str, bytes: &[u8]) -> Result<RgbImage, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), bytes).unwrap();
        read(&path).map_err(|error| error.to_string())
    }

    /// The picture with an EXIF block that says how it is to be turned.
    fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let tiff =
            [b"II*\0".as_slice(), &[8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]];
        let exif = [b"Exif\0\0".to_vec(), tiff.concat()].concat();
        let length = u8::try_from(exif.len() + 2).unwrap();
        [&jpeg[..2], &[0xFF, 0xE1, 0, length], &exif, &jpeg[2..]].concat()
    }

    #[test]
    fn a_picture_is_turned_the_way_its_exif_says() {
        let upright = RgbImage::from_fn(16, 8, |x, _| image::Rgb(if x < 8 { [250, 250, 250] } else { [5, 5, 5] }));
        let stored = jpeg(&upright);
        assert_eq!(said("a.jpg", &stored).unwrap().dimensions(), (16, 8));
        let shown = said("b.jpg", &turned(&stored, 6)).unwrap();
        assert_eq!(shown.dimensions(), (8, 16));
        assert!(shown.get_pixel(4, 1)[0] > 200 && shown.get_pixel(4, 14)[0] < 50);
    }

    #[test]
    fn a_cut_off_picture_is_refused_by_name_in_every_format() {
        let level = |n: u32| u8::try_from(n % 251).unwrap();
        let noise = RgbImage::from_fn(64, 64, |x, y| image::Rgb([level(x * 37 + y * 91), level(x * y), level(y)]));
        let whole = jpeg(&noise);
        let error = said("cut.jpg", &whole[..whole.len() / 2]).unwrap_err();
        assert!(error.contains("cut.jpg") && error.contains("cut off"), "{error}");
        let mut png = Cursor::new(Vec::new());
        noise.write_to(&mut png, ImageFormat::Png).unwrap();
        let png = png.into_inner();
        let error = said("cut.png", &png[..png.len() / 2]).unwrap_err();
        assert!(error.contains("cut.png"), "{error}");
        assert!(said("none.jpg", b"").unwrap_err().contains("none.jpg"));
    }

    #[test]
    fn a_folder_and_a_video_are_told_as_such_with_the_way_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder") && error.contains("*.jpg"), "{error}");
        for bytes in [b"\0\0\0\x20ftypisom".as_slice(), b"\x1A\x45\xDF\xA3", b"RIFF\0\0\0\0AVI ", b"\0\0\0\x01\x67"] {
            let error = said("street.mp4", bytes).unwrap_err();
            assert!(error.contains("is a video") && error.contains("inspect track"), "{error}");
        }
        assert!(!said("a.heic", b"\0\0\0\x20ftypheic").unwrap_err().contains("video"));
    }
}

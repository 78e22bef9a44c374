//! Pictures with boxes drawn.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edge_analytics::geometry::Rect;
use edge_analytics::preprocess::PixelRect;
use image::{Rgb, RgbImage};

use super::InspectError;
use super::font::{GLYPH_HEIGHT, GLYPH_WIDTH, is_set};

/// One colour per class, told apart by people who see colours differently too (after Okabe and Ito).
const COLOURS: [Rgb<u8>; 7] = [
    Rgb([230, 159, 0]),
    Rgb([86, 180, 233]),
    Rgb([0, 158, 115]),
    Rgb([240, 228, 66]),
    Rgb([0, 114, 178]),
    Rgb([213, 94, 0]),
    Rgb([204, 121, 167]),
];
const INK: Rgb<u8> = Rgb([0, 0, 0]);

/// Pixels of the picture per pixel of the font.
const SCALE: u32 = 2;

/// A box and what to write over it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    /// The box, in pixels of the picture.
    pub(super) rect: Rect,
    /// Letters, digits, dots.
    pub(super) text: String,
    /// Which of the colours.
    pub(super) colour: usize,
}

/// Where the pictures with their boxes are to be written: into a folder, under their own names.
///
/// # Errors
/// Where one would take the place of what is there, or of another; so said before anything is looked at.
pub(super) fn targets(folder: &Path, pictures: &[PathBuf]) -> Result<Vec<PathBuf>, InspectError> {
    let target = |path: &PathBuf| folder.join(path.file_name().unwrap_or(path.as_os_str()));
    let targets: Vec<PathBuf> = pictures.iter().map(target).collect();
    let mut taken = BTreeSet::new();
    for target in &targets {
        if target.symlink_metadata().is_ok() {
            return Err(InspectError::file(target, "is there already and is not overwritten: choose another folder"));
        }
        if !taken.insert(target) {
            return Err(InspectError::file(target, "two of the pictures have this name: draw them into two folders"));
        }
    }
    Ok(targets)
}

/// Writes the picture with its boxes.
pub(super) fn save_with_boxes(target: &Path, mut image: RgbImage, labels: &[Label]) -> Result<(), InspectError> {
    for label in labels {
        draw(&mut image, label);
    }
    let folder = target.parent().unwrap_or(target);
    std::fs::create_dir_all(folder).map_err(|error| InspectError::file(folder, error))?;
    image.save(target).map_err(|error| InspectError::file(target, error))
}

fn draw(image: &mut RgbImage, label: &Label) {
    let colour = COLOURS.get(label.colour % COLOURS.len()).copied().unwrap_or(INK);
    let Some(rect) = PixelRect::around(label.rect, image.width(), image.height()) else { return };
    let (right, bottom) = (rect.x + rect.width, rect.y + rect.height);
    for thick in 0..2 {
        for x in rect.x..right {
            put(image, x, rect.y + thick, colour);
            put(image, x, (bottom - 1).saturating_sub(thick), colour);
        }
        for y in rect.y..bottom {
            put(image, rect.x + thick, y, colour);
            put(image, (right - 1).saturating_sub(thick), y, colour);
        }
    }
    let height = (GLYPH_HEIGHT + 2) * SCALE;
    write(image, (rect.x, rect.y.saturating_sub(height)), &label.text, colour);
}

/// Writes a line of text on a ground of the given colour; what does not fit is cut off.
fn write(image: &mut RgbImage, (left, top): (u32, u32), text: &str, ground: Rgb<u8>) {
    let advance = GLYPH_WIDTH + 1;
    let columns = u32::try_from(text.chars().count()).unwrap_or(0) * advance + 1;
    for row in 0..(GLYPH_HEIGHT + 2) * SCALE {
        for column in 0..columns * SCALE {
            let (x, y) = (column / SCALE, row / SCALE);
            let letter =
                x.checked_sub(1).and_then(|x| text.chars().nth((x / advance) as usize).map(|c| (c, x % advance)));
            let inked = letter.is_some_and(|(letter, x)| y.checked_sub(1).is_some_and(|y| is_set(letter, x, y)));
            put(image, left + column, top + row, if inked { INK } else { ground });
        }
    }
}

fn put(image: &mut RgbImage, x: u32, y: u32, colour: Rgb<u8>) {
    if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
        *pixel = colour;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_drawn_on_its_edges_and_not_inside() {
        let mut image = RgbImage::new(60, 60);
        let rect = Rect { x: 10.0, y: 30.0, w: 20.0, h: 20.0 };
        draw(&mut image, &Label { rect, text: "CAR".to_owned(), colour: 2 });
        assert_eq!(image.get_pixel(10, 40), &COLOURS[2]);
        assert_eq!(image.get_pixel(29, 49), &COLOURS[2]);
        assert_eq!(image.get_pixel(20, 40), &INK);
        assert_eq!(image.get_pixel(30, 40), &INK);
    }

    #[test]
    fn boxes_over_the_edge_and_of_no_size_do_no_harm() {
        let mut image = RgbImage::new(8, 8);
        for rect in
            [Rect { x: -5.0, y: -5.0, w: 100.0, h: 100.0 }, Rect::default(), Rect { x: 7.5, y: 7.5, w: 0.2, h: 0.2 }]
        {
            draw(&mut image, &Label { rect, text: "PERSON 0.50".to_owned(), colour: 9 });
        }
    }

    #[test]
    fn no_picture_is_overwritten_neither_its_own_nor_one_that_is_there_nor_one_of_the_same_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(4, 4).save(&path).unwrap();
        let of = |folder: &Path, paths: &[&Path]| {
            targets(folder, &paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
        };
        let refused = |folder: &Path, paths: &[&Path]| of(folder, paths).unwrap_err().to_string();
        assert!(refused(folder.path(), &[&path]).contains("is not overwritten"));
        let boxes = folder.path().join("boxes");
        assert!(refused(&boxes, &[&path, Path::new("elsewhere/a.png")]).contains("have this name"));
        let target = of(&boxes, &[&path]).unwrap().remove(0);
        save_with_boxes(&target, RgbImage::new(4, 4), &[]).unwrap();
        assert!(boxes.join("a.png").is_file());
        assert!(refused(&boxes, &[&path]).contains("is not overwritten"), "what was drawn before stays");
    }
}

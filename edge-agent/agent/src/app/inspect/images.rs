//! `inspect detect` and `inspect plates`.

use std::io::Write;
use std::path::Path;

use edge_analytics::detect::{Detection, Detector};
use edge_analytics::infer::ModelRole;
use edge_analytics::picture::Picture;
use edge_analytics::plate::{PlateFinder, PlateInPicture};
use image::RgbImage;
use serde_json::{Value, json};

use super::draw::{Label, save_with_boxes, targets};
use super::{InspectError, PictureArgs, box_of, file, rounded};

/// The colour after those of the six classes.
const PLATE_COLOUR: usize = 6;

/// Road users, one line a picture; whether every picture could be looked at.
pub(super) fn detect(arguments: &PictureArgs, out: &mut impl Write) -> Result<bool, InspectError> {
    let (mut runner, specs) = arguments.models.open(&[ModelRole::Objects])?;
    let mut detectors: Vec<Detector> = specs.into_iter().map(|spec| Detector::new(spec, ModelRole::Objects)).collect();
    each(arguments, out, |picture| {
        let mut objects = Vec::new();
        for detector in &mut detectors {
            objects.extend(detector.road_users(picture, 1.0, &mut runner)?);
        }
        Ok(Looked {
            labels: objects.iter().map(label).collect(),
            found: json!({ "objects": objects.iter().map(object).collect::<Vec<_>>() }),
        })
    })
}

/// Plates with their texts, one line a picture; whether every picture could be looked at.
pub(super) fn plates(arguments: &PictureArgs, out: &mut impl Write) -> Result<bool, InspectError> {
    let (mut runner, mut specs) = arguments.models.open(&[ModelRole::Plates, ModelRole::PlateText])?;
    let text = specs.pop();
    let mut finder = specs.pop().map(|spec| PlateFinder::new(spec, text));
    each(arguments, out, |picture| {
        let found = finder.as_mut().map(|finder| finder.inspect(picture, 1.0, &mut runner));
        let found = found.transpose()?.unwrap_or_default();
        Ok(Looked {
            labels: found.iter().map(plate_label).collect(),
            found: json!({ "plates": found.iter().map(plate).collect::<Vec<_>>() }),
        })
    })
}

/// `confidence` is that of the text; `detection` that of the box. A plate that could not be read has an empty text.
fn plate(plate: &PlateInPicture) -> Value {
    let verdict = plate.verdict.as_ref();
    let alternates = verdict.into_iter().flat_map(|verdict| &verdict.alternates);
    let alternates = alternates.map(|other| json!({ "text": other.text, "p": rounded(other.probability, 1e4) }));
    json!({
        "text": verdict.map_or("", |verdict| &verdict.text),
        "confidence": rounded(verdict.map_or(0.0, |verdict| verdict.confidence), 1e4),
        "detection": rounded(plate.score, 1e4),
        "box": box_of(&plate.rect),
        "alternates": alternates.collect::<Vec<_>>(),
    })
}

fn plate_label(plate: &PlateInPicture) -> Label {
    let text = plate.verdict.as_ref().map_or_else(|| "PLATE".to_owned(), |verdict| verdict.text.clone());
    Label { rect: plate.rect, text, colour: PLATE_COLOUR }
}

fn object(detection: &Detection) -> Value {
    json!({
        "class": detection.class.as_str(),
        "confidence": rounded(detection.score, 1e4),
        "box": box_of(&detection.rect),
    })
}

fn label(detection: &Detection) -> Label {
    let text = format!("{} {:.2}", detection.class.as_str(), detection.score);
    Label { rect: detection.rect, text, colour: detection.class.index() }
}

/// What was seen in one picture: as JSON, and for drawing.
pub(super) struct Looked {
    /// One object with one list.
    pub(super) found: Value,
    /// The same, to be drawn.
    pub(super) labels: Vec<Label>,
}

/// Looks at each picture and writes what was seen. A picture that cannot be read does not end the others.
pub(super) fn each(
    arguments: &PictureArgs,
    out: &mut impl Write,
    mut look: impl FnMut(&Picture<'_>) -> Result<Looked, InspectError>,
) -> Result<bool, InspectError> {
    let mut all = true;
    let targets = arguments.output.as_ref().map(|folder| targets(folder, &arguments.images)).transpose()?;
    for (place, path) in arguments.images.iter().enumerate() {
        let mut line = json!({ "file": path.display().to_string() });
        match file::read(path) {
            Ok(image) => {
                let looked = picture(path, &image).and_then(|picture| look(&picture))?;
                if let Some(target) = targets.as_ref().and_then(|targets| targets.get(place)) {
                    save_with_boxes(target, image, &looked.labels)?;
                }
                if let (Value::Object(line), Value::Object(found)) = (&mut line, looked.found) {
                    line.extend(found);
                }
            }
            Err(error) => {
                all = false;
                line["error"] = error.to_string().into();
            }
        }
        if arguments.json { writeln!(out, "{line}")? } else { write_plain(out, &line)? }
    }
    Ok(all)
}

fn picture<'i>(path: &Path, image: &'i RgbImage) -> Result<Picture<'i>, InspectError> {
    Picture::rgb(image.width(), image.height(), image.as_raw()).map_err(|error| InspectError::file(path, error))
}

/// The line for a person: the file, then one indented line for each thing seen.
fn write_plain(out: &mut impl Write, line: &Value) -> Result<(), InspectError> {
    writeln!(out, "{}", line["file"].as_str().unwrap_or_default())?;
    if let Some(error) = line["error"].as_str() {
        writeln!(out, "  {error}")?;
    }
    for list in ["objects", "plates"] {
        for seen in line[list].as_array().into_iter().flatten() {
            let what = seen["class"].as_str().or(seen["text"].as_str()).unwrap_or_default();
            let corner = |place: usize| seen["box"][place].as_f64().unwrap_or_default();
            let (x, y, w, h) = (corner(0), corner(1), corner(2), corner(3));
            let confidence = 100.0 * seen["confidence"].as_f64().unwrap_or_default();
            writeln!(out, "  {what:<12} {confidence:5.1} %   {w:.0}x{h:.0} at {x:.0},{y:.0}")?;
        }
    }
    Ok(())
}

//! Plates in one picture: found by the detector, read by the reader.

use super::text::{RawRead, decode};
use super::vote::{Verdict, blend, tally};
use crate::detect::Detector;
use crate::geometry::Rect;
use crate::infer::{Infer, InferFault, ModelRole};
use crate::manifest::ModelSpec;
use crate::picture::Picture;
use crate::preprocess::{PixelRect, Tensor, stretched_tensor};

/// How far beyond its box a plate is read, as shares of its width and height on each side. Boxes are now too tight and
/// now too high, so each plate is looked at twice; the surer look counts most.
const LOOKS: [(f32, f32); 2] = [(0.05, 0.05), (0.05, 0.0)];

/// A plate in a single picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PlateInPicture {
    /// Where, in pixels.
    pub rect: Rect,
    /// The detector's confidence.
    pub score: f32,
    /// What it says, where a reader was given and read anything.
    pub verdict: Option<Verdict>,
}

/// The two plate models with their buffers.
#[derive(Debug)]
pub struct PlateFinder {
    detector: Detector,
    reader: Option<(ModelSpec, Tensor)>,
}

impl PlateFinder {
    /// With a reader or without.
    #[must_use]
    pub fn new(plates: ModelSpec, text: Option<ModelSpec>) -> Self {
        let reader = text.map(|spec| {
            let tensor = Tensor::new(&spec.input, 0);
            (spec, tensor)
        });
        Self { detector: Detector::new(plates, ModelRole::Plates), reader }
    }

    /// Finds plates in a whole picture: their boxes with confidence, surest first. `ease` as in [`Detector::find`].
    ///
    /// # Errors
    /// As [`Detector::find`].
    pub fn find(
        &mut self,
        picture: &Picture<'_>,
        ease: f32,
        infer: &mut dyn Infer,
    ) -> Result<Vec<(Rect, f32)>, InferFault> {
        let found = self.detector.find(picture, ease, infer)?;
        Ok(found.into_iter().map(|found| (found.rect, found.score)).collect())
    }

    /// Finds plates in a part of a picture, at its full resolution; boxes are in pixels of the whole.
    ///
    /// # Errors
    /// As [`Detector::find`].
    pub fn find_in(
        &mut self,
        picture: &Picture<'_>,
        part: Rect,
        infer: &mut dyn Infer,
    ) -> Result<Vec<(Rect, f32)>, InferFault> {
        let Some(PixelRect { x, y, width, height }) = PixelRect::around(part, picture.width(), picture.height()) else {
            return Ok(Vec::new());
        };
        let Some(cut) = picture.part(x, y, width, height) else { return Ok(Vec::new()) };
        #[expect(clippy::cast_precision_loss, reason = "frame sides are below 2^24")]
        let (dx, dy) = ((x & !1) as f32, (y & !1) as f32);
        let found = self.find(&cut, 1.0, infer)?;
        Ok(found.into_iter().map(|(rect, score)| (Rect { x: rect.x + dx, y: rect.y + dy, ..rect }, score)).collect())
    }

    /// Reads the plate in a box; none where there is no reader, no pixel or no character.
    ///
    /// # Errors
    /// When the model cannot be run, or its outputs are not what its head needs.
    pub fn read(
        &mut self,
        picture: &Picture<'_>,
        plate: Rect,
        infer: &mut dyn Infer,
    ) -> Result<Option<RawRead>, InferFault> {
        let Some((spec, tensor)) = self.reader.as_mut() else { return Ok(None) };
        let mut looks = Vec::with_capacity(LOOKS.len());
        for (share_x, share_y) in LOOKS {
            let wide = plate.widened(share_x, share_y);
            let Some(rect) = PixelRect::around(wide, picture.width(), picture.height()) else { continue };
            stretched_tensor(picture, rect, &spec.input, tensor);
            let outputs = infer.run(ModelRole::PlateText, tensor.view())?;
            let look = decode(&spec.head, &outputs).ok_or_else(|| InferFault {
                model: ModelRole::PlateText,
                what: "the output is not 1 x steps x symbols of the manifest's alphabet".into(),
            })?;
            looks.push(look);
        }
        let read = blend(&looks);
        Ok((!read.characters().is_empty()).then_some(read))
    }

    /// Finds and reads every plate of a single picture. `ease` as in [`Detector::find`].
    ///
    /// # Errors
    /// As [`PlateFinder::find`] and [`PlateFinder::read`].
    pub fn inspect(
        &mut self,
        picture: &Picture<'_>,
        ease: f32,
        infer: &mut dyn Infer,
    ) -> Result<Vec<PlateInPicture>, InferFault> {
        let mut plates = Vec::new();
        for (rect, score) in self.find(picture, ease, infer)? {
            let verdict = self.read(picture, rect, infer)?.and_then(|read| tally(&[(read, 1.0)]));
            plates.push(PlateInPicture { rect, score, verdict });
        }
        Ok(plates)
    }
}

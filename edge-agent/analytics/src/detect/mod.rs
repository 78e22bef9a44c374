//! A frame to boxes: letterbox, the model behind the [`Infer`] seam, the head's own decoding, and suppression.
//!
//! Belongs here: everything between a picture and its detections. Does not belong here: time, identity, meaning.

mod grid;
mod heads;
mod nms;

pub use nms::suppress;

use crate::class::ObjectClass;
use crate::geometry::Rect;
use crate::infer::{Infer, InferFault, ModelRole};
use crate::manifest::{Head, ModelSpec, Thresholds};
use crate::picture::Picture;
use crate::preprocess::Letterbox;

/// A box that a network found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Index into the manifest's classes.
    pub class: usize,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Where, in pixels of the picture.
    pub rect: Rect,
}

/// A road user found in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// What it is.
    pub class: ObjectClass,
    /// Confidence, 0 to 1.
    pub score: f32,
    /// Where, in pixels of the frame.
    pub rect: Rect,
}

/// One detection network with its buffers.
#[derive(Clone, Debug)]
pub struct Detector {
    spec: ModelSpec,
    role: ModelRole,
    letterbox: Letterbox,
}

impl Detector {
    /// For a model that has been opened under `role`.
    #[must_use]
    pub fn new(spec: ModelSpec, role: ModelRole) -> Self {
        let letterbox = Letterbox::new(&spec.input);
        Self { spec, role, letterbox }
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Finds boxes in a picture, surest first. `ease` multiplies every shipped threshold: 1 for what may be shown,
    /// less for a tracker that can use doubtful boxes too.
    ///
    /// # Errors
    /// When the model cannot be run, or its outputs are not what its head needs.
    pub fn find(&mut self, picture: &Picture<'_>, ease: f32, infer: &mut dyn Infer) -> Result<Vec<Found>, InferFault> {
        let (tensor, fit) = self.letterbox.prepare(picture);
        let outputs = infer.run(self.role, tensor.view())?;
        let (width, height) = (self.spec.input.width, self.spec.input.height);
        let least: Vec<f32> = self.spec.thresholds.score.iter().map(|score| score * ease).collect();
        let canvas = heads::Canvas { width, height, least: &least };
        let candidates = heads::decode(&self.spec.head, &outputs, &canvas)
            .map_err(|mismatch| InferFault { model: self.role, what: mismatch.to_string() })?;
        let mut found: Vec<Found> = candidates
            .into_iter()
            .map(|candidate| Found { rect: fit.back(candidate.rect), ..candidate })
            .map(|found| Found { rect: found.rect.clamped(picture.width(), picture.height()), ..found })
            .filter(|found| found.rect.is_sound() && found.rect.area() > 0.0)
            .collect();
        let Thresholds { nms_iou, max_detections, .. } = self.spec.thresholds;
        // A graph that has suppressed already must not be suppressed twice: close neighbours would vanish.
        let iou = if self.spec.head == Head::EndToEnd { 1.0 } else { nms_iou };
        suppress(&mut found, iou, max_detections);
        Ok(found)
    }

    /// Finds road users; classes that are none of ours are left out.
    ///
    /// # Errors
    /// As [`Detector::find`].
    pub fn road_users(
        &mut self,
        picture: &Picture<'_>,
        ease: f32,
        infer: &mut dyn Infer,
    ) -> Result<Vec<Detection>, InferFault> {
        let found = self.find(picture, ease, infer)?;
        let known = found.into_iter().filter_map(|Found { class, score, rect }| {
            let class = self.spec.classes.get(class).and_then(|name| ObjectClass::parse(name))?;
            Some(Detection { class, score, rect })
        });
        Ok(known.collect())
    }

    /// The shipped threshold of a class.
    pub fn threshold(&self, class: ObjectClass) -> f32 {
        let index = self.spec.classes.iter().position(|name| name == class.as_str());
        index.and_then(|index| self.spec.thresholds.score.get(index)).copied().unwrap_or(f32::INFINITY)
    }
}

#[cfg(test)]
mod tests;

//! The self-test: a model must give on this box what it gave where it was made.
//!
//! A model's folder may have `golden/input.f32` and one `golden/<output>.f32` per output: raw little-endian 32-bit
//! floats, row-major, made on a picture that the project drew. A model without them is run once on an even input,
//! which shows that it runs and gives finite numbers.

use std::path::Path;

use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::preprocess::Element;

use super::ModelFile;

/// Largest mean deviation, as a share of the expected outputs' mean size. Providers differ in the last digits; a wrong
/// model or a broken accelerator by about as much as the outputs are large.
const TOLERANCE: f64 = 0.03;
/// The same for a quantised variant, held against the outputs of the model's own format; the shipped ones differ by
/// up to an eighth.
const TOLERANCE_OF_VARIANTS: f64 = 0.25;

/// Why a model is not trusted on this box.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GoldenError {
    /// A golden file cannot be used.
    #[error("golden/{file}: {what}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: String,
    },
    /// The model did not run.
    #[error(transparent)]
    Run(#[from] InferFault),
    /// The model ran and said something else.
    #[error("model {}: output `{output}` {what}", role.as_str())]
    Differs {
        /// The model.
        role: ModelRole,
        /// The output.
        output: String,
        /// How it differs.
        what: String,
    },
}

/// An input with the outputs it must give.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Golden {
    /// The input tensor; empty for an even input.
    pub input: Vec<f32>,
    /// Name and values of each expected output.
    pub outputs: Vec<(String, Vec<f32>)>,
}

impl Golden {
    /// Reads the golden files of a model's folder; an empty test where it has none.
    ///
    /// # Errors
    /// When a file is there and cannot be read or has another length than whole floats.
    pub fn read(folder: &Path) -> Result<Self, GoldenError> {
        let folder = folder.join("golden");
        let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Self::default()) };
        let mut golden = Self::default();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".f32")) else { continue };
            let values = floats(&entry.path())?;
            if stem == "input" {
                golden.input = values;
            } else {
                golden.outputs.push((stem.to_owned(), values));
            }
        }
        golden.outputs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(golden)
    }

    /// Runs the test on a model that has been opened.
    ///
    /// # Errors
    /// When the model does not run or its outputs are not the expected ones.
    pub fn check(&self, file: &ModelFile, models: &mut dyn Infer) -> Result<(), GoldenError> {
        let (role, spec) = (file.role(), &file.spec);
        let tolerance = if file.variant.is_some() { TOLERANCE_OF_VARIANTS } else { TOLERANCE };
        let shape = spec.input_shape();
        let count = shape.iter().product();
        let given = if self.input.is_empty() { vec![0.5; count] } else { self.input.clone() };
        if given.len() != count {
            let what = format!("has {} values where the model takes {count}", given.len());
            return Err(GoldenError::File { file: "input.f32".to_owned(), what });
        }
        let outputs = match spec.input.element {
            Element::F32 => models.run(role, TensorView::F32 { shape, values: &given })?,
            Element::U8 => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
                let bytes: Vec<u8> = given.iter().map(|value| value.clamp(0.0, 255.0) as u8).collect();
                models.run(role, TensorView::U8 { shape, values: &bytes })?
            }
        };
        compare(role, &self.outputs, &outputs, tolerance)
    }
}

fn floats(path: &Path) -> Result<Vec<f32>, GoldenError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|error| GoldenError::File { file: file.clone(), what: error.to_string() })?;
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(GoldenError::File { file, what: format!("has {} bytes, not whole floats", bytes.len()) });
    }
    Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

fn compare(
    role: ModelRole,
    expected: &[(String, Vec<f32>)],
    given: &[Output],
    tolerance: f64,
) -> Result<(), GoldenError> {
    let differs = |output: &str, what: String| GoldenError::Differs { role, output: output.to_owned(), what };
    if given.is_empty() {
        return Err(differs("", "is missing: the model gives no floats".to_owned()));
    }
    for output in given {
        if !output.values.iter().all(|value| value.is_finite()) {
            return Err(differs(&output.name, "has values that are no numbers".to_owned()));
        }
    }
    for (name, values) in expected {
        let output = given.iter().find(|output| output.name == *name);
        let output = output.ok_or_else(|| differs(name, "is missing".to_owned()))?;
        if output.values.len() != values.len() {
            return Err(differs(name, format!("has {} values, not {}", output.values.len(), values.len())));
        }
        let pairs = || output.values.iter().zip(values).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let size: f64 = pairs().map(|(_, expected)| expected.abs()).sum();
        let deviation: f64 = pairs().map(|(given, expected)| (given - expected).abs()).sum();
        if deviation > tolerance * size {
            let share = 100.0 * deviation / size;
            return Err(differs(name, format!("deviates by {share:.1} %, more than {:.0} %", 100.0 * tolerance)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(values: &[f32]) -> Vec<Output> {
        vec![Output { name: "p8".to_owned(), shape: vec![values.len()], values: values.to_vec() }]
    }

    fn expected(values: &[f32]) -> Vec<(String, Vec<f32>)> {
        vec![("p8".to_owned(), values.to_vec())]
    }

    #[test]
    fn the_last_digits_may_differ_and_more_may_not() {
        let role = ModelRole::Objects;
        let wanted = expected(&[1.0, -2.0, 3.0]);
        assert_eq!(compare(role, &wanted, &output(&[1.01, -2.01, 3.01]), TOLERANCE), Ok(()));
        for wrong in [&[1.0, 2.0, 3.0][..], &[1.0, -2.0], &[1.0, -2.0, f32::NAN]] {
            assert!(compare(role, &wanted, &output(wrong), TOLERANCE).is_err(), "{wrong:?}");
        }
        assert!(compare(role, &expected(&[]), &[], TOLERANCE).is_err());
    }

    #[test]
    fn a_torn_golden_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("golden")).unwrap();
        std::fs::File::create(folder.path().join("golden/p8.f32")).unwrap().set_len(6).unwrap();
        let error = Golden::read(folder.path()).unwrap_err();
        assert!(error.to_string().contains("p8.f32"), "{error}");
        assert_eq!(Golden::read(Path::new("/nonexistent")), Ok(Golden::default()));
    }
}

//! One session per model, shared by all cameras.

use std::collections::BTreeMap;

use edge_analytics::infer::{Infer, InferFault, ModelRole, Output, TensorView};
use edge_analytics::manifest::Head;
use edge_analytics::preprocess::Element;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::{TensorElementType, TensorRef, ValueType};

use super::model::mismatch;
use super::provider::order;
use super::{Fallback, InferenceError, ModelFile, Provider, Runtime};

/// How an opened model stands, for health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which model.
    pub role: ModelRole,
    /// Its name, version and variant.
    pub label: String,
    /// What it runs on.
    pub provider: Provider,
    /// What it was meant to run on, and why it does not.
    pub fallbacks: Vec<Fallback>,
}

/// The opened models.
#[derive(Debug, Default)]
pub struct Models {
    opened: BTreeMap<ModelRole, Opened>,
}

#[derive(Debug)]
struct Opened {
    session: Session,
    standing: Standing,
}

impl Models {
    /// Opens one model on the first of `providers` that takes it; an earlier one with the same role is replaced.
    ///
    /// # Errors
    /// When the graph is not what the manifest says, or no provider, the CPU included, opens it.
    pub fn open(&mut self, runtime: &Runtime, file: &ModelFile, providers: &[Provider]) -> Result<(), InferenceError> {
        let role = file.role();
        let mut fallbacks = Vec::new();
        for provider in order(providers) {
            match session(runtime, provider, &file.graph) {
                Ok(session) => {
                    check(&session, file)?;
                    let standing = Standing { role, label: file.label(), provider, fallbacks };
                    self.opened.insert(role, Opened { session, standing });
                    return Ok(());
                }
                Err(error) => fallbacks.push(Fallback { wanted: provider, why: error.message().to_owned() }),
            }
        }
        let what = fallbacks.iter().map(|fallback| format!("{}: {}", fallback.wanted, fallback.why));
        Err(InferenceError::Open { role, what: what.collect::<Vec<_>>().join("; ") })
    }

    /// How each opened model stands.
    pub fn standings(&self) -> impl Iterator<Item = &Standing> {
        self.opened.values().map(|opened| &opened.standing)
    }
}

fn session(runtime: &Runtime, provider: Provider, graph: &[u8]) -> ort::Result<Session> {
    let builder = Session::builder(&runtime.environment)?;
    // One thread: the box's cores belong to the decoders too, and a second thread that spins doubles the work.
    let builder = plain(builder.with_intra_threads(1))?;
    let builder = plain(builder.with_inter_threads(1))?;
    let builder = plain(builder.with_intra_op_spinning(false))?;
    let mut builder = plain(builder.with_memory_pattern(false))?;
    if let Some(dispatch) = provider.dispatch() {
        builder = plain(builder.with_execution_providers([dispatch]))?;
    }
    builder.commit_from_memory(graph)
}

/// Drops the half-made builder that the runtime hands back with an error.
fn plain(built: Result<SessionBuilder, ort::Error<SessionBuilder>>) -> ort::Result<SessionBuilder> {
    built.map_err(|error| ort::Error::new_with_code(error.code(), error.message()))
}

/// Compares the opened graph with the manifest.
fn check(session: &Session, file: &ModelFile) -> Result<(), InferenceError> {
    let spec = &file.spec;
    let [input] = session.inputs() else {
        return Err(mismatch(&spec.file, "input", format!("the graph has {} inputs, not one", session.inputs().len())));
    };
    let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
        return Err(mismatch(&spec.file, "input", "the graph's input is no tensor"));
    };
    let wanted = match spec.input.element {
        Element::F32 => TensorElementType::Float32,
        Element::U8 => TensorElementType::Uint8,
    };
    if *ty != wanted {
        return Err(mismatch(
            &spec.file,
            "input.dtype",
            format!("the graph takes {ty:?}, the manifest says {wanted:?}"),
        ));
    }
    let told = spec.input_shape();
    let fits = shape.len() == told.len()
        && shape.iter().zip(told).all(|(graph, told)| *graph < 0 || usize::try_from(*graph) == Ok(told));
    if !fits {
        return Err(mismatch(
            &spec.file,
            "input",
            format!("the graph takes {:?}, the manifest says {told:?}", &shape[..]),
        ));
    }
    for name in named_outputs(&spec.head) {
        if !session.outputs().iter().any(|output| output.name() == name) {
            return Err(mismatch(&spec.file, "head.outputs", format!("the graph has no output `{name}`")));
        }
    }
    check_classes(session, file)
}

fn named_outputs(head: &Head) -> Vec<&str> {
    match head {
        Head::LtrbAnchorFree { maps } => maps.iter().map(|(name, _)| name.as_str()).collect(),
        Head::Ctc(text) | Head::Slots(text) => text.output.as_deref().into_iter().collect(),
        Head::Yolox { .. } | Head::FastestDet | Head::YoloV8 { .. } | Head::EndToEnd => Vec::new(),
    }
}

/// How many channels each class list or alphabet means, where the graph states its shape.
fn check_classes(session: &Session, file: &ModelFile) -> Result<(), InferenceError> {
    let (spec, classes) = (&file.spec, file.spec.classes.len());
    let (axis, wanted, field) = match &spec.head {
        Head::LtrbAnchorFree { .. } | Head::YoloV8 { .. } => (1, classes + 4, "classes"),
        Head::Yolox { .. } => (2, classes + 5, "classes"),
        Head::FastestDet => (1, classes + 5, "classes"),
        Head::Ctc(text) | Head::Slots(text) => (2, text.symbols.len(), "alphabet"),
        Head::EndToEnd => return Ok(()),
    };
    let named = named_outputs(&spec.head);
    let read = session.outputs().iter().enumerate();
    let read =
        read.filter(|(place, output)| if named.is_empty() { *place == 0 } else { named.contains(&output.name()) });
    for (_, output) in read {
        let ValueType::Tensor { shape, .. } = output.dtype() else {
            return Err(mismatch(&spec.file, "head.outputs", format!("`{}` is no tensor", output.name())));
        };
        let Some(found) = shape.get(axis) else {
            let what = format!("`{}` has {} axes, too few for this head", output.name(), shape.len());
            return Err(mismatch(&spec.file, "head.type", what));
        };
        if *found >= 0 && usize::try_from(*found) != Ok(wanted) {
            let what = format!("`{}` has {found} channels where the manifest means {wanted}", output.name());
            return Err(mismatch(&spec.file, field, what));
        }
    }
    Ok(())
}

impl Infer for Models {
    fn run(&mut self, model: ModelRole, input: TensorView<'_>) -> Result<Vec<Output>, InferFault> {
        let fault = |what: String| InferFault { model, what };
        let opened = self.opened.get_mut(&model).ok_or_else(|| fault("is not loaded".to_owned()))?;
        run(&mut opened.session, input).map_err(|error| fault(error.to_string()))
    }
}

fn run(session: &mut Session, input: TensorView<'_>) -> ort::Result<Vec<Output>> {
    let outputs = match input {
        TensorView::F32 { shape, values } => session.run(ort::inputs![TensorRef::from_array_view((shape, values))?])?,
        TensorView::U8 { shape, values } => session.run(ort::inputs![TensorRef::from_array_view((shape, values))?])?,
    };
    let mut taken = Vec::with_capacity(outputs.len());
    for (name, value) in &outputs {
        // A head reads floats; what else a graph gives out, indices say, is not for it.
        let Ok((shape, values)) = value.try_extract_tensor::<f32>() else { continue };
        let shape = shape.iter().map(|axis| usize::try_from(*axis).unwrap_or(0)).collect();
        taken.push(Output { name: name.to_owned(), shape, values: values.to_vec() });
    }
    Ok(taken)
}

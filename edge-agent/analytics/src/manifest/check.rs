//! Every rule a manifest must keep, and the words for a broken one.

use super::raw::{self, PerChannel};
use super::{Head, Mistake, ModelSpec, Sha256Hex, Task, TextHead, Thresholds, Variant};
use crate::preprocess::{Channels, Element, InputSpec, Layout, PadPosition, Resize};

/// Collects mistakes, so that a person sees them all at once.
#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: &'static str, what: impl Into<String>) {
        self.0.push(Mistake { field, what: what.into() });
    }

    fn require(&mut self, holds: bool, field: &'static str, what: &str) {
        if !holds {
            self.add(field, what);
        }
    }

    fn choose<T: Copy>(&mut self, field: &'static str, given: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.add(field, format!("`{given}` is unknown, allowed: {}", names.join(", ")));
        }
        found
    }
}

pub(super) fn checked(raw: raw::Manifest) -> Result<ModelSpec, Vec<Mistake>> {
    let mut mistakes = Mistakes::default();
    let m = &mut mistakes;
    m.require(!raw.name.trim().is_empty(), "name", "must not be empty");
    m.require(!raw.version.trim().is_empty(), "version", "must not be empty");
    check_file(m, "file", &raw.file);
    let sha256 = hash(m, "sha256", &raw.sha256);
    let task = m.choose(
        "task",
        &raw.task,
        &[("objects", Task::Objects), ("plates", Task::Plates), ("plate_text", Task::PlateText)],
    );
    let input = input(m, &raw.input);
    let head = head(m, &raw);
    if let (Some(task), Some(head)) = (task, head.as_ref()) {
        let reads = matches!(head, Head::Ctc(_) | Head::Slots(_));
        m.require(
            reads == (task == Task::PlateText),
            "head.type",
            "text heads belong to the task plate_text, box heads to the others",
        );
    }
    if let (Some(Head::LtrbAnchorFree { maps }), Some(input)) = (head.as_ref(), input.as_ref()) {
        let divides = |side: u32, stride: u32| side.checked_rem(stride) == Some(0);
        let fits = maps.iter().all(|&(_, stride)| divides(input.width, stride) && divides(input.height, stride));
        m.require(fits, "head.strides", "every stride must divide the input's width and height");
    }
    let thresholds = thresholds(m, &raw, task);
    let variants = variants(m, &raw.variants);
    match (sha256, task, input, head) {
        (Some(sha256), Some(task), Some(input), Some(head)) if mistakes.0.is_empty() => Ok(ModelSpec {
            name: raw.name,
            version: raw.version,
            file: raw.file,
            sha256,
            task,
            input,
            head,
            classes: raw.classes,
            thresholds,
            variants,
        }),
        _ => Err(mistakes.0),
    }
}

fn check_file(m: &mut Mistakes, field: &'static str, file: &str) {
    let plain = !file.is_empty() && file != ".." && !file.contains(['/', '\\', '\0']);
    m.require(plain, field, "must be a file name beside the manifest, without folders");
}

fn hash(m: &mut Mistakes, field: &'static str, text: &str) -> Option<Sha256Hex> {
    let hash = Sha256Hex::parse(text);
    m.require(hash.is_some(), field, "must be 64 lower-case hexadecimal digits");
    hash
}

fn variants(m: &mut Mistakes, raw: &[raw::Variant]) -> Vec<Variant> {
    let mut variants = Vec::new();
    for variant in raw {
        m.require(!variant.name.is_empty(), "variants.name", "must not be empty");
        check_file(m, "variants.file", &variant.file);
        if let Some(sha256) = hash(m, "variants.sha256", &variant.sha256) {
            let (name, file) = (variant.name.clone(), variant.file.clone());
            variants.push(Variant { name, file, sha256 });
        }
    }
    variants
}

fn input(m: &mut Mistakes, raw: &raw::Input) -> Option<InputSpec> {
    for (field, side) in [("input.width", raw.width), ("input.height", raw.height)] {
        m.require((8..=4096).contains(&side), field, "allowed: 8 to 4096 pixels");
    }
    let channels = m.choose(
        "input.colour",
        &raw.colour,
        &[("RGB", Channels::Rgb), ("BGR", Channels::Bgr), ("GREY", Channels::Grey)],
    );
    let layout = m.choose("input.layout", &raw.layout, &[("NCHW", Layout::Nchw), ("NHWC", Layout::Nhwc)]);
    let element = m.choose("input.dtype", &raw.dtype, &[("float32", Element::F32), ("uint8", Element::U8)]);
    if let Some(channels) = channels {
        let count = u32::try_from(channels.count()).ok();
        m.require(count == Some(raw.channels), "input.channels", "RGB and BGR have 3, GREY has 1");
    }
    let resize = resize(m, &raw.resize);
    let mean = per_channel(m, "input.mean", &raw.mean);
    let scale = per_channel(m, "input.scale", &raw.scale);
    m.require(scale.iter().all(|s| *s > 0.0), "input.scale", "must be above 0");
    Some(InputSpec {
        width: raw.width,
        height: raw.height,
        channels: channels?,
        layout: layout?,
        element: element?,
        resize: resize?,
        mean,
        scale,
    })
}

fn resize(m: &mut Mistakes, raw: &raw::Resize) -> Option<Resize> {
    let letterbox = m.choose("input.resize.type", &raw.r#type, &[("letterbox", true), ("stretch", false)])?;
    if !letterbox {
        return Some(Resize::Stretch);
    }
    let position = m.choose(
        "input.resize.pad_position",
        raw.pad_position.as_deref().unwrap_or("top-left"),
        &[("top-left", PadPosition::TopLeft), ("centre", PadPosition::Centre)],
    )?;
    Some(Resize::Letterbox { pad_value: raw.pad_value.unwrap_or(114), position })
}

fn per_channel(m: &mut Mistakes, field: &'static str, raw: &PerChannel) -> [f32; 3] {
    let values = match raw {
        PerChannel::All(value) => [*value; 3],
        PerChannel::Each(values) => match values.as_slice() {
            [one] => [*one; 3],
            [a, b, c] => [*a, *b, *c],
            _ => {
                m.add(field, "must be one number or one per channel");
                [1.0; 3]
            }
        },
    };
    m.require(values.iter().all(|v| v.is_finite()), field, "must be finite");
    values
}

fn head(m: &mut Mistakes, raw: &raw::Manifest) -> Option<Head> {
    let head = &raw.head;
    for stride in &head.strides {
        let sound = stride.is_power_of_two() && (2..=128).contains(stride);
        m.require(sound, "head.strides", "allowed: powers of two from 2 to 128");
    }
    match head.r#type.as_str() {
        "ltrb-anchor-free" => {
            let paired = !head.strides.is_empty() && head.strides.len() == head.outputs.len();
            m.require(paired, "head.outputs", "one output per stride is needed");
            let maps = head.outputs.iter().cloned().zip(head.strides.iter().copied());
            Some(Head::LtrbAnchorFree { maps: maps.collect() })
        }
        "yolox" => {
            m.require(!head.strides.is_empty(), "head.strides", "at least one is needed");
            Some(Head::Yolox { strides: head.strides.clone() })
        }
        "fastestdet" => Some(Head::FastestDet),
        "yolov8" => Some(Head::YoloV8 { logits: head.activation.as_deref() == Some("sigmoid") }),
        "end2end" => Some(Head::EndToEnd),
        "ctc" => text_head(m, raw, true).map(Head::Ctc),
        "slots" => text_head(m, raw, false).map(Head::Slots),
        other => {
            m.add(
                "head.type",
                format!(
                    "`{other}` is unknown, allowed: ltrb-anchor-free, yolox, fastestdet, yolov8, \
                     end2end, ctc, slots"
                ),
            );
            None
        }
    }
}

/// `logits` is what the head type means where the manifest does not name an activation.
fn text_head(m: &mut Mistakes, raw: &raw::Manifest, logits: bool) -> Option<TextHead> {
    let known = [("softmax", true), ("none", false)];
    let logits = match raw.head.activation.as_deref() {
        Some(name) => m.choose("head.activation", name, &known)?,
        None => logits,
    };
    let temperature = raw.head.temperature.unwrap_or(1.0);
    m.require((0.05..=20.0).contains(&temperature), "head.temperature", "allowed: 0.05 to 20");
    let alphabet: Vec<char> = raw.alphabet.as_deref().unwrap_or_default().chars().collect();
    let sound = (2..=256).contains(&alphabet.len());
    m.require(sound, "alphabet", "a text head needs 2 to 256 characters");
    let blank = raw.blank.unwrap_or(alphabet.len());
    m.require(blank <= alphabet.len(), "blank", "must be an index of the alphabet or one past it");
    let mut symbols: Vec<Option<char>> = alphabet.into_iter().map(Some).collect();
    if blank == symbols.len() {
        symbols.push(None);
    } else if let Some(symbol) = symbols.get_mut(blank) {
        *symbol = None;
    }
    let max_length = raw.max_length.unwrap_or(12);
    m.require((1..=32).contains(&max_length), "max_length", "allowed: 1 to 32 characters");
    let output = raw.head.outputs.first().cloned();
    Some(TextHead { output, symbols, logits, temperature, max_length })
}

fn thresholds(m: &mut Mistakes, raw: &raw::Manifest, task: Option<Task>) -> Thresholds {
    let unused = Thresholds { score: Vec::new(), nms_iou: 0.5, max_detections: 1 };
    if task == Some(Task::PlateText) {
        return unused;
    }
    m.require(!raw.classes.is_empty(), "classes", "a detector needs at least one class");
    let mut names: Vec<&String> = raw.classes.iter().collect();
    names.sort_unstable();
    names.dedup();
    m.require(names.len() == raw.classes.len(), "classes", "a name occurs twice");
    let Some(given) = raw.thresholds.as_ref() else {
        m.add("thresholds", "a detector needs them");
        return unused;
    };
    for (class, score) in &given.score {
        m.require(raw.classes.contains(class), "thresholds.score", "names a class that is not listed");
        m.require(*score > 0.0 && *score < 1.0, "thresholds.score", "allowed: above 0 and below 1");
    }
    let sound = given.nms_iou > 0.0 && given.nms_iou <= 1.0;
    m.require(sound, "thresholds.nms_iou", "allowed: above 0, up to 1");
    let sound = (1..=1000).contains(&given.max_detections);
    m.require(sound, "thresholds.max_detections", "allowed: 1 to 1000");
    // A class without a threshold of its own is one that the product does not use: it never passes.
    let score = raw.classes.iter().map(|c| given.score.get(c).copied().unwrap_or(f32::INFINITY));
    Thresholds { score: score.collect(), nms_iou: given.nms_iou, max_detections: given.max_detections }
}

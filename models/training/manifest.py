"""Write, read and validate model manifests."""

import hashlib
import json
import math
from pathlib import Path

TASKS = ("objects", "plates", "plate_text")
DETECTION_TASKS = ("objects", "plates")
DETECTOR_HEADS, READER_HEADS = ("ltrb-anchor-free", "yolox", "fastestdet"), ("slots", "ctc")
LONGEST_TEXT = 100
# field -> type
REQUIRED = {
    "name": str,
    "version": str,
    "file": str,
    "sha256": str,
    "task": str,
    "input": dict,
    "head": dict,
    "licence": str,
    "provenance": dict,
    "metrics": list,
    "opset": int,
    "created": str,
    "variants": list,
}
INPUT_FIELDS = {
    "width": int,
    "height": int,
    "channels": int,
    "layout": ("NCHW", "NHWC"),
    "dtype": ("float32", "uint8"),
    "colour": ("RGB", "BGR", "GREY"),
    "resize": dict,
    "mean": (int, float),
    "scale": (int, float),
}


class ManifestError(Exception):
    """A manifest or model that must not be used; the text names file and field."""


def sha256_of(path):
    """SHA-256 of a file as hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _need(holder, key, kind, where):
    if not isinstance(holder, dict):
        raise ManifestError(f"{where}: is not an object")
    value = holder.get(key)
    if isinstance(kind, tuple) and isinstance(kind[0], str):
        if value not in kind:
            raise ManifestError(f"{where}: field '{key}' is none of {list(kind)}")
    elif not isinstance(value, kind) or isinstance(value, bool):
        raise ManifestError(f"{where}: field '{key}' is missing or of the wrong type")
    return value


def _need_list(holder, key, kind, where):
    """A list that is not empty, of one kind of value."""
    values = _need(holder, key, list, where)
    if not values or any(not isinstance(value, kind) or isinstance(value, bool) for value in values):
        raise ManifestError(f"{where}: field '{key}' is empty or holds a value of the wrong type")
    return values


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _need_share(value, field, where):
    if not _is_number(value) or not 0 < value <= 1:
        raise ManifestError(f"{where}: field '{field}' is not within 0..1")


def _need_count(holder, key, most, where):
    value = _need(holder, key, int, where)
    if not 1 <= value <= most:
        raise ManifestError(f"{where}: field '{key}' is not within 1..{most}")


def validate(manifest, where):
    """Checks fields and ranges; raises ManifestError."""
    for key, kind in REQUIRED.items():
        _need(manifest, key, kind, where)
    task = _need(manifest, "task", TASKS, where)
    _validate_input(manifest["input"], f"{where}: input")
    _need(manifest["head"], "type", DETECTOR_HEADS if task in DETECTION_TASKS else READER_HEADS, f"{where}: head")
    _need_list(manifest["head"], "outputs", str, f"{where}: head")
    if task in DETECTION_TASKS:
        _validate_detector(manifest, where)
    else:
        _validate_reader(manifest, where)
    for variant in manifest["variants"]:
        for key in ("name", "file", "sha256"):
            _need(variant, key, str, f"{where}: variants")
    return manifest


def _validate_input(fields, where):
    for key, kind in INPUT_FIELDS.items():
        _need(fields, key, kind, where)
    for key in ("width", "height", "channels"):
        _need_count(fields, key, 4096, where)
    for key in ("mean", "scale"):
        if not _is_number(fields[key]) or (key == "scale" and fields[key] == 0):
            raise ManifestError(f"{where}: field '{key}' is no number to reckon with")


def _validate_detector(manifest, where):
    classes = _need_list(manifest, "classes", str, where)
    if len(set(classes)) != len(classes):
        raise ManifestError(f"{where}: field 'classes' names a class twice")
    strides = _need_list(manifest["head"], "strides", int, f"{where}: head")
    if len(strides) != len(manifest["head"]["outputs"]) or min(strides) < 1:
        raise ManifestError(f"{where}: field 'head.strides' does not match 'head.outputs', or has one below 1")
    thresholds = _need(manifest, "thresholds", dict, where)
    scores = _need(thresholds, "score", dict, f"{where}: thresholds")
    if sorted(scores) != sorted(classes):
        raise ManifestError(f"{where}: field 'thresholds.score' does not name every class once")
    for label, value in scores.items():
        _need_share(value, f"thresholds.score.{label}", where)
    _need_share(thresholds.get("nms_iou"), "thresholds.nms_iou", where)
    _need_count(thresholds, "max_detections", 1000, f"{where}: thresholds")


def _validate_reader(manifest, where):
    alphabet = _need(manifest, "alphabet", str, where)
    if not alphabet or len(set(alphabet)) != len(alphabet):
        raise ManifestError(f"{where}: field 'alphabet' is empty or names a character twice")
    if not 0 <= _need(manifest, "blank", int, where) <= len(alphabet):
        raise ManifestError(f"{where}: field 'blank' is not within 0..{len(alphabet)}")
    _need_count(manifest, "max_length", LONGEST_TEXT, where)
    temperature = manifest["head"].get("temperature", 1.0)
    if not _is_number(temperature) or temperature <= 0:
        raise ManifestError(f"{where}: field 'head.temperature' is no number above 0")


def load_manifest(path):
    """Reads and validates a manifest."""
    try:
        manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: {error}") from error
    if not isinstance(manifest, dict):
        raise ManifestError(f"{path}: is not an object")
    return validate(manifest, str(path))


def require(manifest, wanted, where):
    """Raises ManifestError unless fields, named with dots, have these values: what the code that asks can compute."""
    for field, value in wanted.items():
        found = manifest
        for key in field.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        same = math.isclose(found, value, rel_tol=1e-6) if _is_number(found) and _is_number(value) else found == value
        if not same:
            raise ManifestError(f"{where}: field '{field}' is {found!r}, and only {value!r} is judged here")


def model_file(folder, manifest, variant=None):
    """Path of the float model, or of a variant by name, after checking its hash."""
    entry = manifest
    if variant is not None:
        entry = next((v for v in manifest["variants"] if v["name"] == variant), None)
        if entry is None:
            raise ManifestError(f"{folder}: field 'variants' has no '{variant}'")
    path = Path(folder) / entry["file"]
    if Path(entry["file"]).name != entry["file"] or not path.is_file():
        raise ManifestError(f"{folder}: field 'file': no file '{entry['file']}'")
    if sha256_of(path) != entry["sha256"]:
        raise ManifestError(f"{path}: field 'sha256' does not match the file")
    return path


def write_manifest(manifest, folder):
    """Validates and writes `manifest.json`."""
    path = Path(folder) / "manifest.json"
    validate(manifest, str(path))
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def check_shapes(folder, manifest, variant=None):
    """Loads the graph, compares its input and outputs with the manifest, and runs it once on even grey."""
    import numpy as np

    from training.evaluate.models import open_session

    path = model_file(folder, manifest, variant)
    session = open_session(path)
    source = manifest["input"]
    sides = (source["height"], source["width"])
    shape = [1, source["channels"], *sides]
    if source["layout"] == "NHWC":
        shape = [1, *sides, source["channels"]]
    taken = session.get_inputs()[0]
    if taken.shape != shape:
        raise ManifestError(f"{path}: field 'input' does not match {taken.shape}")
    if taken.type != {"float32": "tensor(float)", "uint8": "tensor(uint8)"}[source["dtype"]]:
        raise ManifestError(f"{path}: field 'input.dtype' does not match {taken.type}")
    outputs = {output.name: output.shape for output in session.get_outputs()}
    for index, name in enumerate(manifest["head"]["outputs"]):
        if name not in outputs:
            raise ManifestError(f"{path}: field 'head.outputs': the graph has no '{name}'")
        if manifest["head"]["type"] == "ltrb-anchor-free":
            stride = manifest["head"]["strides"][index]
            channels = len(manifest["classes"]) + 4
            if outputs[name] != [1, channels, sides[0] // stride, sides[1] // stride]:
                raise ManifestError(f"{path}: field 'classes' or 'head.strides' against '{name}'")
    even = np.full(shape, 0.5, source["dtype"])
    names = list(outputs)
    for name, values in zip(names, session.run(names, {taken.name: even})):
        if not np.isfinite(values).all():
            raise ManifestError(f"{path}: output '{name}' has values that are no numbers")

"""Write, read and validate model manifests."""

import hashlib
import json
import math
from pathlib import Path

TASKS = ("objects", "plates", "plate_text")
HEADS = ("ltrb-anchor-free", "yolox", "fastestdet", "slots", "ctc")
DETECTION_TASKS = ("objects", "plates")
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
    value = holder.get(key)
    if isinstance(kind, tuple) and isinstance(kind[0], str):
        if value not in kind:
            raise ManifestError(f"{where}: field '{key}' is none of {list(kind)}")
    elif not isinstance(value, kind) or isinstance(value, bool):
        raise ManifestError(f"{where}: field '{key}' is missing or of the wrong type")
    return value


def _need_share(value, field, where):
    if not isinstance(value, (int, float)) or not math.isfinite(value) or not 0 < value <= 1:
        raise ManifestError(f"{where}: field '{field}' is not within 0..1")


def validate(manifest, where):
    """Checks fields and ranges; raises ManifestError."""
    for key, kind in REQUIRED.items():
        _need(manifest, key, kind, where)
    _need(manifest, "task", TASKS, where)
    for key, kind in INPUT_FIELDS.items():
        _need(manifest["input"], key, kind, f"{where}: input")
    for key in ("width", "height", "channels"):
        if not 1 <= manifest["input"][key] <= 4096:
            raise ManifestError(f"{where}: field 'input.{key}' is out of range")
    _need(manifest["head"], "type", HEADS, f"{where}: head")
    _need(manifest["head"], "outputs", list, f"{where}: head")
    if manifest["task"] in DETECTION_TASKS:
        _validate_detector(manifest, where)
    for variant in manifest["variants"]:
        for key in ("name", "file", "sha256"):
            _need(variant, key, str, f"{where}: variants")
    return manifest


def _validate_detector(manifest, where):
    classes = _need(manifest, "classes", list, where)
    if not classes or len(set(classes)) != len(classes):
        raise ManifestError(f"{where}: field 'classes' is empty or names a class twice")
    strides = _need(manifest["head"], "strides", list, f"{where}: head")
    if len(strides) != len(manifest["head"]["outputs"]):
        raise ManifestError(f"{where}: field 'head.strides' does not match 'head.outputs'")
    thresholds = _need(manifest, "thresholds", dict, where)
    scores = _need(thresholds, "score", dict, f"{where}: thresholds")
    if sorted(scores) != sorted(classes):
        raise ManifestError(f"{where}: field 'thresholds.score' does not name every class once")
    for label, value in scores.items():
        _need_share(value, f"thresholds.score.{label}", where)
    _need_share(thresholds.get("nms_iou"), "thresholds.nms_iou", where)
    keep = thresholds.get("max_detections")
    if not isinstance(keep, int) or not 1 <= keep <= 1000:
        raise ManifestError(f"{where}: field 'thresholds.max_detections' is out of range")


def load_manifest(path):
    """Reads and validates a manifest."""
    try:
        manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: {error}") from error
    if not isinstance(manifest, dict):
        raise ManifestError(f"{path}: is not an object")
    return validate(manifest, str(path))


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
    import os

    import numpy as np

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    path = model_file(folder, manifest, variant)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    source = manifest["input"]
    sides = (source["height"], source["width"])
    shape = [1, source["channels"], *sides]
    if source["layout"] == "NHWC":
        shape = [1, *sides, source["channels"]]
    if session.get_inputs()[0].shape != shape:
        raise ManifestError(f"{path}: field 'input' does not match {session.get_inputs()[0].shape}")
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
    for name, values in zip(names, session.run(names, {session.get_inputs()[0].name: even})):
        if not np.isfinite(values).all():
            raise ManifestError(f"{path}: output '{name}' has values that are no numbers")

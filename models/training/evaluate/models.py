"""Detectors as functions from a picture to boxes: shipped models, torch networks, baselines."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from training.data.tables import DataError
from training.evaluate import decode
from training.manifest import load_manifest, model_file, require
from training.preprocess import letterbox, to_tensor

# Our classes among the 80 of COCO: person, bicycle, motorcycle, car, bus, truck.
COCO_INDICES = [0, 1, 3, 2, 5, 7]
SCORE_FLOOR = 0.02
OWN_PROVIDER = "CPUExecutionProvider"  # the kernels of ONNX Runtime itself

# What `LtrbDetector` computes.
TAKEN = {
    "head.type": "ltrb-anchor-free",
    "input.colour": "RGB",
    "input.layout": "NCHW",
    "input.dtype": "float32",
    "input.resize.mode": "letterbox",
    "input.mean": 0.0,
    "input.scale": 1 / 255,
}


def open_session(path, threads=1, provider=OWN_PROVIDER):
    """An inference session on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # the runtime's own kinds have no common parent
        raise DataError(f"{path}: no graph that opens: {error}") from error
    if session.get_providers()[0] != provider:  # the runtime falls back without a word
        raise DataError(f"{path}: {provider} does not take it")
    return session


class LtrbDetector:
    """A network with our head behind the agent's pre- and post-processing.

    `infer` takes the 1x3xHxW tensor and returns the outputs in the order of `strides`.
    """

    def __init__(self, infer, size, strides, class_count, nms_iou, keep, floor=SCORE_FLOOR):
        self.infer, self.size, self.strides = infer, size, strides
        self.class_count, self.nms_iou, self.keep, self.floor = class_count, nms_iou, keep, floor

    @classmethod
    def from_folder(cls, folder, variant=None, floor=SCORE_FLOOR, provider=OWN_PROVIDER):
        """A model folder with manifest; `floor` None takes the manifest's score thresholds."""
        manifest = load_manifest(Path(folder) / "manifest.json")
        require(manifest, TAKEN, Path(folder) / "manifest.json")
        session = open_session(model_file(folder, manifest, variant), provider=provider)
        head, source = manifest["head"], manifest["input"]
        name = session.get_inputs()[0].name
        thresholds = manifest["thresholds"]
        if floor is None:
            floor = [thresholds["score"][label] for label in manifest["classes"]]
        return cls(
            lambda tensor: session.run(head["outputs"], {name: tensor}),
            (source["width"], source["height"]),
            head["strides"],
            len(manifest["classes"]),
            thresholds["nms_iou"],
            thresholds["max_detections"],
            floor,
        )

    def __call__(self, picture):
        canvas, *factors = letterbox(picture, *self.size)
        outputs = self.infer(to_tensor(canvas))
        found = decode.decode_ltrb(outputs, self.strides, self.class_count, self.floor)
        size = picture.shape[1::-1]
        return decode.finish(*found, self.nms_iou, self.keep, tuple(factors), size)


def opened(folder, against=()):
    """Name to (detector, file): a model folder's float graph and variants, and the float graphs of other folders."""
    manifest = load_manifest(Path(folder) / "manifest.json")
    found = {}
    for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
        name = manifest["name"] + (f" {variant}" if variant else "")
        found[name] = (LtrbDetector.from_folder(folder, variant), model_file(folder, manifest, variant))
    for path in against:
        other = load_manifest(Path(path) / "manifest.json")
        name = f"{other['name']} {other['version']}"
        found[name] = (LtrbDetector.from_folder(path), model_file(path, other))
    return found


def torch_detector(net, size, nms_iou=0.5, keep=100):
    """An LtrbDetector around a torch network in evaluation mode."""
    import torch

    def infer(tensor):
        with torch.no_grad():
            return [level.float().numpy() for level in net(torch.from_numpy(tensor))]

    return LtrbDetector(infer, size, net.strides, net.class_count, nms_iou, keep)


class YoloxNano:
    """Baseline and teacher; decoding as its authors do."""

    side = 416

    def __init__(self, path, threads=1):
        self.session = open_session(path, threads)

    def __call__(self, picture, floor=SCORE_FLOOR, nms_iou=0.5):
        height, width = picture.shape[:2]
        scale = min(self.side / width, self.side / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = np.full((self.side, self.side, 3), 114, np.uint8)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=method)
        tensor = to_tensor(canvas[:, :, ::-1], 0.0, 1.0)
        output = self.session.run(None, {"images": tensor})[0]
        found = decode.decode_yolox(output, self.side, COCO_INDICES, floor)
        return decode.finish(*found, nms_iou, 100, (1 / scale, 1 / scale), (width, height))


class FastestDet:
    """Baseline; decoding as its authors do."""

    side = 352

    def __init__(self, path, threads=1):
        self.session = open_session(path, threads)

    def __call__(self, picture, floor=SCORE_FLOOR, nms_iou=0.45):
        height, width = picture.shape[:2]
        canvas = cv2.resize(picture, (self.side, self.side), interpolation=cv2.INTER_AREA)
        output = self.session.run(None, {"input.1": to_tensor(canvas[:, :, ::-1])})[0]
        found = decode.decode_fastestdet(output, COCO_INDICES, floor)
        return decode.finish(*found, nms_iou, 100, (width, height), (width, height))


class YoloPlates:
    """Baseline plate detector (suppression inside the graph), centred letterbox."""

    side = 416

    def __init__(self, path, threads=1):
        self.session = open_session(path, threads)

    def __call__(self, picture):
        height, width = picture.shape[:2]
        scale = min(self.side / width, self.side / height)
        size = (round(width * scale), round(height * scale))
        x, y = (self.side - size[0]) // 2, (self.side - size[1]) // 2
        canvas = np.full((self.side, self.side, 3), 114, np.uint8)
        resized = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        canvas[y : y + size[1], x : x + size[0]] = resized
        rows = self.session.run(None, {"images": to_tensor(canvas)})[0].reshape(-1, 7)
        boxes = (rows[:, 1:5] - np.array([x, y, x, y])) / scale
        order = np.argsort(-rows[:, 6])
        return boxes[order], rows[order, 6], rows[order, 5].astype(np.int64)

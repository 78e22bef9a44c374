"""The shipped graphs by another execution provider of ONNX Runtime against its own kernels, as one JSON object.

For float and int8 graph of each model: the largest difference of the raw outputs, and what it costs in average precision,
recall or exact reads, paired on the same pictures.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime

from training.data.boxes import read_picture
from training.data.crops import read_crops
from training.data.objects import load_objects
from training.data.tables import DataError
from training.evaluate import intervals
from training.evaluate.models import OWN_PROVIDER, LtrbDetector
from training.evaluate.objects import compared, judge
from training.evaluate.plates import PlateResult, hits_by_region, load_plates
from training.manifest import load_manifest
from training.reader.model import ReaderModel


class Pair:
    """Two ways to compute one graph, and how far apart their outputs have been."""

    def __init__(self, own, other):
        self._own, self._other = own, other
        self.difference, self.inputs = 0.0, 0

    def __call__(self, tensor):
        """The other's outputs."""
        theirs = self._other(tensor)
        pairs = zip(self._own(tensor), theirs, strict=True)
        self.difference = max(self.difference, *(float(np.abs(a - b).max()) for a, b in pairs))
        self.inputs += 1
        return theirs

    def report(self):
        """The largest difference so far."""
        return {"inputs": self.inputs, "largest_difference": float(f"{self.difference:.3g}")}


def detectors(folder, variant, provider):
    """(by ONNX Runtime's own kernels, by the provider, their pair of outputs)."""
    own, other = (LtrbDetector.from_folder(folder, variant, provider=name) for name in (OWN_PROVIDER, provider))
    pair = Pair(own.infer, other.infer)
    other.infer = pair
    return own, other, pair


def objects(folder, variant, args):
    """AP of the object detector by both."""
    own, other, pair = detectors(folder, variant, args.provider)
    samples = load_objects(args.data / "objects" / "dev.json", args.data / "objects" / "images")[: args.limit]
    results = {"own": judge(own, samples), args.provider: judge(other, samples)}
    return pair.report() | compared(results, range(len(samples)), intervals.ROUNDS, levels=1)


def plates(folder, variant, args):
    """Recall of the plate detector by both, at its threshold."""
    own, other, pair = detectors(folder, variant, args.provider)
    threshold = load_manifest(folder / "manifest.json")["thresholds"]["score"]["plate"]
    listed = load_plates(args.data / "plates" / "plates.csv", args.data / "plates")[: args.limit]
    found = []
    for detect in (own, other):
        results = [PlateResult(detect(sample.load()), sample.boxes) for sample, _ in listed]
        found.append(sum(hits_by_region(results, listed, threshold).values(), []))
    return pair.report() | {"paired_recall": intervals.paired(*found)}


def plate_text(folder, variant, args):
    """Exact reads of the reader by both, on crops."""
    own, other = (ReaderModel(folder, variant, provider=name) for name in (OWN_PROVIDER, args.provider))
    pair = Pair(own.infer, other.infer)
    other.infer = pair
    rows = read_crops(args.data / "plates" / "crops.csv")[: args.limit]
    pictures = [read_picture(args.data / "plates" / row.file) for row in rows]
    exact = [[m.read(p).text == row.text for p, row in zip(pictures, rows, strict=True)] for m in (own, other)]
    return pair.report() | {"paired_exact": intervals.paired(*exact)}


MEASURES = {"objects": objects, "plates": plates, "plate_text": plate_text}


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="model folders")
    parser.add_argument("--provider", required=True, help="e.g. OpenVINOExecutionProvider")
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--limit", type=int, help="only the first pictures")


def run(args):
    """The command."""
    known = onnxruntime.get_available_providers()
    if args.provider not in known:
        raise DataError(f"--provider {args.provider}: the installed ONNX Runtime has {', '.join(known)}")
    report = {"onnxruntime": onnxruntime.__version__, "own": OWN_PROVIDER, "provider": args.provider}
    for folder in args.models:
        manifest = load_manifest(folder / "manifest.json")
        for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
            name = manifest["name"] + (f" {variant}" if variant else "")
            report[name] = MEASURES[manifest["task"]](folder, variant, args)
    print(json.dumps(report, indent=1))
    return 0

"""Average precision of object detectors, with intervals, beside the baselines, as one JSON object.

Every figure has its interval by bootstrap over pictures; differences are of the first model to each other, on the same
resamples. Figures by source resample that source's pictures alone.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256
from training.data.objects import CLASSES, load_objects
from training.data.tables import DataError
from training.evaluate import hard, intervals
from training.evaluate.ap import IOU_LIMITS, Judge
from training.manifest import load_manifest, require

HARD = ("night", "infrared", "motion", "low-contrast")  # what does not change the boxes


def judge(detect, samples, classes=CLASSES):
    """Runs a detector over samples."""
    result = Judge(classes)
    for sample in samples:
        result.add(sample, detect(sample.load()))
    return result


@dataclass(frozen=True)
class Measured:
    """AP of a detector over some pictures, and over resamples of them: R x classes x IoU limits."""

    result: Judge
    rows: list
    table: np.ndarray
    resampled: np.ndarray

    @staticmethod
    def of(result, rows, rounds, levels=len(IOU_LIMITS)):
        """Over the pictures of the given indices; the resamples are the same for every detector."""
        picked = np.array(rows)[intervals.draws(len(rows), rounds)]
        return Measured(result, rows, result.table(rows, levels), result.resampled(picked, levels))

    def values(self):
        """Name to (value, its resampled values): mean AP@.5, mean AP@[.5:.95], and AP@.5 of each class."""
        with warnings.catch_warnings():
            # A class without boxes has no AP, and the mean is over the others.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = {
                "mean_ap50": (np.nanmean(self.table[:, 0]), np.nanmean(self.resampled[:, :, 0], 1)),
                "mean_ap": (np.nanmean(self.table), np.nanmean(self.resampled, (1, 2))),
            }
        for index, name in enumerate(self.result.classes):
            found[name] = (self.table[index, 0], self.resampled[:, index, 0])
        return found

    def figures(self):
        """n, and every value with its interval."""
        boxes = self.result.boxes(self.rows)
        values = {name: intervals.estimate(*pair) for name, pair in self.values().items()}
        for name, count in boxes.items():
            values[name]["n"] = count
        return {"pictures": len(self.rows), **values}

    def minus(self, other):
        """Paired differences to another detector on the same resamples."""
        mine, theirs = self.values(), other.values()
        found = {}
        for name, (value, resampled) in mine.items():
            pair = intervals.estimate(value - theirs[name][0], resampled - theirs[name][1])
            found[name] = {"difference": pair["value"], "interval": pair["interval"]}
        return found


def compared(results, rows, rounds, levels=len(IOU_LIMITS)):
    """Figures of each detector over some pictures, and the first one's differences to each other."""
    measured = {name: Measured.of(result, rows, rounds, levels) for name, result in results.items()}
    first, *others = measured
    return {
        "results": {name: one.figures() for name, one in measured.items()},
        "paired": {f"{first} - {name}": measured[first].minus(measured[name]) for name in others},
    }


def hard_cases(detectors, samples, rounds):
    """AP@.5 of each detector under every condition and strength, with its difference to none."""
    found = {name: {} for name in detectors}
    plain = {}
    for title, worse in hard.conditions(hard.kept(samples), HARD):
        for name, detect in detectors.items():
            measured = Measured.of(judge(detect, worse), range(len(worse)), rounds, levels=1)
            found[name][title] = measured.figures()
            found[name][title]["minus_as_they_are"] = measured.minus(plain.setdefault(name, measured))
    return found


def baselines(folder):
    """Name to detector, for the baselines whose weights are there."""
    from training.evaluate.models import FastestDet, YoloxNano

    known = {"FastestDet": ("FastestDet.onnx", FastestDet), "YOLOX-nano": ("yolox_nano.onnx", YoloxNano)}
    return {
        name: kind(Path(folder) / file)
        for name, (file, kind) in known.items()
        if (Path(folder) / file).is_file()
    }


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--model", help="model folder with manifest")
    parser.add_argument("--data", required=True, help="object list (dev.json)")
    parser.add_argument("--images", required=True, help="folder of its pictures")
    parser.add_argument("--baselines", help="folder with baseline weights")
    parser.add_argument(
        "--against", nargs="*", default=[], help="other model folders to compare with, e.g. the former weights"
    )
    parser.add_argument("--rounds", type=int, default=intervals.ROUNDS, help="bootstrap rounds")
    parser.add_argument("--hard", action="store_true", help="also on degraded pictures")
    parser.add_argument("--limit", type=int, help="only the first pictures")


def run(args):
    """The command."""
    from training.evaluate.models import opened

    samples = load_objects(args.data, args.images)[: args.limit]
    if not samples:
        raise DataError(f"{args.data}: field 'images' is empty")
    report = {"data": {"file": Path(args.data).name, "sha256": file_sha256(args.data)}}
    report["n"] = {"pictures": len(samples), "boxes": _box_counts(samples)}
    detectors = {}
    if args.model:
        for folder in (args.model, *args.against):
            require(load_manifest(Path(folder) / "manifest.json"), {"task": "objects"}, Path(folder) / "manifest.json")
        found = opened(args.model, args.against)
        detectors = {name: detect for name, (detect, _) in found.items()}
        report["models"] = {name: file_sha256(file) for name, (_, file) in found.items()}
    if args.baselines:
        detectors |= baselines(args.baselines)
    if not detectors:
        raise DataError("--model or --baselines: one of them is needed")
    results = {name: judge(detect, samples) for name, detect in detectors.items()}
    report |= compared(results, range(len(samples)), args.rounds)
    sources = next(iter(results.values())).sources()
    report["by_source"] = {source: compared(results, rows, args.rounds) for source, rows in sources.items()}
    if args.hard:
        report["hard"] = hard_cases(detectors, samples, args.rounds)
    print(json.dumps(report, indent=1))


def _box_counts(samples):
    classes = np.concatenate([sample.classes for sample in samples])
    return {name: int((classes == index).sum()) for index, name in enumerate(CLASSES)}

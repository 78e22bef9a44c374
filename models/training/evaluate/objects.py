"""Average precision of object detectors, with intervals, beside the baselines, as one JSON object."""

import json
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256
from training.data.objects import CLASSES, load_objects
from training.evaluate import hard, intervals
from training.evaluate.ap import Judge

HARD = ("night", "infrared", "motion", "low-contrast")  # what does not change the boxes
ROUNDS = 200
SEED = 7


def judge(detect, samples, classes=CLASSES):
    """Runs a detector over samples."""
    result = Judge(classes)
    for sample in samples:
        result.add(sample, detect(sample.load()))
    return result


def figures(result, resampled):
    """Point values, intervals and values by source."""
    spread = {
        name: intervals.percentile_interval(resampled[:, index])
        for index, name in enumerate(result.classes)
    }
    mean = np.nanmean(resampled, axis=1)
    return {
        **result.summary(),
        "interval_ap50": spread,
        "interval_mean_ap50": intervals.percentile_interval(mean),
        "by_source": result.by_source(),
    }


def hard_cases(detectors, samples):
    """AP@.5 of each detector under every condition and strength."""
    found = {name: {} for name in detectors}
    for title, worse in hard.conditions(hard.kept(samples), HARD):
        for name, detect in detectors.items():
            summary = judge(detect, worse).summary()
            found[name][title] = {key: summary[key] for key in ("mean_ap50", "ap50")}
    return found


def paired(own, other, classes):
    """Intervals of the differences of AP@.5 on the same resamples: their mean, and class by class."""
    difference = own - other
    mean = np.nanmean(own, axis=1) - np.nanmean(other, axis=1)
    by_class = {
        name: intervals.percentile_interval(difference[:, index]) for index, name in enumerate(classes)
    }
    return {"mean": intervals.percentile_interval(mean), **by_class}


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
    parser.add_argument("--against", help="another model folder to compare with, e.g. the former weights")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="bootstrap rounds")
    parser.add_argument("--hard", action="store_true", help="also on degraded pictures")
    parser.add_argument("--limit", type=int, help="only the first pictures")


def run(args):
    """The command."""
    from training.evaluate.models import opened

    samples = load_objects(args.data, args.images)[: args.limit]
    report = {"data": {"file": Path(args.data).name, "sha256": file_sha256(args.data)}}
    report["n"] = {"pictures": len(samples), "boxes": _box_counts(samples)}
    detectors = {}
    if args.model:
        found = opened(args.model, args.against)
        detectors = {name: detect for name, (detect, _) in found.items()}
        report["models"] = {name: file_sha256(file) for name, (_, file) in found.items()}
    if args.baselines:
        detectors |= baselines(args.baselines)
    draws = intervals.draws(len(samples), args.rounds, SEED)
    resampled = {}
    for name, detect in detectors.items():
        result = judge(detect, samples)
        resampled[name] = result.resampled(draws)
        report.setdefault("results", {})[name] = figures(result, resampled[name])
    own = next(iter(detectors), None)
    report["paired_difference_ap50"] = {
        f"{own} - {name}": paired(resampled[own], resampled[name], CLASSES)
        for name in list(detectors)[1:]
    }
    if args.hard:
        report["hard"] = hard_cases(detectors, samples)
    print(json.dumps(report, indent=1))


def _box_counts(samples):
    classes = np.concatenate([sample.classes for sample in samples])
    return {name: int((classes == index).sum()) for index, name in enumerate(CLASSES)}

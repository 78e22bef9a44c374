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


def paired(own, other):
    """Interval of the difference of mean AP@.5 on the same resamples."""
    difference = np.nanmean(own, axis=1) - np.nanmean(other, axis=1)
    return intervals.percentile_interval(difference)


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
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="bootstrap rounds")
    parser.add_argument("--hard", action="store_true", help="also on degraded pictures")
    parser.add_argument("--limit", type=int, help="only the first pictures")


def run(args):
    """The command."""
    from training.evaluate.models import LtrbDetector
    from training.manifest import load_manifest, model_file

    samples = load_objects(args.data, args.images)[: args.limit]
    report = {"data": {"file": Path(args.data).name, "sha256": file_sha256(args.data)}}
    report["n"] = {"pictures": len(samples), "boxes": _box_counts(samples)}
    detectors = {}
    if args.model:
        manifest = load_manifest(Path(args.model) / "manifest.json")
        for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
            name = manifest["name"] + (f" {variant}" if variant else "")
            detectors[name] = LtrbDetector.from_folder(args.model, variant)
            report.setdefault("models", {})[name] = file_sha256(
                model_file(args.model, manifest, variant)
            )
    if args.baselines:
        detectors |= baselines(args.baselines)
    draws = intervals.draws(len(samples), args.rounds, SEED)
    resampled = {}
    for name, detect in detectors.items():
        result = judge(detect, samples)
        resampled[name] = result.resampled(draws)
        report.setdefault("results", {})[name] = figures(result, resampled[name])
    own = next(iter(detectors), None)
    report["paired_difference_mean_ap50"] = {
        f"{own} - {name}": paired(resampled[own], resampled[name])
        for name in list(detectors)[1:]
    }
    if args.hard:
        report["hard"] = hard_cases(detectors, samples)
    print(json.dumps(report, indent=1))


def _box_counts(samples):
    classes = np.concatenate([sample.classes for sample in samples])
    return {name: int((classes == index).sum()) for index, name in enumerate(CLASSES)}

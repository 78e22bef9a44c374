"""Recall and false positives of plate detectors, and end to end with a reader, as one JSON object."""

import json
from functools import partial
from pathlib import Path

import numpy as np

from training.data.boxes import Sample, file_sha256, read_box
from training.data.crops import normalise
from training.data.tables import read_rows
from training.evaluate import hard, intervals
from training.evaluate.decode import iou_matrix
from training.figures import figure
from training.manifest import load_manifest, require
from training.preprocess import letterbox_size
from training.reader.looks import crop, read_plate
from training.reader.model import ReaderModel
from training.reader.teacher import TEACHERS, SlotReader

FOUND_IOU = 0.5
HEIGHTS = (0, 8, 12, 16, 24, 36, 1000)  # pixels at the network's input


def load_plates(table, root):
    """`plates.csv` to samples with the plates' texts: [(sample, texts)], one a picture."""
    rows = {}
    for where, row in read_rows(table, ("file", "x", "y", "w", "h", "plate", "region")):
        entry = rows.setdefault(row["file"], ([], [], row["region"]))
        entry[0].append(read_box(row, where))
        entry[1].append(normalise(row["plate"]))
    found = []
    for name, (boxes, texts, region) in rows.items():
        boxes = np.array(boxes, np.float32)
        sample = Sample(
            path=Path(root) / name,
            boxes=boxes,
            classes=np.zeros(len(boxes), np.int64),
            weights=np.ones(len(boxes), np.float32),
            source=region,
            tier="E",
        )
        found.append((sample, texts))
    return found


class PlateResult:
    """What a detector found on one picture: its boxes, and the scores of hits and of false positives."""

    def __init__(self, detection, truth):
        boxes, scores, _ = detection
        self.boxes = boxes
        self.best = np.zeros(len(truth))  # score of the best detection of each plate
        self.false = []
        self.owner = np.full(len(truth), -1)
        free = np.ones(len(truth), bool)
        for index in np.argsort(-scores, kind="stable"):
            overlap = iou_matrix(boxes[index : index + 1], truth)[0] * free
            plate = int(overlap.argmax()) if len(truth) else 0
            if len(truth) and overlap[plate] >= FOUND_IOU:
                free[plate] = False
                self.best[plate], self.owner[plate] = scores[index], index
            else:
                self.false.append(float(scores[index]))


def rates(results, threshold):
    """Recall and false positives a picture at a threshold, with intervals."""
    best = np.concatenate([result.best for result in results])
    hits = int((best >= threshold).sum())
    false = intervals.mean([sum(score >= threshold for score in r.false) for r in results])
    return {
        "n": len(best),
        "pictures": len(results),
        "recall": round(hits / max(1, len(best)), 4),
        "recall_interval": intervals.wilson(hits, len(best)),
        "false_positives": false["value"],
        "false_positives_interval": false["interval"],
    }


def read_end_to_end(results, look, plates, threshold):
    """Per region, for every plate: whether it was found and read exactly. `look(picture, box)` gives a `Reading`."""
    exact = {}
    for result, (sample, texts) in zip(results, plates):
        picture = sample.load()
        for plate, text in enumerate(texts):
            good = False
            if result.best[plate] >= threshold:
                good = look(picture, result.boxes[result.owner[plate]]).text == text
            exact.setdefault(sample.source, []).append(good)
    return exact


def shares(hits_by_region):
    """n, share and interval of every region."""
    return {
        region: {
            "n": len(hits),
            "exact": round(float(np.mean(hits)), 4),
            "interval": intervals.wilson(int(np.sum(hits)), len(hits)),
        }
        for region, hits in hits_by_region.items()
    }


def paired(left, right):
    """Difference of two models on the same plates or pictures, per region and of all together."""
    pairs = {region: (left[region], right[region]) for region in left}
    pairs["all"] = tuple(sum(side.values(), []) for side in (left, right))
    return {region: intervals.paired(*pair) for region, pair in pairs.items()}


def hits_by_region(results, plates, threshold):
    """Per region, for every plate: whether it was found."""
    hits = {}
    for result, (sample, _) in zip(results, plates):
        hits.setdefault(sample.source, []).extend((result.best >= threshold).tolist())
    return hits


def false_by_region(results, plates, threshold):
    """Per region, for every picture: how many false positives it has."""
    false = {}
    for result, (sample, _) in zip(results, plates):
        false.setdefault(sample.source, []).append(sum(score >= threshold for score in result.false))
    return false


def draw_curve(tables, path):
    """Recall against false positives a picture over the thresholds, one line a region, of one detector."""
    with figure(path, (9, 3.6), columns=2) as (left, right):
        for region, rows in tables.items():
            steps = [float(threshold) for threshold in rows]
            left.plot(steps, [row["recall"] for row in rows.values()], label=region)
            right.plot(steps, [row["false_positives"] for row in rows.values()], label=region)
        left.set(xlabel="threshold", ylabel="recall at IoU 0.5")
        right.set(xlabel="threshold", ylabel="false positives a picture")
        for axes in (left, right):
            axes.grid(alpha=0.3)
            axes.legend(fontsize=7)


def hard_cases(detectors, look, plates):
    """Each detector's rates under every condition and strength, all regions together, and end to end with a reader.

    Beside them the first detector's differences to each other, on the same plates.
    """
    samples, texts = hard.kept(sample for sample, _ in plates), [texts for _, texts in plates]
    found, differences = {name: {} for name in detectors}, {}
    for title, worsened in hard.conditions(samples):
        worse = list(zip(worsened, texts))
        hits, exact = {}, {}
        for name, (detect, threshold) in detectors.items():
            results = [PlateResult(detect(sample.load()), sample.boxes) for sample, _ in worse]
            found[name][title] = rates(results, threshold)
            hits[name] = hits_by_region(results, worse, threshold)
            if look:
                exact[name] = read_end_to_end(results, look, worse, threshold)
                found[name][title]["end_to_end"] = shares({"all": sum(exact[name].values(), [])})["all"]
        for kind, outcomes in (("recall", hits), ("end_to_end", exact)):
            for pair, regions in against_first(outcomes).items():
                differences.setdefault(pair, {}).setdefault(title, {})[kind] = regions["all"]
    return found | {"paired": differences}


def by_height(results, plates, size, threshold):
    """Recall by the height a plate has at the network's input of `size` (width, height)."""
    heights, hits = [], []
    for result, (sample, _) in zip(results, plates):
        rows, columns = sample.load().shape[:2]
        factor = letterbox_size(columns, rows, *size)[0] / columns
        heights.extend((sample.boxes[:, 3] - sample.boxes[:, 1]) * factor)
        hits.extend(result.best >= threshold)
    heights, hits = np.array(heights), np.array(hits)
    table = {}
    for low, high in zip(HEIGHTS, HEIGHTS[1:]):
        inside = (heights >= low) & (heights < high)
        count, good = int(inside.sum()), int(hits[inside].sum())
        name = f"{low}-{high}" if high < HEIGHTS[-1] else f"{low} and more"
        recall = round(good / count, 4) if count else None
        table[name] = {"n": count, "recall": recall, "interval": intervals.wilson(good, count)}
    return table


def by_region(results, plates, thresholds):
    """Rates of every region and threshold."""
    regions = sorted({sample.source for sample, _ in plates})
    picked = {
        region: [r for r, (sample, _) in zip(results, plates) if sample.source == region]
        for region in regions
    }
    return {
        region: {f"{t:.2f}": rates(mine, t) for t in thresholds} for region, mine in picked.items()
    }


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--detector", required=True, help="model folder with manifest")
    parser.add_argument("--reader", type=Path, help="for end to end: a reader's model folder, or a slot reader's file")
    parser.add_argument("--reader-against", type=Path, help="another reader to compare with, of either kind")
    parser.add_argument("--data", required=True, help="plates.csv")
    parser.add_argument("--root", required=True, help="folder of its pictures")
    parser.add_argument("--baselines", help="folder with baseline weights")
    parser.add_argument(
        "--against", nargs="*", default=[], help="other detectors' folders to compare with, at the same threshold"
    )
    parser.add_argument("--hard", action="store_true", help="also degraded, and by plate height")
    parser.add_argument(
        "--thresholds", type=float, nargs="*", default=[], help="beside the shipped one"
    )
    parser.add_argument("--curve", help="draw recall and false positives of the float model here")


def open_detectors(args, report):
    """Name to (detector, threshold): the model, its variants, what it is compared with."""
    from training.evaluate.models import YoloPlates, opened

    found = opened(args.detector, args.against)
    report["models"] = {name: file_sha256(file) for name, (_, file) in found.items()}
    detectors = {name: (detect, report["threshold"]) for name, (detect, _) in found.items()}
    if args.baselines:
        file = Path(args.baselines) / "yolo-v9-t-416-license-plates-end2end1.onnx"
        detectors["yolo-v9-t-416"] = (YoloPlates(file), 0.5)
    return detectors


def open_readers(args, report):
    """Name to look(picture, box): the reader and its variants, what it is compared with, and the baselines' readers."""
    looks = {}
    if not args.reader:
        return looks
    for path in filter(None, (args.reader, args.reader_against)):
        for name, (look, file) in looks_of(path).items():
            name = f"{name} {_version(path)}" if name in looks else name
            looks[name] = look
            report["models"][name] = file_sha256(file)
    for file in TEACHERS if args.baselines else ():
        for name, (look, path) in looks_of(Path(args.baselines) / file).items():
            looks[name] = look
            report["models"][name] = file_sha256(path)
    return looks


def looks_of(path):
    """Name to (look, file) of a model folder, with its variants, or of a slot reader's file.

    A slot reader gets the detector's box as it is, as its authors' own pipeline gives it.
    """
    if path.is_file():
        reader = SlotReader(path)
        return {reader.name: (lambda picture, box: reader.read(crop(picture, box)), path)}
    found = {}
    for variant in [None] + [entry["name"] for entry in load_manifest(path / "manifest.json")["variants"]]:
        reader = ReaderModel(path, variant)
        found[reader.name] = (partial(read_plate, reader.read), reader.file)
    return found


def _version(path):
    return load_manifest(path / "manifest.json")["version"] if path.is_dir() else "again"


def both(detector, reader):
    """The name of a detector and a reader together."""
    return f"{detector}, {reader}"


def run(args):
    """The command."""
    plates = load_plates(args.data, args.root)
    manifest = load_manifest(Path(args.detector) / "manifest.json")
    require(manifest, {"task": "plates"}, Path(args.detector) / "manifest.json")
    report = {"data": {"file": Path(args.data).name, "sha256": file_sha256(args.data)}}
    report["threshold"] = manifest["thresholds"]["score"]["plate"]
    detectors = open_detectors(args, report)
    looks = open_readers(args, report)
    found, false, exact = {}, {}, {}
    for name, (detect, threshold) in detectors.items():
        results = [PlateResult(detect(sample.load()), sample.boxes) for sample, _ in plates]
        found[name] = hits_by_region(results, plates, threshold)
        false[name] = false_by_region(results, plates, threshold)
        wanted = sorted({threshold, *args.thresholds})
        report.setdefault("detection", {})[name] = by_region(results, plates, wanted)
        if args.hard:
            size = (manifest["input"]["width"], manifest["input"]["height"])
            report.setdefault("by_height", {})[name] = by_height(results, plates, size, threshold)
        for reader, look in looks.items():
            exact[both(name, reader)] = read_end_to_end(results, look, plates, threshold)
    report["end_to_end"] = {name: shares(hits) for name, hits in exact.items()}
    report["paired_recall"] = against_first(found)
    report["paired_false_positives"] = against_first(false)
    report["paired_end_to_end"] = against_first(exact)
    if args.hard:
        report["hard"] = hard_cases(detectors, next(iter(looks.values()), None), plates)
    if args.curve:
        draw_curve(report["detection"][manifest["name"]], args.curve)
    print(json.dumps(report, indent=1))


def against_first(hits):
    """Paired differences of the first model's hits to those of each other."""
    first, *others = hits or [None]
    return {f"{first} - {name}": paired(hits[first], hits[name]) for name in others}

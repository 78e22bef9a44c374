"""Measures of a detector on a few committed pictures drawn by the project.

The folder holds `truth.json`, {"picture name": {"vehicles": [[class, x, y, w, h], ...], "plates":
[[x, y, w, h], ...], "hidden": the same as vehicles}}, and the pictures. `--write N` draws so many more into it. The
figures say that weights and code belong together, not how good a model is on photographs.
"""

import json
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import Sample
from training.data.objects import CLASSES
from training.data.tables import DataError, read_json
from training.evaluate import intervals

TRUTH = "truth.json"
LONGEST = 640


def _xyxy(rows):
    rows = np.array(rows, np.float32).reshape(-1, 4)
    return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1)


def load_drawn(folder, classes):
    """Samples of the folder: plates for a plate detector, else vehicles."""
    folder = Path(folder)
    truth = read_json(folder / TRUTH)
    samples = []
    for name, entry in sorted(truth.items()):
        for field in ("vehicles", "plates", "hidden"):
            if not isinstance(entry.get(field), list):
                raise DataError(f"{folder / TRUTH}: '{name}' has no list '{field}'")
        if list(classes) == ["plate"]:
            rows, hidden = [["plate", *box] for box in entry["plates"]], []
        else:
            rows, hidden = entry["vehicles"], entry["hidden"]
        samples.append(
            Sample(
                path=folder / name,
                boxes=_xyxy([row[1:] for row in rows]),
                classes=np.array([list(classes).index(row[0]) for row in rows], np.int64),
                weights=np.ones(len(rows), np.float32),
                ignore=_xyxy([row[1:] for row in hidden]),
                ignore_classes=np.array([list(classes).index(r[0]) for r in hidden], np.int64),
                labelled=np.ones(len(classes), bool),
                source="drawn",
                tier="drawn",
            )
        )
    return samples


def measure(detect, classes, folder):
    """AP@.5 per drawn class and their mean, with n and intervals."""
    from training.evaluate.objects import Measured, judge

    result = judge(detect, load_drawn(folder, classes), classes)
    figures = Measured.of(result, range(len(result.pictures)), intervals.ROUNDS, levels=1).figures()
    del figures["mean_ap"]  # the looser limit alone
    return figures


def found(detect, classes, folder):
    """Per drawn class, what a detector finds at its own thresholds: recall at IoU 0.5, and false boxes."""
    from training.evaluate.objects import judge

    result = judge(detect, load_drawn(folder, classes), classes)
    table = {}
    for index, name in enumerate(classes):
        matches = [by_class[index] for _, by_class in result.pictures]
        count = sum(m.truths for m in matches)
        hits, false = (sum(int((m.state[0] == state).sum()) for m in matches) for state in (1, 0))
        recall = round(hits / count, 4) if count else None
        table[name] = {"n": count, "recall": recall, "interval": intervals.wilson(hits, count), "false": false}
    return table


def _rows(boxes, indices, classes):
    return [
        [classes[i], *(round(float(v), 1) for v in (b[0], b[1], b[2] - b[0], b[3] - b[1]))]
        for b, i in zip(boxes, indices)
    ]


def write_drawn(folder, count, seed):
    """Draws `count` pictures and their truth beside those that are there."""
    from training.detect.gate import gate_sample
    from training.synth.gate import FrameSource

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    truth = read_json(folder / TRUTH) if (folder / TRUTH).is_file() else {}
    source, first = FrameSource(seed), len(truth)
    for index in range(first, first + count):
        frame, labels = source.frame(index)
        vehicles = gate_sample(frame, labels, CLASSES, LONGEST)
        plates = gate_sample(frame, labels, ("plate",), LONGEST)
        name = f"gate_{index:02d}.jpg"
        picture = cv2.cvtColor(vehicles.picture, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
        truth[name] = {
            "vehicles": _rows(vehicles.boxes, vehicles.classes, CLASSES),
            "hidden": _rows(vehicles.ignore, vehicles.ignore_classes, CLASSES),
            "plates": [row[1:] for row in _rows(plates.boxes, plates.classes, ("plate",))],
        }
    (folder / TRUTH).write_text(json.dumps(truth, indent=0) + "\n")


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--pictures", required=True, help="folder with truth.json")
    parser.add_argument("--model", nargs="*", default=[], help="model folders")
    parser.add_argument("--write", type=int, help="draw so many more pictures first")
    parser.add_argument("--seed", type=int, default=505)


def run(args):
    """The command."""
    from training.evaluate.models import SCORE_FLOOR, LtrbDetector
    from training.manifest import load_manifest

    if args.write:
        write_drawn(args.pictures, args.write, args.seed)
    report = {}
    for folder in args.model:
        manifest = load_manifest(Path(folder) / "manifest.json")
        for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
            name = manifest["name"] + (f" {variant}" if variant else "")
            detect, sure = (LtrbDetector.from_folder(folder, variant, floor=floor) for floor in (SCORE_FLOOR, None))
            report[name] = {
                "ap50": measure(detect, manifest["classes"], args.pictures),
                "at_thresholds": found(sure, manifest["classes"], args.pictures),
            }
    print(json.dumps(report, indent=1))
    return 0

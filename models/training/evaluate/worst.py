"""Contact sheet of a detector's worst pictures: missed boxes red, false ones yellow, hits green.

Only pictures of tier A and one's own are taken, since others' licences may not allow showing them; `worst.csv` beside
the sheet names each with its source, licence and address.
"""

import csv
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import load_plate_boxes
from training.data.objects import load_objects, read_json
from training.evaluate.decode import iou_matrix

COUNT = 20
COLUMNS = 5
CELL = (256, 192)
HIT, FALSE, MISSED = (60, 200, 60), (250, 210, 0), (240, 40, 40)


def errors(sample, detection):
    """(hits, false boxes with scores, missed boxes) of one picture."""
    boxes, scores, classes = detection
    hits, false = [], []
    free = np.ones(len(sample.boxes), bool)
    for box, score, index in zip(boxes, scores, classes):
        if not sample.labelled[index] or _ignored(sample, box, index):
            continue
        same = free & (sample.classes == index)
        overlap = iou_matrix(box[None], sample.boxes)[0] * same if len(same) else np.zeros(1)
        if overlap.max(initial=0) >= 0.5:
            free[overlap.argmax()] = False
            hits.append(box)
        else:
            false.append((box, float(score)))
    return hits, false, list(sample.boxes[free])


def _ignored(sample, box, index):
    regions = sample.ignore[sample.ignore_classes == index]
    return bool(len(regions)) and bool((iou_matrix(box[None], regions) > 0.3).any())


def badness(found):
    """How bad a picture is: sure false boxes and missed large boxes weigh most."""
    _, false, missed = found
    area = sum(np.sqrt(float((box[2:] - box[:2]).prod())) / 200 for box in missed)
    return sum(score for _, score in false) + min(area, 2.0)


def thumbnail(picture, found):
    """The picture with its boxes, fitted into a cell."""
    picture = picture.copy()
    width = max(1, round(max(picture.shape[:2]) / 160))
    hits, false, missed = found
    for boxes, colour in ((hits, HIT), ([b for b, _ in false], FALSE), (missed, MISSED)):
        for box in boxes:
            low, high = (tuple(int(v) for v in part) for part in (box[:2], box[2:]))
            cv2.rectangle(picture, low, high, colour, width)
    factor = min(CELL[0] / picture.shape[1], CELL[1] / picture.shape[0])
    size = [max(1, int(side * factor)) for side in picture.shape[1::-1]]
    cell = np.full((CELL[1], CELL[0], 3), 40, np.uint8)
    cell[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cell


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--model", required=True, help="model folder with manifest")
    parser.add_argument("--data", required=True, help="data folder")
    parser.add_argument("--out", required=True, help="folder for worst.jpg and worst.csv")


def _samples(task, data):
    if task == "plates":
        samples = load_plate_boxes(data / "plate-boxes", "dev")
        licence = {"ro": "MIT", "oi": "CC BY 2.0"}
        return samples, {s.path.name: (licence.get(s.source, ""), "") for s in samples}
    folder = data / "objects"
    samples = load_objects(folder / "dev.json", folder / "images", tiers=["A"])
    images = read_json(folder / "dev.json")["images"]
    return samples, {i["file_name"]: (i.get("licence", ""), i.get("url", "")) for i in images}


def run(args):
    """The command."""
    from training.evaluate.models import LtrbDetector
    from training.manifest import load_manifest

    manifest = load_manifest(Path(args.model) / "manifest.json")
    detect = LtrbDetector.from_folder(args.model, floor=None)
    samples, licences = _samples(manifest["task"], Path(args.data))
    judged = [(sample, errors(sample, detect(sample.load()))) for sample in samples]
    judged.sort(key=lambda entry: -badness(entry[1]))
    cells = [thumbnail(sample.load(), found) for sample, found in judged[:COUNT]]
    cells += [np.full((CELL[1], CELL[0], 3), 40, np.uint8)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(Path(args.out) / "worst.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
    with open(Path(args.out) / "worst.csv", "w", newline="", encoding="utf-8") as handle:
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(["file", "source", "licence", "address", "hits", "false", "missed"])
        for sample, found in judged[:COUNT]:
            name = sample.path.name
            table.writerow([name, sample.source, *licences[name], *map(len, found)])
    return 0

"""Contact sheet of a model's worst pictures. A detector's: missed boxes red, false ones yellow, hits green.

A reader's: plates of `plate-boxes` dev whose text the teachers agree on, with that text and what was read.
Only pictures of tier A and one's own are taken, since others' licences may not allow showing them; `worst.csv` beside
the sheet names each with its source, licence and address.
"""

import csv
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import DataError, load_plate_boxes
from training.data.objects import load_objects, read_json
from training.evaluate.decode import iou_matrix
from training.manifest import load_manifest
from training.reader.looks import LOOKS, crop, read_plate, widen
from training.reader.model import ReaderModel
from training.reader.sheet import worst_errors, write_sheet
from training.reader.teacher import TEACHERS, SlotReader, agreed

COUNT = 20
COLUMNS = 5
CELL = (256, 192)
LICENCES = {"ro": "MIT", "oi": "CC BY 2.0"}  # of `plate-boxes`, by source
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
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--teachers", type=Path, help="for a reader: folder of the readers whose agreement is the truth")
    parser.add_argument("--out", type=Path, required=True, help="folder for worst.jpg and worst.csv")


def _samples(task, data):
    if task == "plates":
        samples = load_plate_boxes(data / "plate-boxes", "dev")
        return samples, {s.path.name: (LICENCES.get(s.source, ""), "") for s in samples}
    folder = data / "objects"
    samples = load_objects(folder / "dev.json", folder / "images", tiers=["A"])
    images = read_json(folder / "dev.json")["images"]
    return samples, {i["file_name"]: (i.get("licence", ""), i.get("url", "")) for i in images}


def write_table(path, columns, rows):
    """`worst.csv`: what each cell of the sheet shows, in its order."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows([columns, *rows])


def reader_sheet(read, plates, out):
    """Sheet and table of the worst readings of `plates`, each (box, picture, text)."""
    plates = list(plates)
    shown, readings = [], []
    for box, picture, _ in plates:
        corners = np.array([box.x, box.y, box.x + box.w, box.y + box.h], np.float32)
        shown.append(crop(picture, widen(corners, LOOKS[0], picture.shape[1::-1])))
        readings.append(read_plate(read, picture, corners))
    texts = [text for *_, text in plates]
    write_sheet(out / "worst.jpg", shown, texts, readings)
    rows = []
    for index in worst_errors(texts, readings, COUNT):
        box, reading = plates[index][0], readings[index]
        told = (texts[index], reading.text, round(reading.confidence, 3))
        rows.append([Path(box.file).name, box.source, LICENCES.get(box.source, ""), *told])
    write_table(out / "worst.csv", ["file", "source", "licence", "text", "read", "confidence"], rows)
    return len(plates), sum(r.text != t for r, t in zip(readings, texts, strict=True))


def detector_sheet(manifest, args):
    """Sheet and table of the worst pictures of a detector."""
    from training.evaluate.models import LtrbDetector

    detect = LtrbDetector.from_folder(args.model, floor=None)
    samples, licences = _samples(manifest["task"], args.data)
    judged = [(sample, errors(sample, detect(sample.load()))) for sample in samples]
    judged.sort(key=lambda entry: -badness(entry[1]))
    cells = [thumbnail(sample.load(), found) for sample, found in judged[:COUNT]]
    cells += [np.full((CELL[1], CELL[0], 3), 40, np.uint8)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    sheet = cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(args.out / "worst.jpg"), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])
    columns = ["file", "source", "licence", "address", "hits", "false", "missed"]
    names = [(sample.path.name, sample.source, found) for sample, found in judged[:COUNT]]
    write_table(args.out / "worst.csv", columns, [[n, s, *licences[n], *map(len, f)] for n, s, f in names])


def run(args):
    """The command."""
    manifest = load_manifest(Path(args.model) / "manifest.json")
    if manifest["task"] != "plate_text":
        detector_sheet(manifest, args)
        return 0
    if not args.teachers:
        raise DataError("--teachers: is missing, the folder of the readers whose agreement is the truth")
    readers = [SlotReader(args.teachers / name) for name in TEACHERS]
    plates = agreed(args.data / "plate-boxes" / "boxes.csv", readers, "dev")
    count, wrong = reader_sheet(ReaderModel(Path(args.model)).read, plates, args.out)
    print(f"{wrong} of {count} plates read otherwise than the teachers agree")
    return 0

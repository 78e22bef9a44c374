"""Contact sheet of a model's worst pictures. A detector's: missed boxes red, false ones yellow, hits green.

A reader's: plates of `plate-boxes` dev whose text the teachers agree on, with that text and what was read, and where
fewer than 20 of them are misread the surest errors of the drawn dev set. Only pictures are taken whose licence lets them be shown
changed and asks for no more than their author's name, and one's own; `worst.csv` beside the sheet names each with its
source, licence, and the address or name by which its author is found.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import load_plate_boxes
from training.data.objects import load_objects
from training.data.tables import DataError, read_json
from training.evaluate.decode import iou_matrix
from training.manifest import load_manifest
from training.reader.decode import Reading
from training.reader.looks import LOOKS, crop, read_plate, widen
from training.reader.model import ReaderModel
from training.reader.sheet import surest_errors, worst_errors, write_sheet
from training.reader.stream import dev_set, texts_of
from training.reader.teacher import TEACHERS, SlotReader, agreed

COUNT = 20
COLUMNS = 5
CELL = (256, 192)
# Of `plate-boxes`, by source. A sheet with pictures under "share alike" would have to be under that licence itself.
LICENCES = {"ro": "MIT", "oi": "CC BY 2.0"}
SHOWN = ("MIT", "CC BY 2.0", "CC BY 2.0 (Open Images)", "")  # "": one's own, which name none
OPEN_IMAGES = re.compile("oi[vp]?_([0-9a-f]{16})[.]")
FLICKR = re.compile("staticflickr[.]com/[0-9]+/([0-9]+)_")
DRAWN = 2000
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


def address(name, url=""):
    """Where the author of a picture is found: its page at Flickr, or its name in the lists of Open Images."""
    if photo := FLICKR.search(url):
        return f"https://www.flickr.com/photo.gne?id={photo[1]}"
    image = OPEN_IMAGES.match(name)
    return f"Open Images {image[1]}" if image else url


def _samples(task, data):
    """Samples that may be shown, and (licence, address) by name."""
    if task == "plates":
        samples = load_plate_boxes(data / "plate-boxes", "dev")
        known = {s.path.name: (LICENCES.get(s.source, ""), address(s.path.name)) for s in samples}
    else:
        folder = data / "objects"
        samples = load_objects(folder / "dev.json", folder / "images", tiers=["A"])
        images = read_json(folder / "dev.json")["images"]
        known = {
            i["file_name"]: (i.get("licence", ""), address(i["file_name"], i.get("url", ""))) for i in images
        }
    return [sample for sample in samples if known[sample.path.name][0] in SHOWN], known


def write_table(path, columns, rows):
    """`worst.csv`: what each cell of the sheet shows, in its order."""
    with open(path, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows([columns, *rows])


@dataclass(frozen=True)
class Plate:
    """A plate to be read for the sheet: what is shown, its text and what was read, and where it comes from."""

    shown: np.ndarray
    text: str
    reading: Reading
    origin: tuple  # name, source, licence, address


def real_plates(read, plates):
    """Plates of `plate-boxes`, each given as (box, picture, text), as the agent reads them."""
    for box, picture, text in plates:
        corners = np.array([box.x, box.y, box.x + box.w, box.y + box.h], np.float32)
        shown = crop(picture, widen(corners, LOOKS[0], picture.shape[1::-1]))
        name = Path(box.file).name
        origin = (name, box.source, LICENCES.get(box.source, ""), address(name))
        yield Plate(shown, text, read_plate(read, picture, corners), origin)


def drawn_plates(read, count=DRAWN):
    """The drawn dev set, read."""
    batch = dev_set(count)
    for number, (pixels, text) in enumerate(zip(batch.pixels, texts_of(batch), strict=True)):
        yield Plate(pixels, text, read(pixels), (f"number {number}", "drawn dev set", "own", ""))


def reader_sheet(real, drawn, out):
    """Sheet and table of the worst readings, real plates first; of both kinds how many there are and are misread.

    Of drawn plates the surest errors are the worst: many of them are meant to be past reading.
    """
    counted, worst = [], []
    for group, order in ((list(real), worst_errors), (list(drawn), surest_errors)):
        texts, readings = [plate.text for plate in group], [plate.reading for plate in group]
        wrong = order(texts, readings, len(group))
        worst += [group[i] for i in wrong[: COUNT - len(worst)]]
        counted.append((len(group), len(wrong)))
    write_sheet(out / "worst.jpg", [p.shown for p in worst], [p.text for p in worst], [p.reading for p in worst])
    rows = [[*p.origin, p.text, p.reading.text, round(p.reading.confidence, 3)] for p in worst]
    write_table(out / "worst.csv", ["file", "source", "licence", "address", "text", "read", "confidence"], rows)
    return counted


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
    read = ReaderModel(Path(args.model)).read
    (real, unlike), (drawn, wrong) = reader_sheet(real_plates(read, plates), drawn_plates(read), args.out)
    print(f"{unlike} of {real} plates read otherwise than the teachers agree; {wrong} of {drawn} drawn ones misread")
    return 0

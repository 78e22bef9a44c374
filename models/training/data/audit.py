"""Look through a data folder before training on it: every picture labelled once, in one split, and readable.

Looks at `plate-boxes/boxes.csv`, `objects/train.json` and `dev.json`, `plates/plates.csv`, and `plate-text` and
`plates/crops.csv`, those that are there. Prints each mistake with file and field; fails if there is any.
"""

from collections import Counter
from pathlib import Path

from training.data.boxes import BOX_COLUMNS, load_plate_boxes
from training.data.crops import read_crops
from training.data.objects import load_objects
from training.data.pictures import decode
from training.data.tables import DataError, read_rows
from training.evaluate.plates import load_plates

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
FOLDERS = ("plate-boxes", "plate-boxes/images", "objects/images", "plates", "plate-text")  # where pictures lie


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--data", type=Path, required=True, help="data folder")


def audit(data):
    """(pictures looked at, mistakes) of a data folder."""
    mistakes, listed, folders = [], Counter(), {data / name for name in FOLDERS}
    for look in (_plate_boxes, _objects, _whole_plates, _crops):
        try:
            for path, mistake in look(data):
                listed[path] += 1
                if mistake:
                    mistakes.append(mistake)
        except (DataError, OSError) as error:
            mistakes.append(str(error))
            folders = set()  # what a list that cannot be read would have named is unknown
    mistakes += [f"{path}: {mistake}" for path in listed for mistake in [_unreadable(path)] if mistake]
    for folder in sorted({path.parent for path in listed} | folders):
        names = {path.name for path in listed if path.parent == folder}
        found = sorted(p.name for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
        mistakes += [f"{folder / name}: is in no list" for name in found if name not in names]
    return len(listed), mistakes


def _unreadable(path):
    try:
        decode(path)
    except ValueError as error:
        return str(error)
    return None


def _plate_boxes(data):
    """Each listed picture, and what is wrong with its rows."""
    table = data / "plate-boxes" / "boxes.csv"
    if not table.is_file():
        return
    load_plate_boxes(table.parent)
    splits, rows = {}, set()
    for where, row in read_rows(table, BOX_COLUMNS):
        mistake = None
        key = tuple(row[name] for name in ("file", "x", "y", "w", "h", "class"))
        if key in rows:
            mistake = f"{where}: {row['file']}: this box is listed twice"
        elif splits.setdefault(row["file"], row["split"]) != row["split"]:
            mistake = f"{where}: {row['file']}: field 'split' says both train and dev"
        rows.add(key)
        yield table.parent / row["file"], mistake


def _objects(data):
    folder = data / "objects"
    seen = {}
    for split in ("train", "dev"):
        table = folder / f"{split}.json"
        if not table.is_file():
            continue
        for sample in load_objects(table, folder / "images"):
            other = seen.setdefault(sample.path, split)
            twice = f"{table}: file_name '{sample.path.name}' is in {other}.json as well"
            boxes = Counter(zip(map(tuple, sample.boxes.tolist()), sample.classes.tolist(), strict=True))
            same = f"{table}: '{sample.path.name}': field 'bbox': a box is listed twice"
            doubled = any(count > 1 for count in boxes.values())
            yield sample.path, twice if other != split else same if doubled else None


def _whole_plates(data):
    table = data / "plates" / "plates.csv"
    if not table.is_file():
        return
    for sample, texts in load_plates(table, table.parent):
        unread = f"{table}: {sample.path.name}: field 'plate' is empty"
        boxes = list(map(tuple, sample.boxes.tolist()))
        twice = f"{table}: {sample.path.name}: a box is listed twice"
        yield sample.path, unread if not all(texts) else twice if len(set(boxes)) < len(boxes) else None


def _crops(data):
    for name in ("plate-text", "plates"):
        table = data / name / "crops.csv"
        if table.is_file():
            for row in read_crops(table):
                yield table.parent / row.file, None


def run(args):
    """Command `data`."""
    if not args.data.is_dir():
        raise DataError(f"--data {args.data}: is no folder")
    count, mistakes = audit(args.data)
    for mistake in mistakes:
        print(mistake)
    print(f"{count} pictures, {len(mistakes)} mistakes")
    return 1 if mistakes or not count else 0

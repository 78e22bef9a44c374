"""Pictures with boxes: the sample type, and the reader of plate box lists.

Boxes are x1, y1, x2, y2 in pixels of the picture as stored, float32.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from training.data.pictures import decode
from training.data.tables import DataError, read_rows

PLATE_CLASSES = ("plate",)
BOX_COLUMNS = ("file", "x", "y", "w", "h", "class", "split")


def _no_boxes():
    return np.zeros((0, 4), np.float32)


def _no_classes():
    return np.zeros(0, np.int64)


@dataclass
class Sample:
    """One labelled picture.

    `labelled` says for each class whether its absence means anything. `ignore` are regions whose
    cells teach nothing about class `ignore_classes` (-1: any class). `weights` scale the loss of
    each box (teacher boxes count less).
    """

    path: Path
    boxes: np.ndarray = field(default_factory=_no_boxes)
    classes: np.ndarray = field(default_factory=_no_classes)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    ignore: np.ndarray = field(default_factory=_no_boxes)
    ignore_classes: np.ndarray = field(default_factory=_no_classes)
    labelled: np.ndarray = field(default_factory=lambda: np.ones(1, bool))
    source: str = ""
    tier: str = ""
    picture: np.ndarray | None = None

    def load(self):
        """The picture as HxWx3 uint8 RGB; kept once read through `keep`."""
        return read_picture(self.path) if self.picture is None else self.picture

    def keep(self, longest=640):
        """Reads the picture into memory, shrunk to `longest`, boxes with it."""
        picture = read_picture(self.path)
        factor = longest / max(picture.shape[:2])
        if factor < 1.0:
            size = [max(1, round(side * factor)) for side in picture.shape[1::-1]]
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            self.boxes = self.boxes * factor
            self.ignore = self.ignore * factor
        self.picture = picture


def read_picture(path):
    """Decodes a file to HxWx3 uint8 RGB."""
    try:
        return decode(path)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def file_sha256(path):
    """SHA-256 of a file as hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _number(row, key, where):
    try:
        value = float(row[key])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where}: field '{key}' is not a number") from None
    if not np.isfinite(value):
        raise DataError(f"{where}: field '{key}' is not finite")
    return value


def read_box(row, where):
    """x, y, w, h of a CSV row to x1, y1, x2, y2."""
    x, y, w, h = (_number(row, key, where) for key in ("x", "y", "w", "h"))
    if w <= 0 or h <= 0:
        raise DataError(f"{where}: field 'w' or 'h' is not above zero")
    return [x, y, x + w, y + h]


def load_plate_boxes(folder, split=None, tier="A"):
    """Reads `boxes.csv` (file, x, y, w, h, class, split, source) under `folder`.

    Rows of other classes than `plate` only tell that the picture exists.
    """
    rows = {}
    for where, row in read_rows(Path(folder) / "boxes.csv", BOX_COLUMNS):
        if not row["file"]:
            raise DataError(f"{where}: field 'file' is empty")
        if split is not None and row["split"] != split:
            continue
        boxes, _ = rows.setdefault(row["file"], ([], row.get("source") or ""))
        box = read_box(row, where)
        if row["class"] == "plate":
            boxes.append(box)
    return [_plate_sample(Path(folder) / name, *entry, tier) for name, entry in rows.items()]


def _plate_sample(path, boxes, source, tier):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Sample(
        path=path,
        boxes=boxes,
        classes=np.zeros(len(boxes), np.int64),
        weights=np.ones(len(boxes), np.float32),
        source=source,
        tier=tier,
    )

"""Reader of the COCO-style object lists whose pictures are labelled in part."""

import math
from pathlib import Path

import numpy as np

from training.data.boxes import Sample
from training.data.tables import DataError, read_json

CLASSES = ("person", "bicycle", "motorcycle", "car", "bus", "truck")
OWN = "own"  # the tier of pictures that name none: those of whoever trains


def load_objects(label_file, pictures, classes=CLASSES, tiers=None):
    """Reads a label file into samples, in the order of its pictures.

    Crowd boxes become ignore regions of their class. `tiers` keeps only pictures of those tiers, and one's own, which
    name none.
    """
    content = read_json(label_file)
    if not isinstance(content, dict):
        raise DataError(f"{label_file}: is not an object")
    names = {entry["id"]: entry["name"] for entry in _entries(content, "categories", ("id", "name"), label_file)}
    unknown = sorted(set(map(str, names.values())) - set(classes))
    if unknown:
        raise DataError(f"{label_file}: field 'categories' names unknown classes {unknown}")
    images = _entries(content, "images", ("id", "file_name"), label_file)
    _check_images(images, classes, label_file)
    boxes = _boxes_by_picture(content, {image["id"] for image in images}, names, classes, label_file)
    kept = [image for image in images if tiers is None or image.get("tier", OWN) in (OWN, *tiers)]
    return [_sample(image, boxes.get(image["id"], []), Path(pictures), classes) for image in kept]


def _entries(content, field, keys, label_file):
    """The objects of a list, each with every key."""
    if not isinstance(content.get(field), list):
        raise DataError(f"{label_file}: field '{field}' is not a list")
    for number, entry in enumerate(content[field]):
        for key in keys:
            if not isinstance(entry, dict) or not isinstance(entry.get(key), (int, str)):
                raise DataError(f"{label_file}: {field}[{number}]: field '{key}' is missing or of the wrong type")
    return content[field]


def _check_images(images, classes, label_file):
    seen = set()
    for image in images:
        where = f"{label_file}: '{image['file_name']}'"
        for key in ("id", "file_name"):
            if (key, image[key]) in seen:
                raise DataError(f"{where}: field '{key}' is listed twice")
            seen.add((key, image[key]))
        labelled = image.get("labelled", [])
        if not isinstance(labelled, list) or any(name not in classes for name in labelled):
            raise DataError(f"{where}: field 'labelled' is no list of the classes {list(classes)}")


def _boxes_by_picture(content, pictures, names, classes, label_file):
    boxes = {}
    for entry in _entries(content, "annotations", ("image_id", "category_id"), label_file):
        where = f"{label_file}: annotation {entry.get('id')}"
        if entry["category_id"] not in names:
            raise DataError(f"{where}: field 'category_id' is unknown")
        if entry["image_id"] not in pictures:
            raise DataError(f"{where}: field 'image_id' is no picture of the list")
        x, y, w, h = _four_numbers(entry.get("bbox"), where)
        if w <= 0 or h <= 0:
            raise DataError(f"{where}: field 'bbox' has no area")
        index = classes.index(names[entry["category_id"]])
        crowd = bool(entry.get("iscrowd", 0))
        boxes.setdefault(entry["image_id"], []).append(([x, y, x + w, y + h], index, crowd))
    return boxes


def _four_numbers(box, where):
    good = isinstance(box, list) and len(box) == 4
    if not good or not all(isinstance(side, (int, float)) and math.isfinite(side) for side in box):
        raise DataError(f"{where}: field 'bbox' is not four numbers")
    return box


def _sample(image, entries, pictures, classes):
    positive = [entry for entry in entries if not entry[2]]
    crowd = [entry for entry in entries if entry[2]]
    labelled = image.get("labelled", list(classes))
    return Sample(
        path=pictures / image["file_name"],
        boxes=np.array([e[0] for e in positive], np.float32).reshape(-1, 4),
        classes=np.array([e[1] for e in positive], np.int64),
        weights=np.ones(len(positive), np.float32),
        ignore=np.array([e[0] for e in crowd], np.float32).reshape(-1, 4),
        ignore_classes=np.array([e[1] for e in crowd], np.int64),
        labelled=np.array([name in labelled for name in classes], bool),
        source=image.get("source", ""),
        tier=image.get("tier", OWN),
    )

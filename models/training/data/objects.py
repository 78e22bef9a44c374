"""Reader of the COCO-style object lists whose pictures are labelled in part."""

import json
from pathlib import Path

import numpy as np

from training.data.boxes import DataError, Sample

CLASSES = ("person", "bicycle", "motorcycle", "car", "bus", "truck")
OWN = "own"  # the tier of pictures that name none: those of whoever trains


def read_json(path):
    """Parses a JSON file; errors name the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error


def load_objects(label_file, pictures, classes=CLASSES, tiers=None):
    """Reads a label file into samples, in the order of its pictures.

    Crowd boxes become ignore regions of their class. `tiers` keeps only pictures of those tiers, and one's own, which
    name none.
    """
    content = read_json(label_file)
    for key in ("categories", "images", "annotations"):
        if not isinstance(content.get(key), list):
            raise DataError(f"{label_file}: field '{key}' is not a list")
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    unknown = sorted(set(names.values()) - set(classes))
    if unknown:
        raise DataError(f"{label_file}: field 'categories' names unknown classes {unknown}")
    boxes = _boxes_by_picture(content["annotations"], names, classes, label_file)
    samples, seen = [], set()
    for image in content["images"]:
        if image["file_name"] in seen:
            raise DataError(f"{label_file}: file_name '{image['file_name']}' is listed twice")
        seen.add(image["file_name"])
        if tiers is None or image.get("tier", OWN) in (OWN, *tiers):
            samples.append(_sample(image, boxes.get(image["id"], []), Path(pictures), classes))
    return samples


def _boxes_by_picture(annotations, names, classes, label_file):
    boxes = {}
    for entry in annotations:
        where = f"{label_file}: annotation {entry.get('id')}"
        if entry.get("category_id") not in names:
            raise DataError(f"{where}: field 'category_id' is unknown")
        box = entry.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not np.isfinite(box).all():
            raise DataError(f"{where}: field 'bbox' is not four numbers")
        x, y, w, h = box
        if w <= 0 or h <= 0:
            raise DataError(f"{where}: field 'bbox' has no area")
        index = classes.index(names[entry["category_id"]])
        crowd = bool(entry.get("iscrowd", 0))
        boxes.setdefault(entry["image_id"], []).append(([x, y, x + w, y + h], index, crowd))
    return boxes


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

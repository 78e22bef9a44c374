"""Where training pictures come from: real ones in memory, and drawn ones made on the fly."""

from collections import Counter
from dataclasses import replace

import numpy as np

from training.data.boxes import file_sha256, load_plate_boxes
from training.data.objects import load_objects
from training.data.tables import DataError
from training.detect.gate import gate_samples
from training.detect.paste import paste_plate, stamp

VEHICLES = ("motorcycle", "car", "bus", "truck")


class Pool:
    """Groups of samples, each with the share of draws it gets."""

    def __init__(self, classes):
        self.classes = classes
        self.groups, self.lists = [], []

    def add(self, name, share, samples, draw=None, odds=None):
        """Adds a group. `draw(rng, sample)` may change a drawn sample; `odds` weigh the samples."""
        if samples and share > 0:
            self.groups.append((name, share, samples, draw, odds))

    def name_list(self, name, file, samples):
        """Writes down a list and the tiers of the samples taken from it: letters together, other words after them."""
        tiers = sorted({sample.tier for sample in samples}, key=lambda tier: (len(tier) > 1, tier))
        letters = "".join(tier for tier in tiers if len(tier) == 1)
        tier = " ".join(filter(None, [letters, *(tier for tier in tiers if len(tier) > 1)]))
        self.lists.append({"name": name, "sha256": file_sha256(file), "tier": tier})

    def draw(self, rng):
        """One sample."""
        shares = np.array([group[1] for group in self.groups])
        _, _, samples, change, odds = self.groups[rng.choice(len(shares), p=shares / shares.sum())]
        sample = samples[rng.choice(len(samples), p=odds)]
        return change(rng, sample) if change else sample

    def describe(self):
        """Groups and counts as text."""
        parts = [f"{name} {len(samples)} ({share:g})" for name, share, samples, *_ in self.groups]
        return "pictures: " + ", ".join(parts)

    def manifest(self):
        """What the weights are made from, for the model's manifest."""
        counts = Counter(
            (name, sample.source, sample.tier)
            for name, _, samples, *_ in self.groups
            for sample in samples
        )
        used = [
            {"group": group, "source": source, "tier": tier, "pictures": count}
            for (group, source, tier), count in sorted(counts.items())
        ]
        return {"pictures": used, "lists": self.lists}


def build_pool(config, data, teacher_labels=None, teacher_frames=None):
    """The pool of a config's task over a data folder, with what a teacher labelled."""
    if config["task"] == "plates":
        pool = plates_pool(config, data)
    else:
        pool = objects_pool(config, data, teacher_labels or [], teacher_frames)
    if not any(name in ("plates", "objects") for name, *_ in pool.groups):
        raise DataError(f"{data}: no labelled picture to train on")
    return pool


def _kept(samples, longest):
    for sample in samples:
        sample.keep(longest)
    return samples


def plates_pool(config, data):
    """Labelled plates, the same with drawn plates instead, and pictures without vehicles."""
    rules = config["data"]
    pool = Pool(config["classes"])
    folder = data / "plate-boxes"
    real = [tighten(s, rules["tighten"]) for s in load_plate_boxes(folder, "train")]
    real = _kept(real, rules["longest"])
    pool.name_list("plate-boxes", folder / "boxes.csv", real)
    empty = []
    label_file = data / "objects" / "train.json"
    if label_file.is_file():
        pictures = load_objects(label_file, data / "objects" / "images", tiers=rules["tiers"])
        empty = [
            replace(sample, labelled=np.ones(1, bool), **_nothing())
            for sample in pictures
            if sample.labelled.all() and not _has(sample, VEHICLES)
        ][: rules["negatives"]]
        pool.name_list("objects/train", label_file, empty)
    pool.add("plates", rules["share_real"], real, stamped)
    pool.add("drawn on plates", rules["share_redrawn"], [s for s in real if len(s.boxes)], redraw)
    pool.add("no plates", rules["share_empty"], _kept(empty, rules["longest"]), scatter)
    add_gate(pool, config)
    return pool


def tighten(sample, margins):
    """Cuts the margins (left, top, right, bottom as shares) a source draws around its plates."""
    if sample.source not in margins:
        return sample
    size = np.tile(sample.boxes[:, 2:] - sample.boxes[:, :2], 2)
    cut = size * np.array(margins[sample.source], np.float32) * (1, 1, -1, -1)
    return replace(sample, boxes=(sample.boxes + cut).astype(np.float32))


def _nothing():
    empty = np.zeros((0, 4), np.float32)
    index = np.zeros(0, np.int64)
    return {
        "boxes": empty,
        "classes": index,
        "weights": np.zeros(0, np.float32),
        "ignore": empty,
        "ignore_classes": index,
    }


def _has(sample, names):
    from training.data.objects import CLASSES

    present = set(sample.classes) | set(sample.ignore_classes)
    return any(CLASSES.index(name) in present for name in names)


def stamped(rng, sample):
    """Puts letters that are no plate on one picture in five."""
    if rng.random() > 0.2:
        return sample
    picture = sample.load().copy()
    stamp(rng, picture, sample.boxes)
    return replace(sample, picture=picture)


def redraw(rng, sample):
    """Replaces most plates of a picture by drawn ones."""
    picture, boxes = sample.load().copy(), sample.boxes.copy()
    for index, box in enumerate(boxes):
        if rng.random() < 0.8:
            boxes[index] = paste_plate(rng, picture, box)
    return replace(sample, picture=picture, boxes=boxes)


def scatter(rng, sample):
    """Puts up to two drawn plates on one picture in three, and other letters on every second."""
    picture, boxes = sample.load().copy(), []
    if rng.random() < 0.5:
        stamp(rng, picture, sample.boxes)
    if rng.random() > 0.33:
        return replace(sample, picture=picture)
    rows, columns = picture.shape[:2]
    for _ in range(rng.integers(1, 3)):
        width = np.exp(rng.uniform(np.log(24), np.log(0.35 * columns)))
        x, y = rng.uniform(0, columns - width), rng.uniform(0, rows - 0.4 * width)
        box = np.array([x, y, x + width, y + 0.4 * width], np.float32)
        boxes.append(paste_plate(rng, picture, box))
    count = len(boxes)
    return replace(
        sample,
        picture=picture,
        boxes=np.array(boxes, np.float32),
        classes=np.zeros(count, np.int64),
        weights=np.ones(count, np.float32),
    )


def objects_pool(config, data, teacher_labels, teacher_frames):
    """Labelled road pictures, completed by the teacher's labels where there are any."""
    from training.detect.teacher import complete, read_labels, unlabelled_samples

    rules = config["data"]
    pool = Pool(config["classes"])
    label_file = data / "objects" / "train.json"
    samples = load_objects(label_file, data / "objects" / "images", tiers=rules["tiers"])
    pool.name_list("objects/train", label_file, samples)
    labels = read_labels(teacher_labels)
    samples = [complete(sample, labels.get(sample.path.name)) for sample in samples]
    odds = _scarce_first(samples, config["classes"], rules["oversample"], rules.get("favour", {}))
    pool.add("objects", rules["share_real"], _kept(samples, rules["longest"]), odds=odds)
    folders = [data / "plate-boxes" / "images"] + ([teacher_frames] if teacher_frames else [])
    only = unlabelled_samples(labels, folders, len(config["classes"]))
    extra = [complete(sample, entries) for sample, entries in only]
    for path in teacher_labels:
        names = read_labels([path])
        pool.name_list("teacher labels", path, [s for s in samples + extra if s.path.name in names])
    pool.add("teacher only", rules["share_teacher"], _kept(extra, rules["longest"]))
    add_gate(pool, config)
    return pool


def add_gate(pool, config):
    """Frames of the drawn gate, when the config gives them a share."""
    rules = config["data"]
    if rules.get("share_gate", 0) > 0:
        frames = gate_samples(
            rules["gate_frames"], rules["gate_seed"], config["classes"], rules["longest"]
        )
        pool.add("drawn gate", rules["share_gate"], frames)


def _scarce_first(samples, classes, power, favour):
    """Odds that show pictures with scarce classes more often; `favour` multiplies those of a class by name."""
    counts = np.zeros(len(classes))
    for sample in samples:
        counts[np.unique(sample.classes)] += 1
    rarity = (counts.max() / np.maximum(counts, 1)) ** power
    rarity *= [favour.get(name, 1.0) for name in classes]
    odds = np.array([rarity[s.classes].max(initial=1.0) for s in samples])
    return odds / odds.sum()

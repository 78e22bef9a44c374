"""Frames of the drawn gate as training samples.

Photographs alone do not teach a detector to see the demonstration's drawn vehicles; a few frames of
other scenes, texts and fonts than the demonstration's do.
"""

from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import Sample

# The drawing's kinds in the detector's classes; a van is a car to most labellers.
CLASS_OF_KIND = {"car": "car", "van": "car", "truck": "truck"}
HIDDEN_SHARE = 0.5  # covered by nearer vehicles beyond this: an ignore region


def corners(box):
    """x, y, w, h to x1, y1, x2, y2."""
    x, y, w, h = box
    return np.array([x, y, x + w, y + h], np.float32)


def covered_share(box, nearer):
    """Greatest share of a box that one of the nearer boxes covers."""
    area = max(float((box[2:] - box[:2]).prod()), 1e-6)
    shares = [
        np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None).prod()
        for other in nearer
    ]
    return max(shares, default=0.0) / area


def gate_sample(picture, labels, classes, longest):
    """One frame, shrunk, with its vehicles or its plates, whichever `classes` asks for."""
    plates = list(classes) == ["plate"]
    boxes, indices, ignore, ignored = [], [], [], []
    vehicles = [corners(label.vehicle) for label in labels]
    for place, label in enumerate(labels):
        if plates and label.plate is None:
            continue
        box = corners(label.plate if plates else label.vehicle)
        name = "plate" if plates else CLASS_OF_KIND[label.kind]
        hidden = covered_share(box, vehicles[place + 1 :]) > HIDDEN_SHARE
        (ignore if hidden else boxes).append(box)
        (ignored if hidden else indices).append(list(classes).index(name))
    factor = longest / max(picture.shape[:2])
    size = [round(side * factor) for side in picture.shape[1::-1]]
    return Sample(
        path=Path("gate"),
        boxes=np.array(boxes, np.float32).reshape(-1, 4) * factor,
        classes=np.array(indices, np.int64),
        weights=np.ones(len(boxes), np.float32),
        ignore=np.array(ignore, np.float32).reshape(-1, 4) * factor,
        ignore_classes=np.array(ignored, np.int64),
        labelled=np.ones(len(classes), bool),
        source="gate",
        tier="drawn",
        picture=cv2.resize(picture, size, interpolation=cv2.INTER_AREA),
    )


def gate_samples(count, seed, classes, longest):
    """`count` frames of as many scenes."""
    from training.synth.gate import FrameSource

    source = FrameSource(seed)
    return [gate_sample(*source.frame(index), classes, longest) for index in range(count)]

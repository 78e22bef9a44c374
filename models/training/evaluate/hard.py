"""Whole frames under the named conditions of `reader/degrade.py`, for the detectors.

A strength means on a frame what it means on a still of a plate: noise and light fall on the whole frame, blur is as long
as a share of the objects' height, mud lies on the objects, and the frame is turned about them and narrowed.
"""

from dataclasses import replace

import cv2
import numpy as np

from training.reader.degrade import DEGRADATIONS, STRENGTHS, degrade, seen_from_the_side

LONGEST = 640  # frames are shrunk to it, with the boxes


def kept(samples):
    """Copies of samples with their pictures in memory."""
    copies = [replace(sample) for sample in samples]
    for copy in copies:
        copy.keep(LONGEST)
    return copies


def conditions(samples, wanted=tuple(DEGRADATIONS)):
    """(title, samples) of no condition, then of each one at each strength; samples as `kept` gives them."""
    yield "as they are", samples
    for name in wanted:
        for strength in STRENGTHS:
            yield f"{name} {strength}", [worsen(s, name, strength, i) for i, s in enumerate(samples)]


def worsen(sample, name, strength, seed):
    """A sample held in memory, with picture and boxes under a condition."""
    if name == "angle":
        return turned(sample, strength)
    picture = sample.load()
    if name == "dirt":
        return replace(sample, picture=muddy(picture, sample.boxes, strength, seed))
    heights = sample.boxes[:, 3] - sample.boxes[:, 1]
    unit = float(np.median(heights)) if len(heights) else None
    return replace(sample, picture=degrade(picture, name, strength, seed, unit))


def muddy(picture, boxes, strength, seed):
    """Mud on each box."""
    spotted = picture.copy()
    for x1, y1, x2, y2 in np.clip(boxes, 0, None).astype(int):
        part = spotted[y1 : y2 + 1, x1 : x2 + 1]
        if part.size:
            part[:] = degrade(part, "dirt", strength, seed)
    return spotted


def turned(sample, strength):
    """The frame turned about its boxes and narrowed; each box becomes the one around its turned corners."""
    picture, boxes = sample.load(), sample.boxes
    rows, columns = picture.shape[:2]
    middle = (boxes[:, :2] + boxes[:, 2:]).mean(0) / 2 if len(boxes) else np.array([columns, rows]) / 2
    degrees, share = seen_from_the_side(strength)
    matrix = cv2.getRotationMatrix2D([float(v) for v in middle], degrees, 1.0)
    matrix = np.diag([share, 1.0]) @ matrix
    size = (max(8, round(columns * share)), rows)
    picture = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]]
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    boxes = np.concatenate([moved.min(1), moved.max(1)], 1).astype(np.float32)
    return replace(sample, picture=picture, boxes=np.clip(boxes, 0, np.tile(size, 2)).astype(np.float32))

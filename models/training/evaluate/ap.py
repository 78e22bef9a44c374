"""Average precision as COCO defines it, for pictures that are labelled in part.

A class is judged over the pictures labelled for it. Detections that overlap an ignore region of
their class by more than half of themselves, and match no box, count neither way.
"""

from dataclasses import dataclass

import numpy as np

from training.evaluate.decode import iou_matrix

IOU_LIMITS = np.arange(0.5, 1.0, 0.05)
RECALL_POINTS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100


@dataclass
class Matches:
    """Detections of one class on one picture.

    `state` is LxN, L IoU limits: 1 true, 0 false, -1 not counted. `truths` is the number of boxes.
    """

    scores: np.ndarray
    state: np.ndarray
    truths: int


def match_picture(boxes, scores, truth, ignore, limits=IOU_LIMITS):
    """Greedy matching of detections, best first, to the free box they overlap most."""
    order = np.argsort(-scores, kind="stable")[:MAX_DETECTIONS]
    boxes, scores = boxes[order], scores[order]
    state = np.zeros((len(limits), len(boxes)), np.int8)
    if len(ignore) and len(boxes):
        state[:, _covered(boxes, ignore)] = -1
    if len(truth) and len(boxes):
        overlap = iou_matrix(boxes, truth)
        for row, limit in enumerate(limits):
            free = np.ones(len(truth), bool)
            for index in range(len(boxes)):
                candidate = np.where(free, overlap[index], 0.0)
                best = int(candidate.argmax())
                if candidate[best] >= limit - 1e-9:
                    free[best] = False
                    state[row, index] = 1
    return Matches(scores, state, len(truth))


def _covered(boxes, ignore):
    top = np.maximum(boxes[:, None, :2], ignore[None, :, :2])
    bottom = np.minimum(boxes[:, None, 2:], ignore[None, :, 2:])
    inner = np.clip(bottom - top, 0, None).prod(2)
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    return (inner / area[:, None]).max(1) > 0.5


def average_precision(matches, levels=len(IOU_LIMITS)):
    """AP at each of the first IoU limits over the pictures' matches; NaN where there are no boxes."""
    truths = sum(m.truths for m in matches)
    if truths == 0:
        return np.full(levels, np.nan)
    scores = np.concatenate([m.scores for m in matches])
    state = np.concatenate([m.state for m in matches], 1)[:, np.argsort(-scores, kind="stable")]
    values = np.zeros(levels)
    for level in range(levels):
        row = state[level]
        row = row[row >= 0]
        if not len(row):
            continue
        hits = np.cumsum(row == 1)
        precision = hits / np.arange(1, len(row) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(hits / truths, RECALL_POINTS - 1e-12)
        values[level] = np.append(precision, 0.0)[place].mean()
    return values


class Judge:
    """Collects matches of a detector over a data set."""

    def __init__(self, classes):
        self.classes = classes
        self.pictures = []  # (source, {class index: Matches})

    def add(self, sample, detection):
        """Takes in the detection of one picture."""
        boxes, scores, found = detection
        matches = {}
        for index in np.flatnonzero(sample.labelled):
            mine, ignored = found == index, sample.ignore_classes == index
            matches[int(index)] = match_picture(
                boxes[mine], scores[mine], sample.boxes[sample.classes == index],
                sample.ignore[ignored],
            )
        self.pictures.append((sample.source, matches))

    def table(self, rows=None, levels=len(IOU_LIMITS)):
        """AP per class (len(classes) x limits) over the pictures of the given indices."""
        rows = range(len(self.pictures)) if rows is None else rows
        values = []
        for index in range(len(self.classes)):
            chosen = [self.pictures[r][1][index] for r in rows if index in self.pictures[r][1]]
            values.append(average_precision(chosen, levels))
        return np.array(values)

    def summary(self, rows=None):
        """AP@.5 and AP@[.5:.95] per class and their means over the classes with boxes."""
        table = self.table(rows)
        half, whole = table[:, 0], table.mean(1)
        return {
            "ap50": _named(self.classes, half),
            "ap": _named(self.classes, whole),
            "mean_ap50": _mean(half),
            "mean_ap": _mean(whole),
        }

    def sources(self):
        """The indices of the pictures of each source."""
        found = {}
        for index, (source, _) in enumerate(self.pictures):
            found.setdefault(source, []).append(index)
        return dict(sorted(found.items()))

    def boxes(self, rows):
        """How many boxes of each class the pictures of the given indices have."""
        counted = dict.fromkeys(self.classes, 0)
        for row in rows:
            for index, matches in self.pictures[row][1].items():
                counted[self.classes[index]] += matches.truths
        return counted

    def resampled(self, draws, levels=len(IOU_LIMITS)):
        """AP for each row of `draws` (R x pictures of indices): R x classes x the first IoU limits."""
        return np.array([self.table(list(rows), levels) for rows in draws])


def _named(classes, values):
    return {
        name: None if np.isnan(value) else round(float(value), 4)
        for name, value in zip(classes, values)
    }


def _mean(values):
    return None if np.isnan(values).all() else round(float(np.nanmean(values)), 4)

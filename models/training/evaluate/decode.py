"""Outputs of detectors to boxes: the same steps as the agent takes after the network.

Boxes are x1, y1, x2, y2 in pixels of the picture. A detection is (boxes Nx4, scores N, classes N),
float32 and int64, best first.
"""

import numpy as np

MAX_RAW_DISTANCE = 6.0


def sigmoid(x):
    """Logistic function without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -60.0, 60.0)))


def iou_matrix(a, b):
    """IoU of every box of a (Nx4) with every box of b (Mx4)."""
    top = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(bottom - top, 0, None).prod(2)
    area_a = (a[:, 2:] - a[:, :2]).prod(1)
    area_b = (b[:, 2:] - b[:, :2]).prod(1)
    return inner / np.maximum(area_a[:, None] + area_b[None] - inner, 1e-9)


def suppress(boxes, scores, classes, limit_iou, keep):
    """Class-wise greedy non-maximum suppression: indices of the survivors, best first."""
    order = np.argsort(-scores, kind="stable")
    # Classes moved far apart cannot overlap, which makes one pass class-wise.
    offset = classes[:, None] * (np.abs(boxes).max(initial=0) * 2 + 1)
    moved = boxes + offset
    survivors = []
    while len(order) and len(survivors) < keep:
        first, order = order[0], order[1:]
        survivors.append(first)
        order = order[iou_matrix(moved[first : first + 1], moved[order])[0] <= limit_iou]
    return np.array(survivors, np.int64)


def finish(boxes, scores, classes, nms_iou, keep, factors, size):
    """Suppression, then back to pixels of a picture of `size` (width, height), clipped."""
    best = np.argsort(-scores, kind="stable")[:2000]
    boxes, scores, classes = boxes[best], scores[best], classes[best]
    survivors = suppress(boxes, scores, classes, nms_iou, keep)
    boxes = boxes[survivors] * np.array(factors * 2, np.float32)
    boxes = np.clip(boxes, 0, np.array(tuple(size) * 2, np.float32))
    return boxes, scores[survivors], classes[survivors]


def decode_ltrb(outputs, strides, class_count, floor):
    """Head `ltrb-anchor-free`: boxes on the canvas, scores, classes of the cells above `floor`.

    `outputs` are 1x(C+4)xHxW, one a stride. `floor` is one number or one a class. A cell gives one
    box at most, of its best class above the floor, so that no object is told twice as two classes.
    """
    floor = np.broadcast_to(np.asarray(floor, np.float32), (class_count,))
    boxes, scores, classes = [], [], []
    for output, stride in zip(outputs, strides):
        score = sigmoid(output[0, :class_count])
        score = np.where(score >= floor[:, None, None], score, -1.0)
        best = score.argmax(0)
        y, x = np.nonzero(score.max(0) >= 0)
        index = best[y, x]
        raw = np.minimum(output[0, class_count:, y, x], MAX_RAW_DISTANCE)
        distance = np.exp(raw) * stride
        centre = (np.stack([x, y], 1) + 0.5) * stride
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1))
        scores.append(score[index, y, x])
        classes.append(index)
    return (
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(scores).astype(np.float32),
        np.concatenate(classes).astype(np.int64),
    )


def decode_yolox(output, side, picked, floor):
    """YOLOX: 1xAx85 of a square input of `side`; `picked` are the COCO indices of our classes."""
    grids, steps = [], []
    for stride in (8, 16, 32):
        cells = side // stride
        y, x = np.mgrid[:cells, :cells]
        grids.append(np.stack([x, y], -1).reshape(-1, 2))
        steps.append(np.full((cells * cells, 1), stride))
    grid, step = np.concatenate(grids), np.concatenate(steps)
    rows = output[0]
    middle = (rows[:, :2] + grid) * step
    half = np.exp(np.minimum(rows[:, 2:4], 10.0)) * step / 2
    scores = rows[:, 4:5] * rows[:, 5:][:, picked]
    cell, index = np.nonzero(scores >= floor)
    boxes = np.concatenate([middle - half, middle + half], 1)[cell]
    return boxes.astype(np.float32), scores[cell, index], index.astype(np.int64)


def decode_fastestdet(output, picked, floor):
    """FastestDet: 1x85x22x22; boxes relative to the picture."""
    values = output[0]
    cells = values.shape[1]
    scores = values[:1] ** 0.6 * values[5:][picked] ** 0.4
    best = values[5:].max(0)
    scores = np.where(values[5:][picked] >= best, scores, 0.0)
    index, y, x = np.nonzero(scores >= floor)
    dx, dy, w, h = values[1:5, y, x]
    centre = np.stack([x + np.tanh(dx), y + np.tanh(dy)], 1) / cells
    half = np.stack([sigmoid(w), sigmoid(h)], 1) / 2
    boxes = np.concatenate([centre - half, centre + half], 1).astype(np.float32)
    return boxes, scores[index, y, x], index.astype(np.int64)

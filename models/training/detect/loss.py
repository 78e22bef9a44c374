"""Assignment of boxes to cells, and the loss.

Assignment is task-aligned (Feng et al., "TOOD", 2021): among the cells near the centre of a box the
best by score times IoU^6 become its positives, and their targets say how well they fit. The class
loss is varifocal (Zhang et al., 2021), the box loss GIoU (Rezatofighi et al., 2019). Classes a
picture is not labelled for, and cells inside ignore regions, teach nothing.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from training.nets.detector import boxes_from_distances, cell_centres, flatten

REACH = 2  # cells to each side of the centre cell that may become positive
POSITIVES = 10  # at most this many cells a box
NEGATIVE_WEIGHT = 0.75
BOX_WEIGHT = 2.0


@dataclass
class Targets:
    """Boxes of a batch, joined: `batch` says which picture each belongs to."""

    boxes: torch.Tensor
    classes: torch.Tensor
    weights: torch.Tensor
    batch: torch.Tensor
    ignore: torch.Tensor
    ignore_classes: torch.Tensor
    ignore_batch: torch.Tensor


def pair_iou(a, b, generalised=False):
    """IoU (or GIoU) of boxes a and b of broadcastable shape (..., 4)."""
    top = torch.maximum(a[..., :2], b[..., :2])
    bottom = torch.minimum(a[..., 2:], b[..., 2:])
    inner = (bottom - top).clamp(min=0).prod(-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    union = (area_a + area_b - inner).clamp(min=1e-6)
    iou = inner / union
    if not generalised:
        return iou
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = hull.prod(-1).clamp(min=1e-6)
    return iou - (hull - union) / hull


def candidate_cells(boxes, shapes, strides):
    """Cells near the centre of each box, on every level: (indices NxK, valid NxK).

    Valid cells lie on the grid and have their centre in the box; the cell that holds the centre of
    the box is always valid, so that the smallest boxes have one.
    """
    steps = torch.arange(-REACH, REACH + 1)
    dy, dx = torch.meshgrid(steps, steps, indexing="ij")
    dx, dy = dx.reshape(1, -1), dy.reshape(1, -1)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    indices, valid, offset = [], [], 0
    for (rows, columns), stride in zip(shapes, strides):
        home = (middle / stride).floor().long()
        home_x = home[:, :1].clamp(0, columns - 1)
        home_y = home[:, 1:].clamp(0, rows - 1)
        x, y = home_x + dx, home_y + dy
        centre_x, centre_y = (x + 0.5) * stride, (y + 0.5) * stride
        inside = (centre_x > boxes[:, :1]) & (centre_x < boxes[:, 2:3])
        inside &= (centre_y > boxes[:, 1:2]) & (centre_y < boxes[:, 3:])
        inside |= (dx == 0) & (dy == 0)
        inside &= (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        indices.append(offset + y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1))
        valid.append(inside)
        offset += rows * columns
    return torch.cat(indices, 1), torch.cat(valid, 1)


def assign(scores, boxes, targets, shapes, strides):
    """Chooses positives. Returns (cells, owners, quality): flat BxA cells, their box, 0..1.

    `scores` BxAxC and `boxes` BxAx4 are detached predictions.
    """
    cells, valid = candidate_cells(targets.boxes, shapes, strides)
    flat = targets.batch[:, None] * boxes.shape[1] + cells
    score = scores.reshape(-1, scores.shape[-1])[flat, targets.classes[:, None]]
    iou = pair_iou(boxes.reshape(-1, 4)[flat], targets.boxes[:, None])
    fit = (score * iou.pow(6) + 1e-9) * valid
    fit, best = fit.topk(min(POSITIVES, fit.shape[1]), 1)
    iou = iou.gather(1, best)
    quality = fit / fit.amax(1, keepdim=True).clamp(min=1e-12)
    quality = quality * (iou * (fit > 0)).amax(1, keepdim=True).clamp(min=0.2)
    owners = torch.arange(len(cells))[:, None].expand_as(best)
    chosen = fit > 0
    cells, iou = flat.gather(1, best)[chosen], iou[chosen]
    owners, quality = owners[chosen], quality[chosen]
    # A cell wanted by two boxes goes to the one it overlaps most.
    highest = torch.zeros(boxes.shape[0] * boxes.shape[1])
    highest = highest.scatter_reduce(0, cells, iou, "amax")
    won = iou >= highest[cells]
    return cells[won], owners[won], quality[won]


def taught_cells(targets, centres, shape):
    """Mask of `shape` BxAxC: the (cell, class) pairs that may count as negatives."""
    mask = torch.ones(shape, dtype=torch.bool)
    for box, index, picture in zip(targets.ignore, targets.ignore_classes, targets.ignore_batch):
        inside = ((centres > box[:2]) & (centres < box[2:])).all(1)
        if index < 0:
            mask[picture, inside] = False
        else:
            mask[picture, inside, index] = False
    return mask


def detection_loss(outputs, targets, strides, class_count):
    """Loss of a batch: class loss plus weighted box loss, each over the sum of target quality."""
    logits, raw = flatten([level.float() for level in outputs], class_count)
    shapes = [tuple(level.shape[-2:]) for level in outputs]
    centres, sizes = cell_centres(outputs, strides)
    boxes = boxes_from_distances(raw, centres, sizes)
    scores = logits.detach().sigmoid()
    goal = torch.zeros_like(logits)
    weight = NEGATIVE_WEIGHT * scores.square() * taught_cells(targets, centres, logits.shape)
    box_loss = raw.sum() * 0.0
    norm = torch.tensor(1.0)
    if len(targets.boxes):
        cells, owners, quality = assign(scores, boxes.detach(), targets, shapes, strides)
        flat_goal, flat_weight = goal.view(-1, class_count), weight.view(-1, class_count)
        importance = targets.weights[owners]
        flat_goal[cells, targets.classes[owners]] = quality
        flat_weight[cells, targets.classes[owners]] = quality * importance
        norm = (quality * importance).sum().clamp(min=1.0)
        overlap = pair_iou(boxes.view(-1, 4)[cells], targets.boxes[owners], generalised=True)
        box_loss = ((1.0 - overlap) * quality * importance).sum() / norm
    class_loss = functional.binary_cross_entropy_with_logits(logits, goal, reduction="none")
    class_loss = (class_loss * weight).sum() / norm
    return class_loss + BOX_WEIGHT * box_loss

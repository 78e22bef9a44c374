"""Assignment and loss: who becomes positive, what is left out, and that learning is possible."""

import numpy as np
import pytest
import torch

from training.detect.loss import Targets, assign, candidate_cells, detection_loss, pair_iou
from training.nets.detector import Detector, cell_centres, flatten

STRIDES = (8, 16)


def targets(boxes, classes, batch=None, ignore=(), ignore_classes=()):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    ignore = torch.tensor(ignore, dtype=torch.float32).reshape(-1, 4)
    return Targets(
        boxes=boxes,
        classes=torch.tensor(classes, dtype=torch.int64),
        weights=torch.ones(len(boxes)),
        batch=torch.tensor(batch or [0] * len(boxes), dtype=torch.int64),
        ignore=ignore,
        ignore_classes=torch.tensor(ignore_classes, dtype=torch.int64),
        ignore_batch=torch.zeros(len(ignore), dtype=torch.int64),
    )


def outputs(classes=2, batch=1):
    torch.manual_seed(3)
    return [torch.randn(batch, classes + 4, 64 // s, 96 // s) * 0.1 for s in STRIDES]


def test_iou_of_half_shifted_boxes():
    a, b = torch.tensor([0.0, 0, 10, 10]), torch.tensor([5.0, 0, 15, 10])
    assert float(pair_iou(a, b)) == pytest.approx(1 / 3)
    assert float(pair_iou(a, b, generalised=True)) == pytest.approx(1 / 3)
    far = torch.tensor([20.0, 0, 30, 10])
    assert float(pair_iou(a, far, generalised=True)) == pytest.approx(-1 / 3)


def test_the_smallest_box_has_a_cell_on_every_level():
    box = torch.tensor([[17.0, 17.0, 18.0, 18.0]])
    cells, valid = candidate_cells(box, [(8, 12), (4, 6)], STRIDES)
    assert cells[valid].tolist() == [2 * 12 + 2, 96 + 1 * 6 + 1]


def test_candidates_lie_inside_their_box():
    box = torch.tensor([[10.0, 10.0, 60.0, 40.0]])
    cells, valid = candidate_cells(box, [(8, 12), (4, 6)], STRIDES)
    levels = outputs()
    centres, _ = cell_centres(levels, STRIDES)
    inside = centres[cells[valid]]
    assert len(inside) > 8
    assert ((inside > box[0, :2]) & (inside < box[0, 2:])).all()


def test_a_cell_goes_to_the_box_it_overlaps_most():
    wanted = targets([[0, 0, 20, 20], [2, 2, 22, 22]], [0, 1])
    levels = outputs()
    logits, _ = flatten(levels, 2)
    predicted = torch.tensor([0.0, 0, 20, 20]).expand(1, logits.shape[1], 4)
    cells, owners, quality = assign(
        logits.sigmoid(), predicted, wanted, [(8, 12), (4, 6)], STRIDES
    )
    assert len(cells) == len(set(cells.tolist()))
    mine = {cell for cell, owner in zip(cells.tolist(), owners.tolist()) if owner == 0}
    assert mine == {0, 1, 12, 13, 96}  # all the first box can have, though the second wants them
    assert float(quality.max()) == pytest.approx(1.0)


def test_ignore_regions_teach_nothing():
    loud = [level.clone() for level in outputs()]
    for level in loud:
        level[:, 1] = 5.0  # class 1 everywhere
    nothing = targets([], [])
    everywhere = targets([], [], ignore=[[-1, -1, 200, 200]], ignore_classes=[1])
    heard = detection_loss(loud, nothing, STRIDES, 2)
    ignored = detection_loss(loud, everywhere, STRIDES, 2)
    assert float(heard) > 100
    assert float(ignored) < 0.2 * float(heard)


def test_a_network_can_learn_one_picture():
    torch.manual_seed(5)
    net = Detector(2, [8, 12, 16, 16], [0, 0, 1, 1], 16, STRIDES, decoupled=False)
    picture = torch.zeros(1, 3, 64, 96)
    picture[:, 0, 16:48, 32:80] = 1.0
    wanted = targets([[32, 16, 80, 48]], [1])
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        total = detection_loss(net(picture), wanted, STRIDES, 2)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.3 * losses[0]
    from training.evaluate.decode import decode_ltrb

    with torch.no_grad():
        found = [level.numpy() for level in net(picture)]
    boxes, scores, classes = decode_ltrb(found, STRIDES, 2, 0.3)
    best = scores.argmax()
    assert classes[best] == 1
    assert np.abs(boxes[best] - [32, 16, 80, 48]).max() < 6

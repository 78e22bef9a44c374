"""The looks that the agent takes at a plate in a box, made one read; see `edge-agent/analytics/src/plate/finder.rs`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.reader.decode import Reading
from training.reader.vote import blend

# How far beyond its box a plate is read, as shares of its width and height on each side.
LOOKS = ((0.05, 0.05), (0.05, 0.0))


def widen(box: np.ndarray, shares: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """A box x1, y1, x2, y2 grown by shares of its width and height on each side, within a picture of `size`."""
    margin = (box[2:] - box[:2]) * np.array(shares, box.dtype)
    grown = np.concatenate([box[:2] - margin, box[2:] + margin])
    return np.clip(grown, 0, np.array(tuple(size) * 2, box.dtype))


def crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The whole pixels that a box touches, at least one."""
    x1, y1 = (int(v) for v in np.floor(box[:2]))
    x2, y2 = (int(v) for v in np.ceil(box[2:]))
    return picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def read_plate(
    read: Callable[[np.ndarray], Reading], picture: np.ndarray, box: np.ndarray
) -> Reading:
    """What `read(crop)` makes of the plate in a detector's box."""
    size = (picture.shape[1], picture.shape[0])
    return blend([read(crop(picture, widen(box, shares, size))) for shares in LOOKS])

"""Real plate crops: folders with a `crops.csv`, and a pool of crops for training.

A pool file (`.npz`) holds grey crops with a margin and the plate's place in them, so that
the training crop can be cut tight or wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.data.tables import DataError, read_rows
from training.synth import camera


@dataclass(frozen=True)
class Crop:
    """One labelled picture of a plate."""

    file: str
    text: str
    region: str


def normalise(text: str) -> str:
    """Upper case, A-Z and 0-9 only."""
    return "".join(c for c in text.upper() if c.isascii() and c.isalnum())


def fold(text: str) -> str:
    """Characters that many plates paint alike made one: O and Q to 0, I to 1."""
    return text.translate(str.maketrans("OQI", "001"))


def read_crops(path: Path) -> list[Crop]:
    """Rows of `file,plate,region`; a file named twice with two texts is refused."""
    listed = read_rows(path, ("file", "plate", "region"))
    rows = [Crop(row["file"], normalise(row["plate"]), row["region"]) for _, row in listed]
    seen: dict[str, str] = {}
    for row in rows:
        if not row.text:
            raise DataError(f"{path}: {row.file}: field 'plate' is empty")
        if seen.setdefault(row.file, row.text) != row.text:
            raise DataError(f"{path}: {row.file}: labelled {seen[row.file]!r} and {row.text!r}")
    return rows


@dataclass(frozen=True)
class CropPool:
    """Grey crops with their plate boxes (x, y, w, h) and texts."""

    crops: tuple[np.ndarray, ...]
    boxes: np.ndarray
    texts: tuple[str, ...]

    @staticmethod
    def load(path: str) -> CropPool:
        """Reads a pool written by `save`."""
        with np.load(path, allow_pickle=False) as data:
            flat, sizes, boxes = data["pixels"], data["sizes"], data["boxes"]
            texts = tuple(str(t) for t in data["texts"])
        crops, offset = [], 0
        for height, width in sizes:
            crops.append(flat[offset : offset + height * width].reshape(height, width))
            offset += int(height) * int(width)
        return CropPool(tuple(crops), boxes, texts)

    def save(self, path: Path) -> None:
        """Writes the pool."""
        np.savez_compressed(
            path,
            pixels=np.concatenate([c.ravel() for c in self.crops]),
            sizes=np.array([c.shape for c in self.crops]),
            boxes=self.boxes,
            texts=np.array(self.texts),
        )

    def shoot(self, rng: np.random.Generator) -> tuple[np.ndarray, str]:
        """A crop at random, cut with the detector's error, turned, lit and degraded anew."""
        index = int(rng.integers(len(self.crops)))
        crop = self.crops[index].astype(np.float32)
        x, y, w, h = self.boxes[index]
        jitter = rng.uniform(-0.03, 0.15, 4) if rng.random() < 0.7 else rng.uniform(0.0, 0.06, 4)
        x0, y0, x1, y1 = (
            x - jitter[0] * w,
            y - jitter[1] * h,
            x + (1 + jitter[2]) * w,
            y + (1 + jitter[3]) * h,
        )
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        corners += rng.uniform(-0.05, 0.05, (4, 2)) * [w, h]
        severity = 0.0 if rng.random() < 0.3 else float(rng.uniform(0.2, 0.8))
        height = int(np.clip(h * (1 - 0.5 * severity * rng.random()), 12, 90))
        width = int(np.clip(height * (x1 - x0) / max(y1 - y0, 1), 12, 360))
        target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
        factor = min(1.0, height / max(h, 1.0))
        if factor < 0.8:
            crop = cv2.resize(crop, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            corners = corners * factor
        matrix = cv2.getPerspectiveTransform((corners - 0.5).astype(np.float32), target)
        view = cv2.warpPerspective(
            crop, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        if rng.random() < 0.1:
            view = 255 - view
        shot = camera.sensor(rng, camera.light(rng, view, severity), severity)
        return camera.stretch(shot), self.texts[index]

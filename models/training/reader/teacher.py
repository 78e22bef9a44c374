"""Texts for unlabelled plate boxes from teacher readers that agree; and those readers as baselines.

The teachers answer in fixed slots: for each slot a softmax over the alphabet and a padding
character. They are never shipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import BOX_COLUMNS, read_box, read_picture
from training.data.crops import CropPool, read_crops
from training.data.tables import read_rows
from training.evaluate.models import open_session
from training.preprocess import grey_from_rgb
from training.reader.decode import Reading

TEACHERS = ("cct_xs_v1_global.onnx", "cct_xs_v2_global.onnx")
_SLOTS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_MARGIN = 0.3  # share of the plate kept around it in the pool


class SlotReader:
    """A teacher network: RGB crop in, reading out."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path)
        names = [output.name for output in self._session.get_outputs()]
        self._output = "plate" if "plate" in names else names[0]
        self._input = self._session.get_inputs()[0].name
        self.name = path.stem

    def _slots(self, crop: np.ndarray) -> np.ndarray:
        """Slots x characters of an RGB crop (uint8)."""
        picture = cv2.resize(crop, (128, 64), interpolation=cv2.INTER_LINEAR)[None]
        return self._session.run([self._output], {self._input: picture})[0][0]

    def read(self, crop: np.ndarray) -> Reading:
        """Reads an RGB crop (uint8)."""
        slots = self._slots(crop)
        best = slots.argmax(axis=-1)
        kept = [(i, int(k)) for i, k in enumerate(best) if _SLOTS[k] != "_"]
        return Reading(
            "".join(_SLOTS[k] for _, k in kept), tuple(float(slots[i, k]) for i, k in kept)
        )

    def least_sure_slot(self, crop: np.ndarray) -> float:
        """Probability of the least certain slot, padding included."""
        return float(self._slots(crop).max(axis=-1).min())


@dataclass(frozen=True)
class PlateBox:
    """A plate's place in a picture, pixels."""

    file: str
    x: float
    y: float
    w: float
    h: float
    source: str


def read_boxes(path: Path, split: str) -> list[PlateBox]:
    """The plate rows of a `boxes.csv` in one split."""
    found = []
    for where, row in read_rows(path, BOX_COLUMNS):
        if row["class"] == "plate" and row["split"] == split:
            left, top, right, bottom = read_box(row, where)
            found.append(PlateBox(row["file"], left, top, right - left, bottom - top, row.get("source") or ""))
    return found


def widened(
    picture: np.ndarray, box: PlateBox, margin: float
) -> tuple[np.ndarray, tuple[float, float]]:
    """The box widened by `margin` of its size on each side, clamped; and its offset."""
    height, width = picture.shape[:2]
    x0, y0 = max(0, int(box.x - margin * box.w)), max(0, int(box.y - margin * box.h))
    x1 = min(width, int(np.ceil(box.x + box.w * (1 + margin))))
    y1 = min(height, int(np.ceil(box.y + box.h * (1 + margin))))
    return picture[y0:y1, x0:x1], (x0, y0)


def agreed_text(readers: list[SlotReader], crop: np.ndarray, least: float = 0.8) -> str | None:
    """The text that all teachers read with every slot at least `least` sure, or None."""
    texts = {reader.read(crop).text for reader in readers}
    if len(texts) != 1 or min(reader.least_sure_slot(crop) for reader in readers) < least:
        return None
    text = texts.pop()
    return text if len(text) >= 4 else None


def agreed(listed: Path, readers: list[SlotReader], split: str) -> Iterator[tuple[PlateBox, np.ndarray, str]]:
    """Box, picture (RGB) and text of each plate of a `boxes.csv` whose text the readers agree on."""
    for box in read_boxes(listed, split):
        picture = read_picture(listed.parent / box.file)
        tight, _ = widened(picture, box, 0.05)
        if box.h < 10 or min(tight.shape[:2]) < 6:
            continue
        text = agreed_text(readers, tight)
        if text is not None:
            yield box, picture, text


def build_pool(data: Path, teachers: Path, split: str = "train") -> CropPool:
    """Crops of `plate-boxes` with agreed texts, and a city's own of `plate-text/crops.csv`."""
    crops: list[np.ndarray] = []
    boxes: list[tuple[float, float, float, float]] = []
    texts: list[str] = []
    own = data / "plate-text" / "crops.csv"
    if split == "train" and own.is_file():
        for row in read_crops(own):
            grey = grey_from_rgb(read_picture(own.parent / row.file))
            crops.append(grey)
            boxes.append((0.0, 0.0, float(grey.shape[1]), float(grey.shape[0])))
            texts.append(row.text)
    listed = data / "plate-boxes" / "boxes.csv"
    paths = [teachers / name for name in TEACHERS]
    if listed.is_file() and all(path.is_file() for path in paths):
        for box, picture, text in agreed(listed, [SlotReader(path) for path in paths], split):
            wide, offset = widened(picture, box, _MARGIN)
            crops.append(grey_from_rgb(wide))
            boxes.append((box.x - offset[0], box.y - offset[1], box.w, box.h))
            texts.append(text)
    return CropPool(tuple(crops), np.array(boxes).reshape(-1, 4), tuple(texts))

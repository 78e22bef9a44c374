"""Golden tensors of the reader: what the agent must compute from one drawn plate.

`golden/picture.png` (RGB), `input.f32` (the tensor), `logits.f32` (both raw little-endian
float32) and `reading.json` (text, probability of each character, temperature).
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from training.reader.model import ReaderModel
from training.synth.grammar import PlateText
from training.synth.plate import Book, Painter

_TEXT = PlateText(("7KBX", "492"), "us")
_SIZE = (
    301,
    149,
)  # larger than twice the input, and odd, so that every step of the resizing counts


def golden_picture(seed: int = 77) -> np.ndarray:
    """A drawn plate, RGB."""
    plate = Painter(Book.open(seed, stroke_count=2), channels=3).paint(
        np.random.default_rng(seed), _TEXT
    )
    large = cv2.resize(plate.pixels, _SIZE, interpolation=cv2.INTER_CUBIC)
    return np.clip(large[..., ::-1], 0, 255).astype(np.uint8)


def write_golden(folder: Path, picture: np.ndarray) -> str:
    """Writes everything into `folder`/golden; returns the text that was read."""
    target = folder / "golden"
    target.mkdir(exist_ok=True)
    model = ReaderModel(folder)
    reading = model.read(picture)
    cv2.imwrite(str(target / "picture.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (target / "input.f32").write_bytes(model.tensor(picture).astype("<f4").tobytes())
    (target / "logits.f32").write_bytes(model.logits(picture).astype("<f4").tobytes())
    row = {
        "text": reading.text,
        "probabilities": [round(p, 6) for p in reading.probabilities],
        "temperature": model.temperature,
    }
    (target / "reading.json").write_text(json.dumps(row) + "\n")
    return reading.text

"""Faces as ready masks: every character once, at one cap height, before any plate is drawn.

Needs numpy and Pillow; `strokes` (OpenCV) only when stroke faces are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.synth import fonts
from training.synth.grammar import ALPHABET

CAP = 56  # cap height of the masks, pixels
OVERSHOOT = 4  # rows kept above and below for round letters and tails


@dataclass(frozen=True)
class Face:
    """Masks (uint8, CAP + 2 * OVERSHOOT rows, as wide as the ink) of the 36 characters."""

    name: str
    masks: dict[str, np.ndarray]

    @property
    def widest(self) -> int:
        """Width of the widest character; dies often give each character the same cell."""
        return max(m.shape[1] for m in self.masks.values())


def _font_at_cap(file: fonts.FontFile, cap: int) -> ImageFont.FreeTypeFont:
    path = str(file.locate())
    probe = ImageFont.truetype(path, 200)
    left, top, right, bottom = probe.getbbox("H", anchor="ls")
    return ImageFont.truetype(path, max(4, round(200 * cap / (bottom - top))))


def draw_print(file: fonts.FontFile, words: str, cap: int) -> np.ndarray:
    """Mask of a line of small print, `cap` pixels from baseline to cap line, descenders kept."""
    font = _font_at_cap(file, cap)
    left, top, right, bottom = font.getbbox(words, anchor="ls")
    image = Image.new("L", (max(1, right - left) + 2, max(1, bottom - top) + 2))
    ImageDraw.Draw(image).text((1 - left, 1 - top), words, 255, font, anchor="ls")
    return np.asarray(image)


def font_face(file: fonts.FontFile) -> Face:
    """The face of a font file."""
    font = _font_at_cap(file, CAP)
    masks = {}
    for char in ALPHABET:
        left, _, right, below = font.getbbox(char, anchor="ls")
        tail = max(0, below - OVERSHOOT)
        image = Image.new("L", (right - left + 4, CAP + 2 * OVERSHOOT + tail))
        ImageDraw.Draw(image).text((2 - left, OVERSHOOT + CAP), char, 255, font, anchor="ls")
        if tail:  # a J or Q that hangs below the line; on plates all characters stand on it
            image = image.resize((image.width, CAP + 2 * OVERSHOOT), Image.BOX)
        mask = np.asarray(image)
        columns = np.flatnonzero(mask.max(axis=0) > 40)
        masks[char] = np.ascontiguousarray(mask[:, columns[0] : columns[-1] + 1])
    return Face(file.path.rsplit("/", 1)[-1], masks)


def stroke_faces(count: int, seed: int) -> list[Face]:
    """`count` faces of our own skeletons."""
    from training.synth import strokes

    faces = []
    for index in range(count):
        face = strokes.StrokeFace.draw(np.random.default_rng([seed, index]))
        masks = {
            c: np.pad(strokes.draw_glyph(face, c, CAP), ((OVERSHOOT, OVERSHOOT), (0, 0)))
            for c in ALPHABET
        }
        faces.append(Face(f"strokes-{seed}-{index}", masks))
    return faces

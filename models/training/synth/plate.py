"""One plate drawn flat: ornaments, characters, embossing.

The result is float32 of 0..255, height x width x channels: one channel of grey or three of
BGR. Geometry, light and camera come later (`camera`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.synth import glyphs
from training.synth.book import Book
from training.synth.grammar import PlateText, draw_text
from training.synth.ornaments import LUMA, Ornaments, blend

__all__ = ["SIZES", "Book", "Painter", "Plate", "draw_plate"]

# Height and width of the flat drawing, pixels, by region.
SIZES = {"us": (72, 144), "eu": (56, 258), "br": (64, 192)}


@dataclass
class Plate:
    """A drawn plate: `pixels` (float32, H x W x C) and its characters."""

    pixels: np.ndarray
    text: PlateText


class Painter:
    """Draws plates of one `Book` in grey (`channels` 1) or BGR (3)."""

    def __init__(self, book: Book, channels: int = 1) -> None:
        self._book = book
        self._ornaments = Ornaments(book, channels)

    def _colours(self, rng: np.random.Generator, region: str) -> tuple[np.ndarray, np.ndarray]:
        """Ground and ink, BGR, at least 45 grey levels apart."""
        while True:
            light = rng.uniform(150, 255) + rng.normal(0, 14, 3)
            if region == "eu" and rng.random() < 0.12:
                light = np.array([30, 190, 240]) + rng.normal(0, 12, 3)
            dark = rng.uniform(0, 70) + np.abs(rng.normal(0, 45, 3)) * (rng.random(3) < 0.4)
            inverse = rng.random() < (0.2 if region == "us" else 0.1)
            ground, ink = (dark, light) if inverse else (light, dark)
            ground, ink = (np.clip(c, 0, 255).astype(np.float32) for c in (ground, ink))
            if abs(float((ground - ink) @ LUMA)) > 45:
                return ground, ink

    def _icon(self, rng: np.random.Generator, height: int) -> np.ndarray:
        """A mark between groups: dash, dot, star, badge."""
        kind = rng.random()
        size = max(4, height)
        mask = np.zeros((size, size), np.uint8)
        middle = size // 2
        if kind < 0.3:
            thick = max(1, int(size * rng.uniform(0.05, 0.1)))
            half = int(size * rng.uniform(0.12, 0.22))
            cv2.rectangle(
                mask, (middle - half, middle - thick), (middle + half, middle + thick), 255, -1
            )
        elif kind < 0.5:
            cv2.circle(
                mask,
                (middle, middle),
                max(1, int(size * rng.uniform(0.05, 0.12))),
                255,
                -1,
                cv2.LINE_AA,
            )
        else:
            for _ in range(int(rng.integers(1, 4))):
                n = int(rng.integers(5, 12))
                angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
                reach = size * rng.uniform(0.15, 0.5, n)
                points = np.stack(
                    [middle + reach * np.cos(angle), middle + reach * np.sin(angle)], 1
                )
                cv2.fillPoly(
                    mask, [points.astype(np.int32)], int(rng.uniform(40, 255)), cv2.LINE_AA
                )
        columns = np.flatnonzero(mask.max(axis=0))
        return mask[:, columns[0] : columns[-1] + 1]

    def _row(self, rng: np.random.Generator, text: PlateText, cap: int, room: int) -> np.ndarray:
        """The characters side by side as one mask, cap height `cap`, at most `room` pixels wide."""
        face = self._book.faces[int(rng.choice(len(self._book.faces), p=self._book.weights))]
        squeeze = float(rng.uniform(0.75, 1.15))
        gap = cap * float(rng.uniform(0.06, 0.26))
        cell = face.widest if rng.random() < 0.35 else 0
        group_gap = cap * float(rng.uniform(0.1, 0.7))
        mark = self._icon(rng, cap) if rng.random() < 0.55 else None
        parts: list[tuple[float, np.ndarray]] = []
        x = 0.0
        scale = cap / glyphs.CAP * squeeze
        for index, group in enumerate(text.groups):
            if index:
                x += group_gap
                if mark is not None:
                    parts.append((x, mark))
                    x += mark.shape[1] + group_gap
            for char in group:
                mask = face.masks[char]
                width = mask.shape[1] * scale
                lead = max(0.0, (cell * scale - width) / 2) * 0.8
                parts.append((x + lead, mask))
                x += width + 2 * lead + gap
        total = max(x - gap, 1.0)
        fit = min(1.0, room / total)
        row_height = round((glyphs.CAP + 2 * glyphs.OVERSHOOT) * cap / glyphs.CAP)
        row = np.zeros((row_height, int(total * fit) + 2), np.uint8)
        for x, mask in parts:
            is_mark = mark is not None and mask is mark
            width = mask.shape[1] * fit * (1.0 if is_mark else scale)
            small = cv2.resize(
                mask, (max(1, round(width)), row_height), interpolation=cv2.INTER_AREA
            )
            left = int(x * fit)
            view = row[:, left : left + small.shape[1]]
            np.maximum(view, small[:, : view.shape[1]], out=view)
        thick = rng.random()
        if thick < 0.12:
            row = cv2.erode(row, np.ones((2, 2), np.uint8))
        elif thick < 0.3:
            row = cv2.dilate(row, np.ones((2, 2), np.uint8))
        return row

    def _emboss(
        self, rng: np.random.Generator, canvas: np.ndarray, row: np.ndarray, x: int, y: int
    ) -> None:
        """Light on one flank of the raised characters and shadow on the other."""
        soft = cv2.GaussianBlur(row, (3, 3), 0).astype(np.float32)
        relief = np.zeros_like(soft)
        relief[1:-1, 1:-1] = soft[:-2, :-2] - soft[2:, 2:]
        strength = float(rng.uniform(0.05, 0.3)) * (1 if rng.random() < 0.5 else -1)
        h, w = canvas.shape[:2]
        y1, x1 = min(y + row.shape[0], h), min(x + row.shape[1], w)
        y0, x0 = max(y, 0), max(x, 0)
        canvas[y0:y1, x0:x1] += (relief * strength)[y0 - y : y1 - y, x0 - x : x1 - x, None]

    def paint(self, rng: np.random.Generator, text: PlateText) -> Plate:
        """One plate with `text` in the style of its region."""
        region = text.region
        h, w = SIZES[region]
        w = int(w * rng.uniform(0.92, 1.06))
        ground, ink = self._colours(rng, region)
        canvas = self._ornaments.ground(rng, (h, w), ground)
        band = self._ornaments.furniture(rng, canvas, ink, region)
        cap_share = {"us": (0.4, 0.58), "eu": (0.6, 0.76), "br": (0.48, 0.6)}[region]
        cap = int(h * rng.uniform(*cap_share))
        left, right = band * w + 3, 3.0
        if region == "us":
            beside_left, beside_right = self._ornaments.beside(rng, canvas, ink, cap)
            left, right = left + beside_left, right + beside_right
        row = self._row(rng, text, cap, int((w - left - right - 1) * rng.uniform(0.88, 1.0)))
        slack = w - left - right - row.shape[1]
        x = int(left + slack * np.clip(rng.normal(0.5, 0.12), 0, 1))
        centre = {"us": 0.51, "eu": 0.5, "br": 0.58}[region] + rng.normal(0, 0.03)
        y = int(h * centre - row.shape[0] / 2)
        blend(canvas, row, self._ornaments.tint(ink), x, y)
        if rng.random() < 0.6:
            self._emboss(rng, canvas, row, x, y)
        if region == "us" and rng.random() < 0.15:
            self._ornaments.frame(rng, canvas)
        elif rng.random() < 0.6:
            shade = self._ornaments.tint(
                ink if rng.random() < 0.5 else np.full(3, rng.uniform(0, 255), np.float32)
            )
            inset = int(rng.integers(0, 3))
            cv2.rectangle(
                canvas,
                (inset, inset),
                (w - 1 - inset, h - 1 - inset),
                shade.tolist(),
                int(rng.integers(1, 3)),
            )
        return Plate(np.clip(canvas, 0, 255), text)


def draw_plate(rng: np.random.Generator, painter: Painter, held: bool = False) -> Plate:
    """A plate of a random region and text."""
    region = str(rng.choice(["us", "eu", "br"], p=[0.6, 0.25, 0.15]))
    return painter.paint(rng, draw_text(rng, region, held))

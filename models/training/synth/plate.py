"""One plate drawn flat: background, print, stickers, characters, embossing.

The result is float32 of 0..255, height x width x channels: one channel of grey or three of
BGR. Geometry, light and camera come later (`camera`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.synth import fonts, glyphs
from training.synth.grammar import PlateText, draw_text

# Height and width of the flat drawing, pixels, by region.
SIZES = {"us": (72, 144), "eu": (56, 258), "br": (64, 192)}
_PRINT_CAP = 24
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)

STATES = (
    "ALABAMA", "Alaska", "ARIZONA", "Arkansas", "California", "COLORADO", "Connecticut", "DELAWARE",
    "FLORIDA", "GEORGIA", "HAWAII", "IDAHO", "Illinois", "INDIANA", "IOWA", "KANSAS", "Kentucky",
    "Louisiana", "MAINE", "Maryland", "Massachusetts", "MICHIGAN", "Minnesota", "MISSISSIPPI", "MISSOURI",
    "MONTANA", "NEBRASKA", "NEVADA", "NEW HAMPSHIRE", "New Jersey", "NEW MEXICO", "NEW YORK",
    "NORTH CAROLINA", "NORTH DAKOTA", "OHIO", "OKLAHOMA", "Oregon", "PENNSYLVANIA", "Rhode Island",
    "SOUTH CAROLINA", "South Dakota", "TENNESSEE", "TEXAS", "UTAH", "Vermont", "VIRGINIA", "Washington",
    "WEST VIRGINIA", "WISCONSIN", "WYOMING", "WASHINGTON, DC", "Ontario", "QUEBEC",
)
SLOGANS = (
    "Land of Lakes", "The Green Valley", "FIRST HARBOR", "mountain country", "SEE THE COAST", "Home of the Brave",
    "www.mystate.gov", "Great Rivers", "Pride of the North", "CLAY COUNTY", "Wildlife", "FIREFIGHTER",
    "University", "COMMERCIAL", "TRUCK", "VETERAN", "Sunshine Coast", "Ocean View", "PINE COUNTY", "Discover More",
    "HERITAGE", "Centennial 1899 - 1999", "TAX AND TOLL", "Keep it clean", "SAMPLE", "DEALER",
)
CITIES = ("SP - SAO PAULO", "RJ - NITEROI", "PR - CURITIBA", "MG - BETIM", "BA - ILHEUS", "BRASIL", "RS - CANOAS")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
BAND_MARKS = ("D", "F", "I", "RO", "GB", "PL", "NL", "E", "H", "CZ", "A", "S", "SK")


@dataclass(frozen=True)
class Book:
    """Everything drawn beforehand: faces to choose from with their weights, and lines of print."""

    faces: tuple[glyphs.Face, ...]
    weights: np.ndarray
    states: tuple[np.ndarray, ...]
    slogans: tuple[np.ndarray, ...]
    cities: tuple[np.ndarray, ...]
    stickers: tuple[np.ndarray, ...]
    marks: tuple[np.ndarray, ...]

    @staticmethod
    def open(seed: int, held_out: bool = False, stroke_count: int = 64) -> Book:
        """The training book, or with `held_out` the one of dev set and gate."""
        rng = np.random.default_rng([seed, 77])
        if held_out:
            groups = [([glyphs.font_face(f) for f in fonts.HELD_OUT_FONTS], 0.5),
                      (glyphs.stroke_faces(max(2, stroke_count // 4), seed + 1_000_003), 0.5)]
        else:
            groups = [(glyphs.stroke_faces(stroke_count, seed), 0.5),
                      ([glyphs.font_face(f) for f in fonts.PLATE_FONTS], 0.44),
                      ([glyphs.font_face(f) for f in fonts.SERIF_FONTS], 0.06)]
        faces = tuple(face for group, _ in groups for face in group)
        weights = np.concatenate([np.full(len(group), share / len(group)) for group, share in groups])

        def lines(words: tuple[str, ...], copies: int) -> tuple[np.ndarray, ...]:
            files = fonts.PRINT_FONTS
            return tuple(
                glyphs.draw_print(files[int(rng.integers(len(files)))], word, _PRINT_CAP)
                for word in words for _ in range(copies)
            )

        years = tuple(f"{n:02d}" for n in range(0, 30)) + ("98", "99", "2004", "2011", "12-11", "3-09")
        return Book(faces, weights / weights.sum(), lines(STATES, 3), lines(SLOGANS, 3), lines(CITIES, 3),
                    lines(MONTHS + years, 2), lines(BAND_MARKS, 2))


@dataclass
class Plate:
    """A drawn plate: `pixels` (float32, H x W x C) and its characters."""

    pixels: np.ndarray
    text: PlateText


def _pick(rng: np.random.Generator, items: tuple[np.ndarray, ...]) -> np.ndarray:
    return items[int(rng.integers(len(items)))]


def _blend(canvas: np.ndarray, mask: np.ndarray, colour: np.ndarray, x: int, y: int, alpha: float = 1.0) -> None:
    """Paints `colour` through `mask` (uint8) with its top left corner at x, y; clips at the edges."""
    h, w = canvas.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + mask.shape[1], w), min(y + mask.shape[0], h)
    if x1 <= x0 or y1 <= y0:
        return
    part = mask[y0 - y : y1 - y, x0 - x : x1 - x].astype(np.float32) * (alpha / 255.0)
    view = canvas[y0:y1, x0:x1]
    view += (colour - view) * part[..., None]


class Painter:
    """Draws plates of one `Book` in grey (`channels` 1) or BGR (3)."""

    def __init__(self, book: Book, channels: int = 1) -> None:
        self._book = book
        self._channels = channels

    def _tint(self, bgr: np.ndarray) -> np.ndarray:
        return bgr if self._channels == 3 else np.array([bgr @ _LUMA], np.float32)

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
            if abs(float((ground - ink) @ _LUMA)) > 45:
                return ground, ink

    def _ground(self, rng: np.random.Generator, size: tuple[int, int], ground: np.ndarray) -> np.ndarray:
        """Flat, graded or with a picture: soft patches, hills, a sun."""
        h, w = size
        canvas = np.empty((h, w, self._channels), np.float32)
        canvas[:] = self._tint(ground)
        if rng.random() < 0.45:
            other = self._tint(np.clip(ground + rng.normal(0, 40, 3), 0, 255).astype(np.float32))
            ramp = np.linspace(0, 1, h, dtype=np.float32) ** float(rng.uniform(0.5, 3))
            if rng.random() < 0.5:
                ramp = ramp[::-1]
            canvas += (other - canvas) * ramp[:, None, None] * float(rng.uniform(0.3, 1))
        if rng.random() < 0.4:
            coarse = rng.normal(0, 1, (int(rng.integers(2, 7)), int(rng.integers(3, 12)))).astype(np.float32)
            soft = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
            canvas += soft[..., None] * float(rng.uniform(3, 22))
        if rng.random() < 0.35:
            mask = np.zeros((h, w), np.uint8)
            n = int(rng.integers(4, 9))
            xs = np.linspace(0, w, n)
            ys = h * (rng.uniform(0.15, 0.7) + rng.uniform(-0.2, 0.2, n))
            edge = h if rng.random() < 0.7 else 0
            points = np.concatenate([np.stack([xs, ys], 1), [[w, edge], [0, edge]]]).astype(np.int32)
            cv2.fillPoly(mask, [points], 255, cv2.LINE_AA)
            hill = self._tint(np.clip(ground + rng.normal(0, 45, 3), 0, 255).astype(np.float32))
            _blend(canvas, mask, hill, 0, 0, float(rng.uniform(0.2, 0.7)))
        if rng.random() < 0.2:
            mask = np.zeros((h, w), np.uint8)
            centre = (int(rng.uniform(0.1, 0.9) * w), int(rng.uniform(0.2, 0.8) * h))
            cv2.circle(mask, centre, int(rng.uniform(0.1, 0.4) * h), 255, -1, cv2.LINE_AA)
            blob = self._tint(np.clip(ground + rng.normal(0, 60, 3), 0, 255).astype(np.float32))
            _blend(canvas, mask, blob, 0, 0, float(rng.uniform(0.2, 0.8)))
        return canvas

    def _print(
        self, rng: np.random.Generator, canvas: np.ndarray, mask: np.ndarray, ink: np.ndarray,
        box: tuple[float, float, float],
    ) -> None:
        """Small print: `box` is centre x, centre y and height of the letters, shares of the plate."""
        h, w = canvas.shape[:2]
        height = max(3, int(box[2] * h * mask.shape[0] / _PRINT_CAP))
        width = max(3, int(height * mask.shape[1] / mask.shape[0] * rng.uniform(0.75, 1.15)))
        width = min(width, int(0.85 * w))
        small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        _blend(canvas, small, ink, int(box[0] * w - width / 2), int(box[1] * h - height / 2),
               float(rng.uniform(0.6, 1)))

    def _sticker(self, rng: np.random.Generator, canvas: np.ndarray, corner: int) -> None:
        h, w = canvas.shape[:2]
        sh, sw = int(rng.uniform(0.16, 0.26) * h), int(rng.uniform(0.1, 0.18) * w)
        x = int(rng.uniform(0.01, 0.06) * w)
        y = int(rng.uniform(0.02, 0.07) * h)
        x = w - sw - x if corner % 2 else x
        y = h - sh - y if corner // 2 else y
        colour = rng.uniform(0, 255, 3).astype(np.float32)
        if rng.random() < 0.75:
            _blend(canvas, np.full((sh, sw), 255, np.uint8), self._tint(colour), x, y)
        ink = self._tint(np.full(3, 20.0 if colour @ _LUMA > 110 else 240.0, np.float32))
        mask = _pick(rng, self._book.stickers)
        small = cv2.resize(mask, (max(2, int(sw * 0.85)), max(2, int(sh * 0.75))), interpolation=cv2.INTER_AREA)
        _blend(canvas, small, ink, x + int(sw * 0.07), y + int(sh * 0.12))

    def _furniture(self, rng: np.random.Generator, canvas: np.ndarray, ink: np.ndarray, region: str) -> float:
        """Print, stickers, band, holes, frame. Returns the share of the width the band takes."""
        h, w = canvas.shape[:2]
        book, band = self._book, 0.0
        soft_ink = self._tint(np.clip(rng.uniform(0, 200, 3), 0, 255).astype(np.float32))
        small_ink = self._tint(ink) if rng.random() < 0.6 else soft_ink
        if region == "us":
            if rng.random() < 0.92:
                self._print(rng, canvas, _pick(rng, book.states), small_ink,
                            (rng.uniform(0.42, 0.58), rng.uniform(0.09, 0.16), rng.uniform(0.09, 0.17)))
            if rng.random() < 0.75:
                self._print(rng, canvas, _pick(rng, book.slogans), small_ink,
                            (rng.uniform(0.4, 0.6), rng.uniform(0.86, 0.93), rng.uniform(0.07, 0.12)))
            for corner in range(4):
                if rng.random() < (0.4 if corner < 2 else 0.3):
                    self._sticker(rng, canvas, corner)
        elif region == "br":
            if rng.random() < 0.5:
                cv2.rectangle(canvas, (0, 0), (w, int(0.2 * h)), self._tint(np.array([130, 60, 10], np.float32)).tolist(), -1)
                small_ink = self._tint(np.full(3, 235.0, np.float32))
            self._print(rng, canvas, _pick(rng, book.cities), small_ink, (0.5, 0.11, rng.uniform(0.09, 0.13)))
        elif rng.random() < 0.75:
            band = float(rng.uniform(0.07, 0.1))
            blue = np.array([rng.uniform(90, 190), rng.uniform(30, 80), rng.uniform(0, 40)], np.float32)
            cv2.rectangle(canvas, (0, 0), (int(band * w), h), self._tint(blue).tolist(), -1)
            white = self._tint(np.full(3, 235.0, np.float32))
            self._print(rng, canvas, _pick(rng, book.marks), white, (band / 2, 0.78, rng.uniform(0.16, 0.24)))
        if rng.random() < 0.6:
            shade = self._tint(np.full(3, rng.uniform(10, 120), np.float32))
            for x in (0.2, 0.8) if region == "us" else (0.1, 0.9):
                for y in (0.08, 0.92) if region == "us" else (0.5,):
                    if rng.random() < 0.6:
                        cv2.circle(canvas, (int(x * w), int(y * h)), int(rng.uniform(1, 3)), shade.tolist(), -1, cv2.LINE_AA)
        return band

    def _icon(self, rng: np.random.Generator, height: int) -> np.ndarray:
        """A mark between groups: dash, dot, star, badge."""
        kind = rng.random()
        size = max(4, height)
        mask = np.zeros((size, size), np.uint8)
        middle = size // 2
        if kind < 0.3:
            thick = max(1, int(size * rng.uniform(0.05, 0.1)))
            half = int(size * rng.uniform(0.12, 0.22))
            cv2.rectangle(mask, (middle - half, middle - thick), (middle + half, middle + thick), 255, -1)
        elif kind < 0.5:
            cv2.circle(mask, (middle, middle), max(1, int(size * rng.uniform(0.05, 0.12))), 255, -1, cv2.LINE_AA)
        else:
            n = int(rng.integers(5, 12))
            angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
            reach = size * rng.uniform(0.15, 0.48, n)
            points = np.stack([middle + reach * np.cos(angle), middle + reach * np.sin(angle)], 1)
            cv2.fillPoly(mask, [points.astype(np.int32)], int(rng.uniform(90, 255)), cv2.LINE_AA)
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
            small = cv2.resize(mask, (max(1, round(width)), row_height), interpolation=cv2.INTER_AREA)
            left = int(x * fit)
            view = row[:, left : left + small.shape[1]]
            np.maximum(view, small[:, : view.shape[1]], out=view)
        thick = rng.random()
        if thick < 0.12:
            row = cv2.erode(row, np.ones((2, 2), np.uint8))
        elif thick < 0.3:
            row = cv2.dilate(row, np.ones((2, 2), np.uint8))
        return row

    def _emboss(self, rng: np.random.Generator, canvas: np.ndarray, row: np.ndarray, x: int, y: int) -> None:
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
        canvas = self._ground(rng, (h, w), ground)
        band = self._furniture(rng, canvas, ink, region)
        cap_share = {"us": (0.4, 0.58), "eu": (0.6, 0.76), "br": (0.48, 0.6)}[region]
        cap = int(h * rng.uniform(*cap_share))
        left = band * w + 3
        if region == "us" and rng.random() < 0.1:
            left += self._stacked(rng, canvas, ink, cap)
        row = self._row(rng, text, cap, int((w - left - 4) * rng.uniform(0.88, 1.0)))
        slack = w - left - 3 - row.shape[1]
        x = int(left + slack * np.clip(rng.normal(0.5, 0.12), 0, 1))
        centre = {"us": 0.51, "eu": 0.5, "br": 0.58}[region] + rng.normal(0, 0.03)
        y = int(h * centre - row.shape[0] / 2)
        _blend(canvas, row, self._tint(ink), x, y)
        if rng.random() < 0.6:
            self._emboss(rng, canvas, row, x, y)
        if region == "us" and rng.random() < 0.15:
            self._frame(rng, canvas)
        elif rng.random() < 0.6:
            shade = self._tint(ink if rng.random() < 0.5 else np.full(3, rng.uniform(0, 255), np.float32))
            inset = int(rng.integers(0, 3))
            cv2.rectangle(canvas, (inset, inset), (w - 1 - inset, h - 1 - inset), shade.tolist(), int(rng.integers(1, 3)))
        return Plate(np.clip(canvas, 0, 255), text)

    def _frame(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """A dealer's frame over the rim, with or without its advertisement."""
        h, w = canvas.shape[:2]
        shade = rng.uniform(0, 255, 3) if rng.random() < 0.3 else np.full(3, rng.uniform(0, 60))
        top, bottom = int(h * rng.uniform(0.04, 0.19)), int(h * rng.uniform(0.04, 0.17))
        side = int(w * rng.uniform(0.015, 0.04))
        colour = self._tint(shade.astype(np.float32))
        canvas[:top], canvas[h - bottom :], canvas[:, :side], canvas[:, w - side :] = colour, colour, colour, colour
        ink = np.full(3, 235.0 if shade.mean() < 120 else 20.0, np.float32)
        for centre, room in ((top / 2, top), (h - bottom / 2, bottom)):
            if room > 6 and rng.random() < 0.7:
                self._print(rng, canvas, _pick(rng, self._book.slogans), self._tint(ink), (0.5, centre / h, 0.5 * room / h))

    def _stacked(self, rng: np.random.Generator, canvas: np.ndarray, ink: np.ndarray, cap: int) -> float:
        """Small letters one above the other at the left, which are not part of the text."""
        h = canvas.shape[0]
        face = self._book.faces[int(rng.integers(len(self._book.faces)))]
        count = int(rng.integers(2, 4))
        size = int(cap * 0.9 / count)
        for i in range(count):
            char = chr(ord("A") + int(rng.integers(26)))
            mask = cv2.resize(face.masks[char], (max(2, int(size * 0.6)), size), interpolation=cv2.INTER_AREA)
            _blend(canvas, mask, self._tint(ink), 4, int(h * 0.52 - cap / 2 + i * cap / count))
        return size * 0.6 + 4


def draw_plate(rng: np.random.Generator, painter: Painter, held: bool = False) -> Plate:
    """A plate of a random region and text."""
    region = str(rng.choice(["us", "eu", "br"], p=[0.6, 0.25, 0.15]))
    return painter.paint(rng, draw_text(rng, region, held))

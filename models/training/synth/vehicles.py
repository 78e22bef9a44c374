"""Vehicles of the drawn gate: the face that the camera looks at, painted once per vehicle.

Coordinates are metres: x to the right of the vehicle's middle, y up from the road.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.synth.signs import Sign

SCALE = 400  # pixels per metre of the finished face
_FINE = 2  # painted this much larger, then averaged

PAINTS = (
    (196, 198, 202),
    (232, 232, 230),
    (28, 30, 34),
    (84, 88, 94),
    (140, 28, 30),
    (30, 52, 104),
    (52, 84, 62),
    (172, 152, 120),
    (108, 62, 38),
    (40, 96, 130),
    (150, 154, 160),
    (200, 170, 60),
)


@dataclass(frozen=True)
class Body:
    """Outer measures of a kind of vehicle, metres."""

    kind: str
    width: float
    height: float
    length: float
    belt: float  # height where the windows begin
    roof_width: float  # share of the width left at the roof


BODIES = {
    "car": (
        Body("car", 1.78, 1.46, 4.3, 0.93, 0.7),
        Body("car", 1.86, 1.68, 4.6, 1.06, 0.78),
        Body("car", 1.7, 1.5, 3.8, 0.95, 0.74),
    ),
    "van": (Body("van", 1.96, 2.1, 5.0, 1.15, 0.86), Body("van", 2.0, 2.4, 5.6, 1.2, 0.9)),
    "truck": (Body("truck", 2.4, 3.0, 8.0, 1.55, 0.98), Body("truck", 2.3, 2.7, 6.8, 1.45, 0.98)),
}


@dataclass(frozen=True)
class Vehicle:
    """A painted face (RGBA, levels each half the size of the one before) and what is on it."""

    body: Body
    paint: tuple[int, int, int]
    rear: bool
    levels: tuple[Image.Image, ...]
    plate_box: tuple[float, float, float, float]  # left, bottom, width, height in metres


def _shade(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    return tuple(int(max(0, min(255, c * factor))) for c in colour)


class _Brush:
    """Paints in metres on a face."""

    def __init__(self, body: Body) -> None:
        self.unit = SCALE * _FINE
        self.size = (round((body.width + 0.5) * self.unit), round((body.height + 0.05) * self.unit))
        self.picture = Image.new("RGBA", self.size, (0, 0, 0, 0))
        self._pencil = ImageDraw.Draw(self.picture)

    def point(self, x: float, y: float) -> tuple[float, float]:
        return (self.size[0] / 2 + x * self.unit, self.size[1] - y * self.unit)

    def polygon(self, points: list[tuple[float, float]], colour: tuple[int, ...]) -> None:
        self._pencil.polygon([self.point(*p) for p in points], fill=colour)

    def box(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: tuple[int, ...],
        radius: float = 0.0,
    ) -> None:
        left, top = self.point(x0, y1)
        right, bottom = self.point(x1, y0)
        self._pencil.rounded_rectangle((left, top, right, bottom), radius * self.unit, fill=colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        left, top = self.point(x - rx, y + ry)
        right, bottom = self.point(x + rx, y - ry)
        self._pencil.ellipse((left, top, right, bottom), fill=colour)

    def pair(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, ...]) -> None:
        """The same ellipse left and right."""
        for side in (-1, 1):
            self.ellipse(side * x, y, rx, ry, colour)


def _window(brush: _Brush, body: Body, rng: np.random.Generator, low: float, high: float) -> None:
    half_low, half_high = body.width * 0.44, body.width * body.roof_width * 0.46
    glass = tuple(
        int(v) for v in (rng.integers(22, 50), rng.integers(30, 60), rng.integers(40, 75))
    )
    brush.polygon([(-half_low, low), (half_low, low), (half_high, high), (-half_high, high)], glass)
    shine = rng.uniform(-0.5, 0.2) * half_low
    brush.polygon(
        [(shine, low), (shine + 0.25, low), (shine + 0.45, high), (shine + 0.15, high)],
        _shade(glass, 1.7),
    )
    if rng.random() < 0.6:  # people or head-rests behind the glass
        for x in (-0.36, 0.36):
            brush.ellipse(x, low + 0.45 * (high - low), 0.11, 0.15, _shade(glass, 0.5))
            brush.box(x - 0.2, low, x + 0.2, low + 0.3 * (high - low), _shade(glass, 0.55), 0.05)


def _shell(brush: _Brush, body: Body, paint: tuple[int, int, int]) -> None:
    """Wheels, lower body, cabin; a little lighter towards the top as the sky lights it."""
    half = body.width / 2
    for side in (-1, 1):
        x = side * (half - 0.16)
        brush.box(x - 0.12, 0.0, x + 0.12, 0.55, (18, 18, 20), 0.04)
    if body.kind == "car":
        roof = half * body.roof_width
        brush.polygon(
            [
                (-half * 0.96, body.belt - 0.05),
                (half * 0.96, body.belt - 0.05),
                (roof, body.height - 0.08),
                (roof * 0.9, body.height),
                (-roof * 0.9, body.height),
                (-roof, body.height - 0.08),
            ],
            _shade(paint, 0.92),
        )
    else:
        roof = half * body.roof_width
        brush.polygon(
            [
                (-half, 0.5),
                (half, 0.5),
                (half, body.belt),
                (roof, body.height - 0.06),
                (roof * 0.97, body.height),
                (-roof * 0.97, body.height),
                (-roof, body.height - 0.06),
                (-half, body.belt),
            ],
            paint,
        )
    steps = 14
    bottom, top = 0.2, body.belt
    brush.box(-half, bottom, half, top, _shade(paint, 0.7), 0.12)
    for i in range(steps):
        y0 = bottom + 0.06 + (top - bottom - 0.12) * i / steps
        y1 = bottom + 0.06 + (top - bottom - 0.12) * (i + 1) / steps
        brush.box(-half, y0, half, y1, _shade(paint, 0.72 + 0.36 * i / steps))


def _front(
    brush: _Brush, body: Body, rng: np.random.Generator, paint: tuple[int, int, int]
) -> None:
    half, belt = body.width / 2, body.belt
    _window(
        brush,
        body,
        rng,
        belt + 0.03,
        body.height - (0.1 if body.kind == "car" else 0.14 * body.height),
    )
    brush.pair(half + 0.08, belt + 0.1, 0.11, 0.07, _shade(paint, 0.8))
    brush.box(
        -half, 0.2, half, 0.4, _shade(paint, 0.55) if rng.random() < 0.6 else (40, 40, 44), 0.05
    )
    grille_y = 0.45 * belt + 0.12
    wide = rng.uniform(0.35, 0.55) * half
    brush.box(-wide, grille_y, wide, grille_y + 0.17 * belt, (24, 25, 28), 0.03)
    for i in range(4):
        y = grille_y + 0.17 * belt * (i + 0.4) / 4
        brush.box(-wide, y, wide, y + 0.012, (120, 122, 126))
    lamp_y = 0.64 * belt
    brush.pair(half - 0.24, lamp_y, 0.2, 0.085, (96, 98, 104))
    brush.pair(half - 0.24, lamp_y, 0.17, 0.065, (236, 238, 232))
    brush.pair(half - 0.22, lamp_y, 0.06, 0.05, (255, 255, 250))
    brush.pair(half - 0.3, 0.3, 0.07, 0.045, (206, 200, 180))
    brush.ellipse(0, grille_y + 0.24 * belt, 0.05, 0.05, (190, 192, 196))


def _back(brush: _Brush, body: Body, rng: np.random.Generator, paint: tuple[int, int, int]) -> None:
    half, belt = body.width / 2, body.belt
    if body.kind == "truck":
        brush.box(-half, 0.75, half, body.height, _shade(paint, 1.05))
        for x in (-0.02, -half * 0.94, half * 0.92):
            brush.box(x, 0.8, x + 0.03, body.height - 0.05, _shade(paint, 0.6))
        brush.box(-half, 0.45, half, 0.62, (46, 46, 50))
    else:
        _window(brush, body, rng, belt + 0.02, body.height - 0.12)
        brush.box(-half * 0.9, belt - 0.03, half * 0.9, belt - 0.015, _shade(paint, 0.5))
        brush.box(
            -half,
            0.22,
            half,
            0.44,
            _shade(paint, 0.6) if rng.random() < 0.6 else (44, 44, 48),
            0.06,
        )
    lamp_y = 0.55 if body.kind == "truck" else 0.78 * belt
    tall = 0.05 if body.kind == "truck" else rng.uniform(0.08, 0.16)
    brush.pair(half - 0.17, lamp_y, 0.15, tall, (110, 12, 14))
    brush.pair(half - 0.17, lamp_y, 0.12, tall * 0.7, (206, 32, 30))
    brush.pair(half - 0.12, lamp_y - tall * 0.3, 0.05, tall * 0.3, (240, 190, 120))
    brush.ellipse(-half * 0.6, 0.2, 0.05, 0.035, (60, 60, 62))


def _plate_centre(body: Body, rear: bool, rng: np.random.Generator) -> float:
    """Height of the plate's middle over the road."""
    if body.kind == "truck":
        return float(rng.uniform(0.5, 0.6) if not rear else rng.uniform(0.68, 0.85))
    return float(rng.uniform(0.36, 0.46) if not rear else rng.uniform(0.52, 0.66))


def paint_vehicle(rng: np.random.Generator, kind: str, rear: bool, sign: Sign) -> Vehicle:
    """A vehicle of `kind` (`car`, `van`, `truck`) with its plate, seen from front or rear."""
    bodies = BODIES[kind]
    body = bodies[int(rng.integers(len(bodies)))]
    paint = _shade(PAINTS[int(rng.integers(len(PAINTS)))], float(rng.uniform(0.85, 1.1)))
    brush = _Brush(body)
    _shell(brush, body, paint)
    (_back if rear else _front)(brush, body, rng, paint)
    centre = _plate_centre(body, rear, rng)
    width, height = sign.width_m, sign.height_m
    brush.box(
        -width / 2 - 0.02,
        centre - height / 2 - 0.02,
        width / 2 + 0.02,
        centre + height / 2 + 0.02,
        (22, 22, 24),
        0.01,
    )
    face = brush.picture.reduce(_FINE)
    grain = rng.normal(0, 2.0, (face.height, face.width, 1))
    pixels = np.asarray(face).astype(np.float32)
    pixels[..., :3] = np.clip(pixels[..., :3] + grain, 0, 255)
    face = Image.fromarray(pixels.astype(np.uint8), "RGBA").filter(ImageFilter.GaussianBlur(0.8))
    corner = (
        round(face.width / 2 - width / 2 * SCALE),
        round(face.height - (centre + height / 2) * SCALE),
    )
    face.paste(sign.picture.convert("RGBA"), corner)
    levels = [face]
    for _ in range(4):
        levels.append(levels[-1].reduce(2))
    return Vehicle(
        body, paint, rear, tuple(levels), (-width / 2, centre - height / 2, width, height)
    )

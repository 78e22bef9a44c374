"""The place of the drawn gate: sky, buildings, trees, road, island, barriers; drawn once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


@dataclass(frozen=True)
class Lens:
    """A pinhole camera over the road, looking level; pixels and metres.

    A point x to the right, y over the road and z ahead is seen at
    (centre_x + focal x / z, horizon + focal (height - y) / z).
    """

    focal: float
    height: float
    centre_x: float
    horizon: float

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Picture position of a point in front of the camera."""
        return self.centre_x + self.focal * x / z, self.horizon + self.focal * (self.height - y) / z


@dataclass(frozen=True)
class Scene:
    """The empty picture (RGB), the lens and the two lanes' middles (metres from the camera)."""

    picture: Image.Image
    lens: Lens
    lanes: tuple[float, float]


def _noise(
    rng: np.random.Generator, width: int, height: int, cell: float, strength: float
) -> np.ndarray:
    """Soft random pattern, float32 height x width x 1."""
    coarse = rng.normal(0, 1, (max(2, int(height / cell)), max(2, int(width / cell)))).astype(
        np.float32
    )
    picture = Image.fromarray(coarse, "F").resize((width, height), Image.BICUBIC)
    return np.asarray(picture)[..., None] * strength


def _textured(
    rng: np.random.Generator, picture: Image.Image, mask: Image.Image, strength: float, cell: float
) -> Image.Image:
    pixels = np.asarray(picture).astype(np.float32)
    grain = _noise(rng, picture.width, picture.height, cell, strength) + rng.normal(
        0, strength * 0.7, (*pixels.shape[:2], 1)
    )
    pixels += grain * (np.asarray(mask).astype(np.float32) / 255)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _sky(rng: np.random.Generator, width: int, height: int, horizon: int) -> Image.Image:
    top = np.array([rng.uniform(90, 170), rng.uniform(130, 190), rng.uniform(170, 225)])
    low = np.clip(top + rng.uniform(15, 60), 0, 245)
    ramp = np.clip(np.linspace(0, height / max(horizon, 1), height), 0, 1)[:, None, None]
    pixels = np.broadcast_to(top + (low - top) * ramp, (height, width, 3)).astype(np.float32)
    pixels = pixels + _noise(rng, width, height, 140, 10) + _noise(rng, width, height, 50, 4)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _building(
    rng: np.random.Generator, pencil: ImageDraw.ImageDraw, width: int, horizon: int
) -> None:
    """A row of facades with windows, doors and roof lines."""
    x = int(-rng.uniform(0, 0.1) * width)
    while x < width:
        span = int(rng.uniform(0.14, 0.34) * width)
        top = int(horizon * rng.uniform(-0.1, 0.55))
        wall = tuple(int(v) for v in rng.uniform(90, 190) + rng.normal(0, 14, 3))
        pencil.rectangle((x, top, x + span, horizon + 8), fill=wall)
        pencil.rectangle((x, top, x + span, top + 6), fill=tuple(int(v * 0.6) for v in wall))
        for y in range(top + 4, horizon + 8, 7):  # courses of brick
            pencil.line((x, y, x + span, y), fill=tuple(int(v * 0.93) for v in wall))
        step, tall = int(rng.uniform(38, 70)), int(rng.uniform(24, 44))
        for wy in range(top + 18, horizon - tall, tall + 22):
            for wx in range(x + 14, x + span - step // 2 - 8, step):
                glass = tuple(int(v) for v in rng.uniform(30, 110) + np.array([0, 6, 14]))
                pencil.rectangle(
                    (wx - 2, wy - 2, wx + step // 2 + 2, wy + tall + 2), fill=(206, 204, 198)
                )
                pencil.rectangle((wx, wy, wx + step // 2, wy + tall), fill=glass)
        x += span + int(rng.uniform(0, 0.08) * width)


def _tree(
    rng: np.random.Generator, pencil: ImageDraw.ImageDraw, x: float, ground: float, size: float
) -> None:
    pencil.rectangle(
        (x - size * 0.04, ground - size * 0.5, x + size * 0.04, ground), fill=(72, 58, 44)
    )
    for _ in range(60):
        cx, cy = x + rng.normal(0, size * 0.22), ground - size * 0.8 + rng.normal(0, size * 0.2)
        r = rng.uniform(0.05, 0.13) * size
        shade = rng.uniform(0.5, 1.1)
        pencil.ellipse(
            (cx - r, cy - r, cx + r, cy + r),
            fill=(int(62 * shade), int(92 * shade), int(46 * shade)),
        )


def _road_polygon(
    lens: Lens, x0: float, x1: float, near: float = 1.0, far: float = 400.0
) -> list[tuple[float, float]]:
    return [
        lens.project(x0, 0, near),
        lens.project(x0, 0, far),
        lens.project(x1, 0, far),
        lens.project(x1, 0, near),
    ]


def _ground(
    rng: np.random.Generator, picture: Image.Image, lens: Lens, lanes: tuple[float, float]
) -> Image.Image:
    width, height = picture.size
    pencil = ImageDraw.Draw(picture)
    verge = tuple(int(v) for v in np.array([96, 112, 74]) * rng.uniform(0.75, 1.1))
    pencil.rectangle((0, int(lens.horizon), width, height), fill=verge)
    outer = (lanes[0] - 1.75, lanes[1] + 1.75)
    pave = int(rng.uniform(130, 170))
    pencil.polygon(_road_polygon(lens, outer[0] - 1.4, outer[1] + 1.4), fill=(pave, pave, pave - 6))
    grey = int(rng.uniform(74, 112))
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon(_road_polygon(lens, *outer), fill=255)
    pencil.polygon(_road_polygon(lens, *outer), fill=(grey, grey, grey + 3))
    for x in outer:
        pencil.polygon(_road_polygon(lens, x - 0.08, x + 0.08), fill=(176, 174, 168))
    island = 0.12
    pencil.polygon(_road_polygon(lens, -island, island), fill=(186, 184, 178))
    for z in np.arange(2, 60, 4.0):  # lane marks beside the island
        for side in (-1, 1):
            x = side * (island + 0.12)
            points = [
                lens.project(x - 0.05, 0, z),
                lens.project(x - 0.05, 0, z + 2),
                lens.project(x + 0.05, 0, z + 2),
                lens.project(x + 0.05, 0, z),
            ]
            pencil.polygon(points, fill=(208, 206, 196))
    for lane in lanes:  # stop line, and the darker band that tyres and oil leave
        pencil.polygon(_road_polygon(lens, lane - 1.3, lane + 1.3, 9.6, 10.0), fill=(200, 198, 190))
    below = Image.new("L", picture.size)
    ImageDraw.Draw(below).rectangle((0, int(lens.horizon), width, height), fill=255)
    picture = _textured(rng, picture, below, 5.0, 40)
    return _textured(rng, picture, mask, 5.0, 6)


def _barrier(pencil: ImageDraw.ImageDraw, lens: Lens, x: float, z: float, lean: float) -> None:
    """A post with its boom raised."""
    left, top = lens.project(x - 0.16, 1.1, z)
    right, bottom = lens.project(x + 0.16, 0, z)
    pencil.rectangle((left, top, right, bottom), fill=(206, 150, 40))
    pencil.rectangle((left, top, left + (right - left) * 0.3, bottom), fill=(160, 112, 24))
    start = np.array([x, 1.0])
    for i in range(10):
        ends = [start + np.array([lean, 1.0]) * (i + d) * 0.3 for d in (0, 1)]
        line = [lens.project(float(p[0]), float(p[1]), z) for p in ends]
        pencil.line(
            line,
            fill=(214, 40, 36) if i % 2 else (238, 238, 234),
            width=max(2, int(0.09 * lens.focal / z)),
        )


def draw_scene(rng: np.random.Generator, width: int, height: int) -> Scene:
    """A gate at random: place, season, lens and lanes."""
    scale = width / 1280
    lens = Lens(
        focal=float(rng.uniform(1400, 1560)) * scale,
        height=float(rng.uniform(2.0, 2.3)),
        centre_x=width / 2,
        horizon=height * float(rng.uniform(0.24, 0.3)),
    )
    lanes = (-float(rng.uniform(1.6, 1.8)), float(rng.uniform(1.6, 1.8)))
    picture = _sky(rng, width, height, int(lens.horizon))
    pencil = ImageDraw.Draw(picture)
    if rng.random() < 0.85:
        _building(rng, pencil, width, int(lens.horizon))
    upper = Image.new("L", picture.size)
    ImageDraw.Draw(upper).rectangle((0, 0, width, int(lens.horizon)), fill=255)
    picture = _textured(rng, picture, upper, 4.0, 12)
    picture = _ground(rng, picture, lens, lanes)
    pencil = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 6))):
        side = -1 if rng.random() < 0.5 else 1
        z = float(rng.uniform(14, 40))
        x, ground = lens.project(side * rng.uniform(5, 9), 0, z)
        _tree(rng, pencil, x, ground, 5.5 * lens.focal / z)
    for lane in lanes:
        side = 1 if lane > 0 else -1
        _barrier(pencil, lens, lane + side * 2.1, 10.5, side * 0.05)
    return Scene(picture.filter(ImageFilter.GaussianBlur(0.8 * scale)), lens, lanes)

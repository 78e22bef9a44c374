"""A vehicle in a scene at a distance: sides, wheels, shadow, face, motion blur; and its boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from training.synth.scene import Lens
from training.synth.vehicles import SCALE, Vehicle

NEAREST = 1.0  # metres; nearer than this nothing is drawn
_FINE = 2

Box = tuple[float, float, float, float]  # x, y, w, h in pixels


@dataclass(frozen=True)
class Pose:
    """Middle of the lane and distance of the vehicle's near face, metres."""

    x: float
    z: float


def _clip(box: tuple[float, float, float, float], size: tuple[int, int]) -> Box | None:
    """Left, top, right, bottom cut to the picture as x, y, w, h; None when nothing is left."""
    left, top = max(box[0], 0.0), max(box[1], 0.0)
    right, bottom = min(box[2], float(size[0])), min(box[3], float(size[1]))
    if right - left < 1 or bottom - top < 1:
        return None
    return (left, top, right - left, bottom - top)


def plate_box(lens: Lens, vehicle: Vehicle, pose: Pose) -> Box:
    """The plate's box, unclipped."""
    left, bottom, width, height = vehicle.plate_box
    x, y = lens.project(pose.x + left, bottom + height, pose.z)
    return (x, y, width * lens.focal / pose.z, height * lens.focal / pose.z)


def vehicle_box(lens: Lens, vehicle: Vehicle, pose: Pose, size: tuple[int, int]) -> Box | None:
    """The visible part's box, or None when the vehicle is out of the picture."""
    body = vehicle.body
    half = body.width / 2
    points = [
        lens.project(pose.x + sx * half, y, z)
        for sx in (-1, 1)
        for y in (0.0, body.height)
        for z in (pose.z, pose.z + body.length)
    ]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return _clip((min(xs), min(ys), max(xs), max(ys)), size)


def _shade(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int, int]:
    return (*(int(max(0, min(255, c * factor))) for c in colour), 255)


class _Side:
    """Draws the long flank and the roof in perspective on the patch of a vehicle."""

    def __init__(
        self,
        pencil: ImageDraw.ImageDraw,
        lens: Lens,
        vehicle: Vehicle,
        pose: Pose,
        origin: tuple[float, float],
    ) -> None:
        self._pencil, self._lens, self._vehicle, self._pose, self._origin = (
            pencil,
            lens,
            vehicle,
            pose,
            origin,
        )
        self._edge = pose.x + (-1 if pose.x > 0 else 1) * vehicle.body.width / 2

    def _at(self, x: float, y: float, along: float) -> tuple[float, float]:
        px, py = self._lens.project(x, y, self._pose.z + along)
        return ((px - self._origin[0]) * _FINE, (py - self._origin[1]) * _FINE)

    def _flank(
        self,
        low: float,
        high: float,
        start: float,
        end: float,
        colour: tuple[int, ...],
        inset: float = 0.0,
    ) -> None:
        x = self._edge
        top = x + (self._pose.x - x) * inset
        self._pencil.polygon(
            [
                self._at(x, low, start),
                self._at(x, low, end),
                self._at(top, high, end),
                self._at(top, high, start),
            ],
            fill=colour,
        )

    def shadow(self) -> None:
        body, x = self._vehicle.body, self._pose.x
        half = body.width / 2 + 0.1
        self._pencil.polygon(
            [
                self._at(x - half, 0, -0.15),
                self._at(x - half, 0, body.length),
                self._at(x + half, 0, body.length),
                self._at(x + half, 0, -0.15),
            ],
            fill=(14, 14, 16, 175),
        )

    def draw(self) -> None:
        body, paint = self._vehicle.body, self._vehicle.paint
        length, lean = body.length, 1 - body.roof_width
        if body.kind == "car":
            half = body.width / 2 * body.roof_width
            x = self._pose.x
            self._pencil.polygon(
                [
                    self._at(x - half, body.height, 0.0),
                    self._at(x - half, body.height, length * 0.7),
                    self._at(x + half, body.height, length * 0.7),
                    self._at(x + half, body.height, 0.0),
                ],
                fill=_shade(paint, 1.02),
            )
            self._flank(0.25, body.belt, 0.0, length, _shade(paint, 0.74))
            self._flank(body.belt, body.height, 0.0, length * 0.8, _shade(paint, 0.7), lean)
            self._flank(
                body.belt + 0.03,
                body.height - 0.1,
                0.25,
                length * 0.72,
                (30, 36, 44, 255),
                lean * 0.8,
            )
        else:
            self._flank(0.3, body.height, 0.0, length, _shade(paint, 0.72))
            self._flank(body.belt, body.height * 0.85, 0.3, 1.4, (30, 36, 44, 255))
        radius = 0.32 if body.kind != "truck" else 0.45
        for along in (0.85, length - 0.9):
            (x0, y0), (x1, y1) = (
                self._at(self._edge, 2 * radius, along - radius),
                self._at(self._edge, 0.0, along + radius),
            )
            self._pencil.ellipse(
                (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=(20, 20, 22, 255)
            )
            cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) * 0.27, abs(y1 - y0) * 0.27
            self._pencil.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=(128, 130, 134, 255))


def _face(
    lens: Lens, vehicle: Vehicle, pose: Pose, patch: tuple[int, int, int, int]
) -> Image.Image:
    """The face resampled into the patch (left, top, right, bottom), at subpixel position."""
    scale = lens.focal / pose.z / SCALE
    level = 0
    while level + 1 < len(vehicle.levels) and scale * 2 ** (level + 1) <= 1.0:
        level += 1
    source = vehicle.levels[level]
    step = 1 / (scale * 2**level)
    middle, ground = lens.project(pose.x, 0.0, pose.z)
    left = middle - source.width / 2 / step
    top = ground - source.height / step
    matrix = (step, 0, (patch[0] - left) * step, 0, step, (patch[1] - top) * step)
    return source.transform(
        (patch[2] - patch[0], patch[3] - patch[1]), Image.AFFINE, matrix, Image.BILINEAR
    )


def _smear(pixels: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Averages the patch (premultiplied, float32) along the way it moves during the exposure."""
    taps = int(np.ceil(max(abs(dx), abs(dy)))) + 1
    if taps < 2:
        return pixels
    height, width = pixels.shape[:2]
    pad = taps // 2 + 1
    wide = np.pad(pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    total = np.zeros_like(pixels)
    for share in np.linspace(-0.5, 0.5, taps):
        x, y = pad + int(round(dx * share)), pad + int(round(dy * share))
        total += wide[y : y + height, x : x + width]
    return total / taps


def draw_vehicle(
    frame: np.ndarray, lens: Lens, vehicle: Vehicle, pose: Pose, exposure_path_m: float
) -> None:
    """Paints the vehicle into `frame` (uint8 RGB), blurred by the metres driven while exposed."""
    size = (frame.shape[1], frame.shape[0])
    box = vehicle_box(lens, vehicle, pose, size)
    if box is None or pose.z < NEAREST:
        return
    margin = 12
    left, top = max(0, int(box[0]) - margin), max(0, int(box[1]) - margin)
    right, bottom = (
        min(size[0], int(box[0] + box[2]) + margin),
        min(size[1], int(box[1] + box[3]) + margin),
    )
    patch = Image.new("RGBA", ((right - left) * _FINE, (bottom - top) * _FINE), (0, 0, 0, 0))
    side = _Side(ImageDraw.Draw(patch), lens, vehicle, pose, (left, top))
    side.shadow()
    side.draw()
    patch = patch.reduce(_FINE)
    patch.alpha_composite(_face(lens, vehicle, pose, (left, top, right, bottom)))
    pixels = np.asarray(patch).astype(np.float32)
    alpha = pixels[..., 3:] / 255
    pixels = np.concatenate([pixels[..., :3] * alpha, alpha], axis=2)
    x, y, w, h = plate_box(lens, vehicle, pose)
    ahead = plate_box(lens, vehicle, Pose(pose.x, pose.z + exposure_path_m))
    dx = x + w / 2 - ahead[0] - ahead[2] / 2
    dy = y + h / 2 - ahead[1] - ahead[3] / 2
    if abs(dx) < frame.shape[1] and abs(dy) < frame.shape[0]:
        pixels = _smear(pixels, dx, dy)
    view = frame[top:bottom, left:right].astype(np.float32)
    view = view * (1 - pixels[..., 3:]) + pixels[..., :3]
    frame[top:bottom, left:right] = np.clip(view + 0.5, 0, 255).astype(np.uint8)

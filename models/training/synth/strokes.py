"""Plate letters drawn from our own skeletons, as the rounded strokes of stamping dies look.

A glyph is a few polylines in a unit box (x right, y down). Corners are rounded by the
face's radius unless the vertex is marked sharp. A face draws its width, stroke, rounding
and the variant of each glyph once; so one table gives any number of different faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

# A vertex is (x, y) for a rounded corner or (x, y, 0) for a sharp one.
_Path = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class _Shape:
    """Open and closed paths of one glyph and its width against the face's."""

    open: tuple[_Path, ...] = ()
    closed: tuple[_Path, ...] = ()
    width: float = 1.0


_BOX: _Path = ((0, 0), (1, 0), (1, 1), (0, 1))
_BOWL6: _Path = ((0, 0.42), (1, 0.42), (1, 1), (0, 1))
_BOWL9: _Path = ((0, 0), (1, 0), (1, 0.58), (0, 0.58))
_FLAT_A = ((0, 1), (0.42, 0, 0), (0.58, 0, 0), (1, 1))

SHAPES: dict[str, tuple[_Shape, ...]] = {
    "0": (
        _Shape(closed=(_BOX,)),
        _Shape(closed=(_BOX,)),
        _Shape(closed=(_BOX,)),
        _Shape(open=(((0.2, 0.78), (0.8, 0.22)),), closed=(_BOX,)),
        _Shape(closed=(_BOX,), width=0.85),
    ),
    "1": (
        _Shape(open=(((0.5, 0), (0.5, 1)),), width=0.2),
        _Shape(open=(((0.5, 0), (0.5, 1)),), width=0.2),
        _Shape(open=(((0, 0.2), (0.9, 0, 0), (0.9, 1)),), width=0.4),
        _Shape(open=(((0, 0.22), (0.5, 0, 0), (0.5, 1)), ((0, 1), (1, 1))), width=0.6),
        _Shape(open=(((0.1, 0.12), (0.5, 0.12), (0.5, 0, 0), (0.5, 1)),), width=0.5),
        _Shape(open=(((0.05, 0), (0.5, 0, 0), (0.5, 1)), ((0, 1), (1, 1))), width=0.55),
        _Shape(open=(((0.05, 0.16), (0.5, 0, 0), (0.5, 1)), ((0.1, 1), (0.9, 1))), width=0.4),
    ),
    "2": (
        _Shape(open=(((0, 0.24), (0, 0), (1, 0), (1, 0.4), (0, 1, 0), (1, 1)),)),
        _Shape(open=(((0, 0.24), (0, 0), (1, 0), (1, 0.47), (0, 0.66), (0, 1, 0), (1, 1)),)),
    ),
    "3": (
        _Shape(
            open=(
                ((0, 0.2), (0, 0), (0.96, 0), (0.96, 0.47), (0.35, 0.47)),
                ((0.35, 0.47), (1, 0.47), (1, 1), (0, 1), (0, 0.8)),
            )
        ),
        _Shape(open=(((0, 0), (1, 0, 0), (0.45, 0.4, 0), (1, 0.4), (1, 1), (0, 1), (0, 0.8)),)),
    ),
    "4": (
        _Shape(open=(((0.64, 1), (0.64, 0, 0), (0, 0.66, 0), (1, 0.66)),)),
        _Shape(open=(((0.82, 1), (0.82, 0, 0), (0, 0.74, 0), (1, 0.74)),)),
        _Shape(open=(((0.75, 1), (0.75, 0, 0), (0, 0.7, 0), (1, 0.7)),)),
        _Shape(open=(((0.45, 0), (0, 0.68, 0), (1, 0.68)), ((0.74, 0.36), (0.74, 1)))),
        _Shape(open=(((0.05, 0), (0, 0.62, 0), (1, 0.62)), ((0.76, 0.25), (0.76, 1)))),
        _Shape(open=(((0.6, 1), (0.6, 0, 0), (0.5, 0, 0), (0, 0.75, 0), (0.95, 0.75)),)),
    ),
    "5": (
        _Shape(
            open=(
                (
                    (0.95, 0),
                    (0.06, 0, 0),
                    (0.03, 0.46, 0),
                    (0.3, 0.38),
                    (1, 0.38),
                    (1, 1),
                    (0, 1),
                    (0, 0.8),
                ),
            )
        ),
        _Shape(open=(((1, 0), (0, 0, 0), (0, 0.42, 0), (1, 0.42), (1, 1), (0, 1), (0, 0.8)),)),
    ),
    "6": (
        _Shape(open=(((0, 0.7), (0, 0), (1, 0), (1, 0.2)),), closed=(_BOWL6,)),
        _Shape(open=(((0.8, 0), (0.04, 0.62)),), closed=(_BOWL6,)),
        _Shape(open=(((0, 0.7), (0, 0.25), (0.85, 0)),), closed=(_BOWL6,)),
    ),
    "7": (
        _Shape(open=(((0, 0), (1, 0, 0), (0.35, 1)),)),
        _Shape(open=(((0, 0), (1, 0, 0), (1, 0.15), (0.4, 0.6), (0.4, 1)),)),
        _Shape(open=(((0, 0.15), (0, 0, 0), (1, 0, 0), (0.3, 1)),)),
    ),
    "8": (
        _Shape(
            closed=(
                ((0.06, 0), (0.94, 0), (0.94, 0.46), (0.06, 0.46)),
                ((0, 0.46), (1, 0.46), (1, 1), (0, 1)),
            )
        ),
        _Shape(
            closed=(
                ((0.0, 0), (1, 0), (1, 0.49), (0.0, 0.49)),
                ((0, 0.49), (1, 0.49), (1, 1), (0, 1)),
            )
        ),
    ),
    "9": (
        _Shape(open=(((1, 0.3), (1, 1), (0, 1), (0, 0.8)),), closed=(_BOWL9,)),
        _Shape(open=(((0.2, 1), (0.96, 0.38)),), closed=(_BOWL9,)),
        _Shape(open=(((1, 0.3), (1, 0.75), (0.15, 1)),), closed=(_BOWL9,)),
    ),
    "A": (
        _Shape(open=(((0, 1), (0.5, 0, 0), (1, 1)), ((0.17, 0.67), (0.83, 0.67))), width=1.1),
        _Shape(open=(_FLAT_A, ((0.15, 0.7), (0.85, 0.7))), width=1.05),
        _Shape(open=(((0, 1), (0, 0.3), (0.5, 0, 0), (1, 0.3), (1, 1)), ((0, 0.6), (1, 0.6)))),
    ),
    "B": (
        _Shape(
            closed=(
                ((0, 0, 0), (0.92, 0), (0.92, 0.47), (0, 0.47, 0)),
                ((0, 0.47, 0), (1, 0.47), (1, 1), (0, 1, 0)),
            )
        ),
        _Shape(
            closed=(
                ((0, 0, 0), (1, 0), (1, 0.5), (0, 0.5, 0)),
                ((0, 0.5, 0), (1, 0.5), (1, 1), (0, 1, 0)),
            )
        ),
    ),
    "C": (_Shape(open=(((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.76)),)),),
    "D": (_Shape(closed=(((0, 0, 0), (1, 0), (1, 1), (0, 1, 0)),)),),
    "E": (_Shape(open=(((1, 0), (0, 0, 0), (0, 1, 0), (1, 1)), ((0, 0.48), (0.85, 0.48)))),),
    "F": (_Shape(open=(((1, 0), (0, 0, 0), (0, 1)), ((0, 0.5), (0.85, 0.5)))),),
    "G": (
        _Shape(open=(((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0.55, 0), (0.55, 0.55)),)),
        _Shape(open=(((1, 0.24), (1, 0), (0, 0), (0, 1), (1, 1, 0), (1, 0.5, 0), (0.6, 0.5)),)),
    ),
    "H": (_Shape(open=(((0, 0), (0, 1)), ((1, 0), (1, 1)), ((0, 0.48), (1, 0.48)))),),
    "I": (
        _Shape(open=(((0.5, 0), (0.5, 1)),), width=0.2),
        _Shape(open=(((0.5, 0), (0.5, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 1))), width=0.55),
    ),
    "J": (
        _Shape(open=(((1, 0), (1, 1), (0, 1), (0, 0.72)),)),
        _Shape(open=(((0.45, 0), (1, 0, 0), (1, 1), (0, 1), (0, 0.72)),)),
    ),
    "K": (
        _Shape(open=(((0, 0), (0, 1)), ((1, 0), (0, 0.62)), ((0.35, 0.4), (1, 1)))),
        _Shape(open=(((0, 0), (0, 1)), ((1, 0), (0.1, 0.5, 0), (1, 1)))),
    ),
    "L": (_Shape(open=(((0, 0), (0, 1, 0), (1, 1)),)),),
    "M": (
        _Shape(open=(((0, 1), (0, 0, 0), (0.5, 0.6, 0), (1, 0, 0), (1, 1)),), width=1.2),
        _Shape(open=(((0, 1), (0, 0, 0), (0.5, 1, 0), (1, 0, 0), (1, 1)),), width=1.25),
        _Shape(open=(((0, 1), (0, 0, 0), (0.5, 0.4, 0), (1, 0, 0), (1, 1)),), width=1.0),
    ),
    "N": (_Shape(open=(((0, 1), (0, 0, 0), (1, 1, 0), (1, 0)),)),),
    "O": (_Shape(closed=(_BOX,)), _Shape(closed=(_BOX,), width=1.15)),
    "P": (_Shape(open=(((0, 1), (0, 0, 0), (1, 0), (1, 0.53), (0, 0.53, 0)),)),),
    "Q": (
        _Shape(open=(((0.55, 0.74), (0.9, 0.98)),), closed=(_BOX,)),
        _Shape(open=(((0.6, 0.84), (1.0, 1.0)),), closed=(_BOX,)),
        _Shape(open=(((0.55, 0.7), (1.05, 1.04)),), closed=(_BOX,)),
        _Shape(open=(((0.45, 0.8), (0.8, 0.8), (1.0, 1.1)),), closed=(_BOX,), width=1.1),
    ),
    "R": (
        _Shape(open=(((0, 1), (0, 0, 0), (1, 0), (1, 0.53), (0, 0.53, 0)), ((0.5, 0.53), (1, 1)))),
        _Shape(open=(((0, 1), (0, 0, 0), (1, 0), (1, 0.5), (0, 0.5, 0)), ((0.2, 0.5), (1, 1)))),
    ),
    "S": (
        _Shape(
            open=(((1, 0.22), (1, 0), (0, 0), (0, 0.47), (1, 0.53), (1, 1), (0, 1), (0, 0.78)),)
        ),
        _Shape(open=(((1, 0.2), (1, 0), (0, 0), (0, 0.4), (1, 0.6), (1, 1), (0, 1), (0, 0.8)),)),
    ),
    "T": (_Shape(open=(((0, 0), (1, 0)), ((0.5, 0), (0.5, 1)))),),
    "U": (_Shape(open=(((0, 0), (0, 1), (1, 1), (1, 0)),)),),
    "V": (_Shape(open=(((0, 0), (0.5, 1, 0), (1, 0)),), width=1.1),),
    "W": (
        _Shape(open=(((0, 0), (0.24, 1, 0), (0.5, 0.2, 0), (0.76, 1, 0), (1, 0)),), width=1.3),
        _Shape(open=(((0, 0), (0, 1, 0), (0.5, 0.45, 0), (1, 1, 0), (1, 0)),), width=1.2),
        _Shape(open=(((0, 0), (0.2, 1, 0), (0.5, 0.5, 0), (0.8, 1, 0), (1, 0)),), width=1.1),
    ),
    "X": (_Shape(open=(((0, 0), (1, 1)), ((1, 0), (0, 1)))),),
    "Y": (
        _Shape(open=(((0, 0), (0.5, 0.52, 0), (0.5, 1)), ((1, 0), (0.5, 0.52)))),
        _Shape(open=(((0, 0), (0, 0.55), (1, 0.55), (1, 0)), ((0.5, 0.55), (0.5, 1)))),
    ),
    "Z": (_Shape(open=(((0, 0), (1, 0, 0), (0, 1, 0), (1, 1)),)),),
}

_KAPPA = 0.5523  # cubic control distance that makes a quarter circle
_BEZIER_T = np.linspace(0.0, 1.0, 9)[:, None]


@dataclass(frozen=True)
class StrokeFace:
    """What one set of dies has in common; lengths are shares of the cap height."""

    width: float
    stroke: float
    radius: float
    slant: float
    variant: dict[str, int]

    @staticmethod
    def draw(rng: np.random.Generator) -> StrokeFace:
        """A face at random: narrow to square, thin to bold, square to round corners."""
        width = float(rng.uniform(0.36, 0.72))
        return StrokeFace(
            width=width,
            stroke=float(rng.uniform(0.09, min(0.2, 0.36 * width))),
            radius=float(rng.choice([0.15, 0.25, 0.35, 0.5, 0.5, 0.5])),
            slant=float(rng.normal(0, 0.03)) if rng.random() < 0.2 else 0.0,
            variant={c: int(rng.integers(len(SHAPES[c]))) for c in SHAPES},
        )


def _fillet(points: np.ndarray, sharp: np.ndarray, closed: bool, radius: float) -> np.ndarray:
    """`points` (n x 2, pixels) with every corner that is not sharp replaced by a round one."""
    n = len(points)
    out: list[np.ndarray] = []
    for i in range(n):
        here = points[i]
        is_end = not closed and i in (0, n - 1)
        if is_end or sharp[i]:
            out.append(here[None])
            continue
        before, after = points[i - 1] - here, points[(i + 1) % n] - here
        length_b, length_a = float(np.hypot(*before)), float(np.hypot(*after))
        whole_b = not closed and i == 1
        whole_a = not closed and i == n - 2
        reach_b = min(radius, length_b * (0.95 if whole_b else 0.5))
        reach_a = min(radius, length_a * (0.95 if whole_a else 0.5))
        p0, p3 = here + before / length_b * reach_b, here + after / length_a * reach_a
        p1, p2 = p0 + (here - p0) * _KAPPA, p3 + (here - p3) * _KAPPA
        t = _BEZIER_T
        out.append(
            (1 - t) ** 3 * p0 + 3 * t * (1 - t) ** 2 * p1 + 3 * t**2 * (1 - t) * p2 + t**3 * p3
        )
    return np.concatenate(out)


def draw_glyph(face: StrokeFace, char: str, cap: int) -> np.ndarray:
    """Coverage mask (uint8, cap pixels high, as wide as its ink) of one character."""
    shape = SHAPES[char][face.variant[char]]
    scale = 4
    height = cap * scale
    pen = max(2, int(face.stroke * height))
    box_h = height - pen
    box_w = max(1.0, face.width * shape.width * height - pen)
    if shape.width <= 0.2:
        box_w = 1.0
    margin = pen
    canvas = np.zeros((height + 2 * margin, int(box_w) + pen + 4 * margin), np.uint8)
    for paths, closed in ((shape.open, False), (shape.closed, True)):
        for path in paths:
            xy = np.array([(v[0] * box_w, v[1] * box_h) for v in path], float)
            sharp = np.array([len(v) == 3 for v in path])
            curve = _fillet(xy, sharp, closed, face.radius * max(box_w, 0.4 * height))
            curve = curve + [2 * margin + pen / 2, margin + pen / 2]
            curve[:, 0] -= face.slant * (curve[:, 1] - height / 2)
            cv2.polylines(
                canvas, [np.round(curve * 8).astype(np.int32)], closed, 255, pen, cv2.LINE_AA, 3
            )
    columns = np.flatnonzero(canvas.max(axis=0) > 40)
    ink = canvas[margin : margin + height, columns[0] : columns[-1] + 1]
    return cv2.resize(ink, (max(2, round(ink.shape[1] / scale)), cap), interpolation=cv2.INTER_AREA)

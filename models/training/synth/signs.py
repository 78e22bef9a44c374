"""Plates for the drawn gate, painted with Pillow alone (the reader's own painter needs OpenCV)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from training.synth import fonts, glyphs
from training.synth.grammar import PlateText

# Width and height in metres.
SIZES_M = {"us": (0.305, 0.152), "eu": (0.520, 0.113), "br": (0.400, 0.130)}
_COUNTRY = {"us": ("GRANITE STATE", "Lakes and Hills"), "eu": ("EX", ""), "br": ("CIDADE NOVA", "")}


@dataclass(frozen=True)
class Sign:
    """A painted plate and its size on the vehicle in metres."""

    picture: Image.Image
    width_m: float
    height_m: float


def gate_faces(held_out: bool) -> list[glyphs.Face]:
    """Faces of the gate: the held-out fonts for the demo, others for training frames."""
    files = fonts.HELD_OUT_FONTS if held_out else fonts.PLATE_FONTS[:9]
    return [glyphs.font_face(file) for file in files]


def _paste(
    canvas: Image.Image,
    mask: np.ndarray,
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int],
) -> None:
    left, top, width, height = box
    scaled = Image.fromarray(mask).resize((max(1, width), max(1, height)), Image.BOX)
    canvas.paste(colour, (left, top), scaled)


def _paint_text(
    canvas: Image.Image,
    face: glyphs.Face,
    text: PlateText,
    area: tuple[int, int, int, int],
    ink: tuple[int, int, int],
) -> None:
    """Characters centred in `area` (x, y, w, h); a gap between the groups."""
    x, y, width, height = area
    scale = height / glyphs.CAP
    gap, group_gap = 0.16 * height, 0.32 * height
    widths = [[face.masks[c].shape[1] * scale for c in group] for group in text.groups]
    total = sum(sum(g) + gap * (len(g) - 1) for g in widths) + (gap + group_gap) * (len(widths) - 1)
    fit = min(1.0, width / total)
    pen = x + (width - total * fit) / 2
    rows = glyphs.CAP + 2 * glyphs.OVERSHOOT
    for group, sizes in zip(text.groups, widths, strict=True):
        for char, size in zip(group, sizes, strict=True):
            box = (
                round(pen),
                round(y - glyphs.OVERSHOOT * scale),
                round(size * fit),
                round(rows * scale),
            )
            _paste(canvas, face.masks[char], box, ink)
            pen += (size + gap) * fit
        pen += group_gap * fit


def _small(
    canvas: Image.Image,
    words: str,
    centre: tuple[float, float],
    cap: int,
    ink: tuple[int, int, int],
) -> None:
    mask = glyphs.draw_print(fonts.PRINT_FONTS[0], words, 4 * cap)
    width, height = mask.shape[1] // 4, mask.shape[0] // 4
    _paste(
        canvas, mask, (int(centre[0] - width / 2), int(centre[1] - height / 2), width, height), ink
    )


def paint_sign(
    rng: np.random.Generator, face: glyphs.Face, text: PlateText, pixels_per_metre: float
) -> Sign:
    """A plate in the manner of its region at the given scale."""
    width_m, height_m = SIZES_M[text.region]
    w, h = round(width_m * pixels_per_metre), round(height_m * pixels_per_metre)
    grey = int(rng.integers(205, 250))
    ground = (grey, grey, grey - int(rng.integers(0, 12)))
    ink = tuple(int(v) for v in rng.integers(5, 45, 3))
    if text.region == "us" and rng.random() < 0.3:
        ink = (20, 30, int(rng.integers(70, 120)))
    canvas = Image.new("RGB", (w, h), ground)
    pencil = ImageDraw.Draw(canvas)
    title, slogan = _COUNTRY[text.region]
    if text.region == "us":
        _small(canvas, title, (w / 2, 0.13 * h), max(3, int(0.11 * h)), (150, 30, 30))
        _small(canvas, slogan, (w / 2, 0.89 * h), max(3, int(0.08 * h)), (60, 60, 110))
        area = (int(0.05 * w), int(0.27 * h), int(0.9 * w), int(0.48 * h))
    elif text.region == "br":
        pencil.rectangle((0, 0, w, int(0.2 * h)), fill=(20, 50, 130))
        _small(canvas, title, (w / 2, 0.1 * h), max(3, int(0.1 * h)), (235, 235, 235))
        area = (int(0.05 * w), int(0.32 * h), int(0.9 * w), int(0.54 * h))
    else:
        band = int(0.09 * w)
        pencil.rectangle((0, 0, band, h), fill=(20, 50, 150))
        _small(canvas, title, (band / 2, 0.75 * h), max(3, int(0.17 * h)), (240, 240, 240))
        area = (band + int(0.03 * w), int(0.16 * h), w - band - int(0.06 * w), int(0.68 * h))
    _paint_text(canvas, face, text, area, ink)
    pencil.rectangle(
        (0, 0, w - 1, h - 1), outline=tuple(v // 2 for v in ground), width=max(1, h // 40)
    )
    return Sign(canvas, width_m, height_m)

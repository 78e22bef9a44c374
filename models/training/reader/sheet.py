"""A picture of the worst errors of a reader: each crop with what is painted and what was read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.reader.decode import Reading, edit_distance

_CELL = (200, 76)  # width, height
_COLUMNS = 5


def worst_errors(texts: list[str], readings: list[Reading], count: int) -> list[int]:
    """Indices of wrong readings: most characters wrong first, then the surest."""
    scored = [
        (edit_distance(r.text, t), r.confidence, i)
        for i, (r, t) in enumerate(zip(readings, texts, strict=True))
        if r.text != t
    ]
    return [i for _, _, i in sorted(scored, key=lambda e: (-e[0], -e[1], e[2]))[:count]]


def surest_errors(texts: list[str], readings: list[Reading], count: int) -> list[int]:
    """Indices of wrong readings, the surest first."""
    wrong = [i for i, (r, t) in enumerate(zip(readings, texts, strict=True)) if r.text != t]
    return sorted(wrong, key=lambda i: (-readings[i].confidence, i))[:count]


def _cell(picture: np.ndarray, caption: str) -> np.ndarray:
    width, height = _CELL
    cell = np.zeros((height, width, 3), np.uint8)
    shown = cv2.resize(picture, (width, height - 18), interpolation=cv2.INTER_LINEAR)
    cell[: height - 18] = shown if shown.ndim == 3 else shown[:, :, None]
    white = (255, 255, 255)
    cv2.putText(cell, caption, (3, height - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, white, 1)
    return cell


def write_sheet(path: Path, pictures: list[np.ndarray], texts: list[str], readings: list[Reading]) -> None:
    """Writes wrong readings in the order given as one picture (RGB or grey ones in), as its suffix says."""
    captions = [f"{t} > {r.text} {r.confidence:.2f}" for t, r in zip(texts, readings, strict=True)]
    cells = [_cell(picture, caption) for picture, caption in zip(pictures, captions, strict=True)]
    cells += [np.zeros((_CELL[1], _CELL[0], 3), np.uint8)] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    if rows:
        cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))

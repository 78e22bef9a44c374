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


def _cell(picture: np.ndarray, caption: str) -> np.ndarray:
    width, height = _CELL
    cell = np.zeros((height, width, 3), np.uint8)
    cell[: height - 18] = cv2.resize(picture, (width, height - 18), interpolation=cv2.INTER_LINEAR)
    white = (255, 255, 255)
    cv2.putText(cell, caption, (3, height - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, white, 1)
    return cell


def write_sheet(
    path: Path, pictures: list[np.ndarray], texts: list[str], readings: list[Reading]
) -> int:
    """Writes the worst 20 errors as one picture (RGB ones in), as its suffix says; returns how many there were."""
    worst = worst_errors(texts, readings, 20)
    captions = [f"{texts[i]} > {readings[i].text} {readings[i].confidence:.2f}" for i in worst]
    cells = [_cell(pictures[i], caption) for i, caption in zip(worst, captions, strict=True)]
    if not cells:
        return 0
    while len(cells) % _COLUMNS:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.hstack(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    return len(worst)

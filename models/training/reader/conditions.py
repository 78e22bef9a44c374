"""What a reader still reads when plates are small (`eval heights`) or hard to see (`eval hard`), as JSON and curve.

Both start from real stills. A still lower than a height is left out there, so that nothing is enlarged; each
degradation is drawn anew for each still from its number and strength.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256
from training.data.crops import fold, read_crops, read_picture
from training.evaluate.intervals import wilson
from training.figures import figure
from training.manifest import load_manifest
from training.reader import degrade
from training.reader.model import ReaderModel

HEIGHTS = (12, 14, 16, 18, 20, 24, 30, 36, 42, 48, 54, 60)  # pixels
Row = dict[str, object]


def _row(read: Callable, texts: list[str], pictures: list[np.ndarray]) -> Row:
    """Exact and folded share of the pictures."""
    found = [read(picture).text for picture in pictures]
    exact = sum(mine == text for mine, text in zip(found, texts, strict=True))
    folded = sum(fold(mine) == fold(text) for mine, text in zip(found, texts, strict=True))
    return {
        "n": len(texts),
        "exact": round(exact / max(1, len(texts)), 4),
        "interval": wilson(exact, len(texts)),
        "folded": round(folded / max(1, len(texts)), 4),
        "folded_interval": wilson(folded, len(texts)),
    }


def by_height(read: Callable, texts: list[str], pictures: list[np.ndarray]) -> dict[str, Row]:
    """Shares when the plate is so many pixels high."""
    table = {}
    for height in HEIGHTS:
        kept = [i for i, picture in enumerate(pictures) if picture.shape[0] >= height]
        small = [degrade.at_height(pictures[i], height) for i in kept]
        table[str(height)] = _row(read, [texts[i] for i in kept], small)
    return table


def hard_cases(read: Callable, texts: list[str], pictures: list[np.ndarray]) -> dict[str, Row]:
    """Shares under each named condition and strength, and under none."""
    table = {"as they are": _row(read, texts, pictures)}
    for name in degrade.DEGRADATIONS:
        for strength in degrade.STRENGTHS:
            worse = [degrade.degrade(p, name, strength, i) for i, p in enumerate(pictures)]
            table[f"{name} {strength}"] = _row(read, texts, worse)
    return table


def draw_heights(tables: dict[str, dict[str, Row]], path: Path) -> None:
    """The exact share over the height, one line a model, bars for the intervals."""
    with figure(path, (6, 3.6)) as axes:
        for name, table in tables.items():
            share = np.array([row["exact"] for row in table.values()])
            low, high = np.array([row["interval"] for row in table.values()]).T
            heights = [int(h) for h in table]
            axes.errorbar(heights, share, [share - low, high - share], label=name, capsize=2)
        axes.set(xlabel="height of the plate, pixels", ylabel="read exactly", ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)


def add_arguments(parser) -> None:
    """Options of both commands."""
    parser.add_argument("--reader", type=Path, required=True, help="model folder with manifest")
    parser.add_argument("--data", type=Path, required=True, help="crops.csv")
    parser.add_argument("--root", type=Path, required=True, help="folder of its pictures")
    parser.add_argument("--curve", type=Path, help="with `heights`: draw the curve into this PNG")


def run(args) -> int:
    """Command `eval heights` or `eval hard`."""
    rows = read_crops(args.data)
    pictures = [read_picture(args.root / row.file) for row in rows]
    texts = [row.text for row in rows]
    measure = by_height if args.what == "heights" else hard_cases
    variants = [None, *(v["name"] for v in load_manifest(args.reader / "manifest.json")["variants"])]
    models = [ReaderModel(args.reader, variant) for variant in variants]
    tables = {model.name: measure(model.read, texts, pictures) for model in models}
    if args.what == "heights" and args.curve:
        draw_heights(tables, args.curve)
    sha = file_sha256(args.data)
    print(json.dumps({"data": {"file": args.data.name, "sha256": sha}, "models": tables}, indent=1))
    return 0

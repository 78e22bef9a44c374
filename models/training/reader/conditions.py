"""What a reader still reads when plates are small (`eval heights`) or hard to see (`eval hard`), as JSON and curve.

Both start from real stills. A still lower than a height is left out there, so that nothing is enlarged; each
degradation is drawn anew for each still from its number and strength. Differences are of exact reads of the same
stills: of a row to the row before it (`heights`) or to the stills as they are (`hard`), and between models.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256, read_picture
from training.data.crops import fold, read_crops
from training.evaluate.intervals import paired, wilson
from training.figures import figure
from training.manifest import load_manifest
from training.reader import degrade
from training.reader.model import ReaderModel

HEIGHTS = (12, 14, 16, 18, 20, 24, 30, 36, 42, 48, 54, 60)  # pixels
Row = dict[str, object]


@dataclass(frozen=True)
class Read:
    """What was read under one condition: numbers of the stills, and whether each was read exactly and folded."""

    stills: list[int]
    exact: list[bool]
    folded: list[bool]

    def row(self, before: Read | None) -> Row:
        """Shares, and the difference of exact reads to another condition on the stills of both."""
        count, exact, folded = len(self.stills), sum(self.exact), sum(self.folded)
        found = {
            "n": count,
            "exact": round(exact / max(1, count), 4),
            "interval": wilson(exact, count),
            "folded": round(folded / max(1, count), 4),
            "folded_interval": wilson(folded, count),
        }
        return found if before is None else found | {"minus_before": self.minus(before)}

    def minus(self, other: Read) -> Row:
        """Paired difference of exact reads on the stills of both."""
        theirs = dict(zip(other.stills, other.exact, strict=True))
        pairs = [(e, theirs[i]) for i, e in zip(self.stills, self.exact, strict=True) if i in theirs]
        return paired(*zip(*pairs, strict=True))


def _read(read: Callable, texts: list[str], pictures: dict[int, np.ndarray]) -> Read:
    """Reads pictures by the numbers of their stills."""
    pairs = [(read(picture).text, texts[index]) for index, picture in pictures.items()]
    exact = [mine == text for mine, text in pairs]
    return Read(list(pictures), exact, [fold(mine) == fold(text) for mine, text in pairs])


def by_height(read: Callable, texts: list[str], pictures: list[np.ndarray]) -> dict[str, Read]:
    """What is read when the plate is so many pixels high."""
    table = {}
    for height in HEIGHTS:
        kept = {i: p for i, p in enumerate(pictures) if p.shape[0] >= height}
        small = {i: degrade.at_height(p, height) for i, p in kept.items()}
        table[str(height)] = _read(read, texts, small)
    return table


def hard_cases(read: Callable, texts: list[str], pictures: list[np.ndarray]) -> dict[str, Read]:
    """What is read under each named condition and strength, and under none."""
    table = {"as they are": _read(read, texts, dict(enumerate(pictures)))}
    for name in degrade.DEGRADATIONS:
        for strength in degrade.STRENGTHS:
            worse = {i: degrade.degrade(p, name, strength, i) for i, p in enumerate(pictures)}
            table[f"{name} {strength}"] = _read(read, texts, worse)
    return table


def rows_of(table: dict[str, Read], what: str) -> dict[str, Row]:
    """The rows of a table of `heights`, each against the one before, or of `hard`, each against the first."""
    titles = list(table)
    others = {title: titles[0 if what == "hard" else index] for index, title in enumerate(titles[1:])}
    return {title: read.row(table.get(others.get(title))) for title, read in table.items()}


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
    read = {model.name: measure(model.read, texts, pictures) for model in models}
    tables = {name: rows_of(table, args.what) for name, table in read.items()}
    first, *others = read
    differences = {
        f"{first} - {name}": {title: read[first][title].minus(one) for title, one in read[name].items()} for name in others
    }
    if args.what == "heights" and args.curve:
        draw_heights(tables, args.curve)
    data = {"file": args.data.name, "sha256": file_sha256(args.data)}
    print(json.dumps({"data": data, "models": tables, "paired_exact": differences}, indent=1))
    return 0

"""Exact reads of a plate reader on labelled crops, with intervals and baselines, as one JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256
from training.data.crops import Crop, read_crops, read_picture
from training.manifest import load_manifest
from training.reader import degrade, metrics
from training.reader.decode import Reading
from training.reader.model import ReaderModel, open_reader
from training.reader.sheet import write_sheet
from training.reader.teacher import TEACHERS, SlotReader

__all__ = ["add_arguments", "open_reader", "run"]

HEIGHTS = (12, 16, 20, 24, 30, 36, 42, 48, 60)
Read = Callable[[np.ndarray], Reading]


def _exact(texts: list[str], pictures: list[np.ndarray], read: Read) -> dict[str, object]:
    readings = [read(p) for p in pictures]
    return metrics.summary(texts, readings)["exact"]


def hard_cases(
    texts: list[str], pictures: list[np.ndarray], read: Read
) -> dict[str, dict[str, object]]:
    """Exact share under each named condition and strength."""
    return {
        name: {
            str(strength): _exact(
                texts, [degrade.degrade(p, name, strength, i) for i, p in enumerate(pictures)], read
            )
            for strength in degrade.STRENGTHS
        }
        for name in degrade.DEGRADATIONS
    }


def by_height(
    texts: list[str], pictures: list[np.ndarray], read: Read
) -> dict[str, dict[str, object]]:
    """Exact share when the plate is only so many pixels high."""
    return {
        str(h): _exact(texts, [degrade.at_height(p, h) for p in pictures], read) for h in HEIGHTS
    }


def open_models(folder: Path, baselines: Path | None) -> dict[str, tuple[Read, Path]]:
    """The reader, its variants and the baselines by name."""
    variants = [None, *(v["name"] for v in load_manifest(folder / "manifest.json")["variants"])]
    models: dict[str, tuple[Read, Path]] = {}
    for variant in variants:
        model = ReaderModel(folder, variant)
        models[model.name] = (model.read, model.file)
    for name in TEACHERS if baselines else ():
        path = baselines / name
        models[path.stem] = (SlotReader(path).read, path)
    return models


def evaluate(
    rows: list[Crop], root: Path, models: dict[str, tuple[Read, Path]], hard: bool
) -> tuple[dict, dict]:
    """The report and, by model, the readings."""
    pictures = [read_picture(root / row.file) for row in rows]
    texts, regions = [row.text for row in rows], [row.region for row in rows]
    readings = {name: [read(p) for p in pictures] for name, (read, _) in models.items()}
    names = list(models)
    first, last = names[0], names[-1]
    report: dict = {"models": {}, "paired_exact": {}}
    for name, (read, path) in models.items():
        entry = {"sha256": file_sha256(path), **metrics.summary(texts, readings[name])}
        entry["regions"] = metrics.by_region(texts, readings[name], regions)
        if hard and name in (first, last):
            entry["hard_cases"] = hard_cases(texts, pictures, read)
            entry["by_height"] = by_height(texts, pictures, read)
        report["models"][name] = entry
        if name != first:
            report["paired_exact"][f"{first} - {name}"] = metrics.paired(
                metrics.exact_hits(texts, readings[first]),
                metrics.exact_hits(texts, readings[name]),
            )
    return report, readings


def add_arguments(parser) -> None:
    """Options of `eval crops`."""
    parser.add_argument("--reader", type=Path, required=True, help="model folder with manifest")
    parser.add_argument("--data", type=Path, required=True, help="crops.csv")
    parser.add_argument("--root", type=Path, required=True, help="folder of its pictures")
    parser.add_argument("--baselines", type=Path, help="folder with baseline weights")
    parser.add_argument(
        "--hard", action="store_true", help="also degradations and heights, first and last model"
    )
    parser.add_argument("--worst", type=Path, help="write a picture of the worst 20 errors here")
    parser.add_argument("--confusions", type=Path, help="write the confusion counts here")


def run(args) -> int:
    """Command `eval crops`."""
    rows = read_crops(args.data)
    report, readings = evaluate(
        rows, args.root, open_models(args.reader, args.baselines), args.hard
    )
    report["data"] = {"file": args.data.name, "sha256": file_sha256(args.data), "n": len(rows)}
    if args.confusions:
        counted = metrics.confusions([r.text for r in rows], next(iter(readings.values())))
        args.confusions.write_text(json.dumps(counted, indent=0) + "\n")
    if args.worst:
        pictures = [read_picture(args.root / row.file) for row in rows]
        write_sheet(args.worst, pictures, [r.text for r in rows], next(iter(readings.values())))
    print(json.dumps(report, indent=1))
    return 0

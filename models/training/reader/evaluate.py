"""Exact reads of a plate reader on labelled crops, with intervals and baselines, as one JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256, read_picture
from training.data.crops import Crop, read_crops
from training.evaluate.intervals import paired
from training.figures import figure
from training.manifest import load_manifest
from training.reader import metrics
from training.reader.decode import Reading
from training.reader.model import ReaderModel
from training.reader.sheet import worst_errors, write_sheet
from training.reader.teacher import TEACHERS, SlotReader

WORST = 20
Read = Callable[[np.ndarray], Reading]


def open_models(
    folder: Path, against: Path | None, baselines: Path | None
) -> dict[str, tuple[Read, Path]]:
    """The reader, its variants, and what it is compared with, by name."""
    variants = [None, *(v["name"] for v in load_manifest(folder / "manifest.json")["variants"])]
    models: dict[str, tuple[Read, Path]] = {}
    for variant in variants:
        model = ReaderModel(folder, variant)
        models[model.name] = (model.read, model.file)
    if against:
        model = ReaderModel(against)
        models[f"{model.name} {load_manifest(against / 'manifest.json')['version']}"] = (model.read, model.file)
    for name in TEACHERS if baselines else ():
        path = baselines / name
        models[path.stem] = (SlotReader(path).read, path)
    return models


def evaluate(
    rows: list[Crop], root: Path, models: dict[str, tuple[Read, Path]]
) -> tuple[dict, dict]:
    """The report and, by model, the readings."""
    pictures = [read_picture(root / row.file) for row in rows]
    texts, regions = [row.text for row in rows], [row.region for row in rows]
    readings = {name: [read(p) for p in pictures] for name, (read, _) in models.items()}
    first = next(iter(models))
    report: dict = {"models": {}, "paired_exact": {}}
    for name, (_, path) in models.items():
        entry = {"sha256": file_sha256(path), **metrics.summary(texts, readings[name])}
        entry["regions"] = metrics.by_region(texts, readings[name], regions)
        report["models"][name] = entry
        if name != first:
            report["paired_exact"][f"{first} - {name}"] = paired(
                metrics.exact_hits(texts, readings[first]),
                metrics.exact_hits(texts, readings[name]),
            )
    return report, readings


def draw_reliability(models: dict[str, dict], path: Path) -> None:
    """Share of right characters over their stated probability, one line a model, bars for 95 % intervals."""
    with figure(path, (4.8, 4.4)) as axes:
        axes.plot([0, 1], [0, 1], "--", color="grey", linewidth=0.8)
        for name, entry in models.items():
            rows = entry["reliability"]
            stated, right = (np.array([row[key] for row in rows]) for key in ("confidence", "accuracy"))
            low, high = np.array([row["interval"] for row in rows]).T
            bars = [np.maximum(right - low, 0), np.maximum(high - right, 0)]
            label = f"{name}, error {entry['calibration_error']['value']:.4f}"
            axes.errorbar(stated, right, bars, label=label, capsize=2, marker="o", markersize=3)
        axes.set(xlabel="stated probability of a character", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
        axes.legend(fontsize=7)


def add_arguments(parser) -> None:
    """Options of `eval crops`."""
    parser.add_argument("--reader", type=Path, required=True, help="model folder with manifest")
    parser.add_argument("--data", type=Path, required=True, help="crops.csv")
    parser.add_argument("--root", type=Path, required=True, help="folder of its pictures")
    parser.add_argument("--baselines", type=Path, help="folder with baseline weights")
    parser.add_argument("--against", type=Path, help="another reader's folder to compare with")
    parser.add_argument("--diagram", type=Path, help="draw the reliability diagram into this PNG")
    parser.add_argument("--worst", type=Path, help=f"write a picture of the worst {WORST} errors here")
    parser.add_argument("--confusions", type=Path, help="write the confusion counts here")


def run(args) -> int:
    """Command `eval crops`."""
    rows = read_crops(args.data)
    report, readings = evaluate(rows, args.root, open_models(args.reader, args.against, args.baselines))
    report["data"] = {"file": args.data.name, "sha256": file_sha256(args.data), "n": len(rows)}
    if args.confusions:
        counted = metrics.confusions([r.text for r in rows], next(iter(readings.values())))
        args.confusions.write_text(json.dumps(counted, indent=0) + "\n")
    if args.diagram:
        draw_reliability(report["models"], args.diagram)
    if args.worst:
        own = next(iter(readings.values()))
        shown = worst_errors([row.text for row in rows], own, WORST)
        pictures = [read_picture(args.root / rows[i].file) for i in shown]
        write_sheet(args.worst, pictures, [rows[i].text for i in shown], [own[i] for i in shown])
    print(json.dumps(report, indent=1))
    return 0

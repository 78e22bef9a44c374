"""The small committed set of drawn reader inputs that shipped weights are checked on."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import read_picture
from training.data.crops import read_crops
from training.evaluate.intervals import wilson
from training.manifest import ManifestError, sha256_of
from training.reader import metrics
from training.reader.model import ReaderModel
from training.synth import camera
from training.synth.plate import Book, Painter, draw_plate

COUNT = 80
_SEED = 9_100_001
TOLERANCE = 0.02  # of the exact share, between machines


def write_drawn(folder: Path, count: int = COUNT) -> Path:
    """Writes `crops.csv` and grey PNG files of held-out fonts and texts; returns the list."""
    folder.mkdir(parents=True, exist_ok=True)
    painter = Painter(Book.open(_SEED, held_out=True))
    rows = []
    for index in range(count):
        rng = np.random.default_rng([_SEED, index])
        plate = draw_plate(rng, painter, held=True)
        name = f"{index:03d}.png"
        cv2.imwrite(str(folder / name), camera.shoot(rng, plate.pixels[..., 0]))
        rows.append((name, plate.text.text, plate.text.region))
    path = folder / "crops.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("file", "plate", "region"))
        writer.writerows(rows)
    return path


def check(folder: Path, manifest: dict) -> None:
    """Measures the drawn set now and compares with the manifest; raises ManifestError."""
    stated = {metric.get("name"): metric for metric in manifest["metrics"]}
    for variant in [None, *(v["name"] for v in manifest["variants"])]:
        found = measure(folder, variant)
        name = found["name"]
        if name not in stated:
            raise ManifestError(f"{folder}: field 'metrics' has no '{name}'")
        if abs(found["value"] - stated[name]["value"]) > TOLERANCE:
            says = stated[name]["value"]
            raise ManifestError(
                f"{folder}: field 'metrics.{name}' says {says}, measured {found['value']}"
            )


def measure(folder: Path, variant: str | None = None) -> dict[str, object]:
    """The metric of a model folder on its own drawn set, as it stands in the manifest."""
    path = folder / "drawn" / "crops.csv"
    rows = read_crops(path)
    model = ReaderModel(folder, variant)
    readings = [model.read(read_picture(path.parent / row.file)) for row in rows]
    exact = metrics.exact_hits([row.text for row in rows], readings)
    name = "drawn exact" + (f" {variant}" if variant else "")
    return {
        "name": name,
        "value": round(float(exact.mean()), 4),
        "interval": wilson(int(exact.sum()), len(rows)),
        "n": len(rows),
        "data_sha256": sha256_of(path),
    }

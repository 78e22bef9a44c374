"""Exports the reader: float and int8 graphs, temperature, manifest, and the checks between them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from training.data.crops import CropPool
from training.export import ExportError, largest_difference, to_int8, to_onnx
from training.loop import draw_curves
from training.manifest import sha256_of, write_manifest
from training.nets.reader import BLANK, PlateReader
from training.preprocess import to_tensor
from training.reader.calibrate import fit_temperature
from training.reader.drawn import measure, write_drawn
from training.reader.golden import golden_picture, write_golden
from training.reader.stream import Mixture, Source, dev_set, texts_of
from training.reader.train import logits_of
from training.synth.grammar import ALPHABET

AGREEMENT = 1e-3  # torch against ONNX Runtime, in raw outputs
MEAN, SCALE = 127.5, 1 / 127.5
_CALIBRATION_SEED = 424_242


def load_run(folder: Path) -> tuple[PlateReader, dict]:
    """The averaged network of a run and its history."""
    net = PlateReader()
    net.load_state_dict(
        torch.load(folder / "weights.pt", map_location="cpu", weights_only=True)["model"]
    )
    return net.eval(), json.loads((folder / "history.json").read_text())


def calibration_tensors(pool: CropPool | None, count: int = 192) -> list[np.ndarray]:
    """Inputs for the quantiser: drawn ones, and real crops of the training pool."""
    drawn = Source(Mixture(batch=count, seed=_CALIBRATION_SEED, stroke_count=24)).batch(0).pixels
    tensors = [to_tensor(p, MEAN, SCALE) for p in drawn]
    rng = np.random.default_rng(_CALIBRATION_SEED)
    if pool is not None and pool.crops:
        tensors += [to_tensor(pool.shoot(rng)[0], MEAN, SCALE) for _ in range(count // 3)]
    return tensors


def calibration_set(pool: CropPool | None) -> tuple[np.ndarray, list[str]]:
    """Inputs and texts for the temperature: drawn dev set, real dev crops with agreed texts."""
    drawn = dev_set(1500)
    pixels, texts = [*drawn.pixels], texts_of(drawn)
    rng = np.random.default_rng(_CALIBRATION_SEED)
    for _ in range(600 if pool is not None and pool.crops else 0):
        view, text = pool.shoot(rng)
        pixels.append(view)
        texts.append(text)
    return np.stack(pixels), texts


def _pool(folder: Path, name: str) -> CropPool | None:
    path = folder / name
    return CropPool.load(str(path)) if path.is_file() else None


def write_int8(config: dict, float_file: Path, int8_file: Path, tensors: list[np.ndarray]) -> None:
    """The int8 graph, with the layers that the config's `[int8]` names left in float."""
    settings = config.get("int8", {})
    keep, method = settings.get("keep_float", []), settings.get("calibration", "minmax")
    to_int8(float_file, int8_file, tensors, keep_float=keep, calibration=method)


def describe(
    config: dict, args, files: tuple[Path, Path], history: dict, temperature: float
) -> dict:
    """The manifest as a mapping."""
    float_file, int8_file = files
    data = json.loads((Path(args.run) / "data.json").read_text())
    return {
        "name": config["name"],
        "version": config["version"],
        "file": float_file.name,
        "sha256": sha256_of(float_file),
        "variants": [{"name": "int8", "file": int8_file.name, "sha256": sha256_of(int8_file)}],
        "task": "plate_text",
        "input": {
            "width": 128,
            "height": 32,
            "channels": 1,
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "GREY",
            "resize": {"mode": "stretch"},
            "mean": MEAN,
            "scale": SCALE,
        },
        "head": {
            "type": "ctc",
            "strides": [4],
            "outputs": ["logits"],
            "activation": "softmax",
            "temperature": temperature,
        },
        "classes": None,
        "thresholds": None,
        "alphabet": ALPHABET,
        "blank": BLANK,
        "max_length": 10,
        "licence": config["licence"],
        "provenance": {
            "commit": args.commit,
            "command": " && ".join(data.get("commands", [])),
            "seed": data["seed"],
            "minutes": round(history["seconds"] / 60, 1),
            "steps": history["step"],
            "earlier_stages": data.get("earlier_stages", []),
            "data": data["data"],
            "teachers": data["teachers"],
        },
        "metrics": json.loads(Path(args.metrics).read_text()) if args.metrics else [],
        "opset": 17,
        "created": args.created,
    }


def run(args, config: dict) -> int:
    """Command `export` for the reader."""
    folder, out = Path(args.run), Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    net, history = load_run(folder)
    files = (out / f"{config['name']}.onnx", out / f"{config['name']}.int8.onnx")
    to_onnx(net, (1, 1, 32, 128), ["logits"], files[0])
    tensors = calibration_tensors(_pool(folder, "pool-train.npz"))
    difference = largest_difference(net, files[0], tensors[:16])
    if difference > AGREEMENT:
        raise ExportError(f"{files[0]}: differs from the network by {difference}")
    write_int8(config, *files, tensors)
    pixels, texts = calibration_set(_pool(folder, "pool-dev.npz"))
    temperature, before, after = fit_temperature(logits_of(net, pixels), texts)
    manifest = describe(config, args, files, history, temperature)
    manifest["provenance"]["largest_difference_torch"] = round(difference, 7)
    manifest["provenance"]["calibration_error"] = {
        "before": before,
        "after": after,
        "n": len(texts),
    }
    write_manifest(manifest, out)
    write_drawn(out / "drawn")
    manifest["metrics"] += [measure(out), measure(out, "int8")]
    path = write_manifest(manifest, out)
    print(f"{path}: difference {difference:.2e}, temperature {temperature}")
    draw_curves(folder, out / "curves.png")
    print(f"golden picture reads {write_golden(out, golden_picture())}")
    return 0

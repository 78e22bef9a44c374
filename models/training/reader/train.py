"""Trains the plate reader on drawn plates and, where given, on real crops."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.data.boxes import read_picture
from training.data.crops import CropPool, fold, read_crops
from training.data.objects import OWN
from training.loop import Trainer, draw_curves
from training.manifest import sha256_of
from training.nets.reader import BLANK, STEPS, PlateReader
from training.origin import origin
from training.preprocess import grey_from_rgb, stretch
from training.reader.decode import greedy
from training.reader.stream import Batch, Mixture, dev_set, stream, texts_of
from training.reader.teacher import TEACHERS, build_pool
from training.start import earlier_stages, first_weights, make_schedule


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 N x 32 x 128 to float32 N x 1 x 32 x 128 as the agent makes it."""
    return torch.from_numpy((pixels[:, None].astype(np.float32) - 127.5) * np.float32(1 / 127.5))


def ctc_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Mean CTC loss per sample over the text's length."""
    logits = model(tensor(batch.pixels).contiguous(memory_format=torch.channels_last)).float()
    steps = torch.full((len(batch.pixels),), STEPS, dtype=torch.long)
    return functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        torch.from_numpy(batch.labels),
        steps,
        torch.from_numpy(batch.lengths),
        blank=BLANK,
        reduction="mean",
        zero_infinity=True,
    )


@torch.no_grad()
def logits_of(model: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Logits (N x 32 x 37) of reader inputs."""
    model.eval()
    return np.concatenate(
        [
            model(tensor(part)).float().numpy()
            for part in np.array_split(pixels, max(1, len(pixels) // 128))
        ]
    )


def real_inputs(path: Path) -> tuple[np.ndarray, list[str]]:
    """Reader inputs and texts of a `crops.csv`."""
    rows = read_crops(path)
    pixels = np.stack(
        [stretch(grey_from_rgb(read_picture(path.parent / r.file)), 128, 32) for r in rows]
    )
    return pixels, [r.text for r in rows]


class Evaluation:
    """Scores during training: drawn dev set and, where given, real crops (never trained on)."""

    def __init__(self, crops: Path | None, drawn: int = 1000) -> None:
        batch = dev_set(drawn)
        self._sets = {"drawn": (batch.pixels, texts_of(batch))}
        if crops is not None:
            self._sets["real"] = real_inputs(crops)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Exact and folded share by set; `score` is the drawn set's."""
        scores: dict[str, float] = {}
        for name, (pixels, texts) in self._sets.items():
            read = [greedy(logits).text for logits in logits_of(model, pixels)]
            scores[f"{name}_exact"] = float(
                np.mean([a == b for a, b in zip(read, texts, strict=True)])
            )
            scores[f"{name}_folded"] = float(
                np.mean([fold(a) == fold(b) for a, b in zip(read, texts, strict=True)])
            )
        scores["score"] = scores["drawn_exact"]
        return scores


def prepare_pools(data: Path, teachers: Path | None, folder: Path) -> list[dict[str, object]]:
    """Writes the real crops into the run; returns what went in, for the manifest."""
    used: list[dict[str, object]] = [
        {"name": "drawn plates (training/synth)", "sha256": "", "tier": "A"}
    ]
    for split in ("train", "dev"):
        target = folder / f"pool-{split}.npz"
        if teachers is not None and not target.is_file():
            pool = build_pool(data, teachers, split)
            if pool.crops:
                pool.save(target)
    if not (folder / "pool-train.npz").is_file():
        return used
    count = len(CropPool.load(str(folder / "pool-train.npz")).crops)
    own, boxes = data / "plate-text" / "crops.csv", data / "plate-boxes" / "boxes.csv"
    if own.is_file():
        mine = len(read_crops(own))
        count -= mine
        used.append({"name": f"plate-text, {mine} own crops", "sha256": sha256_of(own), "tier": OWN})
    if boxes.is_file() and count:
        name = f"plate-boxes, {count} crops with agreed texts"
        used.append({"name": name, "sha256": sha256_of(boxes), "tier": "A"})
    return used


def calibration(pool: Path) -> list[np.ndarray]:
    """Inputs on which the weights of an exported reader are normalised anew."""
    from training.reader.export import calibration_tensors

    return calibration_tensors(CropPool.load(str(pool)) if pool.is_file() else None)


def run(args, config: dict) -> int:
    """Command `train` for the reader; a run that was interrupted goes on where it stopped."""
    folder, data = Path(args.out), Path(args.data)
    folder.mkdir(parents=True, exist_ok=True)
    teachers = Path(config["teachers"]["folder"]) if config.get("teachers") else None
    used = prepare_pools(data, teachers, folder)
    pool = folder / "pool-train.npz"
    crops_file = str(pool) if pool.is_file() else ""
    mixture = Mixture(**config["mixture"] | {"seed": args.seed, "crops_file": crops_file})
    known = origin(args, folder) | {"earlier_stages": earlier_stages(args.start), "data": used}
    known["teachers"] = [Path(name).stem for name in TEACHERS] if crops_file else []
    (folder / "data.json").write_text(json.dumps(known))
    watched = data / "plates" / "crops.csv"
    drawn = config.get("watch", {}).get("drawn", 1000)
    evaluation = Evaluation(watched if watched.is_file() else None, drawn)
    torch.manual_seed(args.seed)
    trainer = Trainer(PlateReader(), make_schedule(config, args), folder, ctc_loss, evaluation)
    if not trainer.resume() and args.start:
        trainer.start_from(first_weights(args.start, PlateReader(), partial(calibration, pool)))
    trainer.run(partial(stream, mixture))
    print(draw_curves(folder))
    return 0

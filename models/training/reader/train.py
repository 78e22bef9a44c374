"""Trains the plate reader on drawn plates and, where given, on real crops."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.data.crops import fold, read_crops, read_picture
from training.loop import Schedule, Trainer, draw_curves
from training.nets.reader import BLANK, STEPS, PlateReader
from training.preprocess import grey_from_rgb, stretch
from training.reader.decode import greedy
from training.reader.stream import Batch, Mixture, dev_set, stream
from training.synth.grammar import ALPHABET


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 N x 32 x 128 to float32 N x 1 x 32 x 128 as the agent makes it."""
    return torch.from_numpy((pixels[:, None].astype(np.float32) - 127.5) * np.float32(1 / 127.5))


def ctc_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Mean CTC loss per sample over the text's length."""
    logits = model(tensor(batch.pixels).contiguous(memory_format=torch.channels_last)).float()
    steps = torch.full((len(batch.pixels),), STEPS, dtype=torch.long)
    return functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1), torch.from_numpy(batch.labels), steps,
        torch.from_numpy(batch.lengths), blank=BLANK, reduction="mean", zero_infinity=True,
    )


@torch.no_grad()
def logits_of(model: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """Logits (N x 32 x 37) of reader inputs."""
    model.eval()
    return np.concatenate([model(tensor(part)).float().numpy() for part in np.array_split(pixels, max(1, len(pixels) // 128))])


def texts_of(batch: Batch) -> list[str]:
    """The texts of a batch."""
    ends = np.cumsum(batch.lengths)
    return ["".join(ALPHABET[i] for i in batch.labels[e - n : e]) for e, n in zip(ends, batch.lengths, strict=True)]


def real_inputs(path: Path) -> tuple[np.ndarray, list[str]]:
    """Reader inputs and texts of a `crops.csv`."""
    rows = read_crops(path)
    pixels = np.stack([stretch(grey_from_rgb(read_picture(path.parent / r.file)), 128, 32) for r in rows])
    return pixels, [r.text for r in rows]


class Evaluation:
    """Scores during training: drawn dev set and, where given, real crops that are never trained on."""

    def __init__(self, crops: Path | None, drawn: int = 1000) -> None:
        batch = dev_set(drawn)
        self._sets = {"drawn": (batch.pixels, texts_of(batch))}
        if crops is not None:
            self._sets["real"] = real_inputs(crops)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Exact and folded share by set; `score` is what picks the best weights (drawn only)."""
        scores: dict[str, float] = {}
        for name, (pixels, texts) in self._sets.items():
            read = [greedy(logits).text for logits in logits_of(model, pixels)]
            scores[f"{name}_exact"] = float(np.mean([a == b for a, b in zip(read, texts, strict=True)]))
            scores[f"{name}_folded"] = float(np.mean([fold(a) == fold(b) for a, b in zip(read, texts, strict=True)]))
        scores["score"] = scores["drawn_exact"]
        return scores


def load_config(path: Path) -> tuple[Schedule, Mixture]:
    """Schedule and mixture of a config file."""
    config = tomllib.loads(path.read_text())
    return Schedule(**config["schedule"]), Mixture(**config["mixture"])


def train(schedule: Schedule, mixture: Mixture, folder: Path, crops: Path | None, start: Path | None = None) -> Path:
    """Runs (or resumes) a training in `folder`; returns the best weights' file."""
    torch.manual_seed(mixture.seed)
    trainer = Trainer(PlateReader(), schedule, folder, ctc_loss, Evaluation(crops))
    if not trainer.resume() and start is not None:
        trainer.start_from(torch.load(start, map_location="cpu", weights_only=True)["model"])

    def batches(step: int) -> Iterator[Batch]:
        return stream(mixture, step)

    trainer.run(batches)
    draw_curves(folder)
    return folder / "best.pt"


def add_arguments(parser) -> None:
    """Options of `train plate-text`."""
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[1] / "configs" / "plate-text.toml")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an interrupted one is resumed")
    parser.add_argument("--data", type=Path, help="folder with plates/crops.csv to watch while training")
    parser.add_argument("--minutes", type=float, help="bound by time instead of steps")
    parser.add_argument("--pool", type=Path, help="real crops to mix in (written by `pool`)")
    parser.add_argument("--start", type=Path, help="weights to begin with (fine-tuning)")


def run(args) -> int:
    """Command `train plate-text`."""
    schedule, mixture = load_config(args.config)
    if args.minutes:
        schedule = replace(schedule, minutes=args.minutes)
    mixture = replace(mixture, crops_file=str(args.pool)) if args.pool else replace(mixture, crops_file="", real_share=0.0)
    crops = args.data / "plates" / "crops.csv" if args.data else None
    print(train(schedule, mixture, args.out, crops, args.start))
    return 0


if __name__ == "__main__":
    import argparse
    import sys

    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    sys.exit(run(_parser.parse_args()))

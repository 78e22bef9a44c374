"""A training loop: schedule, averaged weights, checkpoints, progress, curves.

A run is a folder: `checkpoint.pt` (all that resuming needs), `weights.pt` (the averaged
weights), `history.json`, `curves.png`. What is model specific - batches, loss,
evaluation - comes in as functions.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn

from training.figures import figure


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. `minutes` > 0 bounds the run by time instead of `steps`."""

    steps: int = 10_000
    minutes: float = 0.0
    peak_rate: float = 2.5e-3
    final_rate: float = 2e-5
    warmup: int = 200
    weight_decay: float = 0.02
    average: float = 0.998
    clip_norm: float = 5.0
    evaluate_every: int = 1000
    threads: int = 1
    bfloat16: bool = True
    # Normalisations keep the statistics they begin with: those of small batches would undo what was learnt.
    frozen_norms: bool = False
    # Share of the weights begun with in the weights that come of the run: half-way between them is often better than
    # either end (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). Wants `frozen_norms`.
    kept_share: float = 0.0

    def rate(self, step: int, progress: float) -> float:
        """Cosine from `peak_rate` to `final_rate` after a linear warm-up; `progress` is 0 to 1."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        rate = self.final_rate + (self.peak_rate - self.final_rate) * cosine
        return rate * min(1.0, (step + 1) / max(self.warmup, 1))


@dataclass
class History:
    """What happened so far; survives a resume."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    scores: list[tuple[int, dict[str, float]]] = field(default_factory=list)


class Average:
    """Exponential moving average of all weights; buffers are copied."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self._decay = decay
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Takes in the weights after `step`; early steps count more to forget the start."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.model.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs.detach(), 1 - decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)


def _groups(model: nn.Module, decay: float) -> list[dict]:
    """Weight decay for matrices and kernels only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _save(path: Path, state: dict) -> None:
    """Replaces the file in one step, so that a killed run leaves the old or the new one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


class Trainer:
    """Runs one schedule.

    `batches(step)` yields batches from that step on, so a resumed run sees the same data.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        folder: Path,
        loss: Callable[[nn.Module, object], torch.Tensor],
        evaluate: Callable[[nn.Module], dict[str, float]],
    ) -> None:
        torch.set_num_threads(schedule.threads)
        folder.mkdir(parents=True, exist_ok=True)
        self.model = model.to(memory_format=torch.channels_last)
        self.average = Average(self.model, schedule.average)
        self.history = History()
        self._schedule = schedule
        self._folder = folder
        self._loss = loss
        self._evaluate = evaluate
        self._first: dict | None = None  # the weights begun with, where any were given
        self._optimiser = torch.optim.AdamW(
            _groups(self.model, schedule.weight_decay), lr=schedule.peak_rate
        )

    def resume(self) -> bool:
        """Takes up the folder's checkpoint if there is one."""
        path = self._folder / "checkpoint.pt"
        if not path.is_file():
            return False
        state = torch.load(path, map_location="cpu", weights_only=False)
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self._first = state.get("first")
        self._optimiser.load_state_dict(state["optimiser"])
        self.history = History(**state["history"])
        return True

    def start_from(self, weights: dict) -> None:
        """Begins with given weights instead of random ones (fine-tuning)."""
        self.model.load_state_dict(weights)
        self.average.model.load_state_dict(weights)
        self._first = copy.deepcopy(weights)

    def result(self) -> nn.Module:
        """The averaged network, with its share of the weights begun with."""
        share = self._schedule.kept_share
        if self._first is None or share == 0:
            return self.average.model
        mixed = copy.deepcopy(self.average.model)
        state = mixed.state_dict()
        for name, value in state.items():
            if value.is_floating_point():
                value.lerp_(self._first[name].to(value.dtype), share)
        return mixed

    def _learn(self) -> None:
        """Puts the network into training mode."""
        self.model.train()
        for module in self.model.modules():
            if self._schedule.frozen_norms and isinstance(module, nn.BatchNorm2d):
                module.eval()

    def _progress(self) -> float:
        if self._schedule.minutes > 0:
            return self.history.seconds / (60 * self._schedule.minutes)
        return self.history.step / self._schedule.steps

    def _train_step(self, batch: object) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = self._schedule.rate(self.history.step, self._progress())
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._schedule.bfloat16):
            loss = self._loss(self.model, batch)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self._schedule.clip_norm)
        value = float(loss.detach())
        if math.isfinite(value) and math.isfinite(float(norm)):
            self._optimiser.step()
            self.average.update(self.model, self.history.step)
        return value

    def run(self, batches: Callable[[int], Iterator[object]]) -> History:
        """Trains to the end of the schedule; returns the history."""
        history = self.history
        self._learn()
        recent: list[float] = []
        last = time.monotonic()
        for batch in batches(history.step):
            recent.append(self._train_step(batch))
            history.step += 1
            now = time.monotonic()
            history.seconds += now - last
            last = now
            done = self._progress() >= 1
            if history.step % 100 == 0 or done:
                mean = sum(recent) / len(recent)
                history.losses.append((history.step, mean))
                self._report(mean)
                recent = []
            if history.step % self._schedule.evaluate_every == 0 or done:
                self._checkpoint()
                last = time.monotonic()
            if done:
                break
        return history

    def _report(self, loss: float) -> None:
        share = self._progress()
        left = self.history.seconds * (1 - share) / max(share, 1e-9)
        print(
            f"step {self.history.step} loss {loss:.4f} {share:6.1%} left {left / 60:.1f} min",
            flush=True,
        )

    def _checkpoint(self) -> None:
        history = self.history
        result = self.result()
        scores = self._evaluate(result)
        history.scores.append((history.step, scores))
        print(
            f"step {history.step} " + " ".join(f"{k} {v:.4f}" for k, v in scores.items()),
            flush=True,
        )
        # Tensors alone: Debian's PyTorch 1.13 reads nothing else without unpickling arbitrary objects.
        _save(self._folder / "weights.pt", {"model": result.state_dict()})
        _save(
            self._folder / "checkpoint.pt",
            {
                "model": self.model.state_dict(),
                "average": self.average.model.state_dict(),
                "first": self._first,
                "optimiser": self._optimiser.state_dict(),
                "history": asdict(history),
            },
        )
        _write_history(self._folder, history)


def _write_history(folder: Path, history: History) -> None:
    partial = folder / "history.json.partial"
    partial.write_text(json.dumps(asdict(history)))
    os.replace(partial, folder / "history.json")


def draw_curves(folder: Path, target: Path | None = None) -> Path:
    """Loss and scores of a run's history as a picture."""
    history = json.loads((folder / "history.json").read_text())
    path = target or folder / "curves.png"
    with figure(path, (10, 3.6), columns=2) as (left, right):
        left.plot(*zip(*history["losses"], strict=True))
        left.set(xlabel="step", ylabel="loss", yscale="log")
        names = sorted({name for _, scores in history["scores"] for name in scores})
        for name in names:
            right.plot(
                [step for step, _ in history["scores"]],
                [s[name] for _, s in history["scores"]],
                label=name,
            )
        right.set(xlabel="step", ylabel="score", ylim=(0, 1))
        right.legend(fontsize=7)
    return path

"""Trains a detector: both detectors share this loop, the config makes the difference.

The schedule follows the clock when minutes are given (a run on a shared machine then ends in time)
and the step count when steps are given (a run that can be repeated exactly).
"""

import json
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from training.detect.batches import Batches
from training.detect.loss import detection_loss
from training.detect.pool import build_pool
from training.nets.detector import from_config

CHECKPOINT_EVERY_S = 120.0
LOG_EVERY = 25


class Average:
    """Exponential moving average of weights; slow averaging only once there is something to."""

    def __init__(self, net, decay):
        self.decay = decay
        self.steps = 0
        self.state = {key: value.detach().clone() for key, value in net.state_dict().items()}

    def update(self, net):
        """Takes in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.dtype.is_floating_point:
                    self.state[key].lerp_(value, 1 - decay)
                else:
                    self.state[key].copy_(value)


class Schedule:
    """Warm-up and cosine over steps or minutes."""

    def __init__(self, settings, minutes, steps):
        self.rate, self.warmup = settings["rate"], settings["warmup"]
        self.seconds = None if steps else 60.0 * minutes
        self.steps = steps

    def progress(self, step, elapsed_s):
        """0 at the start, 1 at the end."""
        share = step / self.steps if self.steps else elapsed_s / self.seconds
        return min(1.0, share)

    def learning_rate(self, step, elapsed_s):
        """Rate for the next step."""
        progress = self.progress(step, elapsed_s)
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.rate * cosine * min(1.0, (step + 1) / self.warmup)


def make_optimiser(net, settings):
    """AdamW; biases and normalisation are not decayed."""
    decayed, free = [], []
    for parameter in net.parameters():
        (decayed if parameter.ndim > 1 else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings["weight_decay"]},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings["rate"], betas=(0.9, 0.99))


class Run:
    """State of one training run; everything in it is in the checkpoint."""

    def __init__(self, args, config):
        self.config, self.out = config, Path(args.out)
        self.settings = config["train"]
        self.net = from_config(config).to(memory_format=torch.channels_last)
        self.optimiser = make_optimiser(self.net, self.settings)
        self.average = Average(self.net, self.settings["average"])
        self.schedule = Schedule(self.settings, args.minutes or self.settings["minutes"], args.steps)
        self.seed, self.step, self.elapsed, self.log = args.seed, 0, 0.0, []
        self.saved_at = 0.0
        if args.resume:
            self._load(self.out / "last.pt")
        elif args.start:
            state = torch.load(args.start, weights_only=True)["average"]
            self.net.load_state_dict(state)
            self.average = Average(self.net, self.settings["average"])

    def _load(self, path):
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.state, self.average.steps = state["average"], state["step"]
        self.step, self.elapsed, self.log = state["step"], state["elapsed"], state["log"]
        self.saved_at = self.elapsed

    def save(self):
        """Writes the checkpoint under a temporary name, then renames it."""
        content = {
            "net": self.net.state_dict(),
            "average": self.average.state,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed": self.elapsed,
            "seed": self.seed,
            "log": self.log,
            "config": self.config,
        }
        part = self.out / "last.pt.part"
        torch.save(content, part)
        part.rename(self.out / "last.pt")
        (self.out / "log.json").write_text(json.dumps(self.log))
        self.saved_at = self.elapsed

    def train_step(self, pictures, targets):
        """One step of the optimiser; returns the loss parts."""
        rate = self.schedule.learning_rate(self.step, self.elapsed)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings["bfloat16"]):
            outputs = self.net(pictures)
        total, parts = detection_loss(
            outputs, targets, self.net.strides, self.net.class_count
        )
        if not torch.isfinite(total):
            raise FloatingPointError(f"loss is not finite at step {self.step}")
        self.optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), self.settings["clip"])
        self.optimiser.step()
        self.average.update(self.net)
        self.step += 1
        return parts | {"rate": rate}

    def train(self, batches):
        """Steps until the schedule ends."""
        begun = time.monotonic() - self.elapsed
        recent = []
        self.net.train()
        while True:
            progress = self.schedule.progress(self.step, self.elapsed)
            if progress >= 1.0:
                break
            recent.append(self.train_step(*batches.next(progress)))
            self.elapsed = time.monotonic() - begun
            if self.step % LOG_EVERY == 0:
                self.report(recent)
                recent = []
            if self.elapsed - self.saved_at > CHECKPOINT_EVERY_S:
                self.save()
        self.save()

    def report(self, recent):
        """One line of progress, kept for the curves."""
        entry = {key: float(np.mean([parts[key] for parts in recent])) for key in recent[0]}
        entry |= {"step": self.step, "minutes": self.elapsed / 60.0}
        self.log.append(entry)
        progress = max(1e-6, self.schedule.progress(self.step, self.elapsed))
        left = self.elapsed / progress - self.elapsed
        print(
            f"step {self.step} class {entry['class']:.3f} box {entry['box']:.3f}"
            f" rate {entry['rate']:.5f} {self.elapsed / 60:.1f} min, {left / 60:.1f} left",
            flush=True,
        )


def draw_curves(log, path):
    """Losses and rate over steps, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3))
    steps = [entry["step"] for entry in log]
    for key in ("class", "box"):
        axes[0].plot(steps, [entry[key] for entry in log], label=key, linewidth=0.8)
    axes[0].set(xlabel="step", title="loss")
    axes[0].legend()
    axes[1].plot(steps, [entry["rate"] for entry in log], linewidth=0.8)
    axes[1].set(xlabel="step", title="learning rate")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def run(args, config):
    """The command."""
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    job = Run(args, config)
    pool = build_pool(config, Path(args.data), args.teacher_labels, args.teacher_frames)
    print(pool.describe(), flush=True)
    (out / "data.json").write_text(json.dumps(pool.manifest(), indent=1))
    # A resumed run must not see the same pictures again in the same order.
    batches = Batches(pool, config, np.random.SeedSequence([args.seed, job.step]))
    try:
        job.train(batches)
    finally:
        batches.close()
    draw_curves(job.log, out / "curves.png")
    return 0

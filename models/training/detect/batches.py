"""Batches of training canvases, made one ahead in a thread.

OpenCV lets other threads run while it works, so one thread keeps up without a second process and
without a second copy of the pictures.
"""

import queue
import threading

import numpy as np
import torch

from training.detect.augment import compose
from training.detect.loss import Targets

AHEAD = 3


def collate(canvases):
    """Canvases to (Bx3xHxW float32 in 0..1, Targets)."""
    pictures = np.stack([canvas.picture for canvas in canvases])
    # Channels-last memory: the permuted view of NHWC is what the convolutions want.
    tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float().mul_(1.0 / 255.0)

    def joined(field, width, dtype):
        rows = [np.asarray(getattr(c, field), np.float32).reshape(-1, *width) for c in canvases]
        return torch.from_numpy(np.concatenate(rows)).to(dtype)

    def owners(field):
        counts = [len(getattr(canvas, field)) for canvas in canvases]
        return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))

    return tensor, Targets(
        boxes=joined("boxes", (4,), torch.float32),
        classes=joined("classes", (), torch.int64),
        weights=joined("weights", (), torch.float32),
        batch=owners("boxes"),
        ignore=joined("ignore", (4,), torch.float32),
        ignore_classes=joined("ignore_classes", (), torch.int64),
        ignore_batch=owners("ignore"),
    )


class Batches:
    """Endless batches; sizes and mosaic follow the progress of the run."""

    def __init__(self, pool, config, seeds):
        self.pool, self.rules, self.canvas = pool, config["augment"], config["canvas"]
        self.rng = np.random.default_rng(seeds)
        self.progress = 0.0
        self.ready = queue.Queue(AHEAD)
        self.stopping = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self._fill, name="batches", daemon=True)
        self.thread.start()

    def stream(self, progress):
        """Batches without end; `progress()`, 0..1 of the run, tells which sizes come next."""
        while True:
            self.progress = progress()
            batch = self.ready.get()
            if batch is None:
                raise RuntimeError("no batch could be made") from self.failure
            yield batch

    def close(self):
        """Ends the thread."""
        self.stopping.set()
        while self.thread.is_alive():
            try:
                self.ready.get(timeout=0.1)
            except queue.Empty:
                continue

    def _fill(self):
        try:
            while not self.stopping.is_set():
                self.ready.put(self._make())
        except Exception as error:  # handed to the training thread, which raises it
            self.failure = error
            self.ready.put(None)

    def _make(self):
        rng, rules = self.rng, dict(self.rules)
        stage = next(s for s in self.canvas["sizes"] if self.progress <= s["until"])
        width, height = stage["shapes"][rng.integers(len(stage["shapes"]))]
        if self.progress > 1 - self.canvas["plain_end"]:
            rules["mosaic"] = 0.0
        canvases = [
            compose(rng, self.pool.draw, width, height, rules) for _ in range(stage["batch"])
        ]
        return collate(canvases)



"""Endless batches of drawn reader inputs from a worker process, the same for the same seed.

Batch `k` depends on (seed, k) alone, so a resumed run continues with the batches it would
have seen.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Full

import numpy as np

from training.data.crops import CropPool
from training.synth import camera
from training.synth.grammar import ALPHABET
from training.synth.plate import Book, Painter, draw_plate

_INDEX = {c: i for i, c in enumerate(ALPHABET)}


@dataclass(frozen=True)
class Mixture:
    """What a batch is made of; `real_share` of it are crops of `crops_file` where that is given."""

    batch: int = 96
    seed: int = 1
    real_share: float = 0.0
    crops_file: str = ""
    stroke_count: int = 96


@dataclass(frozen=True)
class Batch:
    """`pixels` uint8 N x 32 x 128, `labels` alphabet indices end to end, `lengths` of texts."""

    pixels: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray


def encode(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts to concatenated indices and lengths."""
    labels = np.array([_INDEX[c] for text in texts for c in text], np.int64)
    return labels, np.array([len(text) for text in texts], np.int64)


def texts_of(batch: Batch) -> list[str]:
    """The texts of a batch."""
    ends = np.cumsum(batch.lengths)
    return [
        "".join(ALPHABET[i] for i in batch.labels[e - n : e])
        for e, n in zip(ends, batch.lengths, strict=True)
    ]


class Source:
    """Draws batches; lives in the worker."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self._painter = Painter(Book.open(mixture.seed, stroke_count=mixture.stroke_count))
        self._crops = CropPool.load(mixture.crops_file) if mixture.crops_file else None

    def batch(self, index: int) -> Batch:
        """Batch number `index`."""
        rng = np.random.default_rng([self._mixture.seed, 11, index])
        pixels = np.empty((self._mixture.batch, *camera.READER_SIZE), np.uint8)
        texts = []
        for i in range(self._mixture.batch):
            if self._crops is not None and rng.random() < self._mixture.real_share:
                pixels[i], text = self._crops.shoot(rng)
            else:
                plate = draw_plate(rng, self._painter)
                pixels[i], text = camera.shoot(rng, plate.pixels[..., 0]), plate.text.text
            texts.append(text)
        return Batch(pixels, *encode(texts))


def _work(mixture: Mixture, start: int, queue: multiprocessing.Queue) -> None:
    import cv2

    cv2.setNumThreads(1)
    source = Source(mixture)
    parent = multiprocessing.parent_process()
    index = start
    while True:
        batch = source.batch(index)
        index += 1
        while True:
            try:
                queue.put(batch, timeout=2)
                break
            except Full:
                if parent is None or not parent.is_alive():  # the trainer was killed
                    queue.cancel_join_thread()
                    return


def stream(mixture: Mixture, start: int) -> Iterator[Batch]:
    """Batches from number `start` on, drawn ahead by one worker that ends with the iterator."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue = context.Queue(maxsize=16)
    worker = context.Process(
        target=_work, args=(mixture, start, queue), daemon=True, name="plate-renderer"
    )
    worker.start()
    try:
        while True:
            yield queue.get(timeout=300)
    finally:
        worker.terminate()
        worker.join()
        queue.cancel_join_thread()


def dev_set(count: int = 2000, seed: int = 9_000_001) -> Batch:
    """The fixed drawn dev set: held-out fonts, texts and seeds."""
    painter = Painter(Book.open(seed, held_out=True))
    pixels = np.empty((count, *camera.READER_SIZE), np.uint8)
    texts = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        plate = draw_plate(rng, painter, held=True)
        pixels[i] = camera.shoot(rng, plate.pixels[..., 0])
        texts.append(plate.text.text)
    return Batch(pixels, *encode(texts))

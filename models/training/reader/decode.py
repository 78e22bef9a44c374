"""From logits to texts: greedy CTC decoding with a probability per character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synth.grammar import ALPHABET

BLANK = len(ALPHABET)


@dataclass(frozen=True)
class Reading:
    """A text and the probability of each of its characters."""

    text: str
    probabilities: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """The least certain character decides; 0 for an empty text."""
        return min(self.probabilities, default=0.0)


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax over the last axis of logits / temperature."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    values = np.exp(scaled)
    return values / values.sum(axis=-1, keepdims=True)


def greedy(logits: np.ndarray, temperature: float = 1.0) -> Reading:
    """Best class of each step (T x 37), repeats joined, blanks dropped.

    A character's probability is its highest one over the steps that were joined into it.
    """
    probabilities = softmax(logits, temperature)
    best = probabilities.argmax(axis=-1)
    text: list[str] = []
    sure: list[float] = []
    previous = BLANK
    for step, index in enumerate(best):
        value = float(probabilities[step, index])
        if index != BLANK and index == previous:
            sure[-1] = max(sure[-1], value)
        elif index != BLANK:
            text.append(ALPHABET[index])
            sure.append(value)
        previous = index
    return Reading("".join(text), tuple(sure))


def edit_distance(left: str, right: str) -> int:
    """Insertions, deletions and substitutions that turn one text into the other."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def align(left: str, right: str) -> list[tuple[str, str]]:
    """Pairs of a best alignment; an empty string stands for a gap."""
    n, m = len(left), len(right)
    cost = np.zeros((n + 1, m + 1), int)
    cost[:, 0], cost[0, :] = np.arange(n + 1), np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost[i, j] = min(
                cost[i - 1, j] + 1,
                cost[i, j - 1] + 1,
                cost[i - 1, j - 1] + (left[i - 1] != right[j - 1]),
            )
    pairs, i, j = [], n, m
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (left[i - 1] != right[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((left[i], right[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            pairs.append((left[i], ""))
        else:
            j -= 1
            pairs.append(("", right[j]))
    return pairs[::-1]

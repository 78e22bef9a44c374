"""From logits to texts: greedy CTC decoding with a probability per character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synth.grammar import ALPHABET

BLANK = len(ALPHABET)
GUESSES = 4  # kept per character, as the agent does
Guesses = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Reading:
    """A text, the probability of each of its characters, and what each may be, best first."""

    text: str
    probabilities: tuple[float, ...]
    guesses: tuple[Guesses, ...] = ()

    def __post_init__(self) -> None:
        if not self.guesses:  # of a reader that tells one character a place
            pairs = zip(self.text, self.probabilities, strict=True)
            object.__setattr__(self, "guesses", tuple((pair,) for pair in pairs))

    @staticmethod
    def of(guesses: list[Guesses]) -> Reading:
        """From guesses per character, best first."""
        bests = [g[0] for g in guesses]
        return Reading("".join(c for c, _ in bests), tuple(p for _, p in bests), tuple(guesses))

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


def greedy(logits: np.ndarray, temperature: float = 1.0, longest: int = 100) -> Reading:
    """Best class of each step (T x 37), repeats joined, blanks dropped, at most `longest` left.

    A character's probabilities are those of the surest of the steps that were joined into it.
    """
    probabilities = softmax(logits, temperature)
    best = probabilities.argmax(axis=-1)
    steps: list[int] = []
    previous = BLANK
    for step, index in enumerate(best):
        if index != BLANK and index == previous:
            if probabilities[step, index] > probabilities[steps[-1], index]:
                steps[-1] = step
        elif index != BLANK:
            steps.append(step)
        previous = index
    return Reading.of([_guesses(probabilities[step]) for step in steps[:longest]])


def _guesses(row: np.ndarray) -> Guesses:
    """The likeliest characters of a step; the blank is none."""
    order = np.argsort(-row[:BLANK], kind="stable")[:GUESSES]
    return tuple((ALPHABET[i], float(row[i])) for i in order)


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

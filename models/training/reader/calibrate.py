"""The temperature that makes the probabilities of characters mean what they say."""

from __future__ import annotations

import numpy as np

from training.reader.decode import greedy
from training.reader.metrics import character_outcomes, reliability

_GRID = np.exp(np.linspace(np.log(0.5), np.log(3.0), 37))


def _log_loss(sure: np.ndarray, right: np.ndarray) -> float:
    sure = np.clip(sure, 1e-4, 1 - 1e-4)
    return float(-(np.where(right, np.log(sure), np.log(1 - sure))).mean())


def outcomes(
    logits: np.ndarray, texts: list[str], temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Probability and correctness of every character read from N x T x 37 logits."""
    return character_outcomes(texts, [greedy(one, temperature) for one in logits])


def fit_temperature(logits: np.ndarray, texts: list[str]) -> tuple[float, float, float]:
    """Temperature of least log loss, and the calibration error before and after."""
    losses = [_log_loss(*outcomes(logits, texts, t)) for t in _GRID]
    best = float(_GRID[int(np.argmin(losses))])
    before, _ = reliability(*outcomes(logits, texts, 1.0))
    after, _ = reliability(*outcomes(logits, texts, best))
    return round(best, 3), round(before, 4), round(after, 4)

"""What a list of readings is worth: shares with intervals, calibration, confusions."""

from __future__ import annotations

from collections import Counter

import numpy as np

from training.data.crops import fold
from training.evaluate.intervals import draws, estimate, wilson
from training.reader.decode import Reading, align, edit_distance

BINS = 15
# Of stated probabilities: narrow where second choices lie, and where a pass's verdict is told or not.
EDGES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)


def _share(hits: np.ndarray) -> dict[str, object]:
    return {"value": round(float(hits.mean()), 4), "interval": wilson(int(hits.sum()), len(hits))}


def character_accuracy(texts: list[str], readings: list[Reading]) -> dict[str, object]:
    """1 - edit distance / length over all texts together, interval by bootstrap over texts."""
    distance = np.array(
        [edit_distance(r.text, t) for r, t in zip(readings, texts, strict=True)], float
    )
    length = np.array([len(t) for t in texts], float)
    picked = draws(len(texts))
    resampled = 1 - distance[picked].sum(1) / length[picked].sum(1)
    return estimate(1 - distance.sum() / length.sum(), resampled)


def exact_hits(texts: list[str], readings: list[Reading]) -> np.ndarray:
    """True where the whole text was read."""
    return np.array([r.text == t for r, t in zip(readings, texts, strict=True)])


def character_outcomes(texts: list[str], readings: list[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Probability of every character that was read, and whether it is the true one."""
    sure: list[float] = []
    right: list[bool] = []
    for reading, text in zip(readings, texts, strict=True):
        index = 0
        for mine, truth in align(reading.text, text):
            if mine:
                sure.append(reading.probabilities[index])
                right.append(mine == truth)
                index += 1
    return np.array(sure), np.array(right, bool)


def second_outcomes(texts: list[str], readings: list[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the second choice of every character that was read, and whether it is the true one."""
    sure: list[float] = []
    right: list[bool] = []
    for reading, text in zip(readings, texts, strict=True):
        index = 0
        for mine, truth in align(reading.text, text):
            for character, probability in reading.guesses[index][1:2] if mine else ():
                sure.append(probability)
                right.append(character == truth)
            index += bool(mine)
    return np.array(sure), np.array(right, bool)


def stated(sure: np.ndarray, right: np.ndarray) -> list[dict[str, object]]:
    """How often what was stated is right, in bins of the stated probability that are not equal but told apart."""
    which = np.searchsorted(EDGES[1:-1], sure, side="right")
    rows: list[dict[str, object]] = []
    for index in np.unique(which):
        mine = which == index
        hits, count = int(right[mine].sum()), int(mine.sum())
        shown = {"stated": round(float(sure[mine].mean()), 4), "right": round(hits / count, 4)}
        rows.append({"from": EDGES[index], **shown, "interval": wilson(hits, count), "n": count})
    return rows


def reliability(sure: np.ndarray, right: np.ndarray) -> tuple[float, list[dict[str, float]]]:
    """Expected calibration error over equal bins, and the bins of the reliability diagram."""
    if len(sure) == 0:
        return 0.0, []
    which = np.minimum((sure * BINS).astype(int), BINS - 1)
    error, rows = 0.0, []
    for index in range(BINS):
        mine = which == index
        if mine.any():
            confidence, accuracy = float(sure[mine].mean()), float(right[mine].mean())
            error += mine.mean() * abs(confidence - accuracy)
            rows.append(
                {
                    "confidence": round(confidence, 4),
                    "accuracy": round(accuracy, 4),
                    "interval": wilson(int(right[mine].sum()), int(mine.sum())),
                    "n": int(mine.sum()),
                }
            )
    return float(error), rows


def calibration_error(texts: list[str], readings: list[Reading]) -> dict[str, object]:
    """Expected calibration error per character, interval by bootstrap over texts."""
    counted = np.zeros((len(texts), 3, BINS))  # of each text by bin: characters, their stated probabilities, right ones
    for row, text, reading in zip(counted, texts, readings, strict=True):
        sure, right = character_outcomes([text], [reading])
        which = np.minimum((sure * BINS).astype(int), BINS - 1)
        for sums, weights in zip(row, (None, sure, right), strict=True):
            sums += np.bincount(which, weights, BINS)

    def error(summed: np.ndarray) -> np.ndarray:
        count, sure, right = np.moveaxis(summed, -2, 0)
        return np.abs(sure - right).sum(-1) / np.maximum(count.sum(-1), 1)

    resampled = np.array([error(counted[picked].sum(0)) for picked in draws(len(texts))])
    return estimate(error(counted.sum(0)), resampled) | {"n": int(counted[:, 0].sum())}


def summary(texts: list[str], readings: list[Reading]) -> dict[str, object]:
    """Exact, folded, character accuracy and calibration error, each with n and interval."""
    exact = exact_hits(texts, readings)
    folded = np.array([fold(r.text) == fold(t) for r, t in zip(readings, texts, strict=True)])
    _, rows = reliability(*character_outcomes(texts, readings))
    return {
        "n": len(texts),
        "exact": _share(exact),
        "folded": _share(folded),
        "character": character_accuracy(texts, readings),
        "calibration_error": calibration_error(texts, readings),
        "reliability": rows,
        "second_choices": stated(*second_outcomes(texts, readings)),
    }


def by_region(
    texts: list[str], readings: list[Reading], regions: list[str]
) -> dict[str, dict[str, object]]:
    """Exact share of every region."""
    exact = exact_hits(texts, readings)
    found = {}
    for region in sorted(set(regions)):
        mine = exact[np.array([r == region for r in regions])]
        found[region] = {"n": len(mine), "exact": _share(mine)}
    return found


def confusions(texts: list[str], readings: list[Reading]) -> list[dict[str, object]]:
    """How often a character was read as which; missed has `read` empty, made up `truth` empty."""
    counts: Counter[tuple[str, str]] = Counter()
    for reading, text in zip(readings, texts, strict=True):
        counts.update((truth, mine) for mine, truth in align(reading.text, text))
    return [
        {"truth": t, "read": r, "n": n}
        for (t, r), n in sorted(counts.items(), key=lambda e: (-e[1], e[0]))
    ]

"""One text from the readings of a pass: the commonest length, then a vote per character."""

from __future__ import annotations

from collections import defaultdict

from training.reader.decode import Reading


def vote(readings: list[Reading]) -> str:
    """Readings of one length vote for each character; empty without readings."""
    by_length: dict[int, float] = defaultdict(float)
    for reading in readings:
        if reading.text:
            by_length[len(reading.text)] += sum(reading.probabilities) / len(reading.text)
    if not by_length:
        return ""
    length = max(by_length, key=lambda n: (by_length[n], n))
    text = []
    for position in range(length):
        votes: dict[str, float] = defaultdict(float)
        for reading in readings:
            if len(reading.text) == length:
                votes[reading.text[position]] += reading.probabilities[position] ** 2
        text.append(max(votes, key=lambda c: (votes[c], c)))
    return "".join(text)

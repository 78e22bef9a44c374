"""One text from the reads of a pass, rule for rule as the agent finds it.

The agent's rules stand in `edge-agent/analytics/src/plate/` (`vote.rs`, `pass.rs`, `passes.rs`); numbers are single
precision here too, so that ties fall alike. `models/check/votes.json` holds reads with the verdicts of this module,
and the agent's tests ask for the same verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from training.reader.decode import GUESSES, Reading, align

F = np.float32
OTHERS, ALTERNATES = 3, 5  # other characters told per place, other whole texts told
MOST_READS = 48  # kept for the vote; the lightest goes when there are more
ENOUGH = 6  # reads that agree until a plate is read only when it has come closer
GOOD_HEIGHT = F(32)  # pixels; a plate this high is as good as any for the reader
AGREED, LONE_LENGTH, LONE_CONFIDENCE = 2, 4, 0.5
SURE_ENOUGH, SURE_EARLY = 0.6, 0.82  # per character: to be told at all, and before the pass is over


@dataclass(frozen=True)
class Verdict:
    """What the reads of a pass say together."""

    text: str
    probabilities: tuple[float, ...]
    confidence: float
    agreeing: int
    reads: int
    alternates: tuple[tuple[str, float], ...]

    @property
    def sureness(self) -> float:
        """Geometric mean of the characters' probabilities."""
        return float(F(self.confidence) ** F(1 / max(1, len(self.text))))


@dataclass(frozen=True)
class _Place:
    best: str
    probability: np.float32
    others: list[tuple[str, np.float32]]


def trust(reading: Reading) -> np.float32:
    """What a read counts by itself: next to nothing unless it is sure."""
    total = F(0)
    for probability in reading.probabilities:
        total += F(probability)
    sure = total / F(max(1, len(reading.text)))
    fourth = (sure * sure) * (sure * sure)
    return fourth * fourth * fourth


def weight(reading: Reading, height: float) -> np.float32:
    """What a read of a plate `height` pixels high counts in its pass."""
    near = min(max(F(height) / GOOD_HEIGHT, F(0.2)), F(1))
    return trust(reading) * (near * near * near)


def tally(reads: list[tuple[Reading, float]]) -> Verdict | None:
    """The vote over reads with their weights; None without any text."""
    ballots = _ballots(reads)
    if not ballots:
        return None
    places = [_ranked(place) for place in _votes(ballots)]
    text = "".join(place.best for place in places)
    confidence = F(1)
    for place in places:
        confidence *= place.probability
    return Verdict(
        text,
        tuple(float(place.probability) for place in places),
        float(confidence),
        sum(reading.text == text for reading, _ in ballots),
        len(ballots),
        _alternates(places, text, confidence, ballots),
    )


def blend(looks: list[Reading]) -> Reading:
    """One read of what several looks at the same pixels say."""
    ballots = _ballots([(look, trust(look)) for look in looks])
    ranked = [sorted(p.items(), key=lambda e: (-e[1], e[0])) for p in _votes(ballots)]
    return Reading.of([tuple((c, float(p)) for c, p in place[:GUESSES]) for place in ranked])


def _ballots(reads) -> list[tuple[Reading, np.float32]]:
    return [(reading, F(w)) for reading, w in reads if reading.text and w > 0]


def _votes(ballots: list[tuple[Reading, np.float32]]) -> list[dict[str, np.float32]]:
    """What is said for each character of each place."""
    if not ballots:
        return []
    total = F(0)
    for _, w in ballots:
        total += w
    pivot = _pivot(ballots)
    votes: list[dict[str, np.float32]] = [defaultdict(lambda: F(0)) for _ in pivot]
    for reading, w in ballots:
        for place, index in zip(votes, _places(pivot, reading.text), strict=True):
            for character, probability in reading.guesses[index] if index is not None else ():
                place[character] += F(probability) * w / total
    return votes


def _pivot(ballots: list[tuple[Reading, np.float32]]) -> str:
    """The weightiest text of the weightiest length."""
    lengths: dict[int, np.float32] = defaultdict(lambda: F(0))
    texts: dict[str, np.float32] = defaultdict(lambda: F(0))
    for reading, w in ballots:
        lengths[len(reading.text)] += w
        texts[reading.text] += w
    length = max(lengths, key=lambda n: (lengths[n], n))
    return max((t for t in texts if len(t) == length), key=lambda t: (texts[t], t))


def _places(pivot: str, text: str) -> list[int | None]:
    """For each character of `pivot`, the index of the one of `text` that stands for it."""
    places: list[int | None] = []
    index = 0
    for mine, theirs in align(pivot, text):
        if mine:
            places.append(index if theirs else None)
        index += bool(theirs)
    return places


def _ranked(votes: dict[str, np.float32]) -> _Place:
    ranked = sorted(((c, min(p, F(1))) for c, p in votes.items()), key=lambda e: (-e[1], e[0]))
    others = [(c, p) for c, p in ranked[1:] if p >= F(0.005)]
    return _Place(*ranked[0], others[:OTHERS])


def _alternates(places: list[_Place], text: str, confidence, ballots) -> tuple[tuple[str, float], ...]:
    """Texts with one or two characters exchanged, and texts of another length that were read."""
    swaps = [
        (i, other, p / max(place.probability, F(1e-6)))
        for i, place in enumerate(places)
        for other, p in place.others
    ]
    found: dict[str, np.float32] = {}
    for index, one in enumerate(swaps):
        found[_swapped(text, one)] = confidence * one[2]
        for two in swaps[index + 1 :]:
            if two[0] != one[0]:
                found[_swapped(text, one, two)] = confidence * one[2] * two[2]
    total = F(0)
    for _, w in ballots:
        total += w
    for reading, w in ballots:
        if len(reading.text) != len(places):
            sure = F(1)
            for probability in reading.probabilities:
                sure *= F(probability)
            found[reading.text] = found.get(reading.text, F(0)) + sure * w / total
    ranked = sorted(
        ((t, min(p, F(1))) for t, p in found.items() if t != text and p >= F(0.001)),
        key=lambda e: (-e[1], e[0]),
    )
    return tuple((t, float(p)) for t, p in ranked[:ALTERNATES])


def _swapped(text: str, *changes) -> str:
    characters = list(text)
    for index, character, _ in changes:
        characters[index] = character
    return "".join(characters)


@dataclass
class Pass:
    """One pass of one plate: which reads are taken, and whether its text would be told."""

    reads: list[tuple[Reading, np.float32]] = field(default_factory=list)
    verdict: Verdict | None = None
    highest: float = 0.0
    previewed: bool = False

    def wants(self, height: float) -> bool:
        """Whether another read of a plate this high would help."""
        agreed = self.verdict.agreeing if self.verdict else 0
        closer = F(height) > F(self.highest) * F(1.1) and self.highest < GOOD_HEIGHT
        return agreed < ENOUGH or bool(closer)

    def see(self, reading: Reading, height: float) -> None:
        """A plate was found; its read is taken in if it is wanted."""
        if not self.wants(height) or not reading.text:
            return
        self.highest = max(self.highest, height)
        self.reads.append((reading, weight(reading, height)))
        if len(self.reads) > MOST_READS:
            lightest = min(range(len(self.reads)), key=lambda i: self.reads[i][1])
            self.reads[lightest] = self.reads[-1]
            self.reads.pop()
        self.verdict = tally(self.reads)
        verdict = self.verdict
        self.previewed |= (
            verdict is not None and verdict.agreeing >= AGREED and verdict.sureness >= SURE_EARLY
        )

    @property
    def told(self) -> bool:
        """Whether the agent would tell the text."""
        verdict = self.verdict
        if verdict is None:
            return False
        agreed = verdict.agreeing >= AGREED and verdict.sureness >= SURE_ENOUGH
        lone = len(verdict.text) >= LONE_LENGTH and verdict.confidence >= LONE_CONFIDENCE
        return self.previewed or agreed or lone


def vote(reads: list[tuple[Reading, float]]) -> Pass:
    """The pass of reads with the heights of their plates in pixels, in the order of time."""
    one = Pass()
    for reading, height in reads:
        one.see(reading, height)
    return one

"""Drawn reads with the verdicts that the agent's voting must reach on them: `models/check/votes.json`.

A list of passes: `reads`, each with `height` (pixels) and `characters` (guesses with probabilities, best first), and
what comes of them: `taken` (reads taken in), `told`, and the verdict, null where nothing was read.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from training.reader.decode import GUESSES, Guesses, Reading
from training.reader.vote import Pass, vote
from training.synth.grammar import ALPHABET

VOTES = Path(__file__).resolve().parents[2] / "check" / "votes.json"
_SEED, _PASSES = 20, 40


def _guesses(rng: np.random.Generator, character: str, sure: float) -> Guesses:
    """A character with doubts; the doubts are sometimes greater than the character."""
    doubts = rng.dirichlet(np.ones(GUESSES)) * (1 - sure)
    shown = [sure, *doubts[: GUESSES - 1]]
    others = [c for c in rng.permutation(list(ALPHABET)) if c != character][: GUESSES - 1]
    pairs = [(c, round(float(p), 3)) for c, p in zip([character, *others], shown, strict=True)]
    kept = sorted(pairs, key=lambda e: -e[1])[: int(rng.integers(1, GUESSES + 1))]
    return tuple((str(c), p) for c, p in kept)


def _read(rng: np.random.Generator, text: str, noise: float) -> Reading:
    """The text with characters exchanged, left out or added, as often as `noise` says."""
    characters: list[Guesses] = []
    for character in text:
        shown = character
        if rng.random() < noise:
            shown = str(rng.choice(list(ALPHABET + "___")))
        if shown != "_":
            sure = float(np.clip(rng.beta(8, 1 + 8 * noise), 0.2, 0.999))
            characters.append(_guesses(rng, shown, sure))
        if rng.random() < noise / 3:
            characters.append(_guesses(rng, str(rng.choice(list(ALPHABET))), 0.5))
    return Reading.of(characters)


def _drawn(rng: np.random.Generator, index: int) -> list[tuple[Reading, float]]:
    """The reads of a pass: few or many, near or far, clean or hardly legible."""
    text = "".join(rng.choice(list(ALPHABET), int(rng.integers(3, 9))))
    noise = (0.0, 0.1, 0.25, 0.5)[index % 4]
    count = 60 if index % 20 == 19 else (1, 2, 3, 5, 9)[index % 5]
    start = float(rng.integers(6, 40))
    step = float(rng.choice([-0.5, 0.0, 0.5]))
    return [(_read(rng, text, noise), max(4.0, start + step * i)) for i in range(count)]


def row_of(reads: list[tuple[Reading, float]], whole: Pass) -> dict[str, object]:
    """One pass as the file holds it."""
    verdict = whole.verdict
    return {
        "reads": [{"height": h, "characters": [list(map(list, g)) for g in r.guesses]} for r, h in reads],
        "taken": len(whole.reads),
        "told": whole.told,
        "verdict": verdict
        and {
            "text": verdict.text,
            "confidence": round(verdict.confidence, 6),
            "probabilities": [round(p, 6) for p in verdict.probabilities],
            "agreeing": verdict.agreeing,
            "alternates": [[text, round(p, 6)] for text, p in verdict.alternates],
        },
    }


def reads_of(row: dict) -> list[tuple[Reading, float]]:
    """The reads of a pass in the file."""
    return [
        (Reading.of([tuple((c, p) for c, p in guesses) for guesses in read["characters"]]), read["height"])
        for read in row["reads"]
    ]


def add_arguments(parser) -> None:
    """Options of the command."""
    parser.add_argument("--out", type=Path, default=VOTES)


def run(args) -> int:
    """Command `votes`."""
    rows = []
    for index in range(_PASSES):
        reads = _drawn(np.random.default_rng([_SEED, index]), index)
        rows.append(row_of(reads, vote(reads)))
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    args.out.write_text(f"[\n{lines}\n]\n")
    print(f"{args.out}: {len(rows)} passes, {sum(row['told'] for row in rows)} told")
    return 0

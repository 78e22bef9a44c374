"""Plate texts: regional grammars, random strings, and the texts kept out of training.

A text is returned as it is painted (`groups`, painted with a gap or a mark between them)
and as it is read (`text`, the groups joined). In a pattern `L` is a letter, `D` a digit,
any other character stands for itself.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
ALPHABET = DIGITS + LETTERS

US_PATTERNS = (
    "LLL DDDD",
    "LLL DDD",
    "DDD LLL",
    "DLLLDDD",
    "LLLDDDD",
    "LL DDD",
    "LL DDDD",
    "LLL DDL",
    "DDD DDD",
    "DDDD LL",
    "DLL DDD",
    "L DDDDDD",
    "LDDDDDD",
    "DDD DDDD",
    "DLL DDDD",
    "DDDDDD",
    "LL DDDDD",
    "DD LL DD",
    "LDD DDDD",
    "LDD DLL",
    "DDDDD L",
    "DLDDDDL",
    "LLD LDDD",
    "LLL DDLL",
    "DDD LLD",
    "DDDDD",
    "DDDDDDD",
    "LDL DDL",
    "DDL LDD",
    "LLDDDL",
    "LDDDDL",
    "L DDD LL",
    "DDDD",
)
_COMMON_US = 5  # the first patterns are those of most passenger cars
EU_PATTERNS = (
    "LLDD LLL",
    "LL DDD LL",
    "LLL DDDD",
    "L DDD LL",
    "LL DD LLL",
    "DDDD LLL",
    "LLL DD LL",
    "L DDD LLL",
    "DLL DDDD",
    "LL DDDD",
    "LL LL DDDD",
    "LL L DDDD",
    "L LL DDDD",
    "LL DDDDL",
    "LLL DDD",
    "DDD LL DD",
    "L DDDDDD",
    "B DD LLL",
    "B DDD LLL",
    "DD LL DD",
)
BR_PATTERNS = ("LLL DDDD", "LLLDLDD", "LLLDLDD")

# Invented vanity words: plain English and names, so that runs of letters are seen as well.
VANITY_PARTS = (
    "GO",
    "MY",
    "RUN",
    "FLY",
    "SKI",
    "CAT",
    "DOG",
    "LUV",
    "SUN",
    "RED",
    "BLU",
    "BIG",
    "HOT",
    "JET",
    "KIM",
    "JOE",
    "ANN",
    "BOB",
    "SAM",
    "MOM",
    "DAD",
    "FUN",
    "ZEN",
    "ACE",
    "KAY",
    "MAX",
    "WAX",
    "VAN",
    "TOY",
    "CAR",
    "GAS",
    "EV",
    "OK",
    "XO",
    "QT",
    "PI",
    "YAY",
    "WOW",
    "HEY",
    "YES",
    "NOPE",
    "GOLF",
    "SURF",
    "ROCK",
    "JAZZ",
    "BIKE",
    "BOAT",
    "FISH",
    "BIRD",
    "LION",
    "WOLF",
    "BEAR",
    "HAWK",
    "KING",
    "QUEEN",
    "SPEED",
    "QUICK",
    "HAPPY",
    "LUCKY",
    "MUSIC",
    "HONEY",
    "WATER",
    "RIVER",
    "OCEAN",
    "MOON",
)
AMBIGUOUS = "0O1I8B5S"
HELD_OUT_MODULUS = 10
# How often a serial letter that looks like a digit is kept: many authorities leave them out.
_KEPT = {
    "us": {"I": 0.15, "O": 0.2, "Q": 0.45},
    "eu": {"I": 0.4, "O": 0.5, "Q": 0.5},
    "br": {},
}


@dataclass(frozen=True)
class PlateText:
    """One plate's characters: `groups` as painted, `region` names the grammar."""

    groups: tuple[str, ...]
    region: str

    @property
    def text(self) -> str:
        """What a reader must answer: upper case, A-Z and 0-9 only."""
        return "".join(self.groups)


def held_out(text: str) -> bool:
    """True for the tenth of all texts that only the dev set and the gate may use."""
    return zlib.crc32(text.encode("ascii")) % HELD_OUT_MODULUS == 0


def _pick(rng: np.random.Generator, items: str | tuple[str, ...]) -> str:
    return items[int(rng.integers(len(items)))]


def _serial_letter(rng: np.random.Generator, region: str) -> str:
    """A letter of a serial number; most authorities leave out those that look like digits."""
    while True:
        letter = _pick(rng, LETTERS)
        if rng.random() < _KEPT[region].get(letter, 1.0):
            return letter


def _fill(pattern: str, rng: np.random.Generator, region: str) -> tuple[str, ...]:
    painted = "".join(
        _serial_letter(rng, region) if c == "L" else _pick(rng, DIGITS) if c == "D" else c
        for c in pattern
    )
    return tuple(painted.split(" "))


def _vanity(rng: np.random.Generator) -> tuple[str, ...]:
    length = int(rng.integers(2, 8))
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        source = rng.random()
        if source < 0.6:
            parts.append(_pick(rng, VANITY_PARTS))
        elif source < 0.8:
            parts.append(_pick(rng, DIGITS))
        else:
            parts.append(_pick(rng, LETTERS))
    word = "".join(parts)[: max(length, 2)]
    if len(word) > 4 and rng.random() < 0.35:
        cut = int(rng.integers(2, len(word) - 1))
        return (word[:cut], word[cut:])
    return (word,)


def _uniform(rng: np.random.Generator) -> tuple[str, ...]:
    length = int(rng.integers(4, 10))
    word = "".join(_pick(rng, ALPHABET) for _ in range(length))
    if length > 4 and rng.random() < 0.4:
        cut = int(rng.integers(2, length - 1))
        return (word[:cut], word[cut:])
    return (word,)


def _groups(region: str, rng: np.random.Generator) -> tuple[str, ...]:
    if rng.random() < 0.15:
        return _uniform(rng)
    if region == "us":
        if rng.random() < 0.15:
            return _vanity(rng)
        common = rng.random() < 0.4
        return _fill(_pick(rng, US_PATTERNS[:_COMMON_US] if common else US_PATTERNS), rng, region)
    return _fill(_pick(rng, EU_PATTERNS if region == "eu" else BR_PATTERNS), rng, region)


def draw_text(rng: np.random.Generator, region: str, held: bool = False) -> PlateText:
    """One text of `region` (`us`, `eu`, `br`), from the held-out tenth or from the rest."""
    while True:
        groups = _groups(region, rng)
        if held_out("".join(groups)) == held:
            return PlateText(groups, region)


def draw_grammar_text(
    rng: np.random.Generator, region: str, ambiguous: bool, held: bool = True
) -> PlateText:
    """One text that follows a grammar and holds (or not) a character of 0O 1I 8B 5S."""
    patterns = {"us": US_PATTERNS, "eu": EU_PATTERNS, "br": BR_PATTERNS}[region]
    while True:
        groups = _fill(_pick(rng, patterns), rng, region)
        word = "".join(groups)
        has_ambiguous = any(c in AMBIGUOUS for c in word)
        if len(word) >= 5 and has_ambiguous == ambiguous and held_out(word) == held:
            return PlateText(groups, region)

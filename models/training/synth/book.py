"""What plates are drawn from, prepared once: faces and lines of small print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synth import fonts, glyphs

PRINT_CAP = 24  # height of capitals in the prepared print, pixels

STATES = (
    "ALABAMA",
    "Alaska",
    "ARIZONA",
    "Arkansas",
    "California",
    "COLORADO",
    "Connecticut",
    "DELAWARE",
    "FLORIDA",
    "GEORGIA",
    "HAWAII",
    "IDAHO",
    "Illinois",
    "INDIANA",
    "IOWA",
    "KANSAS",
    "Kentucky",
    "Louisiana",
    "MAINE",
    "Maryland",
    "Massachusetts",
    "MICHIGAN",
    "Minnesota",
    "MISSISSIPPI",
    "MISSOURI",
    "MONTANA",
    "NEBRASKA",
    "NEVADA",
    "NEW HAMPSHIRE",
    "New Jersey",
    "NEW MEXICO",
    "NEW YORK",
    "NORTH CAROLINA",
    "NORTH DAKOTA",
    "OHIO",
    "OKLAHOMA",
    "Oregon",
    "PENNSYLVANIA",
    "Rhode Island",
    "SOUTH CAROLINA",
    "South Dakota",
    "TENNESSEE",
    "TEXAS",
    "UTAH",
    "Vermont",
    "VIRGINIA",
    "Washington",
    "WEST VIRGINIA",
    "WISCONSIN",
    "WYOMING",
    "WASHINGTON, DC",
    "Ontario",
    "QUEBEC",
)
SLOGANS = (
    "Land of Lakes",
    "The Green Valley",
    "FIRST HARBOR",
    "mountain country",
    "SEE THE COAST",
    "Home of the Brave",
    "www.mystate.gov",
    "Great Rivers",
    "Pride of the North",
    "CLAY COUNTY",
    "Wildlife",
    "FIREFIGHTER",
    "University",
    "COMMERCIAL",
    "TRUCK",
    "VETERAN",
    "Sunshine Coast",
    "Ocean View",
    "PINE COUNTY",
    "Discover More",
    "HERITAGE",
    "Centennial 1899 - 1999",
    "TAX AND TOLL",
    "Keep it clean",
    "SAMPLE",
    "DEALER",
)
CITIES = (
    "SP - SAO PAULO",
    "RJ - NITEROI",
    "PR - CURITIBA",
    "MG - BETIM",
    "BA - ILHEUS",
    "BRASIL",
    "RS - CANOAS",
)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
BAND_MARKS = ("D", "F", "I", "RO", "GB", "PL", "NL", "E", "H", "CZ", "A", "S", "SK")


@dataclass(frozen=True)
class Book:
    """Everything drawn beforehand: faces to choose from with their weights, and lines of print."""

    faces: tuple[glyphs.Face, ...]
    weights: np.ndarray
    states: tuple[np.ndarray, ...]
    slogans: tuple[np.ndarray, ...]
    cities: tuple[np.ndarray, ...]
    stickers: tuple[np.ndarray, ...]
    marks: tuple[np.ndarray, ...]

    @staticmethod
    def open(seed: int, held_out: bool = False, stroke_count: int = 64) -> Book:
        """The training book, or with `held_out` the one of dev set and gate."""
        rng = np.random.default_rng([seed, 77])
        if held_out:
            groups = [
                ([glyphs.font_face(f) for f in fonts.HELD_OUT_FONTS], 0.5),
                (glyphs.stroke_faces(max(2, stroke_count // 4), seed + 1_000_003), 0.5),
            ]
        else:
            groups = [
                (glyphs.stroke_faces(stroke_count, seed), 0.5),
                ([glyphs.font_face(f) for f in fonts.PLATE_FONTS], 0.44),
                ([glyphs.font_face(f) for f in fonts.SERIF_FONTS], 0.06),
            ]
        faces = tuple(face for group, _ in groups for face in group)
        weights = np.concatenate(
            [np.full(len(group), share / len(group)) for group, share in groups]
        )

        def lines(words: tuple[str, ...], copies: int) -> tuple[np.ndarray, ...]:
            files = fonts.PRINT_FONTS
            return tuple(
                glyphs.draw_print(files[int(rng.integers(len(files)))], word, PRINT_CAP)
                for word in words
                for _ in range(copies)
            )

        years = tuple(f"{n:02d}" for n in range(0, 30)) + (
            "98",
            "99",
            "2004",
            "2011",
            "12-11",
            "3-09",
        )
        return Book(
            faces,
            weights / weights.sum(),
            lines(STATES, 3),
            lines(SLOGANS, 3),
            lines(CITIES, 3),
            lines(MONTHS + years, 2),
            lines(BAND_MARKS, 2),
        )


def pick(rng: np.random.Generator, items: tuple[np.ndarray, ...]) -> np.ndarray:
    """One of `items` at random."""
    return items[int(rng.integers(len(items)))]

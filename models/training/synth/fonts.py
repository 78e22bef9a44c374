"""Which font files the plates are drawn with, and which of them stay out of training.

Only pixels drawn with these fonts reach the weights; no font file is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FONT_ROOT = Path("/usr/share/fonts")


class FontsMissing(RuntimeError):
    """A font package is not installed; the message names what to install."""


@dataclass(frozen=True)
class FontFile:
    """One font file below `FONT_ROOT` and the Debian package that brings it."""

    path: str
    package: str

    def locate(self, root: Path = FONT_ROOT) -> Path:
        """Where the file is, or `FontsMissing` with the package's name."""
        found = root / self.path
        if not found.is_file():
            raise FontsMissing(f"font {found} is missing: apt-get install {self.package}")
        return found


def _family(package: str, folder: str, *names: str) -> tuple[FontFile, ...]:
    return tuple(FontFile(f"{folder}/{name}", package) for name in names)


# Faces like those on plates: road signs, engraving, narrow and bold grotesques.
PLATE_FONTS = (
    *_family(
        "fonts-roadgeek",
        "truetype/roadgeek",
        "RG2014B.ttf",
        "RG2014C.ttf",
        "RG2014D.ttf",
        "RG2014E.ttf",
        "RG2014EM.ttf",
        "RG2014F.ttf",
    ),
    *_family(
        "fonts-routed-gothic",
        "truetype/routed-gothic",
        "routed-gothic.ttf",
        "routed-gothic-narrow.ttf",
        "routed-gothic-wide.ttf",
    ),
    *_family(
        "fonts-dejavu-extra",
        "truetype/dejavu",
        "DejaVuSansCondensed-Bold.ttf",
        "DejaVuSansCondensed.ttf",
    ),
    *_family(
        "fonts-dejavu-core", "truetype/dejavu", "DejaVuSans-Bold.ttf", "DejaVuSansMono-Bold.ttf"
    ),
    *_family(
        "fonts-liberation",
        "truetype/liberation",
        "LiberationSansNarrow-Bold.ttf",
        "LiberationSansNarrow-Regular.ttf",
        "LiberationSans-Bold.ttf",
        "LiberationMono-Bold.ttf",
    ),
    *_family("fonts-freefont-ttf", "truetype/freefont", "FreeSansBold.ttf", "FreeSans.ttf"),
    *_family(
        "fonts-b612", "opentype/b612", "B612-Bold.otf", "B612-Regular.otf", "B612Mono-Bold.otf"
    ),
    *_family(
        "fonts-inter",
        "opentype/inter",
        "Inter-SemiBold.otf",
        "Inter-Medium.otf",
        "InterDisplay-Bold.otf",
    ),
    *_family("fonts-lato", "truetype/lato", "Lato-Bold.ttf", "Lato-Medium.ttf"),
    *_family(
        "fonts-open-sans", "truetype/open-sans", "OpenSans-CondBold.ttf", "OpenSans-Semibold.ttf"
    ),
    *_family("fonts-hack", "truetype/hack", "Hack-Bold.ttf"),
    *_family(
        "fonts-urw-base35", "opentype/urw-base35", "URWGothic-Demi.otf", "NimbusSans-Bold.otf"
    ),
)
# Serif faces: older and special plates, seldom.
SERIF_FONTS = (
    *_family("fonts-dejavu-extra", "truetype/dejavu", "DejaVuSerifCondensed-Bold.ttf"),
    *_family("fonts-urw-base35", "opentype/urw-base35", "C059-Bold.otf", "URWBookman-Demi.otf"),
)
# Whole families that only the dev set and the gate use.
HELD_OUT_FONTS = (
    *_family("fonts-roboto-unhinted", "truetype/roboto/unhinted", "RobotoCondensed-Bold.ttf"),
    *_family("fonts-urw-base35", "opentype/urw-base35", "NimbusSansNarrow-Bold.otf"),
)
# Small print: state names, slogans, stickers. Never part of the text that is read.
PRINT_FONTS = (
    *_family(
        "fonts-dejavu-core",
        "truetype/dejavu",
        "DejaVuSans-Bold.ttf",
        "DejaVuSans.ttf",
        "DejaVuSerif-Bold.ttf",
    ),
    *_family(
        "fonts-urw-base35",
        "opentype/urw-base35",
        "Z003-MediumItalic.otf",
        "C059-BdIta.otf",
        "P052-Bold.otf",
        "URWBookman-DemiItalic.otf",
        "URWGothic-Demi.otf",
    ),
    *_family(
        "fonts-liberation",
        "truetype/liberation",
        "LiberationSerif-BoldItalic.ttf",
        "LiberationSans-Bold.ttf",
        "LiberationSansNarrow-Bold.ttf",
    ),
    *_family("fonts-lato", "truetype/lato", "Lato-BoldItalic.ttf", "Lato-Black.ttf"),
)

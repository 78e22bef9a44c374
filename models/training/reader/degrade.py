"""Named hard conditions at three strengths, put on real stills to see what each one costs."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.synth.camera import motion_blur

STRENGTHS = (1, 2, 3)


def _night(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Little light: dark, then noise of the sensor."""
    dark = picture.astype(np.float32) * (0.5, 0.3, 0.15)[strength - 1]
    return dark + rng.normal(0, (4, 7, 10)[strength - 1], picture.shape)


def _infrared(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Grey with washed-out inks, as infrared light shows plates."""
    grey = picture.astype(np.float32).mean(axis=2, keepdims=True)
    lifted = 255 * (grey / 255) ** (0.8, 0.6, 0.45)[strength - 1]
    return np.repeat(lifted, 3, axis=2) + rng.normal(0, 3, picture.shape)


def _motion(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Blur along a level line, as a share of the height."""
    length = (0.04, 0.08, 0.12)[strength - 1] * unit + 1
    return motion_blur(picture.astype(np.float32), length, 0.0)


def _dirt(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Spots of mud."""
    h, w = picture.shape[:2]
    spotted = picture.astype(np.float32).copy()
    for _ in range((6, 14, 28)[strength - 1]):
        centre = (int(rng.uniform(0, w)), int(rng.uniform(0, h)))
        radius = max(1, int(rng.uniform(0.02, 0.06) * unit))
        cv2.circle(spotted, centre, radius, (70.0, 80.0, 95.0), -1, cv2.LINE_AA)
    return spotted


def seen_from_the_side(strength: int) -> tuple[float, float]:
    """Degrees of turn and the share of the width that is left."""
    return ((4.0, 0.9), (8.0, 0.75), (12.0, 0.6))[strength - 1]


def _angle(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Seen from the side and turned."""
    h, w = picture.shape[:2]
    degrees, share = seen_from_the_side(strength)
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (w, h), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(turned, (max(8, int(w * share)), h), interpolation=cv2.INTER_AREA)


def _low_contrast(picture: np.ndarray, strength: int, rng: np.random.Generator, unit: float) -> np.ndarray:
    """Haze: contrast cut, light added."""
    share = (0.5, 0.3, 0.18)[strength - 1]
    return (
        picture.astype(np.float32) * share
        + 255 * (1 - share) * 0.6
        + rng.normal(0, 2, picture.shape)
    )


DEGRADATIONS: dict[str, Callable[[np.ndarray, int, np.random.Generator, float], np.ndarray]] = {
    "night": _night,
    "infrared": _infrared,
    "motion": _motion,
    "dirt": _dirt,
    "angle": _angle,
    "low-contrast": _low_contrast,
}


def degrade(
    picture: np.ndarray, name: str, strength: int, seed: int, unit: float | None = None
) -> np.ndarray:
    """RGB uint8 with condition `name` at `strength` 1 to 3; the same for the same seed.

    `unit` is the height in pixels that lengths are shares of: that of the picture where none is given.
    """
    rng = np.random.default_rng([seed, strength])
    unit = unit or picture.shape[0]
    return np.clip(DEGRADATIONS[name](picture, strength, rng, unit), 0, 255).astype(np.uint8)


def at_height(picture: np.ndarray, height: int) -> np.ndarray:
    """The crop as a camera would see it `height` pixels high (never enlarged)."""
    h, w = picture.shape[:2]
    if height >= h:
        return picture
    return cv2.resize(
        picture, (max(4, round(w * height / h)), height), interpolation=cv2.INTER_AREA
    )

"""From a flat plate to what a camera hands to the reader: pose, light, lens, sensor, codec.

Pictures are grey here, float32 of 0..255 until the sensor, uint8 after it.
"""

from __future__ import annotations

import cv2
import numpy as np

READER_SIZE = (32, 128)  # height, width of the reader's input


def stretch(crop: np.ndarray, size: tuple[int, int] = READER_SIZE) -> np.ndarray:
    """Resizes a grey crop (uint8) to the reader's input, aspect not kept.

    Same rule as the agent's (`preprocess` has the exact integers): boxes down to twice the
    size, then linear.
    """
    h, w = size
    height = min(crop.shape[0], 2 * h)
    width = min(crop.shape[1], 2 * w)
    if (height, width) != crop.shape[:2]:
        crop = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(crop, (w, h), interpolation=cv2.INTER_LINEAR)


def surroundings(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """What may lie around a plate: bumper, grille, frame, shadow (float32 grey)."""
    patch = np.full((height, width), rng.uniform(5, 230), np.float32)
    coarse = rng.normal(0, 25, (int(rng.integers(2, 6)), int(rng.integers(2, 6)))).astype(
        np.float32
    )
    patch += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    kind = rng.random()
    if kind < 0.3:
        period = int(rng.integers(3, 12))
        bars = (np.arange(height) // period % 2).astype(np.float32) * rng.uniform(-80, 80)
        patch += bars[:, None]
    elif kind < 0.5:
        edge = int(rng.uniform(0.2, 0.8) * height)
        patch[edge:] += rng.uniform(-90, 90)
    return patch


def _corners(rng: np.random.Generator, aspect: float) -> np.ndarray:
    """Plate corners (unit height, clockwise from top left) after rotation, shear, perspective."""
    tight = rng.random() < 0.5
    amount = 0.35 if tight else 1.0
    angle = np.deg2rad(rng.normal(0, 4) * amount)
    shear = np.tan(np.deg2rad(np.clip(rng.normal(0, 5), -12, 12) * amount))
    box = np.array([[0, 0], [aspect, 0], [aspect, 1], [0, 1]], float)
    box -= [aspect / 2, 0.5]
    box[:, 0] += box[:, 1] * shear
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return box @ turn + rng.uniform(-0.06, 0.06, (4, 2)) * amount


def _crop_box(rng: np.random.Generator, corners: np.ndarray) -> np.ndarray:
    """x0, y0, x1, y1 of the crop: the plate's bounding box with the detector's error."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = high - low
    if rng.random() < 0.5:
        jitter = rng.uniform(-0.02, 0.06, 4)
    else:
        jitter = np.concatenate([rng.uniform(-0.05, 0.2, 1) for _ in range(4)])
    return np.concatenate([low - jitter[:2] * size, high + jitter[2:] * size])


def pose(rng: np.random.Generator, plate: np.ndarray, height: int) -> np.ndarray:
    """The plate (grey, float32) seen by the camera in a crop `height` pixels high."""
    ph, pw = plate.shape[:2]
    corners = _corners(rng, pw / ph)
    box = _crop_box(rng, corners)
    scale = height / (box[3] - box[1])
    width = int(np.clip(round((box[2] - box[0]) * scale), 8, 400))
    if scale < 0.8 * ph:
        factor = scale / ph
        plate = cv2.resize(
            plate,
            (max(4, round(pw * factor)), max(4, round(ph * factor))),
            interpolation=cv2.INTER_AREA,
        )
        ph, pw = plate.shape[:2]
    source = np.array([[0, 0], [pw, 0], [pw, ph], [0, ph]], np.float32) - 0.5
    target = ((corners - box[:2]) * scale - 0.5).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    crop = surroundings(rng, height, width)
    return cv2.warpPerspective(
        plate,
        matrix,
        (width, height),
        dst=crop,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def light(rng: np.random.Generator, crop: np.ndarray, severity: float = 1.0) -> np.ndarray:
    """Gradient, shadow edge, glare, gain and gamma; `severity` scales how often and how much."""
    h, w = crop.shape
    if rng.random() < 0.4 * severity:
        ramp = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.7, 1.2), w, dtype=np.float32)
        crop = crop * ramp[None]
    if rng.random() < 0.2 * severity:
        mask = np.zeros((h, w), np.uint8)
        x = rng.uniform(0, w, 2)
        points = np.array([[0, 0], [x[0], 0], [x[1], h], [0, h]], np.int32)
        if rng.random() < 0.4:
            y = rng.uniform(0, h, 2)
            points = np.array([[0, 0], [w, 0], [w, y[0]], [0, y[1]]], np.int32)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA)
        crop = crop * (1 - mask.astype(np.float32) / 255 * float(rng.uniform(0.2, 0.65)))
    if rng.random() < 0.08 * severity:
        ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
        cx, cy, size = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.2, 0.6) * h
        blob = np.exp(-(((xs - cx) / size) ** 2 + ((ys - cy) / size) ** 2))
        crop = crop + blob * float(rng.uniform(60, 200))
    gamma = float(rng.uniform(0.6, 1.8)) if rng.random() < 0.5 else 1.0
    crop = np.clip(crop, 0, 255)
    if gamma != 1.0:
        crop = 255 * (crop * (1 / 255)) ** gamma
    if rng.random() < 0.25 * severity:  # low contrast: haze, night, infrared wash
        share = float(rng.uniform(0.3, 0.85))
        crop = crop * share + float(rng.uniform(0, 255 * (1 - share)))
    if rng.random() < 0.12 * severity:  # a night without enough light on the plate
        return crop * float(rng.uniform(0.12, 0.5))
    return crop * float(rng.uniform(1 - 0.4 * severity, 1.25))


def motion_blur(crop: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Blur along a line of `length` pixels at `angle` radians."""
    size = int(np.ceil(length)) | 1
    if size < 3:
        return crop
    kernel = np.zeros((size, size), np.float32)
    middle = size / 2 - 0.5
    dx, dy = np.cos(angle) * length / 2, np.sin(angle) * length / 2
    start = (int(round((middle - dx) * 16)), int(round((middle - dy) * 16)))
    end = (int(round((middle + dx) * 16)), int(round((middle + dy) * 16)))
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_AA, 4)
    return cv2.filter2D(crop, -1, kernel / max(float(kernel.sum()), 1e-6))


def sensor(rng: np.random.Generator, crop: np.ndarray, severity: float = 1.0) -> np.ndarray:
    """Lens, exposure, noise, codec; returns uint8."""
    h = crop.shape[0]
    if rng.random() < 0.35 * severity:
        crop = motion_blur(
            crop, float(rng.uniform(1, 0.11 * h + 1.5)), float(rng.uniform(0, np.pi))
        )
    if rng.random() < 0.5 * severity:
        crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.3, 0.03 * h + 0.5)))
    if rng.random() < 0.2:  # sharpening of cheap cameras
        crop = crop + (crop - cv2.GaussianBlur(crop, (0, 0), 1.0)) * float(rng.uniform(0.3, 1.5))
    if rng.random() < 0.6 * severity:
        crop = crop + rng.standard_normal(crop.shape, dtype=np.float32) * float(rng.uniform(1, 12))
    if rng.random() < 0.03 * severity:
        crop[::2] = np.roll(crop[::2], int(rng.integers(1, 3)), axis=1)
    picture = np.clip(crop, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(25, 95))
        picture = cv2.imdecode(
            cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
            cv2.IMREAD_GRAYSCALE,
        )
    return picture


def shoot(rng: np.random.Generator, plate: np.ndarray) -> np.ndarray:
    """Reader input (uint8, 32 x 128) of a flat grey plate; two in five under kind conditions."""
    severity = 0.3 if rng.random() < 0.4 else float(rng.uniform(0.5, 1.0))
    lowest, highest = (24, 90) if severity == 0.3 else (12, 60)
    height = int(np.exp(rng.uniform(np.log(lowest), np.log(highest))))
    return stretch(sensor(rng, light(rng, pose(rng, plate, height), severity), severity))

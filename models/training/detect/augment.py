"""Pictures to training canvases: scaling, mosaic, flip, light and camera faults.

A canvas is HxWx3 uint8 RGB; boxes are x1, y1, x2, y2 in its pixels. What a picture is not labelled
for becomes an ignore region of that class over the area the picture covers, so that pictures with
different labels can share a canvas.
"""

import cv2
import numpy as np

from training.preprocess import PAD_VALUE

KEPT_SHARE = 0.3  # of a box that must stay visible for it to count


class Canvas:
    """A picture under construction with its labels."""

    def __init__(self, width, height):
        self.picture = np.full((height, width, 3), PAD_VALUE, np.uint8)
        self.boxes, self.classes, self.weights = [], [], []
        self.ignore, self.ignore_classes = [], []

    def place(self, sample, tile, scale, origin, smallest):
        """Draws a sample into the tile x1, y1, x2, y2.

        `scale` (x, y) takes picture pixels to canvas pixels; `origin` is where the picture's top
        left corner comes to lie. Boxes below `smallest` pixels become ignore regions.
        """
        picture = sample.load()
        spans = [
            _span(picture.shape[1 - axis], tile[axis], tile[axis + 2], scale[axis], origin[axis])
            for axis in (0, 1)
        ]
        if None in spans:
            return
        (ax, bx, dx, ex), (ay, by, dy, ey) = spans
        shrink = 1.4 * (ex - dx) < (bx - ax)  # averaging costs more, and below this shows nothing
        self.picture[dy:ey, dx:ex] = cv2.resize(
            picture[ay:by, ax:bx],
            (ex - dx, ey - dy),
            interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR,
        )
        factor = np.array([(ex - dx) / (bx - ax), (ey - dy) / (by - ay)] * 2, np.float32)
        shift = np.array([dx - ax * factor[0], dy - ay * factor[1]] * 2, np.float32)
        area = np.array([dx, dy, ex, ey], np.float32)
        self._add_labels(sample, factor, shift, area, smallest)

    def _add_labels(self, sample, factor, shift, area, smallest):
        low, high = np.tile(area[:2], 2), np.tile(area[2:], 2)
        moved = sample.boxes * factor + shift
        clipped = np.clip(moved, low, high)
        size = clipped[:, 2:] - clipped[:, :2]
        whole = np.maximum((moved[:, 2:] - moved[:, :2]).prod(1), 1e-6)
        visible = (size > 0.5).all(1)
        kept = visible & (size.max(1, initial=0) >= smallest) & (size.min(1, initial=9e9) >= 2.0)
        kept &= size.prod(1) / whole >= KEPT_SHARE
        self.boxes.extend(clipped[kept])
        self.classes.extend(sample.classes[kept])
        self.weights.extend(sample.weights[kept])
        lost = visible & ~kept
        self.ignore.extend(clipped[lost])
        self.ignore_classes.extend(sample.classes[lost])
        self.ignore.extend(np.clip(sample.ignore * factor + shift, low, high))
        self.ignore_classes.extend(sample.ignore_classes)
        for index in np.flatnonzero(~sample.labelled):
            self.ignore.append(area)
            self.ignore_classes.append(index)

    def flip(self):
        """Mirrors left to right."""
        width = self.picture.shape[1]
        self.picture = np.ascontiguousarray(self.picture[:, ::-1])
        self.boxes = [np.array([width - b[2], b[1], width - b[0], b[3]]) for b in self.boxes]
        self.ignore = [np.array([width - b[2], b[1], width - b[0], b[3]]) for b in self.ignore]


def _span(length, start, end, scale, origin):
    """One axis of `place`: source from, to, canvas from, to in whole pixels; None when empty."""
    first = max(0, int(np.floor((start - origin) / scale)))
    first = min(first, length - 1)
    last = min(length, int(np.ceil((end - origin) / scale)))
    target = max(start, int(round(origin + first * scale)))
    if last <= first or target >= end:
        return None
    stop = min(end, target + int(round((last - first) * scale)))
    if stop <= target:
        return None
    last = min(last, max(first + 1, first + int(round((stop - target) / scale))))
    return first, last, target, stop


def _scales(rng, sample, fit, spread, aspect):
    zoom = fit * np.exp(rng.uniform(*np.log(spread)))
    low, high = aspect.get(sample.source, aspect["other"])
    stretch = np.exp(rng.uniform(np.log(low), np.log(high)))
    return zoom * np.sqrt(stretch), zoom / np.sqrt(stretch)


def single(rng, sample, width, height, rules):
    """One picture on a canvas, scaled and moved at random."""
    canvas = Canvas(width, height)
    rows, columns = sample.load().shape[:2]
    fit = min(width / columns, height / rows)
    scale = _scales(rng, sample, fit, rules["scale"], rules["aspect"])
    origin = []
    for side, length, factor in ((width, columns, scale[0]), (height, rows, scale[1])):
        room = side - length * factor
        origin.append(rng.uniform(min(0.0, room), max(0.0, room)))
    canvas.place(sample, (0, 0, width, height), scale, origin, rules["smallest"])
    return canvas


def mosaic(rng, samples, width, height, rules):
    """Four pictures in four tiles that meet at a random point."""
    canvas = Canvas(width, height)
    x, y = int(rng.uniform(0.3, 0.7) * width), int(rng.uniform(0.3, 0.7) * height)
    tiles = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    for sample, tile in zip(samples, tiles, strict=True):
        rows, columns = sample.load().shape[:2]
        tile_width, tile_height = tile[2] - tile[0], tile[3] - tile[1]
        cover = max(tile_width / columns, tile_height / rows)
        scale = _scales(rng, sample, cover, rules["mosaic_scale"], rules["aspect"])
        room_x = tile_width - columns * scale[0]
        room_y = tile_height - rows * scale[1]
        origin = (
            tile[0] + rng.uniform(min(0.0, room_x), max(0.0, room_x)),
            tile[1] + rng.uniform(min(0.0, room_y), max(0.0, room_y)),
        )
        canvas.place(sample, tile, scale, origin, rules["smallest"])
    return canvas


def change_light(rng, picture):
    """Hue, saturation, gain and gamma through lookup tables."""
    hue, saturation, value = rng.uniform(-8, 8), rng.uniform(0.6, 1.4), rng.uniform(0.6, 1.4)
    levels = np.arange(256)
    gamma = np.exp(rng.uniform(-0.35, 0.35))
    curve = np.clip(255 * (levels / 255.0) ** gamma * value, 0, 255).astype(np.uint8)
    planes = list(cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)))
    planes[0] = cv2.LUT(planes[0], ((levels + hue) % 180).astype(np.uint8))
    planes[1] = cv2.LUT(planes[1], np.clip(levels * saturation, 0, 255).astype(np.uint8))
    planes[2] = cv2.LUT(planes[2], curve)
    return cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2RGB)


def camera_faults(rng, picture):
    """Now and then: grey, blur, sensor noise, compression."""
    if rng.random() < 0.06:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.08:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.08:
        noise = np.zeros(picture.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(noise, 0, rng.uniform(2, 14))
        picture = cv2.add(picture, noise, dtype=cv2.CV_8U)
    if rng.random() < 0.08:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        _, data = cv2.imencode(".jpg", picture, quality)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return picture


def compose(rng, draw_sample, width, height, rules):
    """One training canvas; `draw_sample(rng)` gives the next sample."""
    if rng.random() < rules["mosaic"]:
        canvas = mosaic(rng, [draw_sample(rng) for _ in range(4)], width, height, rules)
    else:
        canvas = single(rng, draw_sample(rng), width, height, rules)
    if rng.random() < 0.5:
        canvas.flip()
    canvas.picture = camera_faults(rng, change_light(rng, canvas.picture))
    return canvas

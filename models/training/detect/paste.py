"""Drawn plates put into photographs, for the plate detector.

At the size a detector sees them, plates are a bright rectangle with a row of dark strokes; the
shapes of the letters matter little, so OpenCV's stroke fonts do.
"""

import cv2
import numpy as np

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
# (width over height, how often)
ASPECTS = ((2.0, 0.5), (1.5, 0.08), (3.1, 0.17), (4.5, 0.25))
HEIGHT = 64


def draw_plate(rng):
    """A flat plate, HEIGHT x W x 3 uint8 RGB."""
    ratios, odds = zip(*ASPECTS)
    width = int(HEIGHT * rng.choice(ratios, p=odds) * rng.uniform(0.92, 1.08))
    light = rng.integers(190, 256, 3)
    dark = rng.integers(0, 90, 3)
    if rng.random() < 0.35:
        light = np.clip(light - rng.integers(0, 110, 3), 0, 255)
    if rng.random() < 0.15:
        light, dark = dark, light
    plate = np.empty((HEIGHT, width, 3), np.uint8)
    top, bottom = light, np.clip(light + rng.integers(-60, 40, 3), 0, 255)
    share = np.linspace(0, 1, HEIGHT)[:, None, None]
    plate[:] = (top * (1 - share) + bottom * share).astype(np.uint8)
    ink = tuple(int(v) for v in dark)
    if rng.random() < 0.6:
        cv2.rectangle(plate, (1, 1), (width - 2, HEIGHT - 2), ink, int(rng.integers(1, 4)))
    band = 0
    if width > 3.5 * HEIGHT and rng.random() < 0.6:
        band = int(0.09 * width)
        cv2.rectangle(plate, (0, 0), (band, HEIGHT), (20, 50, 160), -1)
    short = width < 2.6 * HEIGHT
    _write(rng, plate, band, ink, 0.55 if short else 0.72, rng.integers(4, 8))
    if short:
        _captions(rng, plate)
    return plate


def _write(rng, plate, left, ink, share, count):
    """The number itself, spread over the width right of `left`."""
    height, width = plate.shape[:2]
    text = "".join(rng.choice(list(LETTERS), count))
    font, thickness = FONTS[rng.integers(len(FONTS))], int(rng.integers(4, 9))
    (text_width, text_height), _ = cv2.getTextSize(text, font, 2.0, thickness)
    canvas = np.zeros((text_height + 20, text_width + 20), np.uint8)
    cv2.putText(canvas, text, (10, text_height + 10), font, 2.0, 255, thickness, cv2.LINE_AA)
    size = (int((width - left) * rng.uniform(0.72, 0.92)), int(height * share))
    mask = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)[..., None] / 255.0
    x = left + (width - left - size[0]) // 2
    y = (height - size[1]) // 2
    area = plate[y : y + size[1], x : x + size[0]]
    area[:] = (area * (1 - mask) + np.array(ink) * mask).astype(np.uint8)


def _captions(rng, plate):
    """State name above and slogan below, as coloured strokes."""
    height, width = plate.shape[:2]
    for y in (height * 0.17, height * 0.95):
        if rng.random() < 0.7:
            colour = tuple(int(v) for v in rng.integers(0, 200, 3))
            text = "".join(rng.choice(list(LETTERS), rng.integers(6, 12)))
            place = (int(width * rng.uniform(0.1, 0.3)), int(y))
            cv2.putText(plate, text, place, FONTS[0], 0.35, colour, 1, cv2.LINE_AA)


def corners(rng, box, aspect):
    """Corners of a plate of that aspect about the middle of a box, slightly turned and sheared."""
    middle = (box[:2] + box[2:]) / 2
    size = box[2:] - box[:2]
    area = size.prod() * rng.uniform(0.8, 1.3)
    half = np.array([np.sqrt(area * aspect), np.sqrt(area / aspect)]) / 2
    quad = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    angle, shear = np.radians(rng.normal(0, 4)), rng.normal(0, 0.08)
    quad[:, 1] += quad[:, 0] * np.tan(angle)
    quad[:, 0] += quad[:, 1] * shear
    quad[1:3, 1] *= rng.uniform(0.9, 1.1)
    return (quad + middle).astype(np.float32)


def paste_plate(rng, picture, box):
    """Draws a plate over a box of the picture, in place. Returns its new box."""
    plate = draw_plate(rng)
    height, width = plate.shape[:2]
    quad = corners(rng, box, width / height)
    low = np.maximum(np.floor(quad.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(quad.max(0)).astype(int) + 2, picture.shape[1::-1])
    if (high - low < 4).any():
        return box
    area = picture[low[1] : high[1], low[0] : high[0]]
    shrink = max(1.0, height / max(2.0, np.linalg.norm(quad[3] - quad[0])))
    if shrink > 1.5:
        size = (max(4, int(width / shrink)), max(3, int(height / shrink)))
        plate = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
        height, width = plate.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(source, quad - low.astype(np.float32))
    size = (area.shape[1], area.shape[0])
    drawn = cv2.warpPerspective(plate, warp, size, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), warp, size)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 1.0))[..., None] / 255.0
    # The light of the place: a plate in shade must not shine.
    gain = np.clip(area.mean() / 128.0 + rng.uniform(-0.1, 0.6), 0.25, 1.15)
    lit = np.clip(drawn * gain + rng.normal(0, 4), 0, 255)
    if rng.random() < 0.5:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.3, 1.2))
    area[:] = (area * (1 - mask) + lit * mask).astype(np.uint8)
    return np.concatenate([quad.min(0), quad.max(0)]).astype(np.float32)


def stamp(rng, picture, boxes):
    """Writes a camera's date line or a few words on the picture, in place, beside all boxes.

    Letters without a plate around them are what a plate detector must learn to pass over.
    """
    rows, columns = picture.shape[:2]
    scale = np.exp(rng.uniform(np.log(0.25), np.log(1.4))) * columns / 640
    lines = _date_lines(rng) if rng.random() < 0.6 else _words(rng)
    font, thickness = FONTS[rng.integers(len(FONTS))], max(1, int(round(scale * rng.uniform(1, 3))))
    sizes = [cv2.getTextSize(line, font, scale, thickness)[0] for line in lines]
    width, step = max(size[0] for size in sizes), int(sizes[0][1] * 1.5)
    height = step * len(lines)
    if width + 8 >= columns or height + 8 >= rows:
        return
    x, y = int(rng.integers(2, columns - width - 4)), int(rng.integers(2, rows - height - 4))
    if rng.random() < 0.6:  # most cameras write into a corner
        x = int(rng.choice([4, columns - width - 6]))
        y = int(rng.choice([4, rows - height - 6]))
    area = np.array([x - 4, y - 4, x + width + 4, y + height + 4])
    if len(boxes) and ((boxes[:, :2] < area[2:]) & (boxes[:, 2:] > area[:2])).all(1).any():
        return
    ink = tuple(int(v) for v in rng.choice([(255, 255, 255), (0, 0, 0), (250, 220, 40), (200, 30, 30)]))
    edge = (0, 0, 0) if sum(ink) > 300 else (255, 255, 255)
    for number, line in enumerate(lines):
        place = (x, y + step * (number + 1) - step // 4)
        if rng.random() < 0.6:
            cv2.putText(picture, line, place, font, scale, edge, thickness + 2, cv2.LINE_AA)
        cv2.putText(picture, line, place, font, scale, ink, thickness, cv2.LINE_AA)


def _date_lines(rng):
    year, month, day, hour, minute, second = (
        int(rng.integers(low, high))
        for low, high in ((2005, 2030), (1, 13), (1, 29), (0, 24), (0, 60), (0, 60))
    )
    date = rng.choice([f"{year}-{month:02d}-{day:02d}", f"{day:02d}/{month:02d}/{year}"])
    clock = f"{hour:02d}:{minute:02d}:{second:02d}"
    return [date, clock] if rng.random() < 0.5 else [f"{date} {clock}"]


def _words(rng):
    lines = []
    for _ in range(rng.integers(1, 4)):
        counts = rng.integers(2, 9, rng.integers(1, 4))
        lines.append(" ".join("".join(rng.choice(list(LETTERS), count)) for count in counts))
    return lines

"""What is on a plate besides its characters: ground, print, stickers, badges, frame.

Canvases are float32 of 0..255, height x width x channels (one of grey or three of BGR).
"""

from __future__ import annotations

import cv2
import numpy as np

from training.synth.book import PRINT_CAP, Book, pick

LUMA = np.array([0.114, 0.587, 0.299], np.float32)


def blend(
    canvas: np.ndarray, mask: np.ndarray, colour: np.ndarray, x: int, y: int, alpha: float = 1.0
) -> None:
    """Paints `colour` through `mask` (uint8), top left corner at x, y; clips at the edges."""
    h, w = canvas.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + mask.shape[1], w), min(y + mask.shape[0], h)
    if x1 <= x0 or y1 <= y0:
        return
    part = mask[y0 - y : y1 - y, x0 - x : x1 - x].astype(np.float32) * (alpha / 255.0)
    view = canvas[y0:y1, x0:x1]
    view += (colour - view) * part[..., None]


class Ornaments:
    """Draws with the print of one `Book` in grey (`channels` 1) or BGR (3)."""

    def __init__(self, book: Book, channels: int) -> None:
        self._book = book
        self._channels = channels

    def tint(self, bgr: np.ndarray) -> np.ndarray:
        """A BGR colour in the canvas's channels."""
        return bgr if self._channels == 3 else np.array([bgr @ LUMA], np.float32)

    def ground(
        self, rng: np.random.Generator, size: tuple[int, int], ground: np.ndarray
    ) -> np.ndarray:
        """Flat, graded or with a picture: soft patches, hills, a sun."""
        h, w = size
        canvas = np.empty((h, w, self._channels), np.float32)
        canvas[:] = self.tint(ground)
        if rng.random() < 0.45:
            other = self.tint(np.clip(ground + rng.normal(0, 40, 3), 0, 255).astype(np.float32))
            ramp = np.linspace(0, 1, h, dtype=np.float32) ** float(rng.uniform(0.5, 3))
            if rng.random() < 0.5:
                ramp = ramp[::-1]
            canvas += (other - canvas) * ramp[:, None, None] * float(rng.uniform(0.3, 1))
        if rng.random() < 0.4:
            coarse = rng.normal(0, 1, (int(rng.integers(2, 7)), int(rng.integers(3, 12)))).astype(
                np.float32
            )
            soft = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
            canvas += soft[..., None] * float(rng.uniform(3, 22))
        if rng.random() < 0.35:
            mask = np.zeros((h, w), np.uint8)
            n = int(rng.integers(4, 9))
            xs = np.linspace(0, w, n)
            ys = h * (rng.uniform(0.15, 0.7) + rng.uniform(-0.2, 0.2, n))
            edge = h if rng.random() < 0.7 else 0
            points = np.concatenate([np.stack([xs, ys], 1), [[w, edge], [0, edge]]]).astype(
                np.int32
            )
            cv2.fillPoly(mask, [points], 255, cv2.LINE_AA)
            hill = self.tint(np.clip(ground + rng.normal(0, 45, 3), 0, 255).astype(np.float32))
            blend(canvas, mask, hill, 0, 0, float(rng.uniform(0.2, 0.7)))
        if rng.random() < 0.2:
            mask = np.zeros((h, w), np.uint8)
            centre = (int(rng.uniform(0.1, 0.9) * w), int(rng.uniform(0.2, 0.8) * h))
            cv2.circle(mask, centre, int(rng.uniform(0.1, 0.4) * h), 255, -1, cv2.LINE_AA)
            blob = self.tint(np.clip(ground + rng.normal(0, 60, 3), 0, 255).astype(np.float32))
            blend(canvas, mask, blob, 0, 0, float(rng.uniform(0.2, 0.8)))
        return canvas

    def _print(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        mask: np.ndarray,
        ink: np.ndarray,
        box: tuple[float, float, float],
    ) -> None:
        """Small print: `box` is centre x, centre y, letter height as shares of the plate."""
        h, w = canvas.shape[:2]
        height = max(3, int(box[2] * h * mask.shape[0] / PRINT_CAP))
        width = max(3, int(height * mask.shape[1] / mask.shape[0] * rng.uniform(0.75, 1.15)))
        width = min(width, int(0.85 * w))
        small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        blend(
            canvas,
            small,
            ink,
            int(box[0] * w - width / 2),
            int(box[1] * h - height / 2),
            float(rng.uniform(0.6, 1)),
        )

    def _sticker(self, rng: np.random.Generator, canvas: np.ndarray, corner: int) -> None:
        h, w = canvas.shape[:2]
        sh, sw = int(rng.uniform(0.16, 0.26) * h), int(rng.uniform(0.1, 0.18) * w)
        x = int(rng.uniform(0.01, 0.06) * w)
        y = int(rng.uniform(0.02, 0.07) * h)
        x = w - sw - x if corner % 2 else x
        y = h - sh - y if corner // 2 else y
        colour = rng.uniform(0, 255, 3).astype(np.float32)
        if rng.random() < 0.75:
            blend(canvas, np.full((sh, sw), 255, np.uint8), self.tint(colour), x, y)
        ink = self.tint(np.full(3, 20.0 if colour @ LUMA > 110 else 240.0, np.float32))
        mask = pick(rng, self._book.stickers)
        small = cv2.resize(
            mask, (max(2, int(sw * 0.85)), max(2, int(sh * 0.75))), interpolation=cv2.INTER_AREA
        )
        blend(canvas, small, ink, x + int(sw * 0.07), y + int(sh * 0.12))

    def furniture(
        self, rng: np.random.Generator, canvas: np.ndarray, ink: np.ndarray, region: str
    ) -> float:
        """Print, stickers, band, holes, frame. Returns the share of the width the band takes."""
        h, w = canvas.shape[:2]
        book, band = self._book, 0.0
        soft_ink = self.tint(np.clip(rng.uniform(0, 200, 3), 0, 255).astype(np.float32))
        small_ink = self.tint(ink) if rng.random() < 0.6 else soft_ink
        if region == "us":
            self._american(rng, canvas, small_ink)
        elif region == "br":
            if rng.random() < 0.5:
                cv2.rectangle(
                    canvas,
                    (0, 0),
                    (w, int(0.2 * h)),
                    self.tint(np.array([130, 60, 10], np.float32)).tolist(),
                    -1,
                )
                small_ink = self.tint(np.full(3, 235.0, np.float32))
            self._print(
                rng,
                canvas,
                pick(rng, book.cities),
                small_ink,
                (0.5, 0.11, rng.uniform(0.09, 0.13)),
            )
        elif rng.random() < 0.75:
            band = self._band(rng, canvas)
        if rng.random() < 0.6:
            self._holes(rng, canvas, region)
        return band

    def _american(self, rng: np.random.Generator, canvas: np.ndarray, ink: np.ndarray) -> None:
        """State above, slogan below, stickers in the corners."""
        if rng.random() < 0.92:
            self._print(
                rng,
                canvas,
                pick(rng, self._book.states),
                ink,
                (rng.uniform(0.42, 0.58), rng.uniform(0.09, 0.16), rng.uniform(0.09, 0.17)),
            )
        if rng.random() < 0.75:
            self._print(
                rng,
                canvas,
                pick(rng, self._book.slogans),
                ink,
                (rng.uniform(0.4, 0.6), rng.uniform(0.86, 0.93), rng.uniform(0.07, 0.12)),
            )
        for corner in range(4):
            if rng.random() < (0.4 if corner < 2 else 0.3):
                self._sticker(rng, canvas, corner)

    def _holes(self, rng: np.random.Generator, canvas: np.ndarray, region: str) -> None:
        """Bolts or their holes."""
        h, w = canvas.shape[:2]
        shade = self.tint(np.full(3, rng.uniform(10, 120), np.float32))
        for x in (0.2, 0.8) if region == "us" else (0.1, 0.9):
            for y in (0.08, 0.92) if region == "us" else (0.5,):
                if rng.random() < 0.6:
                    cv2.circle(
                        canvas,
                        (int(x * w), int(y * h)),
                        int(rng.uniform(1, 3)),
                        shade.tolist(),
                        -1,
                        cv2.LINE_AA,
                    )

    def _band(self, rng: np.random.Generator, canvas: np.ndarray) -> float:
        """The country's band at the left, seldom a second one; returns its share of the width."""
        h, w = canvas.shape[:2]
        share = float(rng.uniform(0.055, 0.1))
        blue = np.array([rng.uniform(70, 200), rng.uniform(30, 90), rng.uniform(0, 50)], np.float32)
        light, dark = self.tint(np.full(3, 235.0, np.float32)), self.tint(blue)
        if rng.random() < 0.1:  # as infrared light shows it: paper and ink change places
            light, dark = dark, light
        width = int(share * w)
        cv2.rectangle(canvas, (0, 0), (width, h), dark.tolist(), -1)
        if rng.random() < 0.15:
            cv2.rectangle(canvas, (w - width, 0), (w, h), dark.tolist(), -1)
        height = rng.uniform(0.16, 0.26)
        self._print(
            rng,
            canvas,
            pick(rng, self._book.marks),
            light,
            (share / 2, rng.uniform(0.7, 0.82), height),
        )
        if rng.random() < 0.7:  # the ring of stars, or a coat of arms
            centre, reach = (
                (width / 2, h * rng.uniform(0.25, 0.36)),
                width * rng.uniform(0.22, 0.36),
            )
            for angle in np.linspace(0, 2 * np.pi, int(rng.integers(1, 11)), endpoint=False):
                x, y = centre[0] + reach * np.cos(angle), centre[1] + reach * np.sin(angle)
                radius = int(rng.integers(1, 3))
                cv2.circle(canvas, (int(x), int(y)), radius, light.tolist(), -1, cv2.LINE_AA)
        return share

    def frame(self, rng: np.random.Generator, canvas: np.ndarray) -> None:
        """A dealer's frame over the rim, with or without its advertisement."""
        h, w = canvas.shape[:2]
        shade = rng.uniform(0, 255, 3) if rng.random() < 0.3 else np.full(3, rng.uniform(0, 60))
        top, bottom = int(h * rng.uniform(0.04, 0.19)), int(h * rng.uniform(0.04, 0.17))
        side = int(w * rng.uniform(0.015, 0.04))
        colour = self.tint(shade.astype(np.float32))
        canvas[:top], canvas[h - bottom :], canvas[:, :side], canvas[:, w - side :] = (
            colour,
            colour,
            colour,
            colour,
        )
        ink = np.full(3, 235.0 if shade.mean() < 120 else 20.0, np.float32)
        for centre, room in ((top / 2, top), (h - bottom / 2, bottom)):
            if room > 6 and rng.random() < 0.7:
                self._print(
                    rng,
                    canvas,
                    pick(rng, self._book.slogans),
                    self.tint(ink),
                    (0.5, centre / h, 0.5 * room / h),
                )

    def beside(
        self, rng: np.random.Generator, canvas: np.ndarray, ink: np.ndarray, cap: int
    ) -> tuple[float, float]:
        """Emblems and small stacked characters beside the text; returns the widths they take."""
        taken = [0.0, 0.0]
        for side in (0, 1):
            if rng.random() < (0.18 if side == 0 else 0.06):
                taken[side] += self._emblem(rng, canvas, side, cap)
            if rng.random() < (0.1 if side == 0 else 0.07):
                taken[side] += self._stacked(rng, canvas, ink, cap, side, taken[side])
        return taken[0], taken[1]

    def _emblem(self, rng: np.random.Generator, canvas: np.ndarray, side: int, cap: int) -> float:
        """A badge, animal or seal of several tones: what special plates carry."""
        h, w = canvas.shape[:2]
        size = max(8, int(cap * rng.uniform(0.7, 1.35)))
        width = max(6, int(size * rng.uniform(0.5, 1.05)))
        x = 3 if side == 0 else w - width - 3
        y = int(h * rng.uniform(0.46, 0.56) - size / 2)
        if rng.random() < 0.5:
            mask = np.zeros((size, width), np.uint8)
            cv2.ellipse(
                mask,
                ((width / 2, size / 2), (width - 2, size - 2), 0),
                255,
                -1 if rng.random() < 0.6 else 2,
                cv2.LINE_AA,
            )
            blend(canvas, mask, self.tint(rng.uniform(0, 255, 3).astype(np.float32)), x, y)
        for _ in range(int(rng.integers(2, 8))):
            mask = np.zeros((size, width), np.uint8)
            points = rng.uniform(0.05, 0.95, (int(rng.integers(3, 9)), 2)) * [width, size]
            if rng.random() < 0.5:
                centre, reach = points[0], rng.uniform(0.1, 0.4, 2) * [width, size]
                cv2.ellipse(
                    mask,
                    (centre.tolist(), (2 * reach).tolist(), float(rng.uniform(0, 180))),
                    255,
                    -1,
                    cv2.LINE_AA,
                )
            else:
                cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
            blend(
                canvas,
                mask,
                self.tint(rng.uniform(0, 255, 3).astype(np.float32)),
                x,
                y,
                float(rng.uniform(0.5, 1)),
            )
        return width + float(rng.uniform(0, 4))

    def _stacked(
        self,
        rng: np.random.Generator,
        canvas: np.ndarray,
        ink: np.ndarray,
        cap: int,
        side: int,
        offset: float,
    ) -> float:
        """Small characters one above the other, which are not part of the text."""
        h, w = canvas.shape[:2]
        face = self._book.faces[int(rng.integers(len(self._book.faces)))]
        count = int(rng.integers(2, 4))
        size = max(4, int(cap * 0.9 / count))
        width = max(2, int(size * rng.uniform(0.5, 0.8)))
        x = int(4 + offset) if side == 0 else int(w - width - 4 - offset)
        alphabet = "0123456789" if rng.random() < 0.3 else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for i in range(count):
            char = alphabet[int(rng.integers(len(alphabet)))]
            mask = cv2.resize(face.masks[char], (width, size), interpolation=cv2.INTER_AREA)
            blend(canvas, mask, self.tint(ink), x, int(h * 0.52 - cap / 2 + i * cap / count))
        return width + 4.0

"""Picture to tensor, bit for bit as the agent does it.

Everything up to the final multiplication is integer arithmetic, so that training, evaluation and
the agent see the same numbers. Pictures are HxWx3 uint8 RGB, or HxW uint8 for grey.
"""

import cv2
import numpy as np

PAD_VALUE = 114


def letterbox_size(width, height, to_width, to_height):
    """Size of a width x height picture fitted into to_width x to_height, aspect kept."""
    if to_width * height <= to_height * width:
        return to_width, max(1, (height * to_width + width // 2) // width)
    return max(1, (width * to_height + height // 2) // height), to_height


def _spans(source, target):
    """First and one-past-last source index averaged for each of `target` outputs."""
    index = np.arange(target, dtype=np.int64)
    start = index * source // target
    end = np.maximum(start + 1, (index + 1) * source // target)
    return start, end


def box_resize(picture, width, height):
    """Averages source rectangles, rounded; enlarging repeats pixels. HxW or HxWxC uint8."""
    x0, x1 = _spans(picture.shape[1], width)
    y0, y1 = _spans(picture.shape[0], height)
    # Doubles hold sums up to 2^53 exactly; 32-bit sums overflow on 8K pictures.
    table = cv2.integral(picture, sdepth=cv2.CV_64F)
    total = table[y1][:, x1] - table[y0][:, x1] - table[y1][:, x0] + table[y0][:, x0]
    count = (y1 - y0)[:, None] * (x1 - x0)[None, :]
    if picture.ndim == 3:
        count = count[:, :, None]
    return ((total.astype(np.int64) + count // 2) // count).astype(np.uint8)


def letterbox(picture, to_width, to_height):
    """Picture top left on a canvas of PAD_VALUE. Returns (canvas, x factor, y factor).

    The factors take a position on the canvas back to pixels of the picture.
    """
    height, width = picture.shape[:2]
    new_width, new_height = letterbox_size(width, height, to_width, to_height)
    canvas = np.full((to_height, to_width) + picture.shape[2:], PAD_VALUE, np.uint8)
    canvas[:new_height, :new_width] = box_resize(picture, new_width, new_height)
    return canvas, width / new_width, height / new_height


def to_tensor(picture, mean=0.0, scale=1.0 / 255.0):
    """HxWx3 or HxW uint8 to 1xCxHxW float32, (pixel - mean) * scale."""
    if picture.ndim == 2:
        picture = picture[:, :, None]
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))[None]
    return (planes.astype(np.float32) - np.float32(mean)) * np.float32(scale)


def grey_from_rgb(picture):
    """HxWx3 uint8 RGB to HxW uint8."""
    channels = picture.astype(np.uint32)
    mixed = 77 * channels[..., 0] + 150 * channels[..., 1] + 29 * channels[..., 2]
    return ((mixed + 128) >> 8).astype(np.uint8)


def grey_from_limited_luma(luma):
    """Luma of limited range (16..235) to 0..255."""
    expanded = ((luma.astype(np.int32) - 16) * 298 + 128) >> 8
    return np.clip(expanded, 0, 255).astype(np.uint8)


# (y, red of v, green of u, green of v, blue of u) over 256; limited range.
_LIMITED = {"601": (298, 409, -100, -208, 516), "709": (298, 459, -55, -136, 541)}


def rgb_from_yuv(y, u, v, matrix="601", full_range=False):
    """Equal-sized uint8 planes to HxWx3 uint8 RGB. Full range is BT.601 only."""
    y, d, e = (plane.astype(np.int32) for plane in (y, u, v))
    d, e = d - 128, e - 128
    if full_range:
        red = y + ((359 * e + 128) >> 8)
        green = y - ((88 * d + 183 * e + 128) >> 8)
        blue = y + ((454 * d + 128) >> 8)
    else:
        luma, red_v, green_u, green_v, blue_u = _LIMITED[matrix]
        c = luma * (y - 16)
        red = (c + red_v * e + 128) >> 8
        green = (c + green_u * d + green_v * e + 128) >> 8
        blue = (c + blue_u * d + 128) >> 8
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 255).astype(np.uint8)


def letterbox_yuv(y, u, v, to_width, to_height, matrix="601", full_range=False):
    """Letterbox of a 4:2:0 frame: planes are averaged first, then turned into RGB."""
    height, width = y.shape
    new_width, new_height = letterbox_size(width, height, to_width, to_height)
    luma = box_resize(y, new_width, new_height)
    chroma = [_chroma_average(plane, width, height, new_width, new_height) for plane in (u, v)]
    canvas = np.full((to_height, to_width, 3), PAD_VALUE, np.uint8)
    canvas[:new_height, :new_width] = rgb_from_yuv(luma, *chroma, matrix, full_range)
    return canvas, width / new_width, height / new_height


def _chroma_spans(source, target, chroma):
    start, end = _spans(source, target)
    start = np.minimum(start // 2, chroma - 1)
    return start, np.minimum(np.maximum(start + 1, (end + 1) // 2), chroma)


def _chroma_average(plane, width, height, new_width, new_height):
    """Averages the half-size plane over the luma rectangles halved outwards."""
    x0, x1 = _chroma_spans(width, new_width, plane.shape[1])
    y0, y1 = _chroma_spans(height, new_height, plane.shape[0])
    table = cv2.integral(plane, sdepth=cv2.CV_64F)
    total = table[y1][:, x1] - table[y0][:, x1] - table[y1][:, x0] + table[y0][:, x0]
    count = (y1 - y0)[:, None] * (x1 - x0)[None, :]
    return ((total.astype(np.int64) + count // 2) // count).astype(np.uint8)


def _taps(source, target):
    """Left index, right index and 8-bit weight of the right one, for each output."""
    position = ((2 * np.arange(target, dtype=np.int64) + 1) * source * 65536) // (2 * target)
    position = np.clip(position - 32768, 0, (source - 1) << 16)
    left = position >> 16
    return left, np.minimum(left + 1, source - 1), (position & 0xFFFF) >> 8


def stretch(picture, width, height):
    """Bilinear resize without regard to aspect, of a crop for the plate reader."""
    source_height, source_width = picture.shape[:2]
    if source_width > 2 * width or source_height > 2 * height:
        source_width = min(source_width, 2 * width)
        source_height = min(source_height, 2 * height)
        picture = box_resize(picture, source_width, source_height)
    x0, x1, fx = _taps(source_width, width)
    y0, y1, fy = _taps(source_height, height)
    values = picture.astype(np.int64)
    if picture.ndim == 3:
        fx, fy = fx[:, None], fy[:, None]
    rows = values[:, x0] * (256 - fx) + values[:, x1] * fx
    fy = fy[:, None]
    mixed = rows[y0] * (256 - fy) + rows[y1] * fy
    return ((mixed + 32768) >> 16).astype(np.uint8)

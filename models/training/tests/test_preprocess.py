"""The integer arithmetic of preprocessing, against slow and obvious versions of itself."""

import numpy as np
import pytest

from training import preprocess

SEED = 20


def slow_box_resize(picture, width, height):
    out = np.zeros((height, width) + picture.shape[2:], np.uint8)
    rows, columns = picture.shape[:2]
    for j in range(height):
        y0 = j * rows // height
        y1 = max(y0 + 1, (j + 1) * rows // height)
        for i in range(width):
            x0 = i * columns // width
            x1 = max(x0 + 1, (i + 1) * columns // width)
            area = picture[y0:y1, x0:x1].astype(np.uint64)
            count = (y1 - y0) * (x1 - x0)
            out[j, i] = (area.sum((0, 1)) + count // 2) // count
    return out


def slow_stretch_axis(source, target, index):
    position = ((2 * index + 1) * source * 65536) // (2 * target) - 32768
    position = min(max(position, 0), (source - 1) << 16)
    return position >> 16, (position & 0xFFFF) >> 8


@pytest.mark.parametrize("size", [(37, 23, 16, 9), (8, 8, 20, 31), (64, 3, 7, 3), (1, 1, 5, 4)])
def test_box_resize_averages_whole_pixels(size):
    columns, rows, width, height = size
    picture = np.random.default_rng(SEED).integers(0, 256, (rows, columns, 3), np.uint8)
    fast = preprocess.box_resize(picture, width, height)
    assert np.array_equal(fast, slow_box_resize(picture, width, height))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((1280, 720), (512, 288), (512, 288)),
        ((1280, 960), (512, 288), (384, 288)),
        ((720, 1280), (512, 288), (162, 288)),
        ((1, 1), (512, 288), (288, 288)),
        ((8000, 2), (512, 288), (512, 1)),
    ],
)
def test_letterbox_size_keeps_the_aspect(source, target, expected):
    assert preprocess.letterbox_size(*source, *target) == expected


def test_letterbox_pads_right_and_below_and_tells_the_way_back():
    canvas, fx, fy = preprocess.letterbox(np.full((60, 40, 3), 7, np.uint8), 32, 30)
    assert canvas.shape == (30, 32, 3)
    assert (canvas[:, :20] == 7).all()
    assert (canvas[:, 20:] == preprocess.PAD_VALUE).all()
    assert (fx, fy) == (2.0, 2.0)


def test_grey_of_equal_channels_is_that_grey():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    assert np.array_equal(preprocess.grey_from_rgb(ramp)[0], np.arange(256))


def test_limited_range_ends_map_to_black_and_white():
    luma = np.array([[0, 16, 235, 255]], np.uint8)
    assert preprocess.grey_from_limited_luma(luma).tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize(("matrix", "full"), [("601", False), ("709", False), ("601", True)])
def test_neutral_chroma_gives_grey(matrix, full):
    y = np.array([[16, 100, 235]], np.uint8)
    neutral = np.full_like(y, 128)
    rgb = preprocess.rgb_from_yuv(y, neutral, neutral, matrix, full)
    assert (rgb == rgb[..., :1]).all()
    assert rgb[0, 0, 0] == (16 if full else 0)


def test_known_red_of_each_matrix():
    y, u, v = (np.array([[value]], np.uint8) for value in (82, 90, 240))
    assert preprocess.rgb_from_yuv(y, u, v, "601").tolist() == [[[255, 1, 0]]]
    assert preprocess.rgb_from_yuv(y, u, v, "709").tolist() == [[[255, 25, 0]]]


def test_yuv_letterbox_of_a_flat_frame_is_flat():
    y = np.full((90, 160), 90, np.uint8)
    u, v = np.full((45, 80), 100, np.uint8), np.full((45, 80), 150, np.uint8)
    canvas, _, _ = preprocess.letterbox_yuv(y, u, v, 64, 40)
    expected = preprocess.rgb_from_yuv(y[:1, :1], u[:1, :1], v[:1, :1])[0, 0]
    assert (canvas[:36] == expected).all()
    assert (canvas[36:] == preprocess.PAD_VALUE).all()


@pytest.mark.parametrize("size", [(50, 20), (128, 32), (300, 90), (1, 1), (3, 200)])
def test_stretch_interpolates_in_integers(size):
    columns, rows = size
    picture = np.random.default_rng(SEED).integers(0, 256, (rows, columns), np.uint8)
    fast = preprocess.stretch(picture, 128, 32)
    shrunk = slow_box_resize(picture, min(columns, 256), min(rows, 64))
    rows, columns = shrunk.shape
    for j, i in [(0, 0), (31, 127), (13, 77), (20, 5), (30, 64)]:
        x, fx = slow_stretch_axis(columns, 128, i)
        y, fy = slow_stretch_axis(rows, 32, j)
        lines = []
        for row in (y, min(y + 1, rows - 1)):
            a, b = int(shrunk[row, x]), int(shrunk[row, min(x + 1, columns - 1)])
            lines.append(a * (256 - fx) + b * fx)
        assert fast[j, i] == (lines[0] * (256 - fy) + lines[1] * fy + 32768) >> 16


def test_tensor_is_planar_and_scaled():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 2] = (255, 51, 0)
    tensor = preprocess.to_tensor(picture)
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor.dtype == np.float32
    assert tensor[0, :, 0, 2].tolist() == pytest.approx([1.0, 0.2, 0.0])

"""The drawn gate: deterministic, true to its own truth, and apart from training."""

import json
import shutil

import numpy as np
import pytest

from training.synth import fonts, gate
from training.synth.grammar import AMBIGUOUS, held_out

SIZE = (640, 360)


@pytest.fixture(scope="module")
def film():
    return gate.Film(seed=3, size=SIZE, fps=15, seconds=24)


def test_the_same_seed_draws_the_same_frame_and_another_seed_another(film):
    again = gate.Film(seed=3, size=SIZE, fps=15, seconds=24)
    assert np.array_equal(film.frame(37), again.frame(37))
    assert not np.array_equal(
        film.frame(37), gate.Film(seed=4, size=SIZE, fps=15, seconds=24).frame(37)
    )


def test_every_text_is_one_that_training_never_draws(film):
    assert film.passes
    assert all(held_out(p.text) for p in film.passes)
    assert not {f.path for f in fonts.HELD_OUT_FONTS} & {
        f.path for f in fonts.PLATE_FONTS + fonts.SERIF_FONTS
    }


def test_one_text_in_three_holds_a_character_that_is_easily_confused(film):
    ambiguous = sum(any(c in AMBIGUOUS for c in p.text) for p in film.passes)
    assert ambiguous >= len(film.passes) // 3


def test_passes_of_a_lane_leave_half_a_second_between_them(film):
    for leaving in (False, True):
        lane = [p for p in film.passes if p.leaving == leaving]
        assert all(
            b.start_s - (a.start_s + a.seconds) >= 0.5 for a, b in zip(lane, lane[1:], strict=False)
        )


def test_a_minute_holds_twenty_passes_with_plates_of_24_to_60_pixels():
    film = gate.Film(seed=1, size=(1280, 720), fps=15, seconds=60)
    passes = film.truth()["passes"]
    assert len(passes) >= 20
    assert all(24 <= p["best_height_px"] <= 60 for p in passes)
    assert all(30 <= p["speed_kmh"] <= 50 for p in passes)


def test_the_plate_is_where_the_truth_says(film):
    """Cut out of the frame, the plate is brighter than the surface around it."""
    truth = film.truth()["passes"][0]
    row = max((r for r in truth["frames"] if r["plate"]), key=lambda r: r["plate"][3])
    frame = film.frame(round(row["t"] * 15)).astype(float).mean(axis=2)
    x, y, w, h = (int(round(v)) for v in row["plate"])
    inside = frame[y : y + h, x : x + w]
    rim = frame[y - 2 : y, x : x + w]
    assert np.percentile(inside, 75) > rim.mean() + 40
    vx, vy, vw, vh = row["vehicle"]
    assert vx <= row["plate"][0] and row["plate"][0] + row["plate"][2] <= vx + vw
    assert vy <= row["plate"][1] and row["plate"][1] + row["plate"][3] <= vy + vh


def test_training_frames_have_boxes_in_the_picture_and_are_not_the_demos():
    source = gate.FrameSource(seed=1, size=SIZE)
    picture, labels = source.frame(0)
    assert picture.shape == (360, 640, 3) and picture.dtype == np.uint8
    for label in labels:
        x, y, w, h = label.vehicle
        assert 0 <= x and 0 <= y and x + w <= 640 and y + h <= 360
    assert np.array_equal(picture, gate.FrameSource(seed=1, size=SIZE).frame(0)[0])


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="SKIPPED: ffmpeg is not installed")
def test_the_video_and_its_truth_are_written_whole(tmp_path):
    gate.write_gate(tmp_path, seed=2, seconds=6, size=(320, 180), fps=5)
    truth = json.loads((tmp_path / "gate.json").read_text())
    assert truth["seconds"] == 6 and truth["width"] == 320
    assert (tmp_path / "gate.mp4").stat().st_size > 2000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gate.json", "gate.mp4"]


def test_a_missing_font_names_the_package_to_install(tmp_path):
    with pytest.raises(fonts.FontsMissing, match="apt-get install fonts-roadgeek"):
        fonts.PLATE_FONTS[0].locate(tmp_path)

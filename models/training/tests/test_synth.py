"""Drawn plates: texts by grammar, apart from the held-out ones, and pictures fit for the reader."""

import numpy as np
import pytest

from training.synth import camera, strokes
from training.synth.grammar import ALPHABET, draw_grammar_text, draw_text, held_out
from training.synth.plate import SIZES, Book, Painter, draw_plate


@pytest.fixture(scope="module")
def book():
    return Book.open(seed=5, stroke_count=4)


def test_training_never_draws_a_held_out_text_and_dev_draws_nothing_else():
    rng = np.random.default_rng(1)
    assert not any(held_out(draw_text(rng, "us").text) for _ in range(300))
    assert all(held_out(draw_text(rng, "eu", held=True).text) for _ in range(100))


def test_texts_hold_only_the_alphabet_and_fit_the_readers_steps():
    rng = np.random.default_rng(2)
    texts = [draw_text(rng, region).text for region in ("us", "eu", "br") for _ in range(200)]
    assert all(set(text) <= set(ALPHABET) and 2 <= len(text) <= 10 for text in texts)


def test_asked_for_ambiguity_is_delivered_and_asked_against_is_not():
    rng = np.random.default_rng(3)
    assert any(c in "0O1I8B5S" for c in draw_grammar_text(rng, "us", ambiguous=True).text)
    assert not any(c in "0O1I8B5S" for c in draw_grammar_text(rng, "us", ambiguous=False).text)


def test_the_same_seed_draws_the_same_plate(book):
    painter = Painter(book)
    first = draw_plate(np.random.default_rng(7), painter)
    again = draw_plate(np.random.default_rng(7), painter)
    other = draw_plate(np.random.default_rng(8), painter)
    assert first.text == again.text and np.array_equal(first.pixels, again.pixels)
    assert other.text != first.text


def test_a_shot_is_the_readers_input_and_not_flat(book):
    painter = Painter(book)
    spread = []
    for seed in range(40):
        rng = np.random.default_rng([9, seed])
        shot = camera.shoot(rng, draw_plate(rng, painter).pixels[..., 0])
        assert shot.shape == (32, 128) and shot.dtype == np.uint8
        spread.append(shot.std())
    assert np.median(spread) > 8


def test_colour_plates_have_the_regions_shape(book):
    rng = np.random.default_rng(11)
    plate = Painter(book, channels=3).paint(rng, draw_text(rng, "eu"))
    assert plate.pixels.shape[0] == SIZES["eu"][0] and plate.pixels.shape[2] == 3
    assert 0 <= plate.pixels.min() and plate.pixels.max() <= 255


def test_every_character_has_skeletons_that_leave_ink():
    assert set(strokes.SHAPES) == set(ALPHABET)
    for seed in range(3):
        face = strokes.StrokeFace.draw(np.random.default_rng(seed))
        for char in ALPHABET:
            mask = strokes.draw_glyph(face, char, 40)
            assert mask.shape[0] == 40 and mask.max() > 200, f"seed {seed} character {char}"


def test_faces_differ_in_width_and_weight():
    faces = [strokes.StrokeFace.draw(np.random.default_rng(seed)) for seed in range(8)]
    assert len({strokes.draw_glyph(face, "H", 40).shape[1] for face in faces}) > 3


def test_motion_blur_keeps_brightness_and_widens_an_edge():
    edge = np.zeros((21, 41), np.float32)
    edge[:, 20:] = 200
    blurred = camera.motion_blur(edge, 7, 0.0)
    assert abs(blurred.mean() - edge.mean()) < 3
    assert ((blurred[10] > 5) & (blurred[10] < 195)).sum() >= 5

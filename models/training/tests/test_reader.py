"""The reader around its network: decoding, loss, calibration, data files, resuming."""

import json
import shutil

import numpy as np
import pytest
import torch

from training.data.boxes import read_picture
from training.data.crops import CropPool, fold, normalise, read_crops
from training.data.tables import DataError
from training.evaluate import intervals
from training.loop import Schedule, Trainer
from training.nets.reader import BLANK, CLASSES, STEPS, PlateReader
from training.reader import conditions, degrade, metrics, passes
from training.reader.calibrate import fit_temperature
from training.reader.decode import Reading, align, edit_distance, greedy
from training.reader.sheet import surest_errors, worst_errors, write_sheet
from training.reader.stream import Batch, Mixture, Source, encode, texts_of
from training.reader.train import ctc_loss, tensor
from training.reader.vote import Pass, Verdict
from training.synth import signs


def logits_for(steps, sure=8.0):
    """Logits whose best class at each step is the given one (None: blank)."""
    logits = np.zeros((len(steps), CLASSES), np.float32)
    for row, index in zip(logits, steps, strict=True):
        row[BLANK if index is None else index] = sure
    return logits


def test_repeats_are_joined_and_a_blank_keeps_twins_apart():
    assert greedy(logits_for([10, 10, None, 10, 1, 1, None])).text == "AA1"


def test_a_character_takes_the_highest_probability_of_its_steps():
    logits = logits_for([10, 10])
    logits[1, 10] = 1.0
    assert greedy(logits).probabilities[0] == pytest.approx(np.exp(8) / (np.exp(8) + 36), abs=1e-6)


def test_an_all_blank_line_reads_as_nothing_with_no_confidence():
    reading = greedy(logits_for([None] * 4))
    assert reading.text == "" and reading.confidence == 0.0


def test_edit_distance_and_alignment_agree():
    assert edit_distance("AB12", "A812") == 1 and edit_distance("", "XY") == 2
    assert align("AB2", "AB12") == [("A", "A"), ("B", "B"), ("", "1"), ("2", "2")]


def test_texts_are_compared_upper_case_without_marks_and_folded_apart():
    assert normalise("ab-1 2.ö") == "AB12"
    assert fold("O0QI1B") == "00011B"


def test_the_network_has_the_promised_shape_and_size():
    net = PlateReader().eval()
    assert net(torch.zeros(2, 1, 32, 128)).shape == (2, STEPS, CLASSES)
    assert sum(p.numel() for p in net.parameters()) <= 600_000


def test_a_few_steps_lower_the_loss_on_one_batch():
    torch.manual_seed(0)
    batch = Source(Mixture(batch=8, seed=3, stroke_count=2)).batch(0)
    net = PlateReader()
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        optimiser.zero_grad()
        loss = ctc_loss(net, batch)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_batches_depend_on_seed_and_number_alone():
    source = Source(Mixture(batch=4, seed=3, stroke_count=2))
    later, again = source.batch(7), Source(Mixture(batch=4, seed=3, stroke_count=2)).batch(7)
    assert np.array_equal(later.pixels, again.pixels) and texts_of(later) == texts_of(again)
    assert not np.array_equal(later.pixels, source.batch(8).pixels)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    batch = Batch(np.zeros((2, 32, 128), np.uint8), *encode(["AB1", "C2"]))

    def trainer(steps):
        torch.manual_seed(1)
        schedule = Schedule(steps=steps, evaluate_every=2, warmup=1, bfloat16=False)
        return Trainer(
            PlateReader((4, 4, 4, 4, 8)), schedule, tmp_path, ctc_loss, lambda model: {"score": 0.5}
        )

    def batches(step):
        while True:
            yield batch

    trainer(2).run(batches)
    second = trainer(4)
    assert second.resume() and second.history.step == 2
    second.run(batches)
    assert second.history.step == 4
    assert json.loads((tmp_path / "history.json").read_text())["step"] == 4


def test_temperature_of_overconfident_logits_is_above_one():
    rng = np.random.default_rng(5)
    texts, lines = [], []
    for _ in range(300):
        text = "".join(rng.choice(list("ABC123"), 5))
        indices = [int(i) for i in encode([text])[0]]
        shown = [i if rng.random() < 0.8 else (i + 1) % 36 for i in indices]
        lines.append(logits_for([v for i in shown for v in (i, None)], sure=9.0))
        texts.append(text)
    temperature, before, after = fit_temperature(np.stack(lines), texts)
    assert temperature > 1.3 and after < before


def test_summary_counts_what_was_read():
    texts = ["AB1", "XY0", "Q7"]
    readings = [Reading("AB1", (0.9, 0.9, 0.9)), Reading("XYO", (0.9, 0.9, 0.6)), Reading("", ())]
    report = metrics.summary(texts, readings)
    assert report["exact"]["value"] == pytest.approx(1 / 3, abs=1e-3)
    assert report["folded"]["value"] == pytest.approx(2 / 3, abs=1e-3)
    assert report["character"]["value"] == pytest.approx(1 - 3 / 8, abs=1e-3)
    assert {"truth": "0", "read": "O", "n": 1} in metrics.confusions(texts, readings)


def test_the_calibration_error_comes_with_n_and_an_interval_that_resampled_texts_give():
    texts, readings = ["AB"] * 30, [Reading("AB", (0.9, 0.9))] * 20 + [Reading("A8", (0.9, 0.9))] * 10
    found = metrics.summary(texts, readings)["calibration_error"]
    error, rows = metrics.reliability(*metrics.character_outcomes(texts, readings))
    assert (found["n"], found["value"]) == (60, round(error, 4)) == (60, pytest.approx(0.0667, abs=1e-3))
    assert found["interval"][0] < found["value"] < found["interval"][1]
    assert rows[0]["interval"] == intervals.wilson(50, 60)


def test_heights_are_compared_with_the_one_before_and_conditions_with_none_on_the_stills_of_both():
    first = conditions.Read([0, 1, 2], [True, False, True], [True, True, True])
    second = conditions.Read([1, 2], [True, True], [True, True])
    third = conditions.Read([0, 1, 2], [False, False, False], [False, False, False])
    table = {"12": first, "14": second, "16": third}
    rows = conditions.rows_of(table, "heights")
    assert "minus_before" not in rows["12"] and rows["14"]["n"] == 2
    assert (rows["14"]["minus_before"]["n"], rows["14"]["minus_before"]["difference"]) == (2, 0.5)
    assert rows["16"]["minus_before"]["difference"] == -1.0
    assert conditions.rows_of(table, "hard")["16"]["minus_before"] == third.minus(first)


def guessed(second, sure):
    """One character, A, with a second choice."""
    return Reading.of([(("A", 1 - 2 * sure), (second, sure))])


def test_second_choices_are_right_as_often_as_they_say_when_they_are():
    texts = ["A"] * 7 + ["B"] * 2 + ["C"]
    sure, right = metrics.second_outcomes(texts, [guessed("B", 0.2)] * 10)
    assert sure.tolist() == [0.2] * 10 and right.sum() == 2
    row = metrics.stated(sure, right)[0]
    assert (row["from"], row["stated"], row["right"], row["n"]) == (0.2, 0.2, 0.2, 10)
    assert row["interval"][0] < 0.2 < row["interval"][1]


def test_second_choices_that_claim_too_much_show_it_each_in_its_own_bin():
    texts = ["A"] * 40 + ["B"] * 1 + ["A"] * 9
    readings = [guessed("B", 0.3)] * 40 + [guessed("B", 0.01)] * 10
    rows = metrics.stated(*metrics.second_outcomes(texts, readings))
    assert [(row["from"], row["right"], row["n"]) for row in rows] == [(0.005, 0.1, 10), (0.3, 0.0, 40)]
    assert rows[1]["interval"][1] < rows[1]["stated"], "an interval that leaves out what was stated decides"


def test_second_choices_belong_to_the_character_they_stand_beside():
    reading = Reading.of([(("A", 0.9), ("4", 0.05)), (("X", 0.9),), (("8", 0.6), ("B", 0.4))])
    sure, right = metrics.second_outcomes(["AB"], [reading])
    assert list(zip(sure.tolist(), right.tolist())) == [(0.05, False), (0.4, True)]


def verdict(text, confidence, *alternates):
    """A result of a pass that painted AB1."""
    told = Verdict(text, (confidence,), confidence, 2, 3, alternates)
    return passes.Result("AB1", [], Pass(verdict=told))


def test_alternates_of_passes_are_judged_by_the_text_that_was_painted():
    results = [verdict("AB1", 0.8, ("A81", 0.1), ("ABI", 0.06))] * 8
    results += [verdict("A81", 0.6, ("AB1", 0.25)), verdict("ABI", 0.6, ("A8I", 0.1)), passes.Result("AB1", [], Pass())]
    found = passes.sureness(results)
    assert found["wrong_verdicts"] == {"n": 2, "truth_among_alternates": 1}
    shown = [(row["from"], row["stated"], row["right"], row["n"]) for row in found["alternates"]]
    assert shown == [(0.05, 0.06, 0.0, 8), (0.1, 0.1, 0.0, 9), (0.2, 0.25, 1.0, 1)]
    shown = [(row["from"], row["right"], row["n"]) for row in found["verdicts"]]
    assert shown == [(0.5, 0.0, 2), (0.7, 1.0, 8)]
    assert passes.sureness([])["alternates"] == []


def test_single_reads_of_a_pass_count_as_one_draw_and_models_are_compared_pass_by_pass():
    right, wrong = Reading("AB1", (0.9,) * 3), Reading("A81", (0.9,) * 3)
    good = passes.Result("AB1", [right] * 8, Pass(verdict=Verdict("AB1", (0.9,), 0.9, 2, 3, ())))
    bad = passes.Result("AB1", [wrong] * 8, Pass(verdict=Verdict("A81", (0.9,), 0.9, 2, 3, ())))
    found = passes._count([good, bad] * 20)
    assert (found["single_reads"]["n"], found["single_reads"]["exact"]) == (320, 0.5)
    low, high = found["single_reads"]["interval"]
    assert high - low > 0.2, "40 passes, not 320 reads, say how far the share may be off"
    pair = passes.differences({"a": [good] * 4, "b": [good, bad, good, good]})["a - b"]
    assert (pair["voted"]["n"], pair["voted"]["difference"], pair["told"]["interval"][0]) == (4, 0.25, 0.0)


def test_paired_difference_of_equal_models_is_nothing():
    hits = np.array([True, False, True])
    assert intervals.paired(hits, hits) == {"n": len(hits), "difference": 0.0, "interval": [0.0, 0.0]}


def test_crops_labelled_twice_or_without_text_are_refused_by_name(tmp_path):
    path = tmp_path / "crops.csv"
    path.write_text("file,plate,region\na.png,AB1,us\na.png,AB2,us\n")
    with pytest.raises(DataError, match="a.png: labelled 'AB1' and 'AB2'"):
        read_crops(path)
    path.write_text("file,plate,region\nb.png,,us\n")
    with pytest.raises(DataError, match="b.png: field 'plate' is empty"):
        read_crops(path)
    path.write_text("file,text\n")
    with pytest.raises(DataError, match="column 'plate'"):
        read_crops(path)


def test_a_truncated_picture_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match="cut.jpg"):
        read_picture(tmp_path / "cut.jpg")
    with pytest.raises(DataError, match="none.jpg"):
        read_picture(tmp_path / "none.jpg")


def test_a_pool_survives_its_file_and_gives_reader_inputs(tmp_path):
    rng = np.random.default_rng(1)
    crops = tuple(rng.integers(0, 255, (20 + i, 60), dtype=np.uint8) for i in range(3))
    pool = CropPool(crops, np.tile([5.0, 3.0, 45.0, 12.0], (3, 1)), ("A1", "B2", "C3"))
    pool.save(tmp_path / "pool.npz")
    again = CropPool.load(str(tmp_path / "pool.npz"))
    assert again.texts == pool.texts
    assert all(np.array_equal(a, b) for a, b in zip(again.crops, crops, strict=True))
    view, text = again.shoot(np.random.default_rng(2))
    assert view.shape == (32, 128) and text in again.texts


def test_stronger_degradations_change_more_and_heights_shrink():
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (60, 120, 3), dtype=np.uint8)
    for name in ("night", "low-contrast"):
        change = [
            np.abs(degrade.degrade(picture, name, s, 1).astype(int) - picture).mean()
            for s in degrade.STRENGTHS
        ]
        assert change == sorted(change)
    assert degrade.at_height(picture, 20).shape == (20, 40, 3)
    assert degrade.at_height(picture, 90) is picture


def test_the_tensor_is_centred_and_scaled():
    values = tensor(np.array([[[0, 255]]], np.uint8)).flatten().tolist()
    assert values == pytest.approx([-1.0, 1.0])


def test_drawn_passes_shrink_and_are_repeatable():
    faces = signs.gate_faces(held_out=True)
    text, views = passes.draw_pass(3, faces, 30, 50)
    again, same = passes.draw_pass(3, faces, 30, 50)
    assert text == again
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(views, same, strict=True))
    assert 3 <= len(views) <= 12 and 30 >= views[0][2] > views[-1][2] >= 15


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="SKIPPED: ffmpeg is not installed")
def test_a_still_in_motion_comes_back_from_the_codec_as_shrinking_crops():
    crop = np.random.default_rng(1).integers(0, 255, (60, 120, 3), dtype=np.uint8)
    views = passes.still_pass(crop, 1, 30, 50)
    assert len(views) == 8 and views[0][0].shape == views[-1][0].shape
    heights = [box[3] - box[1] for _, box, _ in views]
    assert heights[0] > heights[-1] >= 8


def test_the_worst_errors_come_first_and_the_sheet_holds_a_cell_for_each(tmp_path):
    texts = ["AB1", "XY0", "Q7"]
    readings = [Reading("AB1", (0.9,) * 3), Reading("XYO", (0.9,) * 3), Reading("Z", (0.4,))]
    worst = worst_errors(texts, readings, 20)
    assert worst == [2, 1] and surest_errors(texts, readings, 20) == [1, 2]
    pictures = [np.full((20, 50, 3), 90, np.uint8), np.full((20, 50), 90, np.uint8)]
    write_sheet(tmp_path / "worst.png", pictures, [texts[i] for i in worst], [readings[i] for i in worst])
    assert read_picture(tmp_path / "worst.png").shape == (76, 1000, 3)

"""Decoding, suppression, average precision and intervals on cases small enough to do by hand."""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from training.__main__ import main
from training.data.boxes import Sample
from training.evaluate import ap, decode, hard, intervals, providers, speed, worst
from training.evaluate import plates as whole
from training.evaluate.models import OWN_PROVIDER
from training.evaluate.plates import PlateResult, by_height, paired, rates, shares
from training.reader.decode import Reading
from training.reader.looks import read_plate, widen
from training.reader.teacher import PlateBox


def boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def test_decoding_puts_a_cell_where_it_belongs():
    output = np.full((1, 6, 3, 4), -9.0, np.float32)
    output[0, 1, 2, 3] = 2.0  # class 1 at row 2, column 3
    output[0, 2:, 2, 3] = np.log([0.5, 1.0, 1.5, 2.0])
    found, scores, classes = decode.decode_ltrb([output], [8], 2, 0.3)
    assert classes.tolist() == [1]
    assert scores[0] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    assert found[0].tolist() == pytest.approx([28 - 4, 20 - 8, 28 + 12, 20 + 16], abs=1e-4)


def test_a_cell_tells_its_best_class_above_the_floor():
    output = np.zeros((1, 7, 1, 1), np.float32)
    output[0, :3, 0, 0] = (2.0, 1.0, 0.0)
    _, _, classes = decode.decode_ltrb([output], [8], 3, 0.3)
    assert classes.tolist() == [0]
    _, _, classes = decode.decode_ltrb([output], [8], 3, [0.95, 0.6, 0.3])
    assert classes.tolist() == [1]


def test_raw_distances_are_capped():
    output = np.full((1, 5, 1, 1), 50.0, np.float32)
    found, _, _ = decode.decode_ltrb([output], [8], 1, 0.3)
    assert found[0, 2] == pytest.approx(4 + 8 * np.exp(6.0), rel=1e-5)


def test_suppression_is_within_a_class_only():
    same = boxes([0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10])
    kept = decode.suppress(same, np.array([0.9, 0.8, 0.7]), np.array([0, 0, 1]), 0.5, 10)
    assert kept.tolist() == [0, 2]


def test_ap_of_perfect_detections_is_one_and_of_none_is_zero():
    truth = boxes([0, 0, 10, 10], [20, 20, 40, 40])
    perfect = ap.match_picture(truth, np.array([0.9, 0.8]), truth, boxes())
    assert ap.average_precision([perfect]).tolist() == pytest.approx([1.0] * 10)
    none = ap.match_picture(boxes(), np.zeros(0), truth, boxes())
    assert ap.average_precision([none]).tolist() == [0.0] * 10


def test_ap_with_one_false_positive_first_is_one_half():
    truth = boxes([0, 0, 10, 10])
    found = boxes([50, 50, 60, 60], [0, 0, 10, 10])
    matches = ap.match_picture(found, np.array([0.9, 0.8]), truth, boxes())
    assert ap.average_precision([matches])[0] == pytest.approx(0.5)


def test_a_second_detection_of_one_box_is_false():
    truth = boxes([0, 0, 10, 10])
    found = boxes([0, 0, 10, 10], [0, 0, 10, 10])
    assert ap.match_picture(found, np.array([0.9, 0.8]), truth, boxes()).state[0].tolist() == [1, 0]


def test_detections_in_ignore_regions_do_not_count():
    found = boxes([12, 12, 18, 18])
    matches = ap.match_picture(found, np.array([0.9]), boxes([50, 50, 60, 60]), boxes([10, 10, 20, 20]))
    assert (matches.state == -1).all()


def test_pictures_not_labelled_for_a_class_do_not_judge_it():
    judge = ap.Judge(("person", "car"))
    sample = Sample(
        path="a", boxes=boxes([0, 0, 10, 10]), classes=np.array([1]), labelled=np.array([False, True])
    )
    found = boxes([0, 0, 10, 10], [30, 30, 50, 50])
    judge.add(sample, (found, np.array([0.5, 0.9]), np.array([1, 0])))
    summary = judge.summary()
    assert summary["ap50"] == {"person": None, "car": 1.0}
    assert summary["mean_ap50"] == 1.0


def test_plate_rates_count_each_plate_once():
    truth = boxes([0, 0, 20, 10], [50, 50, 70, 60])
    found = boxes([0, 0, 20, 10], [1, 0, 21, 10], [80, 80, 90, 90])
    result = PlateResult((found, np.array([0.9, 0.6, 0.5]), np.zeros(3, int)), truth)
    at_half = rates([result], 0.5)
    assert (at_half["recall"], at_half["false_positives"]) == (0.5, 2.0)
    assert rates([result], 0.7)["false_positives"] == 0.0


def test_widened_boxes_stay_in_the_picture():
    assert widen(np.array([0, 5, 20, 15.0]), (0.1, 0.1), (21, 30)).tolist() == [0, 4, 21, 16]


def test_a_plate_is_looked_at_wide_and_tight_and_the_surer_look_decides():
    sizes = []

    def read(crop):
        sizes.append(crop.shape)
        return Reading("AB17", (0.6,) * 4) if len(sizes) == 1 else Reading("AB12", (0.95,) * 4)

    box = np.array([20, 20, 60, 40], np.float32)
    assert read_plate(read, np.zeros((100, 100), np.uint8), box).text == "AB12"
    assert sizes == [(22, 44), (20, 44)]


class SlotReader:
    """A reader of another maker that tells the size of what it is shown."""

    def __init__(self, path):
        self.name = path.stem

    def read(self, crop):
        rows, columns = crop.shape[:2]
        return Reading(f"{columns}X{rows}", (1.0,) * len(f"{columns}X{rows}"))


def test_a_slot_reader_gets_the_box_as_it_is_and_stands_beside_our_own(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "SlotReader", SlotReader)
    file = tmp_path / "other.onnx"
    file.write_bytes(b"")
    own = Path(__file__).resolve().parents[2] / "plate-text"
    looks = whole.open_readers(argparse.Namespace(reader=own, reader_against=file, baselines=None), {"models": {}})
    assert list(looks) == ["plate-text", "plate-text int8", "other"]
    box = np.array([20, 20, 60, 40], np.float32)
    assert looks["other"](np.zeros((100, 100, 3), np.uint8), box).text == "40X20"
    sample = Sample(path="a", boxes=boxes([20, 20, 60, 40]), source="us", picture=np.zeros((100, 100, 3), np.uint8))
    result = PlateResult((sample.boxes, np.array([0.9]), np.zeros(1, int)), sample.boxes)
    exact = {
        name: whole.read_end_to_end([result], look, [(sample, ["40X20"])], 0.5) for name, look in looks.items()
    }
    assert exact["other"] == {"us": [True]} and exact["plate-text"] == {"us": [False]}
    assert whole.against_first(exact)["plate-text - other"]["us"]["difference"] == -1.0


def test_the_sheet_of_a_reader_shows_wrong_plates_with_source_and_licence_and_drawn_ones_after_them(tmp_path):
    pictures = np.full((60, 90, 3), 120, np.uint8)
    name = "oi_0123456789abcdef.jpg"
    real = [(PlateBox(f"images/{name}", 20, 20, 40, 12, "oi"), pictures, text) for text in ("AB1", "AB2")]

    def read(_):
        return Reading("AB1", (0.9,) * 3)

    counted = worst.reader_sheet(worst.real_plates(read, real), worst.drawn_plates(read, 3), tmp_path)
    assert counted == [(2, 1), (3, 3)]
    lines = (tmp_path / "worst.csv").read_text().splitlines()
    assert lines[0] == "file,source,licence,address,text,read,confidence"
    assert lines[1] == f"{name},oi,CC BY 2.0,Open Images 0123456789abcdef,AB2,AB1,0.9"
    assert len(lines) == 5 and all("drawn dev set,own,," in line for line in lines[2:])
    assert (tmp_path / "worst.jpg").stat().st_size > 500


def test_only_pictures_that_may_be_shown_changed_are_taken_and_their_authors_can_be_found(tmp_path):
    flickr = "http://farm4.staticflickr.com/3568/3364389746_361655c747_z.jpg"
    licences = {"a.jpg": "CC BY 2.0", "b.jpg": "CC BY-SA 2.0", "c.jpg": "CC BY-ND 2.0", "d.jpg": None}
    images = [
        {"id": i, "file_name": name, "url": flickr} | ({"licence": licence, "tier": "A"} if licence else {})
        for i, (name, licence) in enumerate(licences.items())
    ]
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "dev.json").write_text(json.dumps({"categories": [], "images": images, "annotations": []}))
    samples, known = worst._samples("objects", tmp_path)
    assert [sample.path.name for sample in samples] == ["a.jpg", "d.jpg"]
    assert known["a.jpg"] == ("CC BY 2.0", "https://www.flickr.com/photo.gne?id=3364389746")


def test_every_picture_on_a_shipped_sheet_may_be_shown_and_names_where_its_author_is_found():
    for folder in ("road-objects", "plates", "plate-text"):
        with open(Path(__file__).resolve().parents[2] / folder / "worst.csv", newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert len(rows) == worst.COUNT, folder
        for row in rows:
            assert row["licence"] in (*worst.SHOWN, "own") and (row["address"] or row["source"] in ("drawn dev set", "ro")), row


def test_differences_are_taken_plate_by_plate():
    left, right = {"us": [True, True], "eu": [False]}, {"us": [True, False], "eu": [False]}
    assert shares(left)["us"]["exact"] == 1.0
    found = paired(left, right)
    assert (found["us"]["difference"], found["eu"]["difference"], found["all"]["n"]) == (0.5, 0.0, 3)


def test_wilson_interval_of_a_known_share():
    assert intervals.wilson(8, 10) == pytest.approx([0.4902, 0.9433], abs=1e-3)
    assert intervals.wilson(0, 0) == [0.0, 1.0]


def test_resamples_are_the_same_for_every_model():
    assert np.array_equal(intervals.draws(9, 3, 7), intervals.draws(9, 3, 7))


@pytest.mark.parametrize(("kind", "dtype", "out"), [("Conv", "float32", 1), ("ConvInteger", "uint8", 6)])
def test_the_work_of_a_convolution_is_counted_in_float_and_in_integers(tmp_path, kind, dtype, out):
    weights = onnx.numpy_helper.from_array(np.ones((4, 3, 3, 3), dtype), "weights")
    node = onnx.helper.make_node(kind, ["picture", "weights"], ["out"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    source = onnx.helper.make_tensor_value_info("picture", onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [1, 3, 8, 8])
    target = onnx.helper.make_tensor_value_info("out", out, [1, 4, 8, 8])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [source], [target], [weights])), tmp_path / "m.onnx")
    assert speed.count_work(tmp_path / "m.onnx") == (108, 108 * 64)


def test_recall_by_height_counts_at_the_network_input():
    sample = Sample(
        path="a", boxes=boxes([0, 0, 40, 20], [0, 100, 200, 200]), picture=np.zeros((400, 800, 3), np.uint8)
    )
    result = PlateResult((boxes([0, 0, 40, 20]), np.array([0.9]), np.zeros(1, int)), sample.boxes)
    table = by_height([result], [(sample, ["A", "B"])], (400, 400), 0.5)
    assert (table["8-12"]["n"], table["8-12"]["recall"]) == (1, 1.0)
    assert (table["36 and more"]["n"], table["36 and more"]["recall"]) == (1, 0.0)


def held(picture, *rows):
    """A sample held in memory."""
    return Sample(path="a", boxes=boxes(*rows), classes=np.zeros(len(rows), int), picture=picture)


def test_a_turned_frame_carries_its_boxes_with_it():
    picture = np.zeros((120, 200, 3), np.uint8)
    picture[50:70, 60:120] = 255
    for strength, share in ((1, 0.9), (2, 0.75), (3, 0.6)):
        worse = hard.worsen(held(picture, [60, 50, 120, 70]), "angle", strength, 0)
        assert worse.picture.shape == (120, round(200 * share), 3)
        rows, columns = np.nonzero(worse.picture[..., 0] > 127)
        lit = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert worse.boxes[0] == pytest.approx(lit, abs=1.5)


def test_mud_lies_on_the_boxes_and_blur_follows_their_height():
    picture = np.full((120, 200, 3), 255, np.uint8)
    muddy = hard.worsen(held(picture, [60, 50, 120, 70]), "dirt", 3, 0).picture
    assert (muddy[50:71, 60:121] < 255).any() and (picture == 255).all()
    muddy[50:71, 60:121] = 255
    assert (muddy == 255).all()
    picture[:, 100:] = 0
    widths = [
        ((0 < blurred[60, :, 0]) & (blurred[60, :, 0] < 255)).sum()
        for blurred in (hard.worsen(held(picture, [0, 0, 50, h]), "motion", 3, 0).picture for h in (20, 100))
    ]
    assert 2 <= widths[0] <= 5 and 10 <= widths[1] <= 15


def test_each_condition_has_three_strengths_after_the_pictures_as_they_are():
    titles = [title for title, _ in hard.conditions([held(np.zeros((8, 8, 3), np.uint8))])]
    assert titles[0] == "as they are" and len(titles) == 1 + 6 * 3 and "angle 3" in titles


def told_file(folder, name, text):
    """A line as `edge-agent inspect plates --json` prints it, of a plate and a box that is none."""
    rows = [
        {"box": [0.0, 0.0, 20.0, 10.0], "detection": 0.9, "text": text, "confidence": 0.8},
        {"box": [70.0, 70.0, 9.0, 9.0], "detection": 0.6, "text": "X", "confidence": 0.1},
    ]
    path = folder / f"{name}.jsonl"
    path.write_text(json.dumps({"file": "/elsewhere/a.jpg", "plates": rows}) + "\n")
    return str(path)


def test_what_the_agent_told_is_judged_as_evaluation_judges(tmp_path, capsys):
    (tmp_path / "plates.csv").write_text("file,x,y,w,h,plate,region\na.png,0,0,20,10,AB-12,eu\na.png,40,40,20,10,CD34,eu\n")
    told = [told_file(tmp_path, "right", "AB12"), told_file(tmp_path, "wrong", "AB17")]
    listed = ["--data", str(tmp_path / "plates.csv"), "--root", str(tmp_path)]
    assert main(["eval", "inspected", "--told", *told, *listed]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["recall"]["right"]["eu"]["exact"] == report["recall"]["wrong"]["eu"]["exact"] == 0.5
    assert (report["end_to_end"]["right"]["eu"]["exact"], report["end_to_end"]["wrong"]["eu"]["exact"]) == (0.5, 0.0)
    assert report["false_positives"]["right"]["eu"]["value"] == 1.0
    assert report["paired_end_to_end"]["right - wrong"]["all"]["difference"] == 0.5
    (tmp_path / "right.jsonl").write_text('{"file": "b.png", "plates": []}\n')
    assert main(["eval", "inspected", "--told", told[0], *listed]) == 1
    assert capsys.readouterr().err == f"{told[0]}: field 'file': nothing is told of 'a'\n"
    (tmp_path / "right.jsonl").write_text('{"file": "a.png", "error": "cut off"}\n')
    assert main(["eval", "inspected", "--told", told[0], *listed]) == 1
    assert f"{told[0]}:1: is no line" in capsys.readouterr().err


def test_a_provider_that_is_not_there_is_named_with_those_that_are(capsys):
    words = ["eval", "providers", "--models", "plates", "--provider", "NoExecutionProvider", "--data", "."]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("--provider NoExecutionProvider: the installed ONNX Runtime has ")


def test_the_runtime_against_itself_differs_in_nothing(tmp_path):
    plates = Path(__file__).resolve().parents[2] / "plates"
    own, other, pair = providers.detectors(plates, None, OWN_PROVIDER)
    picture = np.random.default_rng(2).integers(0, 255, (90, 160, 3), np.uint8)
    assert np.array_equal(own(picture)[0], other(picture)[0])
    assert pair.report() == {"inputs": 1, "largest_difference": 0.0}
    broken = providers.Pair(own.infer, lambda tensor: [output + 0.5 for output in own.infer(tensor)])
    broken(np.zeros((1, 3, 288, 512), np.float32))
    assert broken.report()["largest_difference"] == pytest.approx(0.5, abs=1e-3)


def test_false_positives_are_compared_picture_by_picture():
    truth = boxes([0, 0, 20, 10])
    sample = Sample(path="a", boxes=truth, source="us")
    clean = PlateResult((truth, np.array([0.9]), np.zeros(1, int)), truth)
    noisy = PlateResult((boxes([0, 0, 20, 10], [50, 50, 60, 60]), np.array([0.9, 0.8]), np.zeros(2, int)), truth)
    false = {name: whole.false_by_region([result], [(sample, ["A"])], 0.5) for name, result in (("a", clean), ("b", noisy))}
    assert whole.against_first(false)["a - b"]["us"] == {"n": 1, "difference": -1.0, "interval": [-1.0, -1.0]}


def test_speed_is_told_with_intervals_and_int8_beside_its_float_graph(capsys):
    folder = Path(__file__).resolve().parents[2] / "plate-text"
    files = [str(folder / name) for name in ("plate-text.onnx", "plate-text.int8.onnx")]
    assert main(["eval", "speed", "--models", *files, "--runs", "5", "--threads", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    for name in ("plate-text.onnx", "plate-text.int8.onnx"):
        low, high = report[name]["cpu_ms"]["interval"]
        assert 0 < low <= report[name]["cpu_ms"]["value"] <= high
    assert "times_as_fast_as_float" not in report["plate-text.onnx"]
    assert len(report["plate-text.int8.onnx"]["times_as_fast_as_float"]["interval"]) == 2
    slow, fast = np.array([4.0, 4.0, 90.0]), np.array([2.0, 2.0, 2.0])
    assert speed.ratio(slow, fast)["value"] == 2.0

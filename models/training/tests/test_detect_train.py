"""A minute-sized life of a detector: train, resume, export, judge, golden tensors, bad input."""

import argparse
import json
import re
import shutil

import cv2
import numpy as np
import pytest
import torch

from training.__main__ import find_command, main
from training.check import PARTS, check_drawn, check_folder
from training.data.boxes import Sample, load_plate_boxes
from training.data.objects import load_objects
from training.data.tables import DataError
from training.detect.augment import Canvas
from training.detect.export import calibration_tensors
from training.detect.paste import paste_plate, stamp
from training.detect.pool import build_pool, tighten
from training.detect.teacher import complete
from training.evaluate.drawn import write_drawn
from training.export import largest_difference
from training.golden import write_golden
from training.manifest import ManifestError, check_shapes, load_manifest, model_file
from training.nets.detector import from_config
from training.origin import commits_of, origin, written
from training.train import read_config
from training.unfold import UnfoldError, unfold

CONFIG = """
name = "tiny"
version = "0.0.1"
task = "objects"
classes = ["person", "bicycle", "motorcycle", "car", "bus", "truck"]
licence = "MIT"
[input]
width = 96
height = 64
[net]
widths = [8, 8, 12, 16]
depths = [0, 0, 1, 1]
neck = 12
strides = [8, 16]
[data]
tiers = ["A"]
longest = 120
oversample = 0.5
share_real = 1.0
share_teacher = 0.1
[augment]
mosaic = 0.5
mosaic_scale = [0.8, 1.2]
scale = [0.8, 1.2]
aspect = { other = [0.9, 1.1] }
smallest = 4.0
[schedule]
minutes = 1.0
peak_rate = 2e-3
warmup = 2
weight_decay = 0.01
average = 0.9
clip_norm = 10.0
bfloat16 = false
evaluate_every = 2

[tune]
peak_rate = 1e-3
[canvas]
plain_end = 0.1
sizes = [{ until = 1.0, batch = 2, shapes = [[96, 64]] }]
[thresholds]
nms_iou = 0.5
max_detections = 20
score = { person = 0.3, bicycle = 0.3, motorcycle = 0.3, car = 0.3, bus = 0.3, truck = 0.3 }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("detect")
    (root / "tiny.toml").write_text(CONFIG)
    pictures = root / "data" / "objects" / "images"
    pictures.mkdir(parents=True)
    rng = np.random.default_rng(4)
    images, annotations = [], []
    for number in range(1, 7):
        picture = rng.integers(90, 120, (70, 110, 3), np.uint8)
        x, y = (int(v) for v in rng.integers(5, 40, 2) // (1, 2))
        picture[y : y + 30, x : x + 50] = (20, 40, 200)
        cv2.imwrite(str(pictures / f"{number}.jpg"), picture)
        images.append({"id": number, "file_name": f"{number}.jpg", "labelled": ["car"], "tier": "A"})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 4, "bbox": [x, y, 50, 30]}
        )
    names = ["person", "bicycle", "motorcycle", "car", "bus", "truck"]
    content = {
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
        "images": images,
        "annotations": annotations,
    }
    (root / "data" / "objects" / "train.json").write_text(json.dumps(content))
    return root


def train(folder, out, *more):
    common = ["--config", str(folder / "tiny.toml"), "--data", str(folder / "data")]
    return main(["train", *common, "--out", str(folder / out), *more])


@pytest.fixture(scope="module")
def exported(folder):
    train(folder, "run", "--steps", "4")
    out = folder / "model"
    status = main(
        ["export", "--config", str(folder / "tiny.toml"), "--run", str(folder / "run")]
        + ["--data", str(folder / "data"), "--out", str(out), "--created", "2026-01-01"]
    )
    assert status == 0
    return out


def test_a_run_resumes_where_it_stopped(folder):
    train(folder, "halves", "--steps", "2")
    before = torch.load(folder / "halves" / "weights.pt", weights_only=True)["model"]
    train(folder, "halves", "--steps", "4")
    after = torch.load(folder / "halves" / "weights.pt", weights_only=True)["model"]
    assert json.loads((folder / "halves" / "history.json").read_text())["step"] == 4
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert (folder / "halves" / "curves.png").is_file()


def test_fine_tuning_remembers_where_it_came_from(folder, exported):
    train(folder, "tuned", "--steps", "2", "--start", str(folder / "run" / "weights.pt"))
    data = json.loads((folder / "tuned" / "data.json").read_text())
    assert [stage["steps"] for stage in data["earlier_stages"]] == [4]


def test_the_manifest_names_the_commands_that_were_run_the_code_and_the_tier_of_each_list(folder, exported):
    made = load_manifest(exported / "manifest.json")["provenance"]
    common = f"python3 -m training train --config {folder}/tiny.toml --data {folder}/data --out {folder}"
    assert made["command"] == f"{common}/run --steps 4"
    assert re.fullmatch("[0-9a-f]{7,}(-dirty)?", made["commit"])
    assert [(entry["name"], entry["tier"]) for entry in made["data"]] == [("objects/train", "A")]
    train(folder, "halves", "--steps", "2")
    train(folder, "halves", "--steps", "4")
    commands = json.loads((folder / "halves" / "data.json").read_text())["commands"]
    assert commands == [f"{common}/halves --steps {steps}" for steps in (2, 4)]


def test_a_run_keeps_every_commit_it_went_on_with(tmp_path, monkeypatch):
    args = argparse.Namespace(command="train", seed=3)
    for version in ("aaaaaaa", "bbbbbbb", "aaaaaaa", ""):
        monkeypatch.setattr("training.origin.code_version", lambda: version)
        known = origin(args, tmp_path)
        (tmp_path / "data.json").write_text(json.dumps(known))
    assert known == {"commits": ["aaaaaaa", "bbbbbbb"], "commands": ["train"], "seed": 3}
    (tmp_path / "data.json").write_text(json.dumps({"commit": "ccccccc", "commands": []}))
    assert commits_of(written(tmp_path)) == ["ccccccc"], "a run begun before commits were a list"


def test_where_nothing_tells_the_commit_it_must_be_named(folder, exported, monkeypatch, capsys):
    data = json.loads((folder / "run" / "data.json").read_text())
    (folder / "unnamed").mkdir()
    (folder / "unnamed" / "data.json").write_text(json.dumps(data | {"commits": []}))
    monkeypatch.setattr("training.export.code_version", lambda: "")
    words = ["export", "--config", str(folder / "tiny.toml"), "--run", str(folder / "unnamed")]
    assert main([*words, "--data", str(folder / "data"), "--out", str(folder / "x"), "--created", "2026-01-01"]) == 1
    assert capsys.readouterr().err.startswith("--commit: ")


def test_each_list_carries_the_tiers_of_the_pictures_taken_from_it(folder, tmp_path):
    config, data = read_config(folder / "tiny.toml"), tmp_path / "data"
    config["data"]["tiers"] = ["A", "C"]
    shutil.copytree(folder / "data" / "objects", data / "objects")
    content = json.loads((data / "objects" / "train.json").read_text())
    for image, tier in zip(content["images"], ["A", "C", "B", "A", "A", "A"], strict=True):
        image["tier"] = tier
    (data / "objects" / "train.json").write_text(json.dumps(content))
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"2.jpg": [[0, 0.9, 1, 1, 30, 30]], "3.jpg": [[0, 0.9, 1, 1, 30, 30]]}))
    lists = build_pool(config, data, [labels]).manifest()["lists"]
    assert [(entry["name"], entry["tier"]) for entry in lists] == [("objects/train", "AC"), ("teacher labels", "C")]


def test_training_can_begin_with_an_exported_model(folder, exported):
    tensors = [np.random.default_rng(seed).random((1, 3, 64, 96), np.float32) for seed in range(3)]
    net = from_config(read_config(folder / "tiny.toml"))
    unfold(net, exported / "tiny.onnx", tensors)
    assert largest_difference(net, exported / "tiny.onnx", tensors) < 1e-4
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all((norm.weight != 1).any() for norm in norms), "statistics were taken"
    train(folder, "further", "--steps", "2", "--start", str(exported / "tiny.onnx"))
    data = json.loads((folder / "further" / "data.json").read_text())
    assert [stage["steps"] for stage in data["earlier_stages"]] == [4]


def test_frozen_normalisations_keep_their_statistics_while_weights_change(folder, exported):
    path, start = folder / "frozen.toml", exported / "tiny.onnx"
    path.write_text(CONFIG.replace("[tune]\n", "[tune]\nfrozen_norms = true\nkept_share = 0.5\n"))
    out = ["--data", str(folder / "data"), "--out", str(folder / "frozen"), "--steps", "2"]
    main(["train", "--config", str(path), *out, "--start", str(start)])
    net = from_config(read_config(path))
    unfold(net, start, calibration_tensors(read_config(path), folder / "data"))
    before, after = net.state_dict(), torch.load(folder / "frozen" / "weights.pt", weights_only=True)["model"]
    same = {name: torch.equal(before[name], after[name]) for name in before}
    assert all(same[name] for name in same if "running_" in name)
    assert not any(same[name] for name in same if name.endswith("weight"))
    learnt = torch.load(folder / "frozen" / "checkpoint.pt", weights_only=False)["average"]
    assert all(torch.allclose(after[name], (before[name] + learnt[name]) / 2) for name in before if "num" not in name)


def test_a_graph_of_another_network_is_refused(folder, exported):
    config = read_config(folder / "tiny.toml")
    config["net"]["neck"] = 16
    with pytest.raises(UnfoldError, match="tiny.onnx"):
        unfold(from_config(config), exported / "tiny.onnx", [np.zeros((1, 3, 64, 96), np.float32)])


def test_the_same_seed_gives_the_same_weights(folder):
    states = []
    for out in ("first", "second"):
        train(folder, out, "--steps", "3", "--seed", "9")
        states.append(torch.load(folder / out / "weights.pt", weights_only=True)["model"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_exported_models_pass_their_own_check(exported):
    manifest = load_manifest(exported / "manifest.json")
    check_shapes(exported, manifest)
    check_shapes(exported, manifest, "int8")
    assert manifest["provenance"]["steps"] == 4
    assert manifest["provenance"]["largest_difference_torch"] < 1e-3


def test_golden_tensors_have_the_sizes_of_the_manifest(exported):
    write_golden(exported, np.full((45, 80, 3), 90, np.uint8))
    golden = exported / "golden"
    assert (golden / "input.f32").stat().st_size == 4 * 3 * 64 * 96
    assert (golden / "p16.f32").stat().st_size == 4 * 10 * 4 * 6
    assert isinstance(json.loads((golden / "detections.json").read_text()), list)


def test_evaluation_prints_every_figure(exported, folder, capsys):
    data = folder / "data" / "objects"
    main(
        ["eval", "objects", "--model", str(exported), "--data", str(data / "train.json")]
        + ["--images", str(data / "images"), "--rounds", "5", "--against", str(exported), "--hard"]
    )
    report = json.loads(capsys.readouterr().out)
    assert report["n"]["boxes"]["car"] == 6
    assert set(report["results"]) == {"tiny", "tiny int8", "tiny 0.0.1"}
    same = report["paired"]["tiny - tiny 0.0.1"]
    assert same["mean_ap50"] == same["car"] == {"difference": 0.0, "interval": [0.0, 0.0]}
    assert set(same) >= {"mean_ap", "person", "truck"}
    assert len(report["hard"]["tiny int8"]) == 13
    assert report["hard"]["tiny"]["as they are"]["minus_as_they_are"]["car"]["difference"] == 0.0
    assert report["results"]["tiny"]["person"] == {"value": None, "interval": [None, None], "n": 0}
    for part in (report, *report["by_source"].values()):
        for figures in part["results"].values():
            assert len(figures["mean_ap50"]["interval"]) == len(figures["mean_ap"]["interval"]) == 2
            assert figures["car"]["n"] > 0 and figures["pictures"] > 0
        assert set(part["paired"]) == {"tiny - tiny int8", "tiny - tiny 0.0.1"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task": "guess"}, "task"),
        ({"classes": ["car", "car"]}, "classes"),
        ({"thresholds": {"score": {"car": 0.3}, "nms_iou": 0.5, "max_detections": 9}}, "score"),
        ({"opset": "17"}, "opset"),
    ],
)
def test_manifests_with_wrong_fields_are_refused(exported, tmp_path, change, field):
    manifest = json.loads((exported / "manifest.json").read_text()) | change
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match=field):
        load_manifest(path)


def test_a_changed_model_file_is_refused(exported, tmp_path):
    manifest = load_manifest(exported / "manifest.json")
    (tmp_path / manifest["file"]).write_bytes(b"other")
    with pytest.raises(ManifestError, match="sha256"):
        model_file(tmp_path, manifest)


def test_bad_labels_are_named(folder, tmp_path):
    content = json.loads((folder / "data" / "objects" / "train.json").read_text())
    content["annotations"][2]["bbox"] = [1, 2, 0, 4]
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(content))
    with pytest.raises(DataError, match="annotation 3.*bbox"):
        load_objects(bad, tmp_path)
    (tmp_path / "boxes.csv").write_text("file,x,y,w,h,class,split,source\na.jpg,1,2,x,4,plate,train,ro\n")
    with pytest.raises(DataError, match="boxes.csv:2.*'w'"):
        load_plate_boxes(tmp_path)


def test_teacher_boxes_fill_only_what_is_not_labelled(folder):
    objects = folder / "data" / "objects"
    sample = load_objects(objects / "train.json", objects / "images")[0]
    same = [3, 0.9, *sample.boxes[0]]
    found = complete(sample, [same, [0, 0.8, 90, 50, 100, 65], [1, 0.2, 70, 50, 80, 60]])
    assert found.classes.tolist() == [3, 0]
    assert found.weights.tolist() == pytest.approx([1.0, 0.4 + 0.7 * 0.8])
    assert found.ignore_classes.tolist() == [1]
    assert found.labelled.all()


def test_pictures_that_name_no_tier_are_ones_own_and_always_serve(folder, tmp_path, capsys):
    config, data = read_config(folder / "tiny.toml"), tmp_path / "data"
    shutil.copytree(folder / "data" / "objects", data / "objects")
    content = json.loads((data / "objects" / "train.json").read_text())
    for image in content["images"][2:]:
        image["tier"] = "B"
    del content["images"][0]["tier"]
    (data / "objects" / "train.json").write_text(json.dumps(content))
    pictures = build_pool(config, data).manifest()["pictures"]
    assert [(entry["tier"], entry["pictures"]) for entry in pictures] == [("A", 1), ("own", 1)]
    content["images"], content["annotations"] = content["images"][2:], []
    (data / "objects" / "train.json").write_text(json.dumps(content))
    out = ["--data", str(data), "--out", str(tmp_path / "run"), "--steps", "1"]
    assert main(["train", "--config", str(folder / "tiny.toml"), *out]) == 1
    assert capsys.readouterr().err == f"{data}: no labelled picture to train on\n"


def test_what_is_not_labelled_becomes_an_ignore_region(folder):
    objects = folder / "data" / "objects"
    sample = load_objects(objects / "train.json", objects / "images")[0]
    canvas = Canvas(96, 64)
    canvas.place(sample, (0, 0, 96, 64), (0.5, 0.5), (10.0, 5.0), 4.0)
    assert sorted(canvas.ignore_classes) == [0, 1, 2, 4, 5]
    assert canvas.boxes[0].tolist() == pytest.approx(sample.boxes[0] * 0.5 + [10, 5, 10, 5], abs=1.5)


def test_commands_are_found_by_their_words():
    assert find_command(["eval", "plates", "--x"]) == ("training.evaluate.plates", 2)
    assert find_command(["eval"]) is None
    assert main(["nonsense"]) == 2


def test_recorded_figures_are_measured_again(exported, folder, capsys):
    objects, drawn = folder / "data" / "objects", folder / "drawn"
    write_drawn(drawn, 2, 8)
    main(
        ["eval", "objects", "--model", str(exported), "--data", str(objects / "train.json")]
        + ["--images", str(objects / "images"), "--rounds", "3"]
    )
    (folder / "report.json").write_text(capsys.readouterr().out)
    main(
        ["record", "--model", str(exported), "--report", str(folder / "report.json")]
        + ["--pictures", str(drawn)]
    )
    with pytest.raises(ManifestError, match="CARD.md"):
        check_folder(exported, drawn)
    (exported / "CARD.md").write_text("\n".join(f"{part}\n0.5 [0.4, 0.6]\n" for part in PARTS))
    manifest = check_folder(exported, drawn)
    assert {"ap50_car", "int8_ap50_car"} <= {metric["name"] for metric in manifest["metrics"]}
    manifest["metrics"][-1]["value"] += 0.5
    with pytest.raises(ManifestError, match="drawn_ap50"):
        check_drawn(exported, manifest, drawn)


def test_letters_beside_plates_leave_plates_alone():
    boxes = np.array([[20, 20, 60, 40]], np.float32)
    changed = 0
    for seed in range(12):
        picture = np.full((120, 200, 3), 90, np.uint8)
        stamp(np.random.default_rng(seed), picture, boxes)
        assert (picture[20:40, 20:60] == 90).all()
        changed += int((picture != 90).any())
    assert changed > 4


def test_a_pasted_plate_lies_where_its_box_says():
    picture = np.full((200, 300, 3), 128, np.uint8)
    box = paste_plate(np.random.default_rng(2), picture, np.array([100, 80, 200, 120], np.float32))
    y, x, _ = np.nonzero(picture != 128)
    drawn = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert np.abs(box - drawn).max() <= 4


def test_margins_of_a_source_are_cut_off():
    sample = Sample("a", boxes=np.array([[10, 10, 110, 50]], np.float32), source="ro")
    assert tighten(sample, {"ro": [0.1, 0.0, 0.05, 0.25]}).boxes.tolist() == [[20, 10, 105, 40]]
    assert tighten(sample, {"oi": [0.1, 0.1, 0.1, 0.1]}) is sample

"""The reader's commands from end to end on a run of a few steps: train, export, check, evaluate."""

import argparse
import json
import shutil

import pytest

from training.__main__ import main
from training.data.boxes import read_picture
from training.export import largest_difference
from training.manifest import load_manifest, model_file
from training.nets.reader import PlateReader
from training.reader import evaluate, export, train
from training.reader.model import ReaderModel
from training.unfold import unfold

CONFIG = {
    "name": "plate-text",
    "version": "0.0.1",
    "task": "plate_text",
    "licence": "MIT",
    "schedule": {"steps": 3, "evaluate_every": 3, "warmup": 1},
    "mixture": {"batch": 4, "seed": 1, "stroke_count": 2},
    "watch": {"drawn": 8},
}


def run_of(base, name, **changed):
    """A run of three steps in `base/name`; returns what it wrote down about itself."""
    options = {"minutes": None, "steps": None, "threads": 1, "seed": 1, "start": None, "command": f"train {name}"}
    train.run(argparse.Namespace(out=str(base / name), data=str(base), **options | changed), CONFIG)
    return json.loads((base / name / "data.json").read_text())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder from a run of three steps."""
    base = tmp_path_factory.mktemp("reader")
    assert run_of(base, "run")["earlier_stages"] == []
    target = argparse.Namespace(
        run=str(base / "run"),
        out=str(base / "model"),
        commit="",
        created="2020-01-01",
        metrics=None,
    )
    export.run(target, CONFIG)
    return base / "model"


def test_the_exported_model_agrees_with_its_manifest(model):
    manifest = load_manifest(model / "manifest.json")
    assert manifest["head"]["type"] == "ctc" and manifest["blank"] == 36
    assert {m["name"] for m in manifest["metrics"]} == {"drawn exact", "drawn exact int8"}
    assert model_file(model, manifest, "int8").is_file()
    assert manifest["provenance"]["steps"] == 3
    assert manifest["provenance"]["command"] == "train run"


def test_fine_tuning_begins_with_an_exported_reader(model):
    tensors = export.calibration_tensors(None, 8)
    net = PlateReader()
    unfold(net, model / "plate-text.onnx", tensors)
    assert largest_difference(net.eval(), model / "plate-text.onnx", tensors) < 1e-4
    origin = run_of(model.parent, "further", steps=1, start=str(model / "plate-text.onnx"))
    assert [stage["steps"] for stage in origin["earlier_stages"]] == [3]


def test_evaluation_prints_figures_with_n_and_intervals_for_every_variant(model, capsys):
    args = argparse.Namespace(
        reader=model,
        data=model / "drawn" / "crops.csv",
        root=model / "drawn",
        baselines=None,
        against=model,
        diagram=model / "reliability.png",
        confusions=model / "confusions.json",
        worst=model / "worst.png",
    )
    evaluate.run(args)
    report = json.loads(capsys.readouterr().out)
    assert set(report["models"]) == {"plate-text", "plate-text int8", "plate-text 0.0.1"}
    assert report["paired_exact"]["plate-text - plate-text 0.0.1"]["interval"] == [0.0, 0.0]
    for entry in report["models"].values():
        assert entry["n"] == 80 and len(entry["exact"]["interval"]) == 2
    assert "plate-text - plate-text int8" in report["paired_exact"]
    assert (model / "reliability.png").is_file()
    assert (model / "worst.png").is_file() and json.loads((model / "confusions.json").read_text())


def test_measured_figures_go_into_the_manifest_with_n_and_interval_beside_the_drawn_ones(model, tmp_path, capsys):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    drawn = ["--data", str(folder / "drawn" / "crops.csv"), "--root", str(folder / "drawn")]
    main(["eval", "crops", "--reader", str(folder), *drawn])
    (tmp_path / "crops.json").write_text(capsys.readouterr().out)
    main(["eval", "passes", "--reader", str(folder), "--passes", "2"])
    (tmp_path / "passes.json").write_text(capsys.readouterr().out)
    main(["record", "--model", str(folder), "--report", str(tmp_path / "crops.json"), str(tmp_path / "passes.json")])
    found = {metric["name"]: metric for metric in load_manifest(folder / "manifest.json")["metrics"]}
    assert {"exact", "int8_folded", "calibration_error", "drawn exact", "drawn exact int8"} <= set(found)
    assert found["exact"]["n"] == 80 and len(found["exact"]["interval"]) == 2
    assert found["passes_drawn_told"]["n"] == 2 and "int8_passes_drawn_told" not in found


def test_a_reader_opens_as_a_function_from_picture_to_text(model):
    text = ReaderModel(model).read(read_picture(model / "drawn" / "000.png")).text
    assert isinstance(text, str)

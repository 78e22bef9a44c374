"""The reader's commands from end to end on a run of a few steps: train, export, check, evaluate."""

import argparse
import json

import pytest

from training.data.crops import read_picture
from training.manifest import load_manifest, model_file
from training.reader import evaluate, export, train
from training.reader.model import ReaderModel

CONFIG = {
    "name": "plate-text",
    "version": "0.0.1",
    "task": "plate_text",
    "licence": "MIT",
    "schedule": {"steps": 3, "evaluate_every": 3, "warmup": 1},
    "mixture": {"batch": 4, "seed": 1, "stroke_count": 2},
    "watch": {"drawn": 8},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder from a run of three steps."""
    base = tmp_path_factory.mktemp("reader")
    options = {"minutes": None, "steps": None, "threads": 1, "seed": 1, "start": None}
    run = argparse.Namespace(out=str(base / "run"), data=str(base), **options)
    train.run(run, CONFIG)
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


def test_evaluation_prints_figures_with_n_and_intervals_for_every_variant(model, capsys):
    args = argparse.Namespace(
        reader=model,
        data=model / "drawn" / "crops.csv",
        root=model / "drawn",
        baselines=None,
        diagram=model / "reliability.png",
        confusions=model / "confusions.json",
        worst=model / "worst.png",
    )
    evaluate.run(args)
    report = json.loads(capsys.readouterr().out)
    assert set(report["models"]) == {"plate-text", "plate-text int8"}
    for entry in report["models"].values():
        assert entry["n"] == 80 and len(entry["exact"]["interval"]) == 2
    assert "plate-text - plate-text int8" in report["paired_exact"]
    assert (model / "reliability.png").is_file()
    assert (model / "worst.png").is_file() and json.loads((model / "confusions.json").read_text())


def test_a_reader_opens_as_a_function_from_picture_to_text(model):
    text = ReaderModel(model).read(read_picture(model / "drawn" / "000.png")).text
    assert isinstance(text, str)

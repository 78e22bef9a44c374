"""The shipped reader does what its manifest says, on pictures committed beside it."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.data.boxes import read_picture
from training.manifest import load_manifest
from training.reader.drawn import TOLERANCE, measure
from training.reader.model import ReaderModel

FOLDER = Path(__file__).resolve().parents[2] / "plate-text"
pytestmark = pytest.mark.skipif(
    not (FOLDER / "manifest.json").is_file(), reason="SKIPPED: no shipped reader in this checkout"
)


@pytest.mark.parametrize("variant", [None, "int8"])
def test_exact_reads_of_the_drawn_set_are_those_of_the_manifest(variant):
    found = measure(FOLDER, variant)
    stated = {m["name"]: m for m in load_manifest(FOLDER / "manifest.json")["metrics"]}[
        found["name"]
    ]
    assert found["data_sha256"] == stated["data_sha256"]
    assert abs(found["value"] - stated["value"]) <= TOLERANCE


def test_the_golden_picture_gives_the_golden_tensors():
    golden = FOLDER / "golden"
    model = ReaderModel(FOLDER)
    picture = read_picture(golden / "picture.png")
    tensor = np.fromfile(golden / "input.f32", "<f4").reshape(1, 1, 32, 128)
    assert np.array_equal(model.tensor(picture), tensor)
    logits = np.fromfile(golden / "logits.f32", "<f4").reshape(32, 37)
    assert np.abs(model.logits(picture) - logits).max() < 1e-3
    assert model.read(picture).text == json.loads((golden / "reading.json").read_text())["text"]

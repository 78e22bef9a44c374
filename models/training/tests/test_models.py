"""The shipped models: what `check` says of them, and golden tensors that still hold."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.check import check_folder
from training.evaluate.models import LtrbDetector
from training.golden import detection_rows
from training.manifest import load_manifest
from training.preprocess import letterbox, to_tensor

MODELS = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in MODELS.glob("*/manifest.json"))
DETECTORS = [folder for folder in FOLDERS if folder.name in ("plates", "road-objects")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_shipped_models_pass_the_check(folder):
    check_folder(folder, MODELS / "check")


@pytest.mark.parametrize("folder", DETECTORS, ids=lambda folder: folder.name)
def test_golden_tensors_still_come_out(folder):
    golden, manifest = folder / "golden", load_manifest(folder / "manifest.json")
    picture = cv2.cvtColor(cv2.imread(str(golden / "picture.png")), cv2.COLOR_BGR2RGB)
    detector = LtrbDetector.from_folder(folder, floor=None)
    tensor = to_tensor(letterbox(picture, *detector.size)[0])
    assert np.array_equal(tensor.ravel(), np.fromfile(golden / "input.f32", "<f4"))
    for name, output in zip(manifest["head"]["outputs"], detector.infer(tensor), strict=True):
        expected = np.fromfile(golden / f"{name}.f32", "<f4")
        assert np.abs(output.ravel() - expected).max() < 1e-3
    expected = json.loads((golden / "detections.json").read_text())
    found = detection_rows(manifest["classes"], detector(picture))
    assert [row["class"] for row in found] == [row["class"] for row in expected]
    for mine, theirs in zip(found, expected):
        assert mine["confidence"] == pytest.approx(theirs["confidence"], abs=1e-3)
        assert mine["box"] == pytest.approx(theirs["box"], abs=0.1)

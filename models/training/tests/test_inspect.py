"""The agent's own `inspect` sees and reads on the committed pictures what `evaluate` sees and reads."""

import json
import os
import subprocess
from pathlib import Path

import cv2
import pytest

from training.data.boxes import read_picture
from training.evaluate.models import LtrbDetector
from training.manifest import load_manifest
from training.reader.looks import read_plate
from training.reader.model import ReaderModel
from training.reader.vote import tally

MODELS = Path(__file__).resolve().parents[2]
PICTURES = [
    *sorted((MODELS / "check").glob("*.jpg")),
    MODELS / "plates" / "golden" / "picture.png",
    MODELS / "road-objects" / "golden" / "picture.png",
]
PIXEL = 0.11  # `inspect` tells tenths of a pixel
SURE = 1e-3
# Texts below this, read in int8, are not compared: two versions of the runtime disagree on some of them (0.18 and 0.20
# was seen, where every surer text was the same to four digits). In float all are compared.
DOUBTFUL = 0.3


def agent():
    """The agent's program, as `make test` has built it, or another one named by EDGE_AGENT."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", MODELS.parent / "target"))
    named = os.environ.get("EDGE_AGENT")
    places = [Path(named)] if named else [target / kind / "edge-agent" for kind in ("debug", "release")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        pytest.skip(f"SKIPPED: no program at {', '.join(map(str, places))}; build it, or name it in EDGE_AGENT")
    return found


def run_inspect(what, pictures, variant, *more):
    """The finished `edge-agent inspect`, and what it tells of each picture, by file."""
    command = [agent(), "inspect", what, "--json", "--models", MODELS, *more]
    command += ["--variant", variant] if variant else []
    done = subprocess.run([*command, *pictures], capture_output=True, text=True)
    return done, {row["file"]: row for row in map(json.loads, done.stdout.splitlines())}


def inspect(what, pictures, variant):
    """What `edge-agent inspect` tells of each picture, by file."""
    done, told = run_inspect(what, pictures, variant)
    assert done.returncode == 0, done.stderr
    return told


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The committed pictures without loss: how two decoders round a JPEG is not the question here."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{number:02d}.png" for number in range(len(PICTURES))]
    for path, source in zip(paths, PICTURES, strict=True):
        cv2.imwrite(str(path), cv2.cvtColor(read_picture(source), cv2.COLOR_RGB2BGR))
    return paths


def assert_same_box(theirs, corners):
    x1, y1, x2, y2 = (float(v) for v in corners)
    assert theirs == pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=PIXEL)


@pytest.mark.parametrize("variant", [None, "int8"])
def test_inspect_sees_the_objects_that_evaluate_sees(pictures, variant):
    told = inspect("detect", pictures, variant)
    folder = MODELS / "road-objects"
    detect = LtrbDetector.from_folder(folder, variant, floor=None)
    classes = load_manifest(folder / "manifest.json")["classes"]
    seen = 0
    for path in pictures:
        boxes, scores, indices = detect(read_picture(path))
        theirs = told[str(path)]["objects"]
        assert [row["class"] for row in theirs] == [classes[i] for i in indices]
        assert [row["confidence"] for row in theirs] == pytest.approx(scores.tolist(), abs=SURE)
        for row, box in zip(theirs, boxes, strict=True):
            assert_same_box(row["box"], box)
        seen += len(boxes)
    assert seen >= 20


@pytest.mark.parametrize("variant", [None, "int8"])
def test_inspect_reads_the_plates_that_evaluate_reads(pictures, variant):
    told = inspect("plates", pictures, variant)
    detect = LtrbDetector.from_folder(MODELS / "plates", variant, floor=None)
    reader = ReaderModel(MODELS / "plate-text", variant)
    seen = 0
    for path in pictures:
        picture = read_picture(path)
        boxes, scores, _ = detect(picture)
        theirs = told[str(path)]["plates"]
        assert [row["detection"] for row in theirs] == pytest.approx(scores.tolist(), abs=SURE)
        for row, box in zip(theirs, boxes, strict=True):
            assert_same_box(row["box"], box)
            verdict = tally([(read_plate(reader.read, picture, box), 1.0)])
            text, confidence = (verdict.text, verdict.confidence) if verdict else ("", 0.0)
            if variant and max(confidence, row["confidence"]) < DOUBTFUL:
                continue
            assert row["text"] == text
            assert row["confidence"] == pytest.approx(confidence, abs=SURE)
            seen += 1
    assert seen >= 5

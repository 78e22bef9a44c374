"""Pictures, folders and models that are not what they should be: each is refused by file and field, or read rightly."""

import json
import shutil
import subprocess

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from training.__main__ import main
from training.data.audit import audit
from training.data.boxes import DataError, read_picture
from training.evaluate.models import LtrbDetector
from training.manifest import ManifestError, check_shapes, load_manifest, sha256_of, write_manifest
from training.tests.test_inspect import MODELS, inspect, run_inspect

NOISE = np.random.default_rng(3).integers(0, 255, (48, 64, 3), np.uint8)


def odd_pictures(folder):
    """Pictures as they come from elsewhere, with the size each is shown in (width, height)."""
    scene = Image.open(MODELS / "check" / "gate_00.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "dot.png": Image.new("RGB", (1, 1), (90, 90, 90)),
        "huge.jpg": scene.resize((7680, 4320)),
        "grey.jpg": scene.convert("L"),
        "cmyk.jpg": scene.convert("CMYK"),
        "bits.png": scene.convert("P"),
        "turned.jpg": scene.rotate(90, expand=True),
    }
    for name, image in made.items():
        image.save(folder / name, quality=92, **({"exif": turned} if name == "turned.jpg" else {}))
    return {name: scene.size if name == "turned.jpg" else image.size for name, image in made.items()}


def test_odd_pictures_are_read_the_way_they_are_shown(tmp_path):
    for name, (width, height) in odd_pictures(tmp_path).items():
        assert read_picture(tmp_path / name).shape == (height, width, 3), name


def test_inspect_and_evaluate_see_the_same_in_odd_pictures(tmp_path):
    names = list(odd_pictures(tmp_path))
    told = inspect("detect", [tmp_path / name for name in names], None)
    detect = LtrbDetector.from_folder(MODELS / "road-objects", floor=None)
    for name in names:
        boxes, _, _ = detect(read_picture(tmp_path / name))
        theirs = [row["box"] for row in told[str(tmp_path / name)]["objects"]]
        # Two JPEG decoders differ by some levels, so a doubtful box may be missing on either side.
        assert abs(len(theirs) - len(boxes)) <= 1, name
        if name not in ("dot.png",):
            assert theirs and len(boxes), name
            x, y, right, bottom = boxes[0]
            expected = [x, y, right - x, bottom - y]
            assert min(np.abs(np.array(box) - expected).max() for box in theirs) < 0.02 * right, name


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_picture_that_is_cut_off_is_refused_by_name_and_does_not_end_the_others(tmp_path, suffix):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    cv2.imwrite(str(whole), NOISE)
    cut.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(DataError, match=f"cut.{suffix}: cut off before its end"):
        read_picture(cut)
    done, told = run_inspect("detect", [cut, whole], None)
    assert done.returncode == 1
    assert f"cut.{suffix}" in told[str(cut)]["error"] and "objects" in told[str(whole)]


@pytest.fixture
def data(tmp_path):
    """A small folder with nothing wrong in it."""
    for name in ("plate-boxes/images", "objects/images", "plate-text", "plates"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("plate-boxes/images/a.png", "objects/images/b.png", "plate-text/c.png", "plates/e.png"):
        cv2.imwrite(str(tmp_path / name), NOISE)
    (tmp_path / "plate-boxes" / "boxes.csv").write_text(
        "file,x,y,w,h,class,split,source\nimages/a.png,1,2,30,10,plate,train,own\n"
    )
    objects = {
        "categories": [{"id": 4, "name": "car"}],
        "images": [{"id": 1, "file_name": "b.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 4, "bbox": [1, 2, 30, 20]}],
    }
    (tmp_path / "objects" / "train.json").write_text(json.dumps(objects))
    (tmp_path / "plate-text" / "crops.csv").write_text("file,plate,region\nc.png,AB12,eu\n")
    (tmp_path / "plates" / "plates.csv").write_text("file,x,y,w,h,plate,region\ne.png,1,2,30,10,AB12,eu\n")
    return tmp_path


def test_a_folder_without_mistakes_passes(data):
    assert audit(data) == (4, [])


def add_line(path, line):
    path.write_text(path.read_text() + line + "\n")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: shutil.copy(d / "plate-text/c.png", d / "plate-text/d.png"), "d.png: is in no list"),
        (lambda d: add_line(d / "plate-boxes/boxes.csv", "images/a.png,1,2,30,10,plate,train,own"), "boxes.csv:3.*twice"),
        (lambda d: add_line(d / "plate-boxes/boxes.csv", "images/a.png,5,2,30,10,plate,dev,own"), "boxes.csv:3.*'split'"),
        (lambda d: shutil.copy(d / "objects/train.json", d / "objects/dev.json"), "dev.json.*'b.png' is in train.json"),
        (lambda d: add_line(d / "plates/plates.csv", "e.png,1,2,30,10,,eu"), "plates.csv: e.png: field 'plate' is empty"),
        (lambda d: add_line(d / "plates/plates.csv", "e.png,1,2,30,10,AB12,eu"), "plates.csv: e.png: a box.*twice"),
        (lambda d: add_line(d / "plates/plates.csv", "e.png,1,2,0,10,AB12,eu"), "plates.csv:3: field 'w'"),
        (lambda d: add_line(d / "plate-text/crops.csv", "c.png,AB13,eu"), "c.png: labelled 'AB12' and 'AB13'"),
        (lambda d: (d / "objects/images/b.png").unlink(), "b.png: missing or empty"),
        (lambda d: (d / "objects/images/b.png").write_bytes(b"text"), "b.png: not a picture"),
    ],
)
def test_unlabelled_and_doubly_labelled_pictures_are_named(data, spoil, said):
    spoil(data)
    _, mistakes = audit(data)
    assert len(mistakes) == 1
    with pytest.raises(DataError, match=said):
        raise DataError(mistakes[0])


@pytest.mark.parametrize("data", ["absent", "config.toml", ""])
def test_training_refuses_data_that_is_no_folder_before_it_writes_anything(tmp_path, monkeypatch, capsys, data):
    monkeypatch.chdir(tmp_path)
    config = MODELS / "training" / "configs" / "plate-text.toml"
    shutil.copy(config, "config.toml")
    assert main(["train", "--config", "config.toml", "--data", data, "--out", "run", "--steps", "1"]) == 1
    assert capsys.readouterr().err == f"--data {data}: is no folder\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="SKIPPED: make is not installed")
def test_make_train_hands_over_paths_that_hold_from_any_folder():
    root = MODELS.parent
    words = ["make", "-n", "-C", root, "train", "MODEL=plates", "DATA=some/data", "OUT=run", "START=models/plates/plates.onnx"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    for option, path in (("--data", "some/data"), ("--out", "run"), ("--start", "models/plates/plates.onnx")):
        assert f'{option} "{root / path}"' in told


def test_a_model_that_yields_no_numbers_is_refused_by_both_by_file_and_output(tmp_path):
    broken = tmp_path / "plates"
    shutil.copytree(MODELS / "plates", broken)
    path = broken / "plates.onnx"
    model = onnx.load(str(path))
    bias = next(t for t in model.graph.initializer if len(t.dims) == 1)
    values = np.full(list(bias.dims), np.nan, np.float32)
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    onnx.save(model, str(path))
    manifest = load_manifest(broken / "manifest.json")
    manifest["sha256"] = sha256_of(path)
    write_manifest(manifest, broken)
    with pytest.raises(ManifestError, match="plates.onnx: output 'p.*no numbers"):
        check_shapes(broken, manifest)
    done, _ = run_inspect("plates", [MODELS / "check" / "gate_00.jpg"], None, "--plates-model", broken)
    assert done.returncode != 0
    assert "no numbers" in done.stderr and "plates" in done.stderr, done.stderr

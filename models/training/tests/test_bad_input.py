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
from training.data.boxes import read_picture
from training.data.tables import DataError
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
        (lambda d: (d / "plate-text/crops.csv").unlink(), "c.png: is in no list"),
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


NAN = float("nan")


@pytest.mark.parametrize(
    ("model", "field", "value", "said"),
    [
        ("plates", "sha256", "0" * 64, "plates.onnx: field 'sha256' does not match the file"),
        ("plates", "variants", [5], "manifest.json: variants: is not an object"),
        ("plates", "input.width", 500, "plates.onnx: field 'input' does not match [1, 3, 288, 512]"),
        ("plates", "input.height", 0, "manifest.json: input: field 'height' is not within 1..4096"),
        ("plates", "input.dtype", "uint8", "plates.onnx: field 'input.dtype' does not match tensor(float)"),
        ("plates", "input.scale", NAN, "manifest.json: input: field 'scale' is no number to reckon with"),
        ("plates", "input.scale", 0.5, "manifest.json: field 'input.scale' is 0.5, and only 0.00392"),
        ("plates", "classes", [{}], "manifest.json: field 'classes' is empty or holds a value of the wrong type"),
        ("plates", "classes", ["plate", "plate"], "manifest.json: field 'classes' names a class twice"),
        ("plates", "classes", ["plate", "car"], "manifest.json: field 'thresholds.score' does not name every class"),
        ("plates", "thresholds.score", {"plate": True}, "manifest.json: field 'thresholds.score.plate' is not within"),
        ("plates", "thresholds.score", {"plate": NAN}, "manifest.json: field 'thresholds.score.plate' is not within"),
        ("plates", "thresholds.nms_iou", 0, "manifest.json: field 'thresholds.nms_iou' is not within 0..1"),
        ("plates", "thresholds.max_detections", True, "manifest.json: thresholds: field 'max_detections' is missing or of"),
        ("plates", "head.strides", [0, 0], "manifest.json: field 'head.strides' does not match 'head.outputs', or has one"),
        ("plates", "head.strides", ["8", "16"], "manifest.json: head: field 'strides' is empty or holds a value of the"),
        ("plates", "head.type", "ctc", "manifest.json: head: field 'type' is none of"),
        ("plates", "head.outputs", ["p8", "p9"], "plates.onnx: field 'head.outputs': the graph has no 'p9'"),
        ("plate-text", "alphabet", "ABA", "manifest.json: field 'alphabet' is empty or names a character twice"),
        ("plate-text", "alphabet", "ABC", "manifest.json: field 'blank' is not within 0..3"),
        ("plate-text", "blank", 3, "manifest.json: field 'blank' is 3, and only 36 is judged here"),
        ("plate-text", "max_length", "x", "manifest.json: field 'max_length' is missing or of the wrong type"),
        ("plate-text", "max_length", 0, "manifest.json: field 'max_length' is not within 1..100"),
        ("plate-text", "head.temperature", "x", "manifest.json: field 'head.temperature' is no number above 0"),
        ("plate-text", "head.temperature", 0, "manifest.json: field 'head.temperature' is no number above 0"),
        ("plate-text", "head.outputs", [], "manifest.json: head: field 'outputs' is empty or holds a value of the"),
        ("plate-text", "head.type", "slots", "manifest.json: field 'head.type' is 'slots', and only 'ctc' is judged here"),
    ],
)
def test_a_manifest_with_a_wrong_field_fails_the_check_by_file_and_field(tmp_path, capsys, model, field, value, said):
    folder = tmp_path / model
    shutil.copytree(MODELS / model, folder)
    path = folder / "manifest.json"
    manifest = holder = json.loads(path.read_text())
    *outer, last = field.split(".")
    for key in outer:
        holder = holder[key]
    holder[last] = value
    path.write_text(json.dumps(manifest))
    assert main(["check", str(folder)]) == 1
    told = capsys.readouterr().out
    assert said in told and f"{folder}/" in told, told


CAR = {"id": 4, "name": "car"}
PICTURE = {"id": 1, "file_name": "b.png"}
BOX = {"id": 1, "image_id": 1, "category_id": 4, "bbox": [1, 2, 30, 20]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "is not an object"),
        ({"categories": [CAR], "annotations": []}, "field 'images' is not a list"),
        ({"categories": [5]}, "categories[0]: field 'id' is missing or of the wrong type"),
        ({"images": [{"id": 1}]}, "images[0]: field 'file_name' is missing or of the wrong type"),
        ({"images": [PICTURE, PICTURE | {"file_name": "c.png"}]}, "'c.png': field 'id' is listed twice"),
        ({"images": [PICTURE, PICTURE | {"id": 2}]}, "'b.png': field 'file_name' is listed twice"),
        ({"images": [PICTURE | {"labelled": ["cat"]}]}, "'b.png': field 'labelled' is no list of the classes"),
        ({"images": []}, "field 'images' is empty"),
        ({"annotations": [{"category_id": 4}]}, "annotations[0]: field 'image_id' is missing or of the wrong type"),
        ({"annotations": [BOX | {"image_id": 7}]}, "annotation 1: field 'image_id' is no picture of the list"),
        ({"annotations": [BOX | {"category_id": 7}]}, "annotation 1: field 'category_id' is unknown"),
        ({"annotations": [BOX | {"bbox": ["a", 1, 2, 3]}]}, "annotation 1: field 'bbox' is not four numbers"),
        ({"annotations": [BOX | {"bbox": [1, 1, 0, 3]}]}, "annotation 1: field 'bbox' has no area"),
    ],
)
def test_an_object_list_with_a_wrong_field_is_refused_by_file_and_field(tmp_path, capsys, content, said):
    path = tmp_path / "dev.json"
    if isinstance(content, dict) and not {"categories", "annotations"} <= set(content):
        content = {"categories": [CAR], "images": [PICTURE], "annotations": []} | content
    path.write_text(json.dumps(content))
    words = ["eval", "objects", "--model", str(MODELS / "road-objects"), "--data", str(path), "--images", str(tmp_path)]
    assert main(words) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{path}: {said}") or (said.startswith("field 'images' is empty") and said in told), told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": column 'file' is missing"),
        ("file,x,y,w,h,plate\n", ": column 'region' is missing"),
        ("file,x,y,w,h,plate,region\n", ": holds no row"),
        ("file,x,y,w,h,plate,region\na.png,1,1,5\n", ":2: field 'h' is missing"),
        ("file,x,y,w,h,plate,region\na.png,1,1,nan,5,A,us\n", ":2: field 'w' is not finite"),
        ("file,x,y,w,h,plate,region\na.png,1,1,5,wide,A,us\n", ":2: field 'h' is not a number"),
        (None, ": No such file or directory"),
    ],
)
def test_a_list_of_plates_with_a_wrong_row_is_refused_by_line_and_field(tmp_path, capsys, text, said):
    path = tmp_path / "plates.csv"
    if text is not None:
        path.write_text(text)
    words = ["eval", "plates", "--detector", str(MODELS / "plates"), "--data", str(path), "--root", str(tmp_path)]
    assert main(words) == 1
    assert capsys.readouterr().err == f"{path}{said}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["eval", "plates", "--detector", "plate-text", "--data", "DATA/plates/plates.csv", "--root", "DATA/plates"],
         "plate-text/manifest.json: field 'task' is 'plate_text'"),
        (["eval", "objects", "--model", "plates", "--data", "DATA/objects/train.json", "--images", "DATA/objects/images"],
         "plates/manifest.json: field 'task' is 'plates'"),
        (["eval", "crops", "--reader", "plates", "--data", "DATA/plate-text/crops.csv", "--root", "DATA/plate-text"],
         "plates/manifest.json: field 'head.type' is 'ltrb-anchor-free'"),
        (["eval", "speed", "--models", "README.md"], "README.md: no graph that opens"),
        (["eval", "passes", "--reader", "plate-text", "--passes", "0"], "--passes 0: nothing to measure without --data"),
        (["record", "--model", "plates", "--report", "DATA/objects/train.json"], "train.json: is no report of `eval` on plates"),
        (["golden", "--model", "DATA/none"], "none/golden: No such file or directory"),
        (["data", "--data", "DATA/none"], "--data DATA/none: is no folder"),
    ],
)
def test_commands_that_get_the_wrong_file_or_folder_name_it_without_a_trace(data, monkeypatch, capsys, words, said):
    monkeypatch.chdir(MODELS)
    assert main([word.replace("DATA", str(data)) for word in words]) == 1
    assert said.replace("DATA", str(data)) in capsys.readouterr().err

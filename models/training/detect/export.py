"""Exports a detector: float and int8 graphs, the manifest, and the checks between them."""

import json
from pathlib import Path

import torch

from training.data.boxes import load_plate_boxes
from training.data.objects import load_objects
from training.export import ExportError, largest_difference, to_int8, to_onnx
from training.manifest import sha256_of, write_manifest
from training.nets.detector import from_config
from training.preprocess import letterbox, to_tensor

CALIBRATION_PICTURES = 96
AGREEMENT = 1e-3  # torch against ONNX Runtime, in raw outputs


def load_run(config, folder):
    """The averaged network of a run and the run's history."""
    folder = Path(folder)
    net = from_config(config)
    net.load_state_dict(torch.load(folder / "weights.pt", weights_only=True)["model"])
    return net.eval(), json.loads((folder / "history.json").read_text(encoding="utf-8"))


def calibration_tensors(config, data):
    """Input tensors of training pictures, spread over the list."""
    if config["task"] == "plates":
        samples = load_plate_boxes(data / "plate-boxes", "train")
    else:
        folder = data / "objects"
        samples = load_objects(folder / "train.json", folder / "images")
    step = max(1, len(samples) // CALIBRATION_PICTURES)
    size = (config["input"]["width"], config["input"]["height"])
    return [to_tensor(letterbox(s.load(), *size)[0]) for s in samples[::step]]


def head_nodes(path):
    """Names of the last convolutions before the outputs, which lose most by quantisation."""
    import onnx

    graph = onnx.load(str(path)).graph
    makers = {output: node for node in graph.node for output in node.output}
    names, wanted = [], [output.name for output in graph.output]
    while wanted:
        node = makers.get(wanted.pop())
        if node is None:
            continue
        if node.op_type == "Conv":
            names.append(node.name)
        elif node.op_type == "Concat":
            names.append(node.name)
            wanted.extend(node.input)
    return names


def write_int8(config, float_file, int8_file, tensors):
    """The int8 graph: last convolutions in float, and what the config's `[int8]` names."""
    settings = config.get("int8", {})
    keep = [*head_nodes(float_file), *settings.get("keep_float", [])]
    method = settings.get("calibration", "minmax")
    to_int8(float_file, int8_file, tensors, keep_float=keep, calibration=method)


def describe(config, net, history, args, files):
    """The manifest as a mapping."""
    data = json.loads((Path(args.run) / "data.json").read_text(encoding="utf-8"))
    thresholds = config["thresholds"]
    float_file, int8_file = files
    return {
        "name": config["name"],
        "version": config["version"],
        "file": float_file.name,
        "sha256": sha256_of(float_file),
        "variants": [{"name": "int8", "file": int8_file.name, "sha256": sha256_of(int8_file)}],
        "task": config["task"],
        "input": {
            "width": config["input"]["width"],
            "height": config["input"]["height"],
            "channels": 3,
            "layout": "NCHW",
            "dtype": "float32",
            "colour": "RGB",
            "resize": {"mode": "letterbox", "pad_value": 114, "pad_position": "top-left"},
            "mean": 0.0,
            "scale": 1.0 / 255.0,
        },
        "head": {
            "type": "ltrb-anchor-free",
            "strides": list(net.strides),
            "outputs": net.output_names,
            "activation": "sigmoid",
        },
        "classes": list(config["classes"]),
        "thresholds": {
            "score": {name: thresholds["score"][name] for name in config["classes"]},
            "nms_iou": thresholds["nms_iou"],
            "max_detections": thresholds["max_detections"],
        },
        "alphabet": None,
        "blank": None,
        "max_length": None,
        "licence": config["licence"],
        "provenance": {
            "commit": args.commit,
            "command": " && ".join(data.get("commands", [])),
            "seed": data["seed"],
            "minutes": round(history["seconds"] / 60, 1),
            "steps": history["step"],
            "earlier_stages": data.get("earlier_stages", []),
            "data": data["lists"],
            "pictures": data["pictures"],
            "teachers": config.get("teachers", []),
        },
        "metrics": json.loads(Path(args.metrics).read_text()) if args.metrics else [],
        "opset": 17,
        "created": args.created,
    }


def run(args, config):
    """The command."""
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    net, history = load_run(config, args.run)
    size = config["input"]
    float_file = out / f"{config['name']}.onnx"
    int8_file = out / f"{config['name']}.int8.onnx"
    to_onnx(net, (1, 3, size["height"], size["width"]), net.output_names, float_file)
    tensors = calibration_tensors(config, Path(args.data))
    difference = largest_difference(net, float_file, tensors[:8])
    if difference > AGREEMENT:
        raise ExportError(f"{float_file}: differs from the network by {difference}")
    write_int8(config, float_file, int8_file, tensors)
    manifest = describe(config, net, history, args, (float_file, int8_file))
    manifest["provenance"]["largest_difference_torch"] = round(difference, 7)
    print(f"{write_manifest(manifest, out)}: step {history['step']}, difference {difference:.2e}")
    return 0

"""The int8 variant of a model whose float graph stays: `quantise` writes it, `sensitivity` ranks its layers.

Both calibrate on training data as `export` does, and read `[int8]` of the config: `calibration`, and `keep_float`,
the nodes that stay in float.
"""

import importlib
import json
import tempfile
from pathlib import Path

import numpy as np

from training.export import EXPORTERS, to_int8
from training.manifest import load_manifest, model_file, sha256_of, write_manifest
from training.train import read_config

RANKING_TENSORS = 24
QUANTISED = ("Conv", "Gemm", "MatMul", "Add", "Concat", "MaxPool", "Resize", "AveragePool")


def add_arguments(parser):
    """Options of both commands."""
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--config", required=True, help="training/configs/NAME.toml")
    parser.add_argument("--data", type=Path, required=True, help="data folder, for calibration")
    parser.add_argument("--pool", type=Path, help="real crops of the reader's run, pool-train.npz")


def calibration(config, args):
    """The tensors of `export`."""
    exporter = importlib.import_module(EXPORTERS[config["task"]])
    if config["task"] != "plate_text":
        return exporter.calibration_tensors(config, args.data)
    from training.data.crops import CropPool

    return exporter.calibration_tensors(CropPool.load(str(args.pool)) if args.pool else None)


def output_error(float_session, session, tensors, input_name):
    """Squared error of the outputs as a share of their variance, mean over outputs."""
    errors = []
    for tensor in tensors:
        pairs = zip(
            float_session.run(None, {input_name: tensor}), session.run(None, {input_name: tensor})
        )
        errors.append([float(((a - b) ** 2).mean() / (a.var() + 1e-9)) for a, b in pairs])
    return float(np.mean(errors))


def rank_layers(float_file, tensors, method):
    """Error of the outputs with one layer alone in int8, worst first."""
    import onnx

    from training.evaluate.models import open_session

    exact = open_session(float_file)
    name = exact.get_inputs()[0].name
    known, test = tensors[:RANKING_TENSORS], tensors[RANKING_TENSORS : 2 * RANKING_TENSORS]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.onnx"
        for node in onnx.load(str(float_file)).graph.node:
            if node.op_type in QUANTISED:
                to_int8(float_file, path, known, name, only=[node.name], calibration=method)
                rows.append((output_error(exact, open_session(path), test, name), node.name))
    return sorted(rows, reverse=True)


def measured_again(metrics, folder):
    """The metrics with the reader's int8 figure of its drawn set measured now; `record` is for detectors."""
    from training.reader.drawn import measure

    found = measure(folder, "int8")
    return [found if metric.get("name") == found["name"] else metric for metric in metrics]


def run(args):
    """Command `quantise` or `sensitivity`."""
    config = read_config(args.config)
    manifest = load_manifest(args.model / "manifest.json")
    float_file = model_file(args.model, manifest)
    tensors = calibration(config, args)
    if args.what == "sensitivity":
        method = config.get("int8", {}).get("calibration", "minmax")
        rows = rank_layers(float_file, tensors, method)
        print(json.dumps([{"node": node, "error": round(e, 7)} for e, node in rows], indent=1))
        return 0
    variant = next(v for v in manifest["variants"] if v["name"] == "int8")
    exporter = importlib.import_module(EXPORTERS[config["task"]])
    exporter.write_int8(config, float_file, args.model / variant["file"], tensors)
    variant["sha256"] = sha256_of(args.model / variant["file"])
    manifest["version"] = config["version"]
    write_manifest(manifest, args.model)
    if config["task"] == "plate_text":
        manifest["metrics"] = measured_again(manifest["metrics"], args.model)
    print(write_manifest(manifest, args.model))
    return 0

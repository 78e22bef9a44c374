"""Write ONNX, int8 ONNX and manifest of a trained model, and check them against the network."""

import importlib
import inspect
import os
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np

from training.origin import code_version, commits_of, written

OPSET = 17
EXPORTERS = {
    "objects": "training.detect.export",
    "plates": "training.detect.export",
    "plate_text": "training.reader.export",
}


class ExportError(Exception):
    """An exported model that does not agree with the network it came from."""


def to_onnx(net, shape, output_names, path, input_name="picture"):
    """Exports a torch network with static batch 1."""
    import onnx
    import torch

    net.eval()
    # Newer versions default to another exporter; older ones do not know the option.
    known = inspect.signature(torch.onnx.export).parameters
    extra = {"dynamo": False} if "dynamo" in known else {}
    torch.onnx.export(
        net,
        (torch.zeros(shape),),
        str(path),
        input_names=[input_name],
        output_names=list(output_names),
        opset_version=OPSET,
        do_constant_folding=True,
        **extra,
    )
    model = onnx.load(str(path))
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class TensorReader:
    """Calibration tensors for the quantiser."""

    def __init__(self, tensors, input_name="picture"):
        self.tensors, self.input_name = iter(tensors), input_name

    def get_next(self):
        """The next feed, or None."""
        tensor = next(self.tensors, None)
        return None if tensor is None else {self.input_name: tensor}


def to_int8(float_path, path, tensors, input_name="picture", keep_float=(), only=(), calibration="minmax"):
    """Static QDQ quantisation, weights per channel.

    `keep_float` names nodes left alone, `only` (if not empty) the nodes that alone are quantised;
    `calibration` says how ranges follow from the tensors: `minmax` (moving average), `entropy` or `percentile`.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    methods = {
        "minmax": (CalibrationMethod.MinMax, {"CalibMovingAverage": True}),
        "entropy": (CalibrationMethod.Entropy, {}),
        "percentile": (CalibrationMethod.Percentile, {"CalibPercentile": 99.99}),
    }
    if calibration not in methods:
        raise ExportError(f"int8.calibration: '{calibration}' is none of {sorted(methods)}")
    method, extra = methods[calibration]
    prepared = Path(str(path) + ".prepared")
    quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
    known = {node.name for node in _load(prepared).graph.node}
    unknown = sorted({*keep_float, *only} - known)
    if unknown:
        raise ExportError(f"int8.keep_float: {float_path} has no node {unknown[0]!r}")
    quantize_static(
        str(prepared),
        str(path),
        TensorReader(tensors, input_name),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=method,
        nodes_to_quantize=list(only) or None,
        nodes_to_exclude=list(keep_float),
        extra_options=extra,
    )
    prepared.unlink()


def _load(path):
    import onnx

    return onnx.load(str(path))


def largest_difference(net, path, tensors, input_name="picture"):
    """Greatest absolute difference between torch and ONNX Runtime over the tensors' outputs."""
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for tensor in tensors:
        with torch.no_grad():
            expected = net(torch.from_numpy(tensor))
        if not isinstance(expected, (list, tuple)):
            expected = [expected]
        for mine, theirs in zip(expected, session.run(None, {input_name: tensor}), strict=True):
            if not np.isfinite(theirs).all():
                raise ExportError(f"{path}: output is not finite")
            worst = max(worst, float(np.abs(mine.float().numpy() - theirs).max()))
    return worst


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--config", required=True, help="training/configs/NAME.toml")
    parser.add_argument("--run", required=True, help="folder of the training run")
    parser.add_argument("--data", required=True, help="data folder, for calibration")
    parser.add_argument("--out", required=True, help="model folder to write")
    parser.add_argument("--commit", help="commit of the training code; default: all that the run wrote down, else git's")
    parser.add_argument("--created", required=True, help="date, YYYY-MM-DD")
    parser.add_argument("--metrics", help="JSON list of metrics for the manifest")


def run(args):
    """Hands over to the exporter of the config's task."""
    from training.train import read_config

    config = read_config(args.config)
    args.commit = args.commit or ", ".join(commits_of(written(args.run))) or code_version()
    if not args.commit:
        raise ExportError("--commit: no git checkout here tells it; name the version of the training code")
    return importlib.import_module(EXPORTERS[config["task"]]).run(args, config)

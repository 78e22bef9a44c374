"""Parameters, multiply-adds and milliseconds of models beside the baselines, as one JSON object.

`cpu_ms_1_thread` is what a run costs its thread, without the time that other work took the processor away: that is the
figure to compare on a machine that is busy. `load` is the machine's load average as the command ends.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

PRODUCTS = ("Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger")
WARM_UP = 10
RUNS = 100


def count_work(path):
    """(parameters, multiply-adds) of an ONNX graph's convolutions and matrix products."""
    import onnx
    from onnx import numpy_helper, shape_inference

    model = shape_inference.infer_shapes(onnx.load(str(path)))
    sizes = {tensor.name: numpy_helper.to_array(tensor).shape for tensor in model.graph.initializer}
    # Quantised graphs hold a weight behind a DequantizeLinear node.
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in sizes:
            sizes[node.output[0]] = sizes[node.input[0]]
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.value_info, *model.graph.output, *model.graph.input]
    }
    weights = {name for name, shape in sizes.items() if len(shape) >= 2}
    parameters = work = 0
    for node in model.graph.node:
        if node.op_type in PRODUCTS and node.input[1] in weights:
            shape = sizes[node.input[1]]
            parameters += int(np.prod(shape))
            out = shapes.get(node.output[0], [])
            area = int(np.prod(out[2:])) if node.op_type.startswith("Conv") else 1
            work += int(np.prod(shape)) * max(area, 1)
    return parameters, work


def milliseconds(path, threads, runs=RUNS):
    """Median time of a run on random input after a warm-up: (by the clock, of the calling thread)."""
    from training.evaluate.models import open_session

    session = open_session(path, threads)
    source = session.get_inputs()[0]
    shape = [side if isinstance(side, int) and side > 0 else 1 for side in source.shape]
    kind = np.uint8 if "uint8" in source.type else np.float32
    feed = {source.name: np.random.default_rng(1).integers(0, 2, shape).astype(kind)}
    times = []
    for _ in range(WARM_UP + runs):
        begun = time.perf_counter(), time.thread_time()
        session.run(None, feed)
        times.append((time.perf_counter() - begun[0], time.thread_time() - begun[1]))
    return [round(1000 * float(median), 2) for median in np.median(times[WARM_UP:], axis=0)]


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--models", nargs="+", required=True, help="ONNX files")
    parser.add_argument("--runs", type=int, default=RUNS)


def run(args):
    """The command."""
    report = {}
    for path in map(Path, args.models):
        parameters, work = count_work(path)
        wall, cpu = milliseconds(path, 1, args.runs)
        report[path.name] = {
            "parameters": parameters,
            "multiply_adds": work,
            "ms_1_thread": wall,
            "cpu_ms_1_thread": cpu,
            "ms_2_threads": milliseconds(path, 2, args.runs)[0],
        }
    report["load"] = [round(value, 2) for value in os.getloadavg()]
    print(json.dumps(report, indent=1))
    return 0

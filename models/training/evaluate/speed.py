"""Parameters, multiply-adds and milliseconds of models beside the baselines, as one JSON object.

`cpu_ms` is what a run costs its thread, without the time that other work took the processor away: that is the
figure to compare on a machine that is busy. Files take turns, run by run. `times_as_fast_as_float` of `NAME.int8.onnx`
is the ratio of these times to those of `NAME.onnx`. `load` is the machine's load average as the command ends.
"""

import json
import os
import time
from pathlib import Path

import numpy as np

from training.data.tables import DataError
from training.evaluate import intervals

PRODUCTS = ("Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger")
WARM_UP = 10
RUNS = 100


def count_work(path):
    """(parameters, multiply-adds) of an ONNX graph's convolutions and matrix products."""
    import onnx
    from onnx import numpy_helper, shape_inference

    try:
        model = shape_inference.infer_shapes(onnx.load(str(path)))
    except Exception as error:  # of the parser, whose kinds differ from version to version
        raise DataError(f"{path}: no graph that opens: {error}") from error
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


def feed_of(session):
    """Random input of a graph."""
    source = session.get_inputs()[0]
    shape = [side if isinstance(side, int) and side > 0 else 1 for side in source.shape]
    kind = np.uint8 if "uint8" in source.type else np.float32
    return {source.name: np.random.default_rng(1).integers(0, 2, shape).astype(kind)}


def milliseconds(paths, threads, rounds=RUNS):
    """Times of each round of each file after a warm-up: rounds x files x (by the clock, of the calling thread).

    The files take turns, so that what else the machine does falls on all of them.
    """
    from training.evaluate.models import open_session

    sessions = [open_session(path, threads) for path in paths]
    feeds = [feed_of(session) for session in sessions]
    times = np.zeros((WARM_UP + rounds, len(sessions), 2))
    for row in times:
        for cell, session, feed in zip(row, sessions, feeds, strict=True):
            begun = time.perf_counter(), time.thread_time()
            session.run(None, feed)
            cell[:] = time.perf_counter() - begun[0], time.thread_time() - begun[1]
    return 1000 * times[WARM_UP:]


def median(times):
    """Median of the rounds, in milliseconds, with its interval by bootstrap over them."""
    resampled = np.median(times[intervals.draws(len(times))], axis=1)
    return intervals.estimate(np.median(times), resampled)


def ratio(slow, fast):
    """How many times as fast the second is in the same rounds, by their medians."""
    picked = intervals.draws(len(slow))
    resampled = np.median(slow[picked], axis=1) / np.median(fast[picked], axis=1)
    return intervals.estimate(np.median(slow) / np.median(fast), resampled)


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="ONNX files")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many a run may have")


def run(args):
    """The command."""
    report = {}
    for path in args.models:
        parameters, work = count_work(path)
        report[path.name] = {"parameters": parameters, "multiply_adds": work, "runs": args.runs}
    for threads in args.threads:
        add_times(report, args.models, threads, args.runs)
    report["load"] = [round(value, 2) for value in os.getloadavg()]
    print(json.dumps(report, indent=1))
    return 0


def add_times(report, paths, threads, rounds):
    """Puts the times of the files with so many threads into their entries."""
    times = milliseconds(paths, threads, rounds)
    names = [path.name for path in paths]
    for index, name in enumerate(names):
        report[name][f"ms_{threads}_threads"] = median(times[:, index, 0])
        if threads == 1:  # the clock of the calling thread knows nothing of others
            report[name]["cpu_ms"] = median(times[:, index, 1])
            int8 = name.replace(".onnx", ".int8.onnx")
            if int8 in names:
                pair = times[:, index, 1], times[:, names.index(int8), 1]
                report[int8]["times_as_fast_as_float"] = ratio(*pair)

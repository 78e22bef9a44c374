"""Command line of the package: `python3 -m training COMMAND` with `models/` as working directory.

Every command is a module with `add_arguments(parser)` and `run(args)`. Modules are imported only
when their command is called, so that `gate` needs no torch and `train` no onnxruntime.
"""

import argparse
import importlib
import shlex
import sys

COMMANDS = {
    "data": ("training.data.audit", "look through a data folder for wrong labels and pictures"),
    "train": ("training.train", "train a model from its config file"),
    "export": ("training.export", "write ONNX, int8 ONNX and manifest of a trained model"),
    "quantise": ("training.quantise", "write the int8 variant of a model anew"),
    "sensitivity": ("training.quantise", "rank a model's layers by what int8 costs them"),
    "labels": ("training.detect.teacher", "label pictures with a teacher network"),
    "golden": ("training.golden", "write the golden tensors the agent is tested with"),
    "votes": ("training.reader.votes", "write the reads that the agent's voting is tested with"),
    "record": ("training.record", "put measured figures into a detector's manifest"),
    "check": ("training.check", "validate models against their manifests"),
    "gate": ("training.synth.gate", "draw the demonstration gate and its truth"),
}

EVALUATIONS = {
    "objects": ("training.evaluate.objects", "average precision of the object detector"),
    "plates": ("training.evaluate.plates", "recall of the plate detector, and end to end"),
    "inspected": ("training.evaluate.inspected", "what the agent's own `inspect plates` told"),
    "crops": ("training.reader.evaluate", "exact reads of the plate reader"),
    "heights": ("training.reader.conditions", "exact reads by the height of the plate"),
    "hard": ("training.reader.conditions", "exact reads of stills degraded on purpose"),
    "passes": ("training.reader.passes", "whole passes read exactly after voting"),
    "drawn": ("training.evaluate.drawn", "detectors on the project's own drawn pictures"),
    "providers": ("training.evaluate.providers", "another execution provider against the runtime's own kernels"),
    "worst": ("training.evaluate.worst", "contact sheet of the worst pictures"),
    "speed": ("training.evaluate.speed", "milliseconds, parameters and multiply-adds"),
}


def find_command(words):
    """Returns (module name, words used) for the leading words of a command line, or None."""
    if not words:
        return None
    if words[0] == "eval" and len(words) > 1 and words[1] in EVALUATIONS:
        return EVALUATIONS[words[1]][0], 2
    if words[0] in COMMANDS:
        return COMMANDS[words[0]][0], 1
    return None


def usage():
    """The list of commands as text."""
    lines = ["usage: python3 -m training COMMAND [options]", ""]
    lines += [f"  {name:<16}{text}" for name, (_, text) in COMMANDS.items()]
    lines += [f"  eval {name:<11}{text}" for name, (_, text) in EVALUATIONS.items()]
    return "\n".join(lines)


def main(words):
    """Runs one command; returns the exit status."""
    found = find_command(words)
    if found is None:
        print(usage(), file=sys.stderr)
        return 0 if words and words[0] in ("-h", "--help") else 2
    module_name, used = found
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(
        prog="python3 -m training " + " ".join(words[:used]), description=module.__doc__
    )
    module.add_arguments(parser)
    parser.set_defaults(what=words[used - 1], command=shlex.join(["python3", "-m", "training", *words]))
    args = parser.parse_args(words[used:])
    try:
        return module.run(args) or 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 1
    except Exception as error:
        if not type(error).__module__.startswith("training."):
            raise
        print(error, file=sys.stderr)  # the package's own errors name file and field, and need no trace
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Train the model a config file describes."""

import importlib
import tomllib
from pathlib import Path

TRAINERS = {
    "objects": "training.detect.train",
    "plates": "training.detect.train",
    "plate_text": "training.reader.train",
}


class ConfigError(Exception):
    """A config file that cannot be used; the text names file and field."""


def read_config(path):
    """Parses a config file and checks the fields every task needs."""
    try:
        config = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for key in ("name", "version", "task"):
        if not isinstance(config.get(key), str):
            raise ConfigError(f"{path}: field '{key}' is not a string")
    if config["task"] not in TRAINERS:
        raise ConfigError(f"{path}: field 'task' is none of {sorted(TRAINERS)}")
    return config


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--config", required=True, help="training/configs/NAME.toml")
    parser.add_argument("--data", required=True, help="folder of the form of the data README")
    parser.add_argument("--out", required=True, help="folder for checkpoints, log and curves")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="instead of the minutes of the config")
    parser.add_argument("--steps", type=int, help="stop after so many steps instead")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--teacher-labels", nargs="+", default=[], help="label files written by `labels`")
    parser.add_argument("--teacher-frames", help="folder of the frames written by `labels`")
    parser.add_argument("--start", help="weights to begin with: weights.pt of another run, or a model folder's NAME.onnx")


def run(args):
    """Hands over to the trainer of the config's task."""
    config = read_config(args.config)
    if not args.data or not Path(args.data).is_dir():
        raise ConfigError(f"--data {args.data}: is no folder")
    return importlib.import_module(TRAINERS[config["task"]]).run(args, config)

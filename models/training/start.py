"""What a run begins with: its schedule, its first weights, and what the runs before it did."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from training.data.boxes import file_sha256
from training.loop import Schedule
from training.unfold import unfold


def make_schedule(config, args):
    """The config's schedule, with what the command line changes."""
    schedule = replace(Schedule(**config["schedule"]), threads=args.threads)
    if args.start:
        schedule = replace(schedule, **config.get("tune", {}))
    if args.minutes:
        schedule = replace(schedule, minutes=args.minutes)
    if args.steps:
        schedule = replace(schedule, steps=args.steps, minutes=0)
    return schedule


def first_weights(start, net, tensors):
    """The weights a run begins with: another run's, or an exported model's, put into `net`.

    `tensors()` gives inputs of the network, on which an exported model is normalised anew.
    """
    if Path(start).suffix != ".onnx":
        return torch.load(start, map_location="cpu", weights_only=True)["model"]
    unfold(net, start, tensors())
    return net.state_dict()


def earlier_stages(start):
    """What the runs before a fine-tuning did, oldest first, from the files beside its weights."""
    if not start:
        return []
    folder = Path(start).parent
    if Path(start).suffix == ".onnx":
        made = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["provenance"]
        stage = {key: made[key] for key in ("seed", "minutes", "steps")}
        return [*made.get("earlier_stages", []), stage]
    try:
        data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [{"weights_sha256": file_sha256(start)}]
    minutes = round(history["seconds"] / 60, 1)
    stage = {"seed": data["seed"], "minutes": minutes, "steps": history["step"]}
    return [*data.get("earlier_stages", []), stage]

"""Trains a detector: both detectors share this, the config makes the difference.

The schedule follows the clock when minutes are given (a run on a shared machine then ends in time)
and the step count when steps are given (a run that can be repeated exactly).
"""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from training.data.boxes import file_sha256, load_plate_boxes
from training.data.objects import load_objects
from training.detect.batches import Batches
from training.detect.export import calibration_tensors
from training.detect.loss import detection_loss
from training.detect.pool import build_pool
from training.detect.unfold import unfold
from training.evaluate.ap import Judge
from training.loop import Schedule, Trainer, draw_curves
from training.nets.detector import from_config

WATCHED = 120  # pictures judged during the run


def make_schedule(config, args):
    """The config's schedule, with what the command line changes."""
    schedule = replace(Schedule(**config["schedule"]), threads=args.threads)
    if args.start:
        schedule = replace(schedule, peak_rate=config["tune"]["peak_rate"])
    if args.minutes:
        schedule = replace(schedule, minutes=args.minutes)
    if args.steps:
        schedule = replace(schedule, steps=args.steps, minutes=0)
    return schedule


def batch_loss(net, batch):
    """Loss of one (pictures, targets) batch."""
    pictures, targets = batch
    return detection_loss(net(pictures), targets, net.strides, net.class_count)


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


def first_weights(start, config, data):
    """The weights a run begins with: another run's, or those of an exported model."""
    if Path(start).suffix != ".onnx":
        return torch.load(start, weights_only=True)["model"]
    net = from_config(config)
    unfold(net, start, calibration_tensors(config, data))
    return net.state_dict()


class Evaluation:
    """AP on some pictures of the dev split, kept in memory."""

    def __init__(self, config, data):
        self.classes = config["classes"]
        self.size = (config["input"]["width"], config["input"]["height"])
        folder = data / "objects"
        if config["task"] == "plates":
            samples = load_plate_boxes(data / "plate-boxes", "dev")
        elif (folder / "dev.json").is_file():
            samples = load_objects(folder / "dev.json", folder / "images")
        else:
            samples = []
        self.samples = samples[:: max(1, len(samples) // WATCHED)]
        for sample in self.samples:
            sample.keep()

    def __call__(self, net):
        from training.evaluate.models import torch_detector

        if not self.samples:
            return {}
        judge = Judge(self.classes)
        detect = torch_detector(net, self.size)
        for sample in self.samples:
            judge.add(sample, detect(sample.load()))
        summary = judge.summary()
        by_class = {name: value for name, value in summary["ap50"].items() if value is not None}
        return {"mean_ap50": summary["mean_ap50"] or 0.0, **by_class}


def progress_of(trainer, schedule):
    """0 at the start of the schedule, 1 at its end."""
    history = trainer.history
    if schedule.minutes > 0:
        return min(1.0, history.seconds / (60 * schedule.minutes))
    return min(1.0, history.step / schedule.steps)


def run(args, config):
    """The command; called again on the same folder it goes on from the last checkpoint."""
    cv2.setNumThreads(0)
    torch.manual_seed(args.seed)
    out, data = Path(args.out), Path(args.data)
    schedule = make_schedule(config, args)
    trainer = Trainer(from_config(config), schedule, out, batch_loss, Evaluation(config, data))
    if not trainer.resume() and args.start:
        trainer.start_from(first_weights(args.start, config, data))
    pool = build_pool(config, data, args.teacher_labels, args.teacher_frames)
    print(pool.describe(), flush=True)
    origin = {"seed": args.seed, "earlier_stages": earlier_stages(args.start)}
    (out / "data.json").write_text(json.dumps(origin | pool.manifest(), indent=1))
    # A resumed run must not see the same pictures again in the same order.
    seeds = np.random.SeedSequence([args.seed, trainer.history.step])
    batches = Batches(pool, config, seeds)
    try:
        trainer.run(lambda _: batches.stream(lambda: progress_of(trainer, schedule)))
    finally:
        batches.close()
    draw_curves(out)
    return 0

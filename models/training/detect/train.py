"""Trains a detector: both detectors share this, the config makes the difference.

The schedule follows the clock when minutes are given (a run on a shared machine then ends in time)
and the step count when steps are given (a run that can be repeated exactly).
"""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from training.data.boxes import load_plate_boxes
from training.data.objects import load_objects
from training.detect.batches import Batches
from training.detect.export import calibration_tensors
from training.detect.loss import detection_loss
from training.detect.pool import build_pool
from training.evaluate.ap import Judge
from training.loop import Trainer, draw_curves
from training.nets.detector import from_config
from training.origin import origin
from training.start import earlier_stages, first_weights, make_schedule

WATCHED = 120  # pictures judged during the run


def batch_loss(net, batch):
    """Loss of one (pictures, targets) batch."""
    pictures, targets = batch
    return detection_loss(net(pictures), targets, net.strides, net.class_count)


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


def tuned(config):
    """The config of a run that begins with weights: the small canvases are for a coarse beginning."""
    canvas = config["canvas"]
    return config | {"canvas": canvas | {"sizes": canvas["sizes"][-1:]}}


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
    config = tuned(config) if args.start else config
    out, data = Path(args.out), Path(args.data)
    schedule = make_schedule(config, args)
    trainer = Trainer(from_config(config), schedule, out, batch_loss, Evaluation(config, data))
    if not trainer.resume() and args.start:
        tensors = partial(calibration_tensors, config, data)
        trainer.start_from(first_weights(args.start, from_config(config), tensors))
    pool = build_pool(config, data, args.teacher_labels, args.teacher_frames)
    print(pool.describe(), flush=True)
    known = origin(args, out) | {"earlier_stages": earlier_stages(args.start)}
    (out / "data.json").write_text(json.dumps(known | pool.manifest(), indent=1))
    # A resumed run must not see the same pictures again in the same order.
    seeds = np.random.SeedSequence([args.seed, trainer.history.step])
    batches = Batches(pool, config, seeds)
    try:
        trainer.run(lambda _: batches.stream(lambda: progress_of(trainer, schedule)))
    finally:
        batches.close()
    draw_curves(out)
    return 0

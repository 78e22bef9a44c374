"""Label pictures with YOLOX-nano, for classes or pictures without human labels.

The label file is JSON: picture name to a list of [class index, score, x1, y1, x2, y2] in pixels of
the picture. Scores from SURE on become boxes, from DOUBT on ignore regions, less is background.
"""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import Sample, read_picture
from training.data.objects import load_objects
from training.data.tables import DataError
from training.evaluate.decode import iou_matrix, suppress

SURE = 0.35
DOUBT = 0.15
SAME_OBJECT = 0.6
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def label_picture(teacher, picture):
    """Boxes, scores, classes from a picture and its mirror image, merged."""
    width = picture.shape[1]
    boxes, scores, classes = teacher(picture, floor=0.1)
    mirrored = teacher(np.ascontiguousarray(picture[:, ::-1]), floor=0.1)
    flipped = np.stack(
        [width - mirrored[0][:, 2], mirrored[0][:, 1], width - mirrored[0][:, 0], mirrored[0][:, 3]],
        1,
    )
    boxes = np.concatenate([boxes, flipped])
    scores = np.concatenate([scores, mirrored[1]])
    classes = np.concatenate([classes, mirrored[2]])
    kept = suppress(boxes, scores, classes, 0.5, 100)
    return boxes[kept], scores[kept], classes[kept]


def read_labels(paths):
    """The label files as one mapping."""
    labels = {}
    for path in paths:
        labels |= json.loads(Path(path).read_text(encoding="utf-8"))
    return labels


def complete(sample, entries):
    """Adds teacher boxes for the classes a sample is not labelled for.

    Without entries the sample stays as it is: what is not labelled then teaches nothing.
    """
    if entries is None or sample.labelled.all():
        return sample
    rows = np.array(entries, np.float32).reshape(-1, 6)
    index, score, boxes = rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2:]
    wanted = ~sample.labelled[index] & (score >= DOUBT)
    if len(sample.boxes) and len(boxes):
        wanted &= iou_matrix(boxes, sample.boxes).max(1) <= SAME_OBJECT
    sure, doubt = wanted & (score >= SURE), wanted & (score < SURE)
    return replace(
        sample,
        boxes=np.concatenate([sample.boxes, boxes[sure]]),
        classes=np.concatenate([sample.classes, index[sure]]),
        weights=np.concatenate([sample.weights, 0.4 + 0.7 * score[sure]]).astype(np.float32),
        ignore=np.concatenate([sample.ignore, boxes[doubt]]),
        ignore_classes=np.concatenate([sample.ignore_classes, index[doubt]]),
        labelled=np.ones_like(sample.labelled),
    )


def unlabelled_samples(labels, folders, class_count):
    """(sample, entries) of the pictures that have teacher labels only.

    Pictures without any sure box are left out: what the teacher missed there is unknown.
    """
    found = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*")):
            entries = labels.get(path.name)
            if not entries or max(entry[1] for entry in entries) < SURE:
                continue
            none = np.zeros(class_count, bool)
            sample = Sample(path=path, labelled=none, source=Path(folder).name, tier="teacher")
            found.append((sample, entries))
    return found


def video_frames(path, step):
    """Every `step`-th frame of a clip as (name, HxWx3 RGB)."""
    capture = cv2.VideoCapture(str(path))
    number = 0
    while capture.grab():
        if number % step == 0:
            good, frame = capture.retrieve()
            if good:
                yield f"{path.stem}_{number:05d}.jpg", cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        number += 1
    capture.release()


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--teacher", required=True, help="yolox_nano.onnx")
    parser.add_argument("--pictures", nargs="*", default=[], help="folders of pictures")
    parser.add_argument("--only", help="object list: take its pictures with classes not labelled")
    parser.add_argument("--videos", nargs="*", default=[], help="clips to take frames from")
    parser.add_argument("--step", type=int, default=6, help="take every n-th frame")
    parser.add_argument("--frames", help="folder the frames are written to")
    parser.add_argument("--out", required=True, help="label file to write")


def run(args):
    """The command."""
    from training.evaluate.models import YoloxNano

    if args.videos and not args.frames:
        raise DataError("--videos: --frames is missing, the folder their frames go to")
    teacher, labels = YoloxNano(args.teacher), {}
    paths = [p for folder in args.pictures for p in sorted(Path(folder).iterdir())]
    if args.only:
        lacking = [s for s in load_objects(args.only, ".") if not s.labelled.all()]
        names = {sample.path.name for sample in lacking}
        paths = [path for path in paths if path.name in names]
    for path in paths:
        if path.suffix.lower() in PICTURE_SUFFIXES:
            labels[path.name] = _entries(label_picture(teacher, read_picture(path)))
    if args.videos:
        Path(args.frames).mkdir(parents=True, exist_ok=True)
    for clip in map(Path, args.videos):
        for name, frame in video_frames(clip, args.step):
            labels[name] = _entries(label_picture(teacher, frame))
            quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
            target = Path(args.frames) / name
            cv2.imwrite(str(target), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)
    Path(args.out).write_text(json.dumps(labels), encoding="utf-8")
    print(f"{len(labels)} pictures, {sum(map(len, labels.values()))} boxes")


def _entries(found):
    boxes, scores, classes = found
    return [
        [int(index), round(float(score), 3), *(round(float(v), 1) for v in box)]
        for box, score, index in zip(boxes, scores, classes)
    ]

"""The same work as an engineer would write it in Python: OpenCV reads, ONNX Runtime runs, numpy does the rest.

Objects and plates on every frame, the text of every plate, boxes followed by overlap. Prints one JSON object: frames,
processor seconds of the whole pipeline, of reading alone and of the model runs alone, and wall seconds of the whole.

    python3 benches/python_pipeline.py VIDEO MODELS
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
import onnxruntime


class Detector:
    """A detector with the anchor-free head of the project's models."""

    def __init__(self, folder):
        self.manifest = json.loads((folder / "manifest.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = str(folder / self.manifest["file"])
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        size = self.manifest["input"]
        self.size = (size["width"], size["height"])
        scores = self.manifest["thresholds"]["score"]
        self.floor = np.array([scores[name] for name in self.manifest["classes"]], np.float32)
        self.grids = []
        for stride in self.manifest["head"]["strides"]:
            x, y = np.meshgrid(np.arange(self.size[0] // stride), np.arange(self.size[1] // stride))
            self.grids.append(((np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride, stride))

    def tensor(self, frame):
        """Letterbox at the top left on grey, RGB, 0 to 1."""
        scale = min(self.size[0] / frame.shape[1], self.size[1] / frame.shape[0])
        size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
        canvas = np.full((self.size[1], self.size[0], 3), 114, np.uint8)
        canvas[: size[1], : size[0]] = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        chw = canvas[:, :, ::-1].transpose(2, 0, 1)[None]
        return np.ascontiguousarray(chw, np.float32) * (1 / 255), scale

    def run(self, tensor):
        """Raw outputs."""
        return self.session.run(None, {self.name: tensor})

    def boxes(self, outputs, scale):
        """Boxes x, y, w, h in pixels of the frame, scores and classes, overlaps suppressed."""
        found, scores, classes = [], [], []
        count = len(self.floor)
        for level, (centres, stride) in zip(outputs, self.grids):
            flat = level.reshape(level.shape[1], -1).T
            logits = flat[:, :count]
            best = logits.argmax(1)
            score = 1 / (1 + np.exp(-logits[np.arange(len(best)), best]))
            sure = score >= self.floor[best]
            sides = np.exp(np.minimum(flat[sure, count:], 6.0)) * stride
            corner = centres[sure] - sides[:, :2]
            found.append(np.concatenate([corner, sides[:, :2] + sides[:, 2:]], 1) / scale)
            scores.append(score[sure])
            classes.append(best[sure])
        boxes, scores, classes = map(np.concatenate, (found, scores, classes))
        nms = self.manifest["thresholds"]["nms_iou"]
        kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), 0.0, nms)
        return boxes[kept], scores[kept], classes[kept]


class Reader:
    """The plate reader: grey crop, CTC."""

    def __init__(self, folder):
        self.manifest = json.loads((folder / "manifest.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = str(folder / self.manifest["file"])
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name
        self.alphabet, self.blank = self.manifest["alphabet"], self.manifest["blank"]

    def tensor(self, frame, box):
        """The crop, 5 % wider on each side, as the reader wants it."""
        x, y, w, h = box
        x0, y0 = max(0, int(x - 0.05 * w)), max(0, int(y - 0.05 * h))
        crop = frame[y0 : int(y + 1.05 * h) + 1, x0 : int(x + 1.05 * w) + 1]
        grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
        size = (self.manifest["input"]["width"], self.manifest["input"]["height"])
        return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)[None, None].astype(np.float32) / 255

    def run(self, tensor):
        """Raw outputs."""
        return self.session.run(None, {self.name: tensor})

    def text(self, outputs):
        """Best symbol of each step, repeats and blanks dropped."""
        steps = outputs[0][0].argmax(-1)
        kept = [s for s, before in zip(steps, [-1, *steps[:-1]]) if s != before and s != self.blank]
        return "".join(self.alphabet[s] for s in kept if s < len(self.alphabet))


class Follower:
    """Boxes that overlap the last frame's keep their number."""

    def __init__(self):
        self.boxes, self.numbers, self.next = np.zeros((0, 4)), [], 0

    def take(self, boxes):
        """Numbers of the boxes."""
        numbers, free = [], list(range(len(self.boxes)))
        for box in boxes:
            best = max(free, key=lambda i: overlap(box, self.boxes[i]), default=None)
            if best is not None and overlap(box, self.boxes[best]) > 0.3:
                free.remove(best)
                numbers.append(self.numbers[best])
            else:
                numbers.append(self.next)
                self.next += 1
        self.boxes, self.numbers = boxes, numbers
        return numbers


def overlap(a, b):
    """Intersection over union of x, y, w, h."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    inner = max(0.0, width) * max(0.0, height)
    return inner / (a[2] * a[3] + b[2] * b[3] - inner)


def frames(path):
    """Every frame, BGR."""
    capture = cv2.VideoCapture(path)
    while True:
        good, frame = capture.read()
        if not good:
            return
        yield frame


def timed(work):
    """What `work` returns, processor seconds, wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    done = work()
    return done, time.process_time() - cpu, time.perf_counter() - wall


def main(video, models):
    cv2.setNumThreads(1)
    objects, plates = Detector(models / "road-objects"), Detector(models / "plates")
    reader, read = Reader(models / "plate-text"), 0

    def whole():
        nonlocal read
        follower, count = Follower(), 0
        for frame in frames(video):
            tensor, scale = objects.tensor(frame)
            follower.take(objects.boxes(objects.run(tensor), scale)[0])
            tensor, scale = plates.tensor(frame)
            for box in plates.boxes(plates.run(tensor), scale)[0]:
                reader.text(reader.run(reader.tensor(frame, box)))
                read += 1
            count += 1
        return count

    count, total, wall = timed(whole)
    _, reading, _ = timed(lambda: sum(1 for _ in frames(video)))
    inputs = [(objects, count), (plates, count), (reader, read)]

    def bare():
        for model, times in inputs:
            shape = model.session.get_inputs()[0].shape
            grey = np.full(shape, 0.5, np.float32)
            for _ in range(times):
                model.run(grey)

    _, running, _ = timed(bare)
    figures = {"frames": count, "total": total, "reading": reading, "models": running, "wall": wall}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

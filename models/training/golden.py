"""Write the golden tensors of a detector: what the agent must compute from one drawn picture.

`golden/picture.png` (a frame of the drawn gate), `input.f32` (the tensor), one `<output>.f32` an
output, raw little-endian float32, and `detections.json` (at the manifest's thresholds; boxes x, y,
w, h in pixels of the picture).
"""

import json
from pathlib import Path

import cv2
import numpy as np

PICTURE_WIDTH = 480


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--model", required=True, help="model folder with manifest")
    parser.add_argument("--seed", type=int, default=77, help="of the drawn scene")
    parser.add_argument("--index", type=int, default=1, help="number of the drawn scene")


def golden_picture(seed, index):
    """A small frame of a drawn gate, RGB."""
    from training.synth.gate import FrameSource

    frame, _ = FrameSource(seed).frame(index)
    height = frame.shape[0] * PICTURE_WIDTH // frame.shape[1]
    return cv2.resize(frame, (PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)


def detection_rows(classes, detection):
    """Detections as the agent's `inspect --json` prints them."""
    boxes, scores, indices = detection
    return [
        {
            "class": classes[index],
            "confidence": round(float(score), 6),
            "box": [round(float(v), 3) for v in (b[0], b[1], b[2] - b[0], b[3] - b[1])],
        }
        for b, score, index in zip(boxes, scores, indices)
    ]


def write_golden(folder, picture):
    """Writes everything into `folder`/golden. Returns the number of detections."""
    from training.evaluate.models import LtrbDetector
    from training.manifest import load_manifest
    from training.preprocess import letterbox, to_tensor

    target = Path(folder) / "golden"
    target.mkdir(exist_ok=True)
    manifest = load_manifest(Path(folder) / "manifest.json")
    detector = LtrbDetector.from_folder(folder, floor=None)
    tensor = to_tensor(letterbox(picture, *detector.size)[0])
    cv2.imwrite(str(target / "picture.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (target / "input.f32").write_bytes(tensor.astype("<f4").tobytes())
    for name, output in zip(manifest["head"]["outputs"], detector.infer(tensor), strict=True):
        (target / f"{name}.f32").write_bytes(np.ascontiguousarray(output).astype("<f4").tobytes())
    rows = detection_rows(manifest["classes"], detector(picture))
    (target / "detections.json").write_text(json.dumps(rows, indent=1) + "\n")
    return len(rows)


def run(args):
    """The command."""
    count = write_golden(args.model, golden_picture(args.seed, args.index))
    print(f"{args.model}/golden: {count} detections")
    return 0

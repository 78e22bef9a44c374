"""Exact reads of whole passes after voting: drawn gate passes, and moving stills through H.264.

Reads are taken in, weighed, voted on and told as the agent does; see `vote.py`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from training.data.boxes import file_sha256, read_picture
from training.data.crops import fold, read_crops
from training.data.tables import DataError
from training.evaluate.intervals import draws, estimate, paired, wilson
from training.manifest import load_manifest
from training.reader import metrics
from training.reader.decode import Reading
from training.reader.looks import LOOKS, read_plate
from training.reader.model import ReaderModel
from training.reader.vote import Pass, vote
from training.synth import signs, vehicles, view
from training.synth.camera import motion_blur
from training.synth.grammar import AMBIGUOUS, draw_grammar_text
from training.synth.scene import Lens

FPS = 15.0
_STREAM = 5002
_MARGIN = 0.08  # share of the plate that a widened box shows around it: the detector's error
View = tuple[np.ndarray, np.ndarray, float]  # frame (RGB), the detector's box, height of the plate


def _window(lens: Lens, box: view.Box) -> tuple[Lens, tuple[int, int]]:
    """The lens of a small picture around the plate, and the picture's size (width, height)."""
    x0, y0 = int(box[0] - 0.5 * box[2]) - 8, int(box[1] - 0.5 * box[3]) - 8
    size = (int(2 * box[2]) + 16, int(2 * box[3]) + 16)
    return replace(lens, centre_x=lens.centre_x - x0, horizon=lens.horizon - y0), size


def _before_widening(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    """The detector's box whose widest look is this one."""
    share_x, share_y = (share / (1 + 2 * share) for share in LOOKS[0])
    dx, dy = (x2 - x1) * share_x, (y2 - y1) * share_y
    return np.array([x1 + dx, y1 + dy, x2 - dx, y2 - dy], np.float32)


def draw_pass(
    seed: int, faces: list, best_height: float, speed_kmh: float
) -> tuple[str, list[View]]:
    """Text and views of one pass; the plate is `best_height` pixels at its best."""
    rng = np.random.default_rng([seed, _STREAM])
    region = ("us", "eu", "us", "br")[seed % 4]
    text = draw_grammar_text(rng, region, ambiguous=seed % 3 == 0)
    sign = signs.paint_sign(rng, faces[seed % len(faces)], text, vehicles.SCALE)
    rear = bool(rng.random() < 0.5)
    vehicle = vehicles.paint_vehicle(rng, str(rng.choice(["car", "van", "truck"])), rear, sign)
    lens = Lens(1480.0, 2.15, 640.0, 190.0)
    speed, exposure = speed_kmh / 3.6, 1 / float(rng.uniform(250, 500))
    nearest = lens.focal * sign.height_m / best_height
    lane = float(rng.uniform(1.5, 1.9)) * (1 if rear else -1)
    views = []
    for step in range(12):
        z = nearest + (step + float(rng.uniform(0, 0.2))) * speed / FPS
        pose = view.Pose(lane, z)
        box = view.plate_box(lens, vehicle, pose)
        if box[3] < 0.5 * best_height:
            break
        near, size = _window(lens, box)
        frame = np.full((size[1], size[0], 3), int(rng.integers(60, 160)), np.uint8)
        view.draw_vehicle(frame, near, vehicle, pose, speed * exposure)
        noisy = frame * rng.uniform(0.85, 1.1) + rng.normal(0, 3, (*frame.shape[:2], 1))
        noisy = np.clip(noisy, 0, 255).astype(np.uint8)
        coded = cv2.imdecode(
            cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR
        )
        x, y, w, h = view.plate_box(near, vehicle, pose)
        error = rng.uniform(-0.03, _MARGIN, 4)
        low = (x - error[0] * w, y - error[1] * h)
        views.append((coded, _before_widening(*low, x + w * (1 + error[2]), y + h * (1 + error[3])), h))
    return text.text, views


def moving_still(
    crop: np.ndarray, rng: np.random.Generator, best_height: float, speed_kmh: float
) -> list[np.ndarray]:
    """Frames (RGB, one size, on grey) of a real plate driving away, blurred by its motion."""
    distance = 6.0  # metres at its best; sets how fast the plate shrinks
    aspect = crop.shape[1] / crop.shape[0]
    size = (int(best_height * aspect * 1.5) // 2 * 2 + 16, int(best_height * 1.8) // 2 * 2 + 16)
    ground = float(rng.uniform(50, 140))
    frames = []
    for step in range(8):
        z = distance + step * speed_kmh / 3.6 / FPS
        height = best_height * distance / z
        width = height * aspect
        source = crop.astype(np.float32)
        factor = height / crop.shape[0]
        if factor < 0.9:
            source = cv2.resize(source, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        x, y = (
            (size[0] - width) / 2 + rng.uniform(-2, 2),
            (size[1] - height) / 2 + rng.uniform(-2, 2),
        )
        matrix = np.array(
            [[width / source.shape[1], 0, x], [0, height / source.shape[0], y]], np.float32
        )
        canvas = np.full((size[1], size[0], 3), ground, np.float32)
        cv2.warpAffine(
            source,
            matrix,
            size,
            dst=canvas,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
        smear = best_height * 5 * (distance / z) ** 2 / distance * speed_kmh / 3.6 / 350
        canvas = motion_blur(canvas, smear, np.pi / 2) + rng.normal(0, 3, (size[1], size[0], 1))
        frames.append(np.clip(canvas, 0, 255).astype(np.uint8))
    return frames


def through_h264(frames: list[np.ndarray], quantiser: int = 28) -> list[np.ndarray]:
    """The frames encoded and decoded by ffmpeg at a constant quantiser."""
    height, width = frames[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "15"]
    coder = ["-c:v", "libx264", "-preset", "veryfast", "-qp", str(quantiser), "-pix_fmt", "yuv420p", "-bf", "0"]
    encode = ["ffmpeg", "-v", "error", *raw, "-i", "-", *coder, "-threads", "1", "-f", "h264", "-"]
    stream = subprocess.run(
        encode, input=b"".join(f.tobytes() for f in frames), capture_output=True, check=True
    ).stdout
    decode = ["ffmpeg", "-v", "error", "-threads", "1", "-f", "h264", "-i", "-"]
    decode += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(decode, input=stream, capture_output=True, check=True).stdout
    return list(np.frombuffer(pixels, np.uint8).reshape(-1, height, width, 3))


def still_pass(
    crop: np.ndarray, seed: int, best_height: float, speed_kmh: float
) -> list[View]:
    """Views of a real still in motion, after the codec."""
    rng = np.random.default_rng([seed, _STREAM, 7])
    aspect = crop.shape[1] / crop.shape[0]
    views = []
    for step, frame in enumerate(through_h264(moving_still(crop, rng, best_height, speed_kmh))):
        height = best_height * 6.0 / (6.0 + step * speed_kmh / 3.6 / FPS)
        half = np.array([height * aspect, height]) / 2 * (1 + rng.uniform(0, 2 * _MARGIN, 2)) + 1
        centre = np.array([frame.shape[1], frame.shape[0]]) / 2
        views.append((frame, _before_widening(*(centre - half), *(centre + half)), height))
    return views


@dataclass(frozen=True)
class Result:
    """What was painted, each read by itself, and the pass."""

    text: str
    reads: list[Reading]
    whole: Pass


def read_pass(model: ReaderModel, text: str, views: list[View]) -> Result:
    """Every view is read; the pass takes in what it wants."""
    reads = [(read_plate(model.read, frame, box), height) for frame, box, height in views]
    return Result(text, [reading for reading, _ in reads], vote(reads))


def _share(hits: list[bool], name: str = "exact") -> dict[str, object]:
    return {
        "n": len(hits),
        name: round(float(np.mean(hits)), 4) if hits else None,
        "interval": wilson(sum(hits), len(hits)),
    }


def _voted(results: list[Result]) -> list[bool]:
    """Whether the vote of each pass is right, told or not."""
    return [r.whole.verdict is not None and r.whole.verdict.text == r.text for r in results]


def _told(results: list[Result]) -> list[bool]:
    """Whether the right text of each pass is told."""
    return [right and r.whole.told for right, r in zip(_voted(results), results, strict=True)]


def _single_reads(results: list[Result]) -> dict[str, object]:
    """Share of single reads that are exact; the interval is over passes, since reads of one are alike."""
    right = np.array([sum(read.text == r.text for read in r.reads) for r in results], float)
    count = np.array([len(r.reads) for r in results], float)
    if not count.all():
        return _share([read.text == r.text for r in results for read in r.reads])
    picked = draws(len(results))
    share = estimate(right.sum() / count.sum(), right[picked].sum(1) / count[picked].sum(1))
    return {"n": int(count.sum()), "exact": share["value"], "interval": share["interval"]}


def _count(results: list[Result]) -> dict[str, object]:
    """Passes told exactly; beside them what is told wrongly, and single reads.

    `exact` counts passes whose right text is told, `voted` those whose vote is right, told or not.
    """
    exact = _told(results)
    wrong = [r.whole.told and not right for right, r in zip(exact, results, strict=True)]
    unclear = [hit for hit, r in zip(exact, results, strict=True) if any(c in AMBIGUOUS for c in r.text)]
    folded = [r.whole.told and fold(r.whole.verdict.text) == fold(r.text) for r in results]
    return {
        **_share(exact),
        "voted": _share(_voted(results)),
        "folded": _share(folded),
        "told_wrong": _share(wrong, "share"),
        "single_reads": _single_reads(results),
        "with_0O1I8B5S": _share(unclear),
        **sureness(results),
    }


def differences(by_model: dict[str, list[Result]]) -> dict[str, object]:
    """The first model's passes minus each other's, on the same passes: voted rightly, and told rightly."""
    first, *others = by_model
    return {
        f"{first} - {name}": {
            "voted": paired(_voted(by_model[first]), _voted(by_model[name])),
            "told": paired(_told(by_model[first]), _told(by_model[name])),
        }
        for name in others
    }


def sureness(results: list[Result]) -> dict[str, object]:
    """What the probabilities of verdicts and of their alternates are worth, and how often a wrong verdict names the truth."""
    pairs = [(r.text, r.whole.verdict) for r in results if r.whole.verdict is not None]
    wrong = [(text, verdict) for text, verdict in pairs if verdict.text != text]
    named = sum(any(other == text for other, _ in verdict.alternates) for text, verdict in wrong)
    others = [(p, other == text) for text, verdict in pairs for other, p in verdict.alternates]
    return {
        "verdicts": _stated([(verdict.confidence, verdict.text == text) for text, verdict in pairs]),
        "alternates": _stated(others),
        "wrong_verdicts": {"n": len(wrong), "truth_among_alternates": named},
    }


def _stated(outcomes: list[tuple[float, bool]]) -> list[dict[str, object]]:
    sure, right = zip(*outcomes, strict=True) if outcomes else ((), ())
    return metrics.stated(np.array(sure, float), np.array(right, bool))


def add_arguments(parser) -> None:
    """Options of `eval passes`."""
    parser.add_argument("--reader", type=Path, required=True, help="model folder with manifest")
    parser.add_argument(
        "--variants", nargs="*", default=[], help="variants of the manifest beside it, e.g. int8"
    )
    parser.add_argument("--against", type=Path, help="another reader's folder to compare with")
    parser.add_argument("--passes", type=int, default=1000, help="drawn passes")
    parser.add_argument("--data", type=Path, help="crops.csv for semi-real passes")
    parser.add_argument("--root", type=Path, help="folder of its pictures")
    parser.add_argument("--height", type=float, default=30, help="plate height at its best, pixels")
    parser.add_argument("--speed", type=float, default=50, help="km/h")
    parser.add_argument("--seed", type=int, default=70_000)


def run(args) -> int:
    """Command `eval passes`."""
    if args.passes < 1 and not args.data:
        raise DataError(f"--passes {args.passes}: nothing to measure without --data")
    models = {model.name: model for model in (ReaderModel(args.reader, v) for v in (None, *args.variants))}
    if args.against:
        other = ReaderModel(args.against)
        models[f"{other.name} {load_manifest(args.against / 'manifest.json')['version']}"] = other
    report: dict[str, object] = {
        "height_px": args.height,
        "speed_kmh": args.speed,
        "fps": FPS,
        "seed": args.seed,
        "data": {"sha256": file_sha256(args.data) if args.data else ""},
    }
    found: dict[str, dict[str, list[Result]]] = {}
    for kind, text, views in _views(args):
        for name, model in models.items():
            results = found.setdefault(kind, {}).setdefault(name, [])
            results.append(read_pass(model, text, views))
    for kind, by_model in found.items():
        report[kind] = {name: _count(results) for name, results in by_model.items()}
        report.setdefault("paired", {})[kind] = differences(by_model)
    print(json.dumps(report, indent=1))
    return 0


def _views(args) -> Iterator[tuple[str, str, list[View]]]:
    """Kind, text and views of every pass asked for."""
    faces = signs.gate_faces(held_out=True)
    for index in range(args.passes):
        text, views = draw_pass(args.seed + index, faces, args.height, args.speed)
        yield "drawn", text, views
    if args.data and shutil.which("ffmpeg"):
        for index, row in enumerate(read_crops(args.data)):
            crop = read_picture(args.root / row.file)
            yield "semi_real", row.text, still_pass(crop, args.seed + index, args.height, args.speed)

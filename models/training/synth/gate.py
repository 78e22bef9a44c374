"""Draws the demonstration gate: a video of vehicles with plates of known truth.

Needs numpy, Pillow and the fonts of `fonts`; ffmpeg (or GStreamer's x264enc) for the video.
The demo's texts and fonts are kept out of the reader's training.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.synth import signs, vehicles, view
from training.synth.grammar import draw_grammar_text, draw_text
from training.synth.scene import Scene, draw_scene

_STREAM = 5001  # keeps the gate's random numbers apart from every training stream
_KINDS = ("car", "car", "car", "van", "truck")
_FAR_M = 46.0
_SECONDS_A_PASS = 5.2  # one lane's pace; the other lane is half a pace behind


@dataclass(frozen=True)
class GatePass:
    """One vehicle's way past the camera."""

    vehicle: vehicles.Vehicle
    text: str
    lane_x: float
    start_s: float
    speed: float  # metres a second
    exposure_s: float
    leaving: bool

    @property
    def seconds(self) -> float:
        """How long the vehicle is on its way."""
        return min((_FAR_M - view.NEAREST) / self.speed, _SECONDS_A_PASS - 0.7)

    def pose(self, t: float) -> view.Pose | None:
        """Where the vehicle is at `t` seconds of the video, if on its way."""
        since = t - self.start_s
        if not 0 <= since < self.seconds:
            return None
        run = since if self.leaving else self.seconds - since
        return view.Pose(self.lane_x, view.NEAREST + self.speed * run)


class EncoderMissing(RuntimeError):
    """Neither ffmpeg nor GStreamer's x264enc can be called."""


def plan_passes(scene: Scene, seed: int, seconds: float) -> list[GatePass]:
    """The passes of a video, by start; every third text holds one of 0O 1I 8B 5S."""
    rng = np.random.default_rng([seed, _STREAM, 1])
    faces = signs.gate_faces(held_out=True)
    passes: list[GatePass] = []
    used: set[str] = set()
    for lane in (0, 1):
        start = 0.2 + lane * _SECONDS_A_PASS / 2
        while start + _SECONDS_A_PASS - 0.5 <= seconds:
            index = len(passes)
            region = ("us", "eu", "us", "br")[index % 4]
            text = draw_grammar_text(rng, region, ambiguous=index % 3 == 0)
            while text.text in used:
                text = draw_grammar_text(rng, region, ambiguous=index % 3 == 0)
            used.add(text.text)
            sign = signs.paint_sign(rng, faces[index % len(faces)], text, vehicles.SCALE)
            kind = _KINDS[int(rng.integers(len(_KINDS)))]
            passes.append(
                GatePass(
                    vehicle=vehicles.paint_vehicle(rng, kind, rear=lane == 1, sign=sign),
                    text=text.text,
                    lane_x=scene.lanes[lane] + float(rng.uniform(-0.12, 0.12)),
                    start_s=start,
                    speed=float(rng.uniform(30, 50)) / 3.6,
                    exposure_s=1 / float(rng.uniform(250, 500)),
                    leaving=lane == 1,
                )
            )
            start += _SECONDS_A_PASS
    return sorted(passes, key=lambda p: p.start_s)


def _rounded(box: view.Box) -> list[float]:
    return [round(v, 1) for v in box]


def _inside(box: view.Box, size: tuple[int, int]) -> bool:
    return box[0] >= 0 and box[1] >= 0 and box[0] + box[2] <= size[0] and box[1] + box[3] <= size[1]


def truth_of(
    scene: Scene, gate_pass: GatePass, size: tuple[int, int], fps: float, frames: int
) -> dict:
    """One entry of `passes` in gate.json; plate boxes only where the whole plate is visible."""
    rows = []
    for index in range(frames):
        t = index / fps
        pose = gate_pass.pose(t)
        if pose is None:
            continue
        box = view.vehicle_box(scene.lens, gate_pass.vehicle, pose, size)
        plate = view.plate_box(scene.lens, gate_pass.vehicle, pose)
        if box is not None:
            rows.append(
                {
                    "t": round(t, 3),
                    "vehicle": _rounded(box),
                    "plate": _rounded(plate) if _inside(plate, size) else None,
                }
            )
    heights = [row["plate"][3] for row in rows if row["plate"]]
    return {
        "plate": gate_pass.text,
        "class": "truck" if gate_pass.vehicle.body.kind == "truck" else "car",
        "body": gate_pass.vehicle.body.kind,
        "enter_s": rows[0]["t"] if rows else None,
        "leave_s": rows[-1]["t"] if rows else None,
        "best_height_px": max(heights, default=0),
        "speed_kmh": round(gate_pass.speed * 3.6, 1),
        "frames": rows,
    }


class Film:
    """Frames of a gate, one after another."""

    def __init__(self, seed: int, size: tuple[int, int], fps: float, seconds: float) -> None:
        self.size, self.fps, self.frames = size, fps, int(round(seconds * fps))
        self.scene = draw_scene(np.random.default_rng([seed, _STREAM, 0]), *size)
        self.passes = plan_passes(self.scene, seed, seconds)
        self._empty = np.asarray(self.scene.picture)
        self._rng = np.random.default_rng([seed, _STREAM, 2])
        self._grain = self._rng.normal(0, 3.0, (size[1] + 64, size[0] + 64, 1)).astype(np.float32)

    def frame(self, index: int) -> np.ndarray:
        """Frame `index` as the sensor gives it: uint8, H x W x 3, RGB."""
        t = index / self.fps
        picture = self._empty.copy()
        ways = [(p, p.pose(t)) for p in self.passes]
        for gate_pass, pose in sorted((w for w in ways if w[1] is not None), key=lambda w: -w[1].z):
            view.draw_vehicle(
                picture,
                self.scene.lens,
                gate_pass.vehicle,
                pose,
                gate_pass.speed * gate_pass.exposure_s,
            )
        rng = np.random.default_rng([index, _STREAM, 3])
        gain = 1.0 + 0.07 * np.sin(2 * np.pi * t / 23.0) + float(rng.normal(0, 0.004))
        dx, dy = (int(v) for v in rng.integers(0, 64, 2))
        grain = self._grain[dy : dy + self.size[1], dx : dx + self.size[0]]
        return np.clip(picture * np.float32(gain) + grain, 0, 255).astype(np.uint8)

    def truth(self) -> dict:
        """What gate.json holds."""
        passes = [truth_of(self.scene, p, self.size, self.fps, self.frames) for p in self.passes]
        return {
            "width": self.size[0],
            "height": self.size[1],
            "fps": self.fps,
            "seconds": self.frames / self.fps,
            "passes": passes,
        }


def _encoder(size: tuple[int, int], fps: float, target: Path) -> list[str]:
    width, height = size
    group = int(round(2 * fps))
    if shutil.which("ffmpeg"):
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps} -i -"
        coder = f"-c:v libx264 -preset veryfast -b:v 4M -maxrate 4M -bufsize 4M -g {group} -bf 0 -pix_fmt yuv420p"
        return [*f"ffmpeg -v error -y {source} {coder} -f mp4".split(), str(target)]
    if shutil.which("gst-launch-1.0"):
        source = f"fdsrc fd=0 ! rawvideoparse format=rgb width={width} height={height} framerate={int(round(fps))}/1"
        coder = f"x264enc bitrate=4000 key-int-max={group} bframes=0 speed-preset=veryfast"
        chain = f"{source} ! videoconvert ! video/x-raw,format=I420 ! {coder} ! h264parse ! mp4mux ! filesink"
        return [*f"gst-launch-1.0 -q {chain}".split(), f"location={target}"]
    raise EncoderMissing("the gate's video needs ffmpeg: apt-get install ffmpeg")


def write_gate(
    folder: Path, seed: int, seconds: float, size: tuple[int, int] = (1280, 720), fps: float = 15
) -> dict:
    """Writes gate.mp4 and gate.json below `folder`, each whole or not at all; returns the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    film = Film(seed, size, fps, seconds)
    partial = folder / "gate.mp4.partial"
    process = subprocess.Popen(_encoder(size, fps, partial), stdin=subprocess.PIPE)
    for index in range(film.frames):
        process.stdin.write(film.frame(index).tobytes())
    process.stdin.close()
    if process.wait() != 0:
        raise EncoderMissing(f"the video encoder ended with status {process.returncode}")
    truth = film.truth()
    (folder / "gate.json").write_text(json.dumps(truth) + "\n")
    partial.rename(folder / "gate.mp4")
    return truth


@dataclass(frozen=True)
class Label:
    """A vehicle in a training frame and its plate, in pixels; `plate` None when cut or tiny."""

    kind: str
    vehicle: view.Box
    plate: view.Box | None


class FrameSource:
    """Gate-like frames for training detectors; fonts, texts and places are not the demo's."""

    def __init__(self, seed: int, size: tuple[int, int] = (1280, 720)) -> None:
        self._seed, self._size = seed, size
        self._faces = signs.gate_faces(held_out=False)

    def frame(self, index: int) -> tuple[np.ndarray, list[Label]]:
        """RGB picture (uint8) number `index` and its labels, nearest vehicle last."""
        rng = np.random.default_rng([self._seed, 40_001, index])
        scene = draw_scene(rng, *self._size)
        picture = np.asarray(scene.picture).copy()
        labels: list[Label] = []
        for pose, leaving in sorted(self._poses(rng, scene), key=lambda p: -p[0].z):
            text = draw_text(rng, str(rng.choice(["us", "eu", "br"])))
            sign = signs.paint_sign(
                rng, self._faces[int(rng.integers(len(self._faces)))], text, vehicles.SCALE
            )
            vehicle = vehicles.paint_vehicle(
                rng, _KINDS[int(rng.integers(len(_KINDS)))], leaving, sign
            )
            view.draw_vehicle(picture, scene.lens, vehicle, pose, float(rng.uniform(0.0, 0.06)))
            box = view.vehicle_box(scene.lens, vehicle, pose, self._size)
            plate = view.plate_box(scene.lens, vehicle, pose)
            if box is not None:
                labels.append(
                    Label(
                        vehicle.body.kind,
                        box,
                        plate if _inside(plate, self._size) and plate[3] >= 5 else None,
                    )
                )
        noisy = picture * rng.uniform(0.6, 1.15) + rng.normal(
            0, rng.uniform(1, 6), (*picture.shape[:2], 1)
        )
        return np.clip(noisy, 0, 255).astype(np.uint8), labels

    def _poses(self, rng: np.random.Generator, scene: Scene) -> Iterator[tuple[view.Pose, bool]]:
        for lane, lane_x in enumerate(scene.lanes):
            z = float(rng.uniform(2.5, 14))
            while z < 40 and rng.random() < 0.75:
                yield view.Pose(lane_x + float(rng.uniform(-0.2, 0.2)), z), lane == 1
                z += float(rng.uniform(10, 20))


def add_arguments(parser) -> None:
    """Options of `gate`."""
    parser.add_argument("--out", type=Path, required=True, help="folder for gate.mp4 and gate.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--fps", type=float, default=15)


def run(args) -> int:
    """Command `gate`."""
    truth = write_gate(args.out, args.seed, args.seconds, (args.width, args.height), args.fps)
    print(
        json.dumps(
            {
                "video": str(args.out / "gate.mp4"),
                "passes": len(truth["passes"]),
                "seconds": truth["seconds"],
            }
        )
    )
    return 0

"""Check every model: fields, hashes, shapes, a complete card, and the recorded figures on the drawn pictures."""

import math
import re
from pathlib import Path

from training.data.tables import DataError
from training.manifest import DETECTION_TASKS, ManifestError, check_shapes, load_manifest

DRAWN = "drawn_ap50"
TOLERANCE = 0.01  # processors round float convolutions differently
PARTS = ("## For", "## Not for", "## Data", "## Training", "## Measured", "## Known failures")
INTERVAL = re.compile(r"\[[-+−]?\d+\.\d+, [-+−]?\d+\.\d+\]")


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("folders", nargs="*", help="model folders; default: all beside training/")


def check_drawn(folder, manifest, pictures):
    """Compares the recorded figure with one measured now."""
    from training.evaluate.drawn import measure
    from training.evaluate.models import LtrbDetector

    recorded = [m["value"] for m in manifest["metrics"] if m.get("name") == DRAWN]
    if not recorded:
        raise ManifestError(f"{folder}: field 'metrics' has no '{DRAWN}'")
    detect = LtrbDetector.from_folder(folder)
    measured = measure(detect, manifest["classes"], pictures)["mean_ap50"]["value"]
    if abs(measured - recorded[0]) > TOLERANCE:
        raise ManifestError(
            f"{folder}: field 'metrics.{DRAWN}' says {recorded[0]}, measured {measured}"
        )


def check_card(card):
    """Raises ManifestError if a part of the card is missing or empty, or what was measured has no interval."""
    if not card.is_file():
        raise ManifestError(f"{card}: is missing")
    parts = re.split(r"^(## .*)$", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = {heading.strip(): body for heading, body in zip(parts[1::2], parts[2::2])}
    for heading in PARTS:
        if not text.get(heading, "").strip():
            raise ManifestError(f"{card}: has no part '{heading}', or an empty one")
    if not INTERVAL.search(text["## Measured"]):
        raise ManifestError(f"{card}: part '## Measured' has no interval such as [0.713, 0.910]")


def check_origin(folder, manifest):
    """Raises ManifestError if the manifest does not say from what code, command, seed and time the weights came."""
    made = manifest["provenance"]
    for field in ("commit", "command"):
        if not isinstance(made.get(field), str) or not made[field].strip():
            raise ManifestError(f"{folder}: field 'provenance.{field}' is empty")
    for field in ("seed", "minutes"):
        value = made.get(field)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
            raise ManifestError(f"{folder}: field 'provenance.{field}' is no number from 0 on")
    if not any(isinstance(metric, dict) and len(metric.get("interval") or ()) == 2 for metric in manifest["metrics"]):
        raise ManifestError(f"{folder}: field 'metrics' has no figure with an interval")


def check_folder(folder, pictures):
    """Raises ManifestError at the first thing that is wrong. Returns the manifest."""
    manifest = load_manifest(folder / "manifest.json")
    for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
        check_shapes(folder, manifest, variant)
    check_card(folder / "CARD.md")
    check_origin(folder, manifest)
    if manifest["task"] == "plate_text":
        from training.reader.drawn import check

        check(folder, manifest)
    if manifest["task"] in DETECTION_TASKS and pictures.is_dir():
        check_drawn(folder, manifest, pictures)
    return manifest


def run(args):
    """The command."""
    here = Path(__file__).resolve().parent.parent
    folders = [Path(folder) for folder in args.folders]
    folders = folders or sorted(path.parent for path in here.glob("*/manifest.json"))
    failures = []
    for folder in folders:
        try:
            manifest = check_folder(folder, here / "check")
            print(f"{folder.name} {manifest['version']}: good")
        except (ManifestError, DataError, OSError) as error:
            failures.append(error)
            print(f"{folder.name}: {error}")
    return 1 if failures else 0

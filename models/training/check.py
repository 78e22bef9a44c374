"""Check every model: fields, hashes, shapes, card, and the recorded figures on the drawn pictures."""

import json
from pathlib import Path

from training.manifest import DETECTION_TASKS, ManifestError, check_shapes, load_manifest

DRAWN = "drawn_ap50"
TOLERANCE = 0.01  # processors round float convolutions differently


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
    measured = measure(detect, manifest["classes"], pictures)["mean_ap50"]
    if abs(measured - recorded[0]) > TOLERANCE:
        raise ManifestError(
            f"{folder}: field 'metrics.{DRAWN}' says {recorded[0]}, measured {measured}"
        )


def check_folder(folder, pictures):
    """Raises ManifestError at the first thing that is wrong. Returns the manifest."""
    manifest = load_manifest(folder / "manifest.json")
    for variant in [None] + [entry["name"] for entry in manifest["variants"]]:
        check_shapes(folder, manifest, variant)
    card = folder / "CARD.md"
    if not card.is_file():
        raise ManifestError(f"{card}: is missing")
    for heading in ("## For", "## Not for", "## Data", "## Known failures"):
        if heading not in card.read_text(encoding="utf-8"):
            raise ManifestError(f"{card}: has no part '{heading}'")
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
        except (ManifestError, OSError, json.JSONDecodeError) as error:
            failures.append(error)
            print(f"{folder.name}: {error}")
    return 1 if failures else 0

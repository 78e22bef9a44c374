"""Put measured figures into the manifest of a detector: reports of `eval`, and the drawn pictures."""

import json
from pathlib import Path

from training.check import DRAWN
from training.data.boxes import file_sha256
from training.manifest import load_manifest, write_manifest


def object_metrics(report, name):
    """Metrics of an `eval objects` report for one of its models."""
    result, sha = report["results"][name], report["data"]["sha256"]
    rows = [("mean_ap50", result["mean_ap50"], result["interval_mean_ap50"])]
    rows += [("mean_ap", result["mean_ap"], None)]
    rows += [(f"ap50_{k}", v, result["interval_ap50"][k]) for k, v in result["ap50"].items()]
    return [_metric(*row, sha) for row in rows]


def plate_metrics(report, name):
    """Metrics of an `eval plates` report for one of its detectors."""
    sha, threshold = report["data"]["sha256"], f"{report['threshold']:.2f}"
    rows = []
    for region, figures in report["detection"][name].items():
        at = figures[threshold]
        rows.append(_metric(f"recall_{region}", at["recall"], at["recall_interval"], sha))
        rows.append(
            _metric(
                f"false_positives_{region}",
                at["false_positives"],
                at["false_positives_interval"],
                sha,
            )
        )
    return rows


def _metric(name, value, interval, sha):
    entry = {"name": name, "value": value, "data_sha256": sha}
    return entry if interval is None else entry | {"interval": interval}


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument("--report", required=True, help="output of eval objects or eval plates")
    parser.add_argument("--pictures", required=True, help="folder of drawn pictures")


def run(args):
    """The command: float figures under their names, int8 figures with the prefix `int8_`."""
    from training.evaluate.drawn import TRUTH, measure
    from training.evaluate.models import LtrbDetector

    manifest = load_manifest(Path(args.model) / "manifest.json")
    report = json.loads(Path(args.report).read_text(encoding="utf-8"))
    pick = plate_metrics if manifest["task"] == "plates" else object_metrics
    metrics = pick(report, manifest["name"])
    for variant in manifest["variants"]:
        found = pick(report, f"{manifest['name']} {variant['name']}")
        metrics += [entry | {"name": f"{variant['name']}_{entry['name']}"} for entry in found]
    drawn = measure(LtrbDetector.from_folder(args.model), manifest["classes"], args.pictures)
    sha = file_sha256(Path(args.pictures) / TRUTH)
    metrics.append(_metric(DRAWN, drawn["mean_ap50"], None, sha))
    manifest["metrics"] = metrics
    print(write_manifest(manifest, args.model))
    return 0

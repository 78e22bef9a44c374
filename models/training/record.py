"""Put measured figures into a model's manifest: reports of `eval`, and the drawn pictures of the detectors."""

from pathlib import Path

from training.check import DRAWN
from training.data.boxes import file_sha256
from training.data.tables import DataError, read_json
from training.manifest import DETECTION_TASKS, load_manifest, write_manifest


def object_metrics(report, name):
    """Metrics of an `eval objects` report for one of its models."""
    result, sha = report["results"][name], report["data"]["sha256"]
    pictures = result["pictures"]
    rows = [("mean_ap50", result["mean_ap50"], pictures), ("mean_ap", result["mean_ap"], pictures)]
    rows += [(f"ap50_{label}", result[label], result[label]["n"]) for label in report["n"]["boxes"]]
    return [_metric(key, found["value"], found["interval"], sha, count) for key, found, count in rows]


def plate_metrics(report, name):
    """Metrics of an `eval plates` report for one of its detectors."""
    sha, threshold = report["data"]["sha256"], f"{report['threshold']:.2f}"
    rows = []
    for region, figures in report["detection"][name].items():
        at = figures[threshold]
        for key, count in (("recall", at["n"]), ("false_positives", at["pictures"])):
            rows.append(_metric(f"{key}_{region}", at[key], at[f"{key}_interval"], sha, count))
    return rows


def reader_metrics(report, name):
    """Metrics of an `eval crops`, `eval passes` or `eval plates` report for a reader; none where it is not in there."""
    sha = report["data"]["sha256"]
    if "paired_exact" in report:
        found = report["models"].get(name, {})
        shares = [(key, found[key]) for key in ("exact", "folded", "character") if key in found]
        rows = [_metric(key, share["value"], share["interval"], sha, found["n"]) for key, share in shares]
        if found:
            error = found["calibration_error"]
            rows.append(_metric("calibration_error", error["value"], error["interval"], sha, error["n"]))
        return rows
    if "end_to_end" in report:
        shares = report["end_to_end"].get(f"{next(iter(report['detection']))}, {name}", {})
        rows = [(f"end_to_end_{region}", share) for region, share in shares.items()]
        return [_metric(key, share["exact"], share["interval"], sha, share["n"]) for key, share in rows]
    rows = []
    for kind in ("drawn", "semi_real"):
        for what, share in _pass_shares(report.get(kind, {}).get(name)):
            used = sha if kind == "semi_real" else ""
            rows.append(_metric(f"passes_{kind}_{what}", share["exact"], share["interval"], used, share["n"]))
    return rows


def _pass_shares(counted):
    return [("voted", counted["voted"]), ("told", counted)] if counted else []


def _metric(name, value, interval, sha, count=None):
    entry = {"name": name, "value": value, "data_sha256": sha}
    entry |= {} if count is None else {"n": count}
    return entry if interval is None else entry | {"interval": interval}


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--model", required=True, help="model folder")
    parser.add_argument(
        "--report", required=True, nargs="+", help="eval objects or plates; of a reader eval crops, passes, plates"
    )
    parser.add_argument("--pictures", default="check", help="folder of drawn pictures, for detectors")


def drawn_metrics(manifest, args):
    """The figures of drawn pictures, measured now: of a detector's float graph, of a reader's graphs."""
    from training.evaluate.drawn import TRUTH, measure
    from training.evaluate.models import LtrbDetector
    from training.reader import drawn

    if manifest["task"] not in DETECTION_TASKS:
        names = [None, *(variant["name"] for variant in manifest["variants"])]
        return [drawn.measure(Path(args.model), name) for name in names]
    found = measure(LtrbDetector.from_folder(args.model), manifest["classes"], args.pictures)
    mean, boxes = found["mean_ap50"], sum(found[name]["n"] for name in manifest["classes"])
    return [_metric(DRAWN, mean["value"], mean["interval"], file_sha256(Path(args.pictures) / TRUTH), boxes)]


def run(args):
    """The command: float figures under their names, int8 figures with the prefix `int8_`."""
    manifest = load_manifest(Path(args.model) / "manifest.json")
    pick = {"objects": object_metrics, "plates": plate_metrics, "plate_text": reader_metrics}[manifest["task"]]
    metrics = []
    for path in args.report:
        report = read_json(path)
        try:
            metrics += pick(report, manifest["name"])
            for variant in manifest["variants"]:
                found = pick(report, f"{manifest['name']} {variant['name']}")
                metrics += [entry | {"name": f"{variant['name']}_{entry['name']}"} for entry in found]
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: is no report of `eval` on {manifest['name']}: field {error}") from error
    manifest["metrics"] = metrics + drawn_metrics(manifest, args)
    print(write_manifest(manifest, args.model))
    return 0

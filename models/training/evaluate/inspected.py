"""What the agent's own `edge-agent inspect plates --json` told of a plate list's pictures, judged as `eval plates` does.

Recall, false positives and exact reads end to end of each file of its lines, and the first file's differences to each
other; the thresholds are the agent's. One JSON object.
"""

import json
from pathlib import Path

import numpy as np

from training.data.boxes import file_sha256
from training.data.tables import DataError
from training.evaluate import intervals
from training.evaluate.plates import PlateResult, against_first, load_plates, shares


def read_told(path, wanted):
    """The lines of `inspect plates --json` by their pictures' names without suffix, since those may be stored otherwise.

    Every one of `wanted` must be there.
    """
    rows = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            rows[Path(row["file"]).stem] = row["plates"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number}: is no line of `inspect plates --json`: {error}") from error
    absent = sorted(set(wanted) - set(rows))
    if absent:
        raise DataError(f"{path}: field 'file': nothing is told of '{absent[0]}'")
    return rows


def outcomes(told, plates):
    """By region: whether each plate was found, whether it was found and read, and the false boxes of each picture."""
    found, exact, false = {}, {}, {}
    for sample, texts in plates:
        rows = told[sample.path.stem]
        boxes = np.array([row["box"] for row in rows], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scores = np.array([row["detection"] for row in rows], np.float32)
        result = PlateResult((boxes, scores, np.zeros(len(rows), np.int64)), sample.boxes)
        owners = result.owner.tolist()
        good = [owner >= 0 and rows[owner]["text"] == text for owner, text in zip(owners, texts, strict=True)]
        found.setdefault(sample.source, []).extend(owner >= 0 for owner in owners)
        exact.setdefault(sample.source, []).extend(good)
        false.setdefault(sample.source, []).append(len(result.false))
    return found, exact, false


def add_arguments(parser):
    """Options of the command."""
    parser.add_argument("--told", type=Path, nargs="+", required=True, help="files of `edge-agent inspect plates --json`")
    parser.add_argument("--data", required=True, help="plates.csv")
    parser.add_argument("--root", required=True, help="folder of its pictures")


def run(args):
    """The command."""
    plates = load_plates(args.data, args.root)
    names = [sample.path.stem for sample, _ in plates]
    all_found, all_exact, all_false = {}, {}, {}
    for path in args.told:
        judged = outcomes(read_told(path, names), plates)
        all_found[path.stem], all_exact[path.stem], all_false[path.stem] = judged
    report = {
        "data": {"file": Path(args.data).name, "sha256": file_sha256(args.data)},
        "end_to_end": {name: shares(hits) for name, hits in all_exact.items()},
        "recall": {name: shares(hits) for name, hits in all_found.items()},
        "false_positives": {
            name: {region: intervals.mean(counts) for region, counts in by_region.items()}
            for name, by_region in all_false.items()
        },
        "paired_end_to_end": against_first(all_exact),
        "paired_recall": against_first(all_found),
    }
    print(json.dumps(report, indent=1))
    return 0

"""MOTA and IDF1 of tracks against ground truth, both in MOTChallenge's form; one line of JSON.

    python track_score.py truth.txt tracks.txt
"""

import json
import sys

import motmetrics


def main(truth: str, tracks: str) -> None:
    """A box is found where it overlaps with intersection over union of at least 0.5, as the challenge has it."""
    expected = motmetrics.io.loadtxt(truth, fmt="mot15-2D", min_confidence=1)
    told = motmetrics.io.loadtxt(tracks, fmt="mot15-2D")
    pairs = motmetrics.utils.compare_to_groundtruth(expected, told, "iou", distth=0.5)
    names = ["num_frames", "mota", "idf1", "num_switches"]
    row = motmetrics.metrics.create().compute(pairs, metrics=names).iloc[0]
    print(json.dumps({name: float(row[name]) for name in names}))


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Precision and recall of camera care on real video that is degraded on purpose.

Each window of a clip is 15 s as it is and 15 s degraded; the label is what was done to it. A camera that hangs is 15 s
as they are and the next frame for 150 s, encoded anew: an encoder needs a while until it repeats itself. The same frame
with a lens's noise must not be told as frozen. Dusk is a clip slowed down to twelve minutes and dimmed step by step.
The clips themselves, as they are, count false alarms.

    benches/camera-care/measure.py --agent target/debug/edge-agent --videos FOLDER
"""

import argparse
import collections
import json
import pathlib
import subprocess
import tempfile

CLEAN_S = 15
DEGRADED_S = 15
HELD_S = 150

# Name, label, and the filters of the degraded half. Both halves are cut to the middle 77 % first, so that a turned
# camera has somewhere to look.
CROP = "crop=w=trunc(iw*0.77/2)*2:h=trunc(ih*0.77/2)*2"
HOME = f"{CROP}:x=(iw-ow)/2:y=(ih-oh)/2,scale=768:432"
DEGRADATIONS = [
    ("grey board", "covered", f"{HOME},drawbox=c=gray:t=fill"),
    ("hand, nine tenths", "covered", f"{HOME},drawbox=x=0:y=0:w=iw*0.92:h=ih*0.98:c=0x6b4a3a:t=fill,gblur=12"),
    ("plastic bag", "covered", f"{HOME},gblur=40,eq=contrast=0.25:brightness=0.2"),
    ("lens cap", "covered", f"{HOME},lutyuv=y=16+(val-16)*0.02:u=128:v=128"),
    ("blur 2 px", "defocused", f"{HOME},gblur=2"),
    ("blur 4 px", "defocused", f"{HOME},gblur=4"),
    ("blur 8 px", "defocused", f"{HOME},gblur=8"),
    ("turned by 4 %", "moved", f"{CROP}:x=(iw-ow)/2+iw*0.03:y=(ih-oh)/2,scale=768:432"),
    ("turned by 11 %", "moved", f"{CROP}:x=(iw-ow)/2+iw*0.085:y=(ih-oh)/2+ih*0.085,scale=768:432"),
    ("rolled by 10 degrees", "moved", f"rotate=10*PI/180,{HOME}"),
    ("upside down", "moved", f"hflip,vflip,{HOME}"),
    ("lamp into the lens", "over-exposed", f"{HOME},lutyuv=y=min(235\\,16+(val-16)*3+110)"),
]
# The same of a held frame, at the video's own size: nothing was done to one that only has noise.
HELD = [
    ("one frame held", "frozen", "null"),
    ("one frame with noise", None, "noise=alls=4:allf=t"),
]


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def length(video):
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(video)],
        check=True, capture_output=True, text=True)
    return float(said.stdout)


def windows(video):
    whole = int(length(video) // (CLEAN_S + DEGRADED_S))
    return [number * (CLEAN_S + DEGRADED_S) for number in range(whole)]


def degrade(video, start, filters, out):
    middle, end = start + CLEAN_S, start + CLEAN_S + DEGRADED_S
    graph = (f"[0]trim={start}:{middle},setpts=PTS-STARTPTS,{HOME},setsar=1[a];"
             f"[0]trim={middle}:{end},setpts=PTS-STARTPTS,{filters},setsar=1[b];[a][b]concat")
    ffmpeg("-i", video, "-an", "-filter_complex", graph, "-c:v", "libx264", "-crf", 23, "-preset", "veryfast", out)


def hold(video, start, filters, out):
    middle = start + CLEAN_S
    graph = (f"[0]trim={start}:{middle},setpts=PTS-STARTPTS,{HOME},setsar=1[a];"
             f"[0]trim={middle}:{middle + 1},setpts=PTS-STARTPTS,{HOME},loop=-1:1:0,trim=0:{HELD_S},{filters},"
             f"setsar=1[b];[a][b]concat")
    ffmpeg("-i", video, "-an", "-filter_complex", graph, "-t", CLEAN_S + HELD_S, "-c:v", "libx264", "-crf", 23,
           "-preset", "veryfast", "-g", 50, out)


def dusk(video, out):
    slow = 720 / min(length(video), 130)
    dim = "max(0.03,1-t/650)"
    filters = (f"setpts={slow}*PTS,fps=2,{HOME},"
               f"eq=contrast='{dim}':brightness='-(1-{dim})/2':eval=frame")
    ffmpeg("-i", video, "-an", "-vf", filters, "-t", 720, "-c:v", "libx264", "-preset", "veryfast", out)


def told(agent, video):
    said = subprocess.run([agent, "inspect", "care", "--alerts", "--json", str(video)],
                          check=True, capture_output=True, text=True)
    alerts = [json.loads(line) for line in said.stdout.splitlines()]
    return [(alert["finding"], alert["alert"]) for alert in alerts if not alert["over"]]


class Score:
    def __init__(self):
        self.made, self.found = collections.Counter(), collections.Counter()
        self.wrong = collections.Counter()
        self.rows = []

    def take(self, name, label, since, alerts):
        hit = any(finding == label and at >= since for finding, at in alerts)
        if label:
            self.made[label] += 1
            self.found[label] += hit
        wrong = {finding for finding, at in alerts if finding != label or at < since}
        self.wrong.update(wrong)
        self.rows.append((name, label, hit, sorted(wrong)))

    def show(self):
        by_name = collections.defaultdict(list)
        for name, label, hit, wrong in self.rows:
            by_name[name, label].append((hit, wrong))
        for (name, label), rows in by_name.items():
            also = sorted({finding for _, wrong in rows for finding in wrong})
            hits = sum(hit for hit, _ in rows)
            print(f"  {name:22} {label or 'nothing':13} {hits} of {len(rows)}  also told: {also or '-'}")
        for label, n in sorted(self.made.items()):
            hits, wrong = self.found[label], self.wrong[label]
            precision = f"{hits / (hits + wrong):.3f}" if hits + wrong else "-"
            print(f"{label:13} n {n:3}  recall {hits / n:.3f}  precision {precision} ({wrong} wrong)")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--agent", required=True)
    arguments.add_argument("--videos", required=True, type=pathlib.Path)
    arguments = arguments.parse_args()
    score, false_alarms, seconds = Score(), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "made.mp4"
        for video in sorted(arguments.videos.glob("*.mp4")):
            seconds += length(video)
            false_alarms += [(video.name, *alert) for alert in told(arguments.agent, video)]
            for start in windows(video):
                for name, label, filters in DEGRADATIONS:
                    degrade(video, start, filters, made)
                    score.take(name, label, CLEAN_S, told(arguments.agent, made))
                for name, label, filters in HELD:
                    hold(video, start, filters, made)
                    score.take(name, label, CLEAN_S, told(arguments.agent, made))
            dusk(video, made)
            score.take("dusk", "too dark", 300, told(arguments.agent, made))
    score.show()
    print(f"as they are: {len(false_alarms)} false alarms in {seconds:.0f} s: {false_alarms or 'none'}")


if __name__ == "__main__":
    main()

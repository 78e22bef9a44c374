"""Where weights come from: the commands and the code that made them, as a run and an export write them down."""

import json
import subprocess
from pathlib import Path


def code_version():
    """The commit of this package where it lies in a git checkout, `-dirty` where files differ from it; else empty."""
    ask = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def origin(args, folder):
    """What a run knows of itself as it begins: its code, its commands and its seed, those before an interruption first."""
    before = written(folder)
    commits, commands = commits_of(before), before.get("commands", [])
    for known, found in ((commits, code_version()), (commands, args.command)):
        if found and found not in known:
            known.append(found)
    return {"commits": commits, "commands": commands, "seed": args.seed}


def written(folder):
    """What a run has written down of itself; nothing where it has not begun."""
    path = Path(folder) / "data.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def commits_of(known):
    """The commits of a run, in their order; runs before this was a list knew the last one alone."""
    return list(known.get("commits") or filter(None, [known.get("commit")]))

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
    """What a run knows of itself as it begins: its code, its seed, and its commands, those before an interruption first."""
    written = Path(folder) / "data.json"
    commands = json.loads(written.read_text(encoding="utf-8")).get("commands", []) if written.is_file() else []
    if args.command not in commands:
        commands.append(args.command)
    return {"commit": code_version(), "commands": commands, "seed": args.seed}

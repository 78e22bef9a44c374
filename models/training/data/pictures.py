"""Picture files to pixels, the way up they are meant to be seen, as the agent's `inspect` reads them."""

from pathlib import Path

import cv2
import numpy as np


def decode(path):
    """A file as HxWx3 uint8 RGB, turned as its EXIF says. ValueError in words where it cannot be."""
    data = Path(path).read_bytes() if Path(path).is_file() else b""
    if not data:
        raise ValueError("missing or empty")
    if is_cut_off(data):
        raise ValueError("cut off before its end")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("not a picture that can be decoded")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def is_cut_off(data):
    """Whether a JPEG or PNG lacks its end, which decoders fill with grey without a word.

    A thumbnail in a JPEG's header has scan and end of its own, both before the picture's scan.
    """
    if data.startswith(b"\xff\xd8"):
        scan = data.rfind(b"\xff\xda")
        return scan >= 0 and data.rfind(b"\xff\xd9") < scan
    return data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]

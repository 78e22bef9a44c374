"""A shipped reader as the agent runs it: crop in, text with probabilities out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.evaluate.models import OWN_PROVIDER, open_session
from training.manifest import load_manifest, model_file, require
from training.preprocess import grey_from_rgb, stretch, to_tensor
from training.reader.decode import BLANK, Reading, greedy
from training.synth.grammar import ALPHABET

# What `ReaderModel` computes.
TAKEN = {
    "head.type": "ctc",
    "alphabet": ALPHABET,
    "blank": BLANK,
    "input.colour": "GREY",
    "input.layout": "NCHW",
    "input.dtype": "float32",
    "input.resize.mode": "stretch",
}


class ReaderModel:
    """ONNX graph and manifest of one reader."""

    def __init__(self, folder: Path, variant: str | None = None, provider: str = OWN_PROVIDER) -> None:
        manifest = load_manifest(folder / "manifest.json")
        require(manifest, TAKEN, folder / "manifest.json")
        self.file = model_file(folder, manifest, variant)
        self.name = manifest["name"] + (f" {variant}" if variant else "")
        self.temperature = float(manifest["head"].get("temperature", 1.0))
        self.longest = manifest["max_length"]
        self._input = manifest["input"]
        session = open_session(self.file, provider=provider)
        name, output = session.get_inputs()[0].name, manifest["head"]["outputs"][0]
        self.infer = lambda tensor: session.run([output], {name: tensor})

    def tensor(self, crop: np.ndarray) -> np.ndarray:
        """RGB or grey crop (uint8) to the network's input."""
        grey = grey_from_rgb(crop) if crop.ndim == 3 else crop
        shape = (self._input["width"], self._input["height"])
        return to_tensor(stretch(grey, *shape), self._input["mean"], self._input["scale"])

    def logits(self, crop: np.ndarray) -> np.ndarray:
        """Steps x classes."""
        return self.infer(self.tensor(crop))[0][0]

    def read(self, crop: np.ndarray) -> Reading:
        """Text and probabilities, with the manifest's temperature."""
        return greedy(self.logits(crop), self.temperature, self.longest)

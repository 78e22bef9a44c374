"""A model without a complete card, or whose manifest does not say where it comes from, fails the check."""

import copy
import shutil
from pathlib import Path

import pytest

from training.check import PARTS, check_card, check_folder, check_origin
from training.manifest import ManifestError, load_manifest, write_manifest

MODELS = Path(__file__).resolve().parents[2]
CARD = "# a: what it does\n\n" + "\n".join(f"{part}\n\nSaid, 0.833 [0.713, 0.910].\n" for part in PARTS)
MANIFEST = {
    "provenance": {"commit": "0ec1c63", "command": "python3 -m training train", "seed": 0, "minutes": 0.4},
    "metrics": [{"name": "exact", "value": 0.8, "interval": [0.7, 0.9]}],
}


def card_of(folder, text):
    path = folder / "CARD.md"
    path.write_text(text)
    return path


def test_a_complete_card_and_origin_pass(tmp_path):
    check_card(card_of(tmp_path, CARD))
    check_origin(tmp_path, MANIFEST)


@pytest.mark.parametrize("part", PARTS)
def test_a_card_that_lacks_a_part_or_leaves_it_empty_is_refused_by_name(tmp_path, part):
    with pytest.raises(ManifestError, match=f"CARD.md: has no part '{part}'"):
        check_card(card_of(tmp_path, CARD.replace(f"{part}\n", "### Else\n")))
    with pytest.raises(ManifestError, match=f"CARD.md: has no part '{part}'"):
        check_card(card_of(tmp_path, CARD.replace(f"{part}\n\nSaid, 0.833 [0.713, 0.910].\n", f"{part}\n")))


def test_measures_without_an_interval_are_refused(tmp_path):
    bare = CARD.replace("## Measured\n\nSaid, 0.833 [0.713, 0.910]", "## Measured\n\nSaid, 0.833 [n 54]")
    with pytest.raises(ManifestError, match="'## Measured' has no interval"):
        check_card(card_of(tmp_path, bare))


@pytest.mark.parametrize(
    ("field", "value"),
    [("commit", ""), ("commit", None), ("command", " "), ("seed", None), ("minutes", True), ("minutes", float("nan"))],
)
def test_a_manifest_that_does_not_say_where_weights_come_from_is_refused_by_field(tmp_path, field, value):
    manifest = copy.deepcopy(MANIFEST)
    manifest["provenance"][field] = value
    with pytest.raises(ManifestError, match=f"provenance.{field}'"):
        check_origin(tmp_path, manifest)
    del manifest["provenance"][field]
    with pytest.raises(ManifestError, match=f"provenance.{field}'"):
        check_origin(tmp_path, manifest)


def test_a_manifest_without_any_interval_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="'metrics' has no figure with an interval"):
        check_origin(tmp_path, MANIFEST | {"metrics": [{"name": "exact", "value": 0.8}]})


def test_the_check_of_a_folder_asks_for_card_and_origin(tmp_path):
    folder = tmp_path / "plates"
    shutil.copytree(MODELS / "plates", folder)
    manifest = load_manifest(folder / "manifest.json")
    manifest["provenance"]["commit"] = ""
    write_manifest(manifest, folder)
    with pytest.raises(ManifestError, match="provenance.commit"):
        check_folder(folder, tmp_path / "none")
    card = folder / "CARD.md"
    card.write_text(card.read_text().replace("## Measured", "## Other"))
    with pytest.raises(ManifestError, match="## Measured"):
        check_folder(folder, tmp_path / "none")

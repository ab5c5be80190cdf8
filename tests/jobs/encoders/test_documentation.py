"""The READMEs and the settings' descriptions name all encoders and MusiCNN's tags as the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feature_store.setting_groups import EncoderSettings
from feature_store.tables import columns
from jobs.encoders import registry
from jobs.encoders.audio.musicnn.encoder import TAGS

ROOT = Path(__file__).parents[3]
README = (ROOT / "jobs" / "encoders" / "README.md").read_text()


def test_the_numbered_tags_are_those_of_the_network_in_order():
    """A reader of tag_probabilities has no other place that tells which number is which tag."""
    _, _, section = README.partition("\n## The 50 tags of MusiCNN\n")
    _, _, listed = section.partition("tags[n - 1].\n")

    numbered = re.findall(r"(\d+) ([a-z ]+?)(?:,|\n)", listed)

    assert [(int(number), tag) for number, tag in numbered] == list(enumerate(TAGS, 1))


@pytest.mark.parametrize("column", [columns.TAG_PROBABILITIES, columns.TAG_PROBABILITIES_MAX])
def test_the_columns_of_tags_name_the_place_of_their_order(column):
    assert "in the order of jobs/encoders/README.md" in column.meaning


@pytest.mark.parametrize("modality", [registry.AUDIO, registry.LYRICS, registry.COVER])
def test_a_setting_and_the_readme_list_every_encoder_and_no_other(modality):
    """Otherwise the ids stand only in an error."""
    description = EncoderSettings.model_fields[modality.name].description
    [row] = re.findall(rf"^\| `encoders\.{modality.name}`.*$", README, re.MULTILINE)

    ids = r"\b[a-z0-9]+(?:-[a-z0-9]+)+-(?:v\d|\d+)\b"
    for text in (description, row):
        assert sorted(re.findall(ids, text)) == sorted(modality.registered)
        assert "transformers:FOLDER" in text

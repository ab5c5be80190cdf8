"""Sentences are read by the model that read the night's lyrics, whatever its family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from feature_store.distress_examples import HIDDEN_DISTRESS, NO_DISTRESS
from feature_store.lake.arrow_io import read_table
from feature_store.tables.features import FEAT_LYRICS_EMOTION
from tests.training.tasks import worlds
from training.predict import predict
from training.tasks import sentence_emotion
from training.tasks.sentence_emotion import SentenceReader, scoring_of_lyrics
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = "text_emotion"


@pytest.mark.parametrize("family", ["words_to_waves", "ridge", "vader_valence"])
def test_words_of_lyrics_have_the_values_of_their_row(family, night):
    """t15's lyrics are of two chunks; the model is loaded without any labelled text."""
    night = worlds.htcl_night(night)
    training = night.settings.training.model_copy(update={"families": {TASK: family}})
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))
    worlds.fill(night.settings.lake, night.as_of)
    version = train(night, TASK).model_version
    predict(night, TASK)
    rows = read_table(night.settings.lake, FEAT_LYRICS_EMOTION).to_pylist()
    [row] = [row for row in rows if row["content_hash"] == "content-15"]

    reader = SentenceReader(night)
    found = reader.read("bright night\n" * 16)

    scoring = scoring_of_lyrics(night)
    assert (scoring.family, scoring.model_version) == (family, version)
    assert found.text.count("\n") == 15
    assert found.emotion == {
        name: pytest.approx(row[name], abs=1e-5)
        for name in ("valence", "arousal", "valence_sd", "arousal_sd")
    }


def test_hidden_distress_anywhere_in_some_lines_is_found_and_other_examples_are_not(night):
    """No model has read lyrics: distress needs none, and everything else does."""
    reader = SentenceReader(night)
    hidden = HIDDEN_DISTRESS[0]
    lines = f"it rained all day and I had soup, {'la ' * 60}\n{hidden}"

    assert reader.read(hidden).emotion is None
    assert reader.read(lines).emotion is None
    with pytest.raises(sentence_emotion.NoTextModelError):
        reader.read(NO_DISTRESS[0])


def test_vectors_for_the_judge_are_of_unit_length_and_depend_on_the_sentence_alone():
    """An example's vector is kept from a block of many; read alone it is the same."""
    vectors = sentence_emotion._SentenceVectors()
    kept = vectors(NO_DISTRESS[3])

    assert np.linalg.norm(kept) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(vectors(f" {NO_DISTRESS[3]}"), kept, atol=1e-5)
    assert float(kept @ vectors(HIDDEN_DISTRESS[0])) < 0.9

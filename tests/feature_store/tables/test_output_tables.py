"""Which tables say what models a night has used."""

from __future__ import annotations

from feature_store.tables import output_tables
from feature_store.tables.features import FEAT_LYRICS_EMOTION, FEAT_TRACK_EMOTION, FEAT_TRACK_HTCL
from feature_store.tables.scores import SCORE_CANDIDATES


def test_tables_of_predictions_name_a_model_in_each_row():
    """feat_track_emotion has rows by rules as well, which have none; its others are those of feat_lyrics_emotion."""
    found = output_tables()
    assert {SCORE_CANDIDATES, FEAT_TRACK_HTCL, FEAT_LYRICS_EMOTION} <= set(found)
    assert FEAT_TRACK_EMOTION not in found

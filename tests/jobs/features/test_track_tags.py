"""feat_track_tags: means weighted by taggers, computed by hand."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_TAGS
from jobs.encoders import registry
from jobs.features import track_tags
from tests.jobs.features.worlds import encoders, frame, tracks

VECTORS = {"rock": [1.0, 0.0], "slow": [0.0, 1.0], "sad": [-0.5, 0.25], "1980": None}


@pytest.fixture
def encoded(spark, night):
    """VECTORS by the encoder of the settings, and rock by another one."""
    identity = registry.tags_identity(night.settings.encoders)
    other = replace(identity, preprocessing_id="of last year")
    rows = [
        {"content_hash": tag, "tag": tag, "tag_embedding": vector, **asdict(identity)}
        for tag, vector in VECTORS.items()
    ]
    rows.append({**rows[0], "tag_embedding": [9.0, 9.0], **asdict(other)})
    return frame(spark, FEAT_TAGS, rows)


def built(spark, night, encoded, *events):
    """mean_tag_embedding by track of core_tags rows (track, tag, tagger); the catalogue has t0 and t1."""
    rows = [
        {
            "tag_event_id": "-".join(event),
            "track_id": event[0],
            "tag": event[1],
            "user_id": event[2],
            "known_from_date": night.as_of,
        }
        for event in events
    ]
    found = track_tags.build(
        frame(spark, CORE_TAGS, rows),
        tracks(spark, night, {}, {}),
        encoders(spark, night, {FEAT_TAGS: registry.tags_identity(night.settings.encoders)}),
        encoded,
        night=night,
    )
    return {row.track_id: row.mean_tag_embedding for row in found.collect()}


def test_each_tag_is_weighted_by_its_taggers(spark, night, encoded):
    """t0: rock twice, slow once, sad once: (2 - .5, 1 + .25) / 4. t1: slow alone."""
    found = built(
        spark,
        night,
        encoded,
        ("t0", "slow", "ann"),
        ("t0", "rock", "ann"),
        ("t0", "rock", "bo"),
        ("t0", "sad", "cy"),
        ("t1", "slow", "ann"),
    )

    assert found == {"t0": [0.375, 0.3125], "t1": [0.0, 1.0]}


def test_numbers_are_rounded_to_six_decimals(spark, night, encoded):
    """Rock twice, slow once: 2/3 and 1/3, which are 3.3e-7 off when rounded."""
    found = built(
        spark, night, encoded, ("t0", "rock", "ann"), ("t0", "rock", "bo"), ("t0", "slow", "ann")
    )

    assert found["t0"] == pytest.approx([0.666667, 0.333333], abs=1e-7)


def test_a_tag_without_an_embedding_has_no_weight(spark, night, encoded):
    """1980 holds no letter: t0 is all rock, and t1, which has nothing else, has no row."""
    found = built(
        spark, night, encoded, ("t0", "rock", "ann"), ("t0", "1980", "ann"), ("t1", "1980", "ann")
    )

    assert found == {"t0": [1.0, 0.0]}


def test_a_tag_of_a_track_outside_the_catalogue_gives_no_row(spark, night, encoded):
    found = built(spark, night, encoded, ("t9", "rock", "ann"), ("t1", "slow", "ann"))

    assert found == {"t1": [0.0, 1.0]}

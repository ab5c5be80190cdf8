"""A changed preprocessing: two identities of features lie side by side, and each night reads one."""

from __future__ import annotations

import shutil

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.tables.features import FEAT_AUDIO
from tests.support import toy_dataset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHORTER = {"EVENSONG_ENCODERS__MAX_AUDIO_S": "2"}
"""Half of each recording: audio features of another identity, and of other values."""

TRAINED_ANEW = {"EVENSONG_TRAINING__MAX_MODEL_AGE_DAYS": "0"}

READ_AUDIO = ("feat_encoders", "feat_track_emotion", "score_candidates", "rec_similar_tracks")
CHECKED_TABLES = (*READ_AUDIO, "graph_nodes", "rec_topk")


def hashes(summary, names=CHECKED_TABLES):
    return {name: summary["tables"][name]["content_sha256"] for name in names}


@pytest.fixture(scope="module")
def changed(nights, tmp_path_factory):
    """A lake whose first night computed the features of whole recordings."""
    return shutil.copytree(nights.before_next_day, tmp_path_factory.mktemp("changed") / "lake")


@pytest.fixture(scope="module")
def fresh(run_night, tmp_path_factory):
    """A lake that never knew another preprocessing, and its night of LAST_DAY."""
    lake = tmp_path_factory.mktemp("fresh") / "lake"
    toy_dataset.land_toy_dataset(open_storage(str(lake)))
    return lake, run_night(lake, toy_dataset.LAST_DAY, **SHORTER)


def test_the_night_after_the_change_trains_and_lists_as_if_it_had_always_been(
    changed, fresh, run_night
):
    """Features of the first night stay, and no reader meets two of a recording."""
    lake, _ = fresh
    toy_dataset.land_next_day(open_storage(str(lake)))

    after = run_night(changed, toy_dataset.NEXT_DAY, **SHORTER)

    audio = read_table(str(changed), FEAT_AUDIO).to_pylist()
    recordings = [row["content_hash"] for row in audio]
    assert len({row["preprocessing_id"] for row in audio}) == 2
    assert len(recordings) == 2 * len(set(recordings)) - 1  # the release came after the change
    assert hashes(after) == hashes(run_night(lake, toy_dataset.NEXT_DAY, **SHORTER, **TRAINED_ANEW))


def test_a_backfill_of_the_day_before_reads_the_features_of_its_own_settings(
    nights, changed, fresh, run_night
):
    """With the new settings the day is the other lake's; with the first ones it is what it was."""
    _, expected = fresh

    assert hashes(run_night(changed, toy_dataset.LAST_DAY, **SHORTER)) == hashes(expected)
    assert hashes(run_night(changed, toy_dataset.LAST_DAY), READ_AUDIO) == hashes(
        nights.first, READ_AUDIO
    )
    assert hashes(nights.first, ["rec_similar_tracks"]) != hashes(expected, ["rec_similar_tracks"])

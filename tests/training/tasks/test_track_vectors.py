"""HTCL's vectors in the lake: of new content alone, a version beside the other, the one that counts for each track."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.tables.features import (
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_FUSED,
    FEAT_HTCL_TEXT,
    FEAT_TRACK_HTCL,
    FEAT_TRACK_TEXTS,
)
from feature_store.track_text import text_sha256
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.predict import predict, predict_nothing
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = "audio_text"
N_TRACKS = len(sample.TRACKS)


@pytest.fixture
def trained(night):
    """A night whose champion is HTCL; five contents a commit."""
    settings = night.settings
    settings = settings.model_copy(
        update={
            "training": settings.training.model_copy(
                update={"n_threads": 1, "families": {TASK: "htcl"}}
            ),
            "encoders": settings.encoders.model_copy(update={"contents_per_commit": 5}),
        }
    )
    night = replace(night, settings=settings)
    worlds.fill(settings.lake, night.as_of)
    train(night, TASK)
    return night


def rows(night, table):
    return read_table(night.settings.lake, table).to_pylist()


def counts(written):
    return {one.table_name: one.row_count for one in written}


def write_texts(night, texts):
    """The night's texts, by track."""
    slice_rows = [
        {
            "as_of_date": night.as_of,
            "track_id": t,
            "track_text": text,
            "text_sha256": text_sha256(text),
        }
        for t, text in texts.items()
    ]
    schema = FEAT_TRACK_TEXTS.arrow_schema
    write_slice(
        night.settings.lake,
        FEAT_TRACK_TEXTS,
        pa.Table.from_pylist(slice_rows, schema),
        as_of=night.as_of,
    )


def test_each_content_has_a_vector_and_each_track_the_one_that_counts(trained):
    """16 recordings; the sample's 16 texts are four."""
    written = counts(predict(trained, TASK))

    assert written == {
        "feat_htcl_audio": N_TRACKS,
        "feat_htcl_text": 4,
        "feat_htcl_fused": N_TRACKS,
        "feat_track_htcl": N_TRACKS,
    }
    fused = {
        (row["audio_hash"], row["text_sha256"]): row["fused_vector"]
        for row in rows(trained, FEAT_HTCL_FUSED)
    }
    audio = {row["content_hash"]: row["audio_vector"] for row in rows(trained, FEAT_HTCL_AUDIO)}
    text = {row["text_sha256"]: row["text_vector"] for row in rows(trained, FEAT_HTCL_TEXT)}
    for row in rows(trained, FEAT_TRACK_HTCL):
        stored = {
            "audio": audio[row["audio_hash"]],
            "text": text[row["text_sha256"]],
            "fused": fused[row["audio_hash"], row["text_sha256"]],
        }[row["vector_kind"]]
        expected = np.array(stored) / np.linalg.norm(stored)
        np.testing.assert_allclose(row["track_vector"], expected, rtol=1e-5)


def test_a_second_night_encodes_new_content_alone(trained):
    predict(trained, TASK)
    before = {row["content_hash"]: row["audio_vector"] for row in rows(trained, FEAT_HTCL_AUDIO)}
    texts = dict.fromkeys(sample.TRACKS, "a day")
    write_texts(trained, texts | {sample.TRACKS[0]: "a night"})

    written = counts(predict(trained, TASK))

    # Both texts are new; 15 tracks have the one, and one has the other.
    assert written["feat_htcl_audio"] == 0
    assert written["feat_htcl_text"] == 2
    assert written["feat_htcl_fused"] == N_TRACKS
    assert written["feat_track_htcl"] == N_TRACKS
    after = {row["content_hash"]: row["audio_vector"] for row in rows(trained, FEAT_HTCL_AUDIO)}
    assert after == before


def test_what_a_killed_task_has_committed_is_not_encoded_again(trained):
    """Five recordings of another try are there."""
    predict(trained, TASK)
    stored = read_table(trained.settings.lake, FEAT_HTCL_AUDIO)
    for table in ("feat_htcl_audio", "feat_htcl_fused"):
        shutil.rmtree(f"{trained.settings.lake}/tables/{table}")
    append(trained.settings.lake, FEAT_HTCL_AUDIO, stored.slice(0, 5))

    written = counts(predict(trained, TASK))

    assert written["feat_htcl_audio"] == N_TRACKS - 5
    again = {row["content_hash"]: row["audio_vector"] for row in rows(trained, FEAT_HTCL_AUDIO)}
    for row in stored.to_pylist():
        np.testing.assert_allclose(again[row["content_hash"]], row["audio_vector"], atol=1e-6)


def test_another_version_is_filled_beside_the_first(trained):
    predict(trained, TASK)
    settings = trained.settings.model_copy(update={"seed": 99})
    other = replace(trained, settings=settings)
    version = train(other, TASK, retrain="always").model_version

    written = counts(predict(other, TASK))

    assert written["feat_htcl_audio"] == N_TRACKS
    versions = [row["model_version"] for row in rows(other, FEAT_HTCL_AUDIO)]
    assert len(set(versions)) == 2
    assert versions.count(version) == N_TRACKS
    assert {row["model_version"] for row in rows(other, FEAT_TRACK_HTCL)} == {version}


def test_centred_cosines_leave_the_slice_empty(trained):
    """Similar tracks are then made of the features; so they are where the task is off."""
    predict(trained, TASK)

    predict_nothing(trained, TASK)

    assert rows(trained, FEAT_TRACK_HTCL) == []
    assert len(rows(trained, FEAT_HTCL_AUDIO)) == N_TRACKS

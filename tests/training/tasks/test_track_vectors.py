"""HTCL's vectors in the lake: of new content alone, a version beside the other, the one that counts for each track."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from feature_store.lake.arrow_io import append, read_rows_of_keys, read_table, write_slice
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_HTCL_AUDIO,
    FEAT_HTCL_FUSED,
    FEAT_HTCL_TEXT,
    FEAT_MEL,
    FEAT_TRACK_HTCL,
    FEAT_TRACK_TEXTS,
)
from feature_store.tables.scores import SCORE_EVALUATION
from feature_store.track_text import text_sha256
from tests.support.log_capture import captured_log
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.predict import predict, predict_nothing
from training.tasks import track_vectors
from training.tasks.audio_text import AudioText
from training.tasks.track_vectors import VectorMissingError
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = "audio_text"
N_TRACKS = len(sample.TRACKS)


@pytest.fixture
def trained(night, monkeypatch):
    """A night whose champion is HTCL, which compares fused vectors; five contents a commit.

    Of so few tracks validation would choose by how a machine rounds.
    """
    monkeypatch.setattr(AudioText, "calibrate", lambda *_: {"order": torch.tensor(0)})
    night = worlds.htcl_night(night)
    worlds.fill(night.settings.lake, night.as_of)
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


def test_a_track_without_a_recording_lies_where_the_others_do(trained, tmp_path):
    """Its text's vector, moved by the mean difference between fused vectors and those of texts."""
    lacking = sample.TRACKS[3]
    predict(trained, TASK)
    [gone] = [
        row["audio_hash"] for row in rows(trained, FEAT_TRACK_HTCL) if row["track_id"] == lacking
    ]
    spectrograms = read_table(trained.settings.lake, FEAT_MEL)
    shutil.rmtree(f"{trained.settings.lake}/tables/feat_mel")
    append(trained.settings.lake, FEAT_MEL, spectrograms.filter(pc.field("content_hash") != gone))
    elsewhere = trained.settings.model_copy(update={"state": tmp_path / "without copies"})

    predict(replace(trained, settings=elsewhere), TASK)

    by_track = {row["track_id"]: row for row in rows(trained, FEAT_TRACK_HTCL)}
    text = {row["text_sha256"]: unit(row["text_vector"]) for row in rows(trained, FEAT_HTCL_TEXT)}
    others = [row for track, row in by_track.items() if track != lacking]
    assert {row["vector_kind"] for row in others} == {"fused"}
    assert by_track[lacking]["vector_kind"] == "text"
    shift = np.mean([row["track_vector"] - text[row["text_sha256"]] for row in others], axis=0)
    expected = unit(text[by_track[lacking]["text_sha256"]] + shift)
    np.testing.assert_allclose(by_track[lacking]["track_vector"], expected, atol=1e-5)


def unit(vector):
    return np.array(vector) / np.linalg.norm(vector)


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


def test_two_predictions_at_once_encode_each_content_once(trained, monkeypatch):
    """A second task writes everything after the first has made its streams, and before it takes a lease."""
    made_streams = AudioText.predict

    def overtaken(*arguments):
        outputs = made_streams(*arguments)
        monkeypatch.setattr(AudioText, "predict", made_streams)
        predict(trained, TASK)
        return outputs

    monkeypatch.setattr(AudioText, "predict", overtaken)

    written = counts(predict(trained, TASK))

    assert written["feat_htcl_audio"] == written["feat_htcl_fused"] == 0
    assert len(rows(trained, FEAT_HTCL_AUDIO)) == N_TRACKS
    assert written["feat_track_htcl"] == N_TRACKS


def test_stored_vectors_are_read_in_blocks(trained, monkeypatch):
    """Five contents at once instead of 65,536: the same rows, and never more than five keys."""
    predict(trained, TASK)
    tables = [FEAT_HTCL_FUSED, FEAT_TRACK_HTCL]
    expected = [rows(trained, table) for table in tables]
    shutil.rmtree(f"{trained.settings.lake}/tables/feat_htcl_fused")
    asked_for: dict[str, list[int]] = {}

    def remembering(lake, table, **options):
        asked_for.setdefault(table.name, []).append(len(options["keys"]))
        return read_rows_of_keys(lake, table, **options)

    monkeypatch.setattr(track_vectors, "KEYS_AT_ONCE", 5)
    monkeypatch.setattr(track_vectors, "read_rows_of_keys", remembering)
    predict(trained, TASK)

    assert [rows(trained, table) for table in tables] == expected
    assert asked_for["feat_htcl_audio"] == [5, 5, 5, 1]  # of 16, to be fused
    assert asked_for["feat_htcl_fused"] == [5, 5, 5, 1]  # of 16, which count
    assert max(asked_for["feat_htcl_text"]) <= 5


def test_a_vector_that_is_gone_is_named(trained, monkeypatch):
    """Someone deletes the rows of another table between its commit and the slice of the tracks."""
    predict(trained, TASK)

    def deleting(lake, table, **options):
        for number, batch in enumerate(read_rows_of_keys(lake, table, **options)):
            yield batch.slice(1) if number == 0 else batch

    monkeypatch.setattr(track_vectors, "read_rows_of_keys", deleting)

    with pytest.raises(VectorMissingError, match=r"feat_htcl_fused: no vector by htcl .* Clear"):
        predict(trained, TASK)


@pytest.fixture
def without_spectrograms(night):
    """A night whose feat_mel has no row, whatever else is there."""
    worlds.fill(night.settings.lake, night.as_of)
    shutil.rmtree(f"{night.settings.lake}/tables/feat_mel")
    append(night.settings.lake, FEAT_MEL, pa.Table.from_pylist([], FEAT_MEL.arrow_schema))
    return night


def test_without_two_recordings_htcl_has_no_model_and_no_vectors(without_spectrograms):
    """The row says why, and similar tracks are made of the features: vectors of a network that has learned nothing would say `trained`."""
    night = worlds.htcl_night(without_spectrograms)

    row = train(night, TASK)
    never = train(night, TASK, retrain="never")
    written = counts(predict(night, TASK))

    reason = (
        "0 tracks that it may learn from have a spectrogram (feat_mel) and a text "
        "(feat_track_texts), 0 different recordings and 0 different texts; it learns from 2 or "
        "more of each"
    )
    assert (row.family, row.model_role, row.no_data_reason) == ("htcl", "none", reason)
    assert never.no_data_reason == reason
    assert set(written.values()) == {0}
    assert rows(night, FEAT_TRACK_HTCL) == []


def test_a_challenger_that_cannot_learn_is_left_out(without_spectrograms):
    night = without_spectrograms
    training = night.settings.training.model_copy(
        update={"n_threads": 1, "challengers": {TASK: ("htcl",)}}
    )
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))

    row = train(night, TASK)

    assert (row.family, row.no_data_reason) == ("centred_cosine", None)
    evaluated = {one["subject"] for one in rows(night, SCORE_EVALUATION)}
    assert evaluated == {"centred_cosine"}


@pytest.fixture
def with_late_recordings(night):
    """Only tracks of the last day have a recording, as when a service begins to deliver them."""
    lake, as_of = night.settings.lake, night.as_of
    worlds.fill(lake, as_of)
    late = set(sample.TRACKS[2:5])
    tracks, mel = (read_table(lake, table).to_pylist() for table in (CORE_TRACKS, FEAT_MEL))
    hashes = {row["audio_hash"] for row in tracks if row["track_id"] in late}
    moved = [row | {"known_from_date": as_of} if row["track_id"] in late else row for row in tracks]
    kept = [row for row in mel if row["content_hash"] in hashes]
    for table, content in ((CORE_TRACKS, moved), (FEAT_MEL, kept)):
        shutil.rmtree(f"{lake}/tables/{table.name}")
        append(lake, table, pa.Table.from_pylist(content, table.arrow_schema))
    return night


def test_recordings_that_all_came_after_the_cut_are_learned_without_metrics(
    with_late_recordings, monkeypatch
):
    """Nothing can be held out of what HTCL learns from; it is fitted on what is there now."""
    night = worlds.htcl_night(with_late_recordings)
    log = captured_log(monkeypatch, "training.train.LOG")

    row = train(night, TASK)

    [trained] = [one for one in log if one["event"] == "model_trained"]
    assert trained["unsplit"].startswith("before validation 0 tracks that it may learn from")
    assert (row.family, row.no_data_reason) == ("htcl", None)
    assert rows(night, SCORE_EVALUATION) == []
    assert counts(predict(night, TASK))["feat_htcl_audio"] > 0


def test_a_challenger_that_cannot_learn_before_validation_is_left_out(
    with_late_recordings, monkeypatch
):
    training = with_late_recordings.settings.training.model_copy(
        update={"n_threads": 1, "challengers": {TASK: ("htcl",)}}
    )
    settings = with_late_recordings.settings.model_copy(update={"training": training})
    night = replace(with_late_recordings, settings=settings)

    log = captured_log(monkeypatch, "training.artifacts.training_inputs.LOG")
    row = train(night, TASK)

    assert (row.family, row.no_data_reason) == ("centred_cosine", None)
    assert {one["subject"] for one in rows(night, SCORE_EVALUATION)} == {"centred_cosine"}
    [left_out] = [one for one in log if "before validation" in one["event"]]
    assert left_out["reasons"]["htcl"].startswith("0 tracks that it may learn from")


def test_centred_cosines_leave_the_slice_empty(trained):
    """Similar tracks are then made of the features; so they are where the task is off."""
    predict(trained, TASK)

    predict_nothing(trained, TASK)

    assert rows(trained, FEAT_TRACK_HTCL) == []
    assert len(rows(trained, FEAT_HTCL_AUDIO)) == N_TRACKS

"""Emotion of lyrics in the lake: chunks and their mean by hand, new lyrics alone, a version beside the other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from signal import SIGKILL

import pyarrow as pa
import pytest
import torch

from feature_store.lake.arrow_io import append, read_table
from feature_store.tables.features import FEAT_LYRICS, FEAT_LYRICS_EMOTION, FEAT_TEXT_EMOTION
from feature_store.tables.raw import RAW_LYRICS
from tests.training import lake as sample
from tests.training.engine.processes import exit_code_of, killed_at
from tests.training.tasks import worlds
from training import predict as predicting
from training.models.emotion_protocol import Estimates
from training.predict import predict, predict_nothing
from training.tasks import lyrics_emotion
from training.tasks.lyrics_emotion import LyricsMissingError, chunks_of, emotion_of
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = "text_emotion"
N_LYRICS = len(sample.TRACKS) - 1  # the first track has none


def of_task(night, **changes):
    """One thread, five contents a commit."""
    return worlds.htcl_night(night, **changes)


@pytest.fixture
def trained(night):
    night = of_task(night)
    worlds.fill(night.settings.lake, night.as_of)
    train(night, TASK)
    return night


def rows(night, table):
    return read_table(night.settings.lake, table).to_pylist()


def counts(written):
    return {one.table_name: one.row_count for one in written}


def estimates(mean, sd):
    return Estimates(torch.tensor(mean), torch.tensor(sd))


def test_a_text_is_cut_at_the_ends_of_lines(monkeypatch):
    """At most 20 characters: lines are joined while they fit, blank ones are left out."""
    monkeypatch.setattr(lyrics_emotion, "CHUNK_CHARACTERS", 20)

    assert chunks_of("one two\n\n  three\nfour five six seven\neight") == [
        "one two three",
        "four five six seven",
        "eight",
    ]


def test_a_long_line_is_cut_between_words_and_a_long_word_inside(monkeypatch):
    monkeypatch.setattr(lyrics_emotion, "CHUNK_CHARACTERS", 10)

    assert chunks_of("aaaa bbbb cccc\n" + "x" * 23) == [
        "aaaa bbbb",
        "cccc",
        "x" * 10,
        "x" * 10,
        "xxx",
    ]


def test_nothing_is_lost_and_no_chunk_is_too_long():
    text = "\n".join("la " * number for number in range(90))

    chunks = chunks_of(text)

    assert "".join(chunks).replace(" ", "") == "la" * sum(range(90))
    assert max(map(len, chunks)) <= 200
    assert chunks_of("  \n ") == [""]


def test_chunks_count_by_the_inverse_of_their_variance():
    """Valence 0 and 1 with sd .1 and .2: weights 100 and 25, so .2; variances .01 and .04 by .8 and .2, and .16 between them.

    Arousal .3 and -.1 with equal spreads: .1, and .2 between them beside .3.
    """
    found = emotion_of(estimates([[0.0, 0.3], [1.0, -0.1]], [[0.1, 0.3], [0.2, 0.3]]))

    assert found == {
        "valence": 0.2,
        "arousal": 0.1,
        "valence_sd": pytest.approx(
            (0.8 * 0.01 + 0.2 * 0.04 + 0.8 * 0.04 + 0.2 * 0.64) ** 0.5, abs=1e-6
        ),
        "arousal_sd": pytest.approx((0.09 + 0.04) ** 0.5, abs=1e-6),
    }


def test_many_equal_chunks_make_no_estimate_more_certain():
    one = emotion_of(estimates([[0.25, 0.5]], [[0.125, 0.25]]))

    assert one == {"valence": 0.25, "arousal": 0.5, "valence_sd": 0.125, "arousal_sd": 0.25}
    assert emotion_of(estimates([[0.25, 0.5]] * 9, [[0.125, 0.25]] * 9)) == one


def test_values_stay_within_their_range():
    found = emotion_of(estimates([[1.5, -3.0]], [[2.0, 1e-9]]))

    assert found == {"valence": 1.0, "arousal": -1.0, "valence_sd": 1.0, "arousal_sd": 1e-6}


def test_each_lyrics_has_a_row_that_counts_for_the_night(trained):
    version = train(trained, TASK).model_version

    written = counts(predict(trained, TASK))

    assert written == {"feat_text_emotion": N_LYRICS, "feat_lyrics_emotion": N_LYRICS}
    of_version = {row["content_hash"]: row for row in rows(trained, FEAT_TEXT_EMOTION)}
    of_night = rows(trained, FEAT_LYRICS_EMOTION)
    assert {row["content_hash"] for row in of_night} == {
        f"content-{number}" for number in range(1, len(sample.TRACKS))
    }
    for row in of_night:
        assert (row["family"], row["model_version"]) == ("words_to_waves", version)
        stored = of_version[row["content_hash"]]
        assert {name: row[name] for name in stored} == stored
    # The labels say that bright texts, those of odd tracks, are happy.
    by_hash = {row["content_hash"]: row["valence"] for row in of_night}
    bright, dark = (
        [by_hash[f"content-{n}"] for n in numbers] for numbers in ((1, 3, 5), (2, 4, 6))
    )
    assert min(bright) > max(dark)


def test_a_second_night_reads_new_lyrics_alone(trained, monkeypatch):
    """Of 15 lyrics three are gone from the table, as those of tracks that came today would be missing."""
    predict(trained, TASK)
    stored = read_table(trained.settings.lake, FEAT_TEXT_EMOTION)
    shutil.rmtree(f"{trained.settings.lake}/tables/feat_text_emotion")
    append(trained.settings.lake, FEAT_TEXT_EMOTION, stored.slice(3))
    read, chunks = [], lyrics_emotion.chunks_of
    monkeypatch.setattr(lyrics_emotion, "chunks_of", lambda text: read.append(text) or chunks(text))

    written = counts(predict(trained, TASK))

    assert written == {"feat_text_emotion": 3, "feat_lyrics_emotion": N_LYRICS}
    assert len(read) == 3
    again = {row["content_hash"]: row for row in rows(trained, FEAT_TEXT_EMOTION)}
    assert [again[row["content_hash"]] for row in stored.to_pylist()] == stored.to_pylist()


def predict_until_killed(night, commits):
    """Predict in this process until so many commits of new lyrics are there."""
    worlds.register(night.settings.lake)
    predicting.append = killed_at(commits, predicting.append)
    predicting.predict(night, TASK)


def test_a_killed_fill_of_a_new_version_leaves_the_night_s_slice_as_it_was(trained):
    """Killed after two commits of five lyrics: the old version counts until the new one is complete."""
    predict(trained, TASK)
    before = rows(trained, FEAT_LYRICS_EMOTION)
    other = of_task(trained, seed=99)
    new = train(other, TASK, retrain="always").model_version

    exit_code = exit_code_of(predict_until_killed, other, 2)

    assert exit_code == -SIGKILL
    assert rows(other, FEAT_LYRICS_EMOTION) == before
    assert len(rows(other, FEAT_TEXT_EMOTION)) == N_LYRICS + 10

    written = counts(predict(other, TASK))

    assert written == {"feat_text_emotion": N_LYRICS - 10, "feat_lyrics_emotion": N_LYRICS}
    assert {row["model_version"] for row in rows(other, FEAT_LYRICS_EMOTION)} == {new}
    assert len(rows(other, FEAT_TEXT_EMOTION)) == 2 * N_LYRICS


def test_lyrics_that_feat_lyrics_could_not_read_have_no_row(trained):
    """Their reason stands there; a text of another encoder's does not count either."""
    stored = read_table(trained.settings.lake, FEAT_LYRICS).to_pylist()
    shutil.rmtree(f"{trained.settings.lake}/tables/feat_lyrics")
    for row in stored:
        if row["content_hash"] == "content-4":
            row["failure_reason"] = "no_text"
        if row["content_hash"] == "content-5":
            row["weights_sha256"] = "older"
    append(
        trained.settings.lake,
        FEAT_LYRICS,
        pa.Table.from_pylist(stored, FEAT_LYRICS.arrow_schema),
    )

    predict(trained, TASK)

    found = {row["content_hash"] for row in rows(trained, FEAT_TEXT_EMOTION)}
    assert len(found) == N_LYRICS - 2
    assert not found & {"content-4", "content-5"}


def test_lyrics_whose_words_are_gone_are_named(trained):
    stored = read_table(trained.settings.lake, RAW_LYRICS)
    shutil.rmtree(f"{trained.settings.lake}/tables/raw_lyrics")
    append(trained.settings.lake, RAW_LYRICS, stored.slice(2))
    gone = stored["content_hash"].to_pylist()[:2]

    with pytest.raises(
        LyricsMissingError, match=rf"raw_lyrics: no row of ({gone[0]}|{gone[1]}) .* Clear the task"
    ):
        predict(trained, TASK)


@pytest.mark.parametrize("family", ["ridge", "vader_valence"])
def test_a_baseline_can_read_lyrics_too(family, night):
    night = of_task(night)
    training = night.settings.training.model_copy(update={"families": {TASK: family}})
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))
    worlds.fill(night.settings.lake, night.as_of)
    train(night, TASK)

    assert counts(predict(night, TASK))["feat_lyrics_emotion"] == N_LYRICS
    assert {row["family"] for row in rows(night, FEAT_LYRICS_EMOTION)} == {family}


def test_a_task_that_is_off_leaves_the_slice_empty(trained):
    """Tracks then have the rules' estimates; what was read stays for the day it is switched on again."""
    predict(trained, TASK)

    predict_nothing(trained, TASK)

    assert rows(trained, FEAT_LYRICS_EMOTION) == []
    assert len(rows(trained, FEAT_TEXT_EMOTION)) == N_LYRICS

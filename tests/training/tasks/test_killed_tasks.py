"""A training and a prediction of HTCL that end by SIGKILL, and are run again."""

from __future__ import annotations

from datetime import UTC, datetime, time
from signal import SIGKILL

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.runs.maintenance import expire_versions
from feature_store.tables.features import FEAT_HTCL_AUDIO, FEAT_TRACK_HTCL
from tests.training import lake as sample
from tests.training.engine.processes import exit_code_of, killed_at
from tests.training.tasks import worlds
from training import predict, train
from training.artifacts import stored_models
from training.engine import loop
from training.engine.loop_config import LoopConfig
from training.models.encoders.htcl_stages import HTCLStages

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = "audio_text"
N_TRACKS = len(sample.TRACKS)
MEANING_STEPS, TASTE_STEPS = 2, 3
"""Of an epoch: 16 tracks, and 24 drawn pairs, eight a batch."""


def train_until_killed(night, losses, call):
    """Train in this process until the losses of a stage are computed for the `call`-th time."""
    worlds.register(night.settings.lake)
    stored_models.track = lambda *_: "not-tracked"
    setattr(HTCLStages, losses, killed_at(call, getattr(HTCLStages, losses)))
    train.train(night, TASK, retrain="always")


def predict_until_killed(night, commits):
    """Predict in this process until so many commits of new content are there."""
    worlds.register(night.settings.lake)
    predict.append = killed_at(commits, predict.append)
    predict.predict(night, TASK)


@pytest.fixture
def htcl_night(night):
    """HTCL is the champion; five contents a commit."""
    found = worlds.htcl_night(night)
    worlds.fill(found.settings.lake, found.as_of)
    return found


def epochs_of(monkeypatch, night):
    """Train again: the checkpoint, and the epochs that are run, by stage."""
    run_before, epochs = loop.FitRun._one_epoch, []

    def remembered(run, number):
        epochs.append((run._stage.name, number))
        return run_before(run, number)

    with monkeypatch.context() as remembering:
        remembering.setattr(loop.FitRun, "_one_epoch", remembered)
        return train.train(night, TASK, retrain="always").checkpoint_sha256, epochs


def test_a_killed_training_of_two_stages_gives_the_model_of_one_that_was_not(
    htcl_night, monkeypatch
):
    """Killed in the second epoch of either stage, and in stage 2 of the final fit: equal bytes each time.

    A fit of selection has the epochs of stage 1 that no validation selects, as too few texts are unseen,
    and two of stage 2; whole epochs before the kill are not run again.
    """
    expected, in_full = epochs_of(monkeypatch, htcl_night)
    fits = htcl_night.settings.state / "fits"
    n_meaning = LoopConfig().epochs_without_validation
    of_meaning = [("meaning", number) for number in range(1, n_meaning + 1)]
    n_selection = n_meaning + 2
    assert in_full[:n_selection] == [*of_meaning, ("taste", 1), ("taste", 2)]
    assert in_full[n_selection:][:n_meaning] == of_meaning

    for losses, call, files, n_left_out in (
        ("_meaning", MEANING_STEPS + 1, {"selection.meaning"}, 1),
        ("_taste", TASTE_STEPS + 2, {"selection.meaning", "selection.taste"}, n_meaning + 1),
        (
            "_taste",
            2 * TASTE_STEPS + 1,
            {"selection.meaning", "selection.taste", "final.meaning"},
            n_selection + n_meaning,
        ),
    ):
        exit_code = exit_code_of(train_until_killed, htcl_night, losses, call)

        seed = htcl_night.settings.seed
        left = {file.stem.replace(f"-{seed}", "") for file in fits.rglob("*.pt")}
        assert (exit_code, left) == (-SIGKILL, files)
        again, epochs = epochs_of(monkeypatch, htcl_night)
        assert again == expected
        assert epochs == in_full[n_left_out:]
        assert not list(fits.rglob("*.pt"))


def test_a_killed_fill_of_a_new_version_leaves_the_old_one_whole(htcl_night):
    """Killed after two commits of five recordings: the night's slice, which rec_similar_tracks reads, is the old one.

    The next run encodes the six recordings that are missing, and then switches the slice as a whole.
    Maintenance in between leaves the unfinished version alone.
    """
    old = train.train(htcl_night, TASK).model_version
    predict.predict(htcl_night, TASK)
    slice_before = rows(htcl_night, FEAT_TRACK_HTCL)
    other = worlds.htcl_night(htcl_night, seed=99)
    new = train.train(other, TASK, retrain="always").model_version

    exit_code = exit_code_of(predict_until_killed, other, 2)

    assert exit_code == -SIGKILL
    assert {row["model_version"] for row in slice_before} == {old}
    assert rows(other, FEAT_TRACK_HTCL) == slice_before
    assert versions(other) == {old: N_TRACKS, new: 10}
    noon = datetime.combine(other.as_of, time(12), UTC)
    assert sum(count.count for count in expire_versions(other.settings, noon)) == 0

    written = {one.table_name: one.row_count for one in predict.predict(other, TASK)}

    assert written["feat_htcl_audio"] == N_TRACKS - 10
    assert written["feat_track_htcl"] == N_TRACKS
    assert versions(other) == {old: N_TRACKS, new: N_TRACKS}
    assert {row["model_version"] for row in rows(other, FEAT_TRACK_HTCL)} == {new}


def rows(night, table):
    return read_table(night.settings.lake, table).to_pylist()


def versions(night):
    """Recordings that each version has encoded."""
    found = [row["model_version"] for row in rows(night, FEAT_HTCL_AUDIO)]
    return {version: found.count(version) for version in found}

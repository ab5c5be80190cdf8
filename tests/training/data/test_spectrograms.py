"""Spectrograms are copied from feat_mel once, and read at random afterwards."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from feature_store.lake.arrow_io import append
from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.tables.features import FEAT_MEL
from training.data import spectrograms
from training.data.spectrograms import N_FRAMES, N_MELS, SpectrogramShapeError, open_spectrograms

OURS = EncoderIdentity("mel", "", "1")
OLDER = EncoderIdentity("mel", "", "0")


def frames(number):
    return np.full((N_FRAMES, N_MELS), number, "<f2")


def fill(lake, numbers, identity=OURS, **spoiled):
    rows = [
        {
            "content_hash": f"h{number}",
            "encoder_id": identity.encoder_id,
            "weights_sha256": identity.weights_sha256,
            "preprocessing_id": identity.preprocessing_id,
            "log_mel": frames(number).tobytes(),
            "mel_frame_count": N_FRAMES,
            "failure_reason": None,
        }
        | spoiled
        for number in numbers
    ]
    append(lake, FEAT_MEL, pa.Table.from_pylist(rows, FEAT_MEL.arrow_schema))


@pytest.fixture
def lake(tmp_path):
    return str(tmp_path / "lake")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


def test_each_recording_has_its_own_frames(lake, folder):
    """Those of another preprocessing do not count, nor do recordings that nobody asks for."""
    fill(lake, range(4))
    fill(lake, [1, 9], OLDER, log_mel=frames(77).tobytes())

    found = open_spectrograms(lake, OURS, ["h3", "h1", "h9", "gone"], folder)

    assert sorted(found.row_of) == ["h1", "h3"]
    read = found.read(torch.tensor([found.row_of[name] for name in ("h3", "h1", "h3")]))
    assert read.shape == (3, N_FRAMES, N_MELS)
    assert read.dtype == torch.float32
    assert read[:, 0, 0].tolist() == [3, 1, 3]
    assert read[:, -1, -1].tolist() == [3, 1, 3]


def test_only_new_recordings_are_copied(lake, folder, monkeypatch):
    fill(lake, range(3))
    open_spectrograms(lake, OURS, ["h0", "h1"], folder)
    asked_for = []
    read = spectrograms.read_rows_of_keys

    def remembering(*args, **options):
        asked_for.append(sorted(options["keys"]))
        return read(*args, **options)

    monkeypatch.setattr(spectrograms, "read_rows_of_keys", remembering)
    fill(lake, [5])

    open_spectrograms(lake, OURS, ["h0", "h1"], folder)
    found = open_spectrograms(lake, OURS, ["h1", "h5"], folder)

    assert asked_for == [["h5"]]
    assert found.read(torch.tensor([found.row_of["h5"], found.row_of["h1"]]))[:, 0, 0].tolist() == [
        5,
        1,
    ]


def test_a_copy_that_was_killed_is_made_again(lake, folder, monkeypatch):
    fill(lake, [1, 2])
    with monkeypatch.context() as killed:
        killed.setattr(
            spectrograms, "_check_sizes", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            open_spectrograms(lake, OURS, ["h1", "h2"], folder)

    assert sorted(open_spectrograms(lake, OURS, ["h1", "h2"], folder).row_of) == ["h1", "h2"]


def test_a_recording_without_a_spectrogram_has_none(lake, folder, monkeypatch):
    """Its failure is final, so a second night does not read the recordings beside it again."""
    fill(lake, [1])
    fill(lake, [2], log_mel=None, mel_frame_count=None, failure_reason="silent")

    assert sorted(open_spectrograms(lake, OURS, ["h1", "h2"], folder).row_of) == ["h1"]
    monkeypatch.delattr(spectrograms, "read_rows_of_keys")
    again = open_spectrograms(lake, OURS, ["h1", "h2"], folder)
    assert sorted(again.row_of) == ["h1"]
    assert again.read(torch.tensor([again.row_of["h1"]]))[0, 0, 0] == 1


def test_nothing_is_found_in_an_empty_table(lake, folder):
    fill(lake, [])

    found = open_spectrograms(lake, OURS, ["h1"], folder)

    assert found.row_of == {}
    assert found.read(torch.tensor([], dtype=torch.int64)).shape == (0, N_FRAMES, N_MELS)


def test_a_row_of_another_size_is_named(lake, folder):
    fill(lake, [1], log_mel=b"ab")

    with pytest.raises(SpectrogramShapeError, match="feat_mel: log_mel of h1 has 2 bytes"):
        open_spectrograms(lake, OURS, ["h1"], folder)

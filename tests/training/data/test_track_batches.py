"""Batches of tracks and pairs that a thread reads ahead, and what an epoch's line of the log says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.log_capture import captured_log
from training.data.track_batches import MusicBatches
from training.engine.epoch_log import log_epoch
from training.engine.loop import Epoch, Pace
from training.engine.stages import Loading

EPOCH = Epoch(3, {"audio_text": 0.25}, None)


def batches_of(positions, size, read=lambda positions: positions):
    return MusicBatches(lambda: positions, len(positions), size, read)


@pytest.mark.parametrize(
    ("positions", "rows"),
    [(torch.arange(7), 7), (torch.arange(10).reshape(5, 2), 10)],
    ids=["tracks", "pairs"],
)
def test_an_epoch_counts_the_rows_that_were_read(positions, rows):
    """Seven tracks are seven rows, five pairs ten; a second epoch counts from 0."""
    batches = batches_of(positions, 3)
    counts = []

    for _ in range(2):
        read = torch.cat([batch.wait() for batch in batches])
        assert torch.equal(read, positions)
        counts.append(batches.loading().rows)

    assert counts == [rows, rows]


def test_each_process_counts_its_own_shard(monkeypatch):
    """Of seven tracks in batches of four, rank 1 of 2 reads two and one."""
    monkeypatch.setattr("training.data.track_batches.n_processes", lambda: 2)
    monkeypatch.setattr("training.data.track_batches.process_rank", lambda: 1)
    batches = batches_of(torch.arange(7), 4)

    read = [batch.shard(1, 2).wait().tolist() for batch in batches]

    assert read == [[1, 3], [5]]
    assert batches.loading().rows == 3


def test_a_reader_that_fails_fails_the_epoch():
    def broken(positions):
        raise OSError("a disk is gone")

    with pytest.raises(OSError, match="a disk is gone"):
        [batch.wait() for batch in batches_of(torch.arange(3), 2, broken)]


def test_the_line_of_an_epoch_says_who_waits_for_whom(monkeypatch):
    """120 rows in 40 s are 3 a second; the reader took 30 s for them, so it gives 4; the loop waited 2.5 s."""
    lines = captured_log(monkeypatch, "training.engine.epoch_log.LOG")

    log_epoch("htcl final-4 meaning", EPOCH, Pace(40.0, Loading(120, 30.0, 2.5)))
    log_epoch("mm_gnn final-4", replace(EPOCH, validation=0.5), Pace(2.0, None))

    assert lines == [
        {
            "event": "epoch", "log_level": "info", "fit": "htcl final-4 meaning", "number": 3,
            "losses": {"audio_text": 0.25}, "seconds": 40.0, "rows": 120, "rows_per_s": 3.0,
            "read_rows_per_s": 4.0, "waited_s": 2.5,
        },
        {
            "event": "epoch", "log_level": "info", "fit": "mm_gnn final-4", "number": 3,
            "losses": {"audio_text": 0.25}, "validation": 0.5, "seconds": 2.0,
        },
    ]  # fmt: skip


def test_an_epoch_of_nothing_has_no_rate(monkeypatch):
    lines = captured_log(monkeypatch, "training.engine.epoch_log.LOG")

    log_epoch("htcl final-4 meaning", EPOCH, Pace(0.0, Loading(0, 0.0, 0.0)))

    [line] = lines
    assert (line["rows"], line["rows_per_s"], line["read_rows_per_s"]) == (0, 0.0, 0.0)

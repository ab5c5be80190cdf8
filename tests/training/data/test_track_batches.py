"""Batches of tracks and pairs that a thread reads ahead, and what an epoch's line of the log says of it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.support.log_capture import captured_log
from training.data.track_batches import MusicBatches
from training.engine.epoch_log import log_epoch
from training.engine.loop import Epoch, Pace, fit_stage
from training.engine.loop_config import LoopConfig
from training.engine.optimisers import ParameterGroup
from training.engine.stages import Loading, Stage

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


def slow(positions):
    time.sleep(0.05)
    return positions


@pytest.mark.parametrize("accumulate", [1, 3, 5])
def test_a_fit_that_accumulates_waits_for_batches_of_an_epoch_that_has_ended(accumulate):
    """Four batches of a slow reader: the last group is taken while its batches are still to be read."""
    model = nn.Linear(1, 1)
    batches = batches_of(torch.arange(7), 2, slow)
    stage = Stage(
        name="fit",
        module=model,
        groups=(ParameterGroup(list(model.parameters())),),
        batches=batches,
        loop=LoopConfig(accumulate=accumulate),
        generator=torch.Generator(),
        training_loss=lambda batch: {"sum": model(batch.wait().float()[:, None]).square().sum()},
        loading=batches.loading,
    )
    rows = []

    fit_stage(stage, n_epochs=2, on_epoch=lambda _, pace: rows.append(pace.loading.rows))

    assert rows == [7, 7]


def test_an_epoch_that_is_left_early_reads_no_further():
    """Three batches are ahead at most, and of those none is begun once the epoch is left."""
    read = []
    batches = iter(batches_of(torch.arange(100), 1, lambda one: read.append(int(one)) or slow(one)))
    next(batches).wait()

    batches.close()
    n_read = len(read)

    assert 1 <= n_read <= 3
    assert read == list(range(n_read))


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

"""The benchmark of broken inputs: what is drawn, and how outcomes are counted."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from feature_store.lake.storage import sha256_of
from tests.benchmarks.broken import (
    ChunkResult,
    chunk_inputs,
    flat_figures,
    measure_chunk,
    table_rows,
    take,
)
from tests.benchmarks.support.broken.kinds import KINDS
from tests.benchmarks.support.broken.mutations import MUTATIONS, mutate
from tests.benchmarks.support.broken.worker_memory import WORKER, WorkerPeak, largest_mib

INPUTS = [b"row", b"reason", b"kills", b"vanishes", b"kills too"]


def run(inputs):
    """A stage whose task dies of two inputs and forgets one."""
    if any(content.startswith(b"kills") for content in inputs):
        raise RuntimeError("worker died")
    return {sha256_of(one): "features" for one in inputs if one != b"vanishes"}


@pytest.mark.parametrize("name", KINDS)
def test_a_chunk_is_the_same_in_every_run(name):
    first = chunk_inputs(KINDS[name], name, 7, 0, 12)

    assert first == chunk_inputs(KINDS[name], name, 7, 0, 12)
    assert len(set(first)) == 12
    assert first != chunk_inputs(KINDS[name], name, 8, 0, 12)
    assert first != chunk_inputs(KINDS[name], name, 7, 1, 12)


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_mutation_changes_content_of_any_length(mutation):
    rng = np.random.default_rng(3)
    for length in (1, 3, 1_000):
        before = bytes(rng.integers(1, 250, length, dtype=np.uint8))
        after = set()
        for _ in range(20):
            content = bytearray(before)
            mutation(content, b"another file", rng)
            after.add(bytes(content))
        assert after - {before}


def test_mutations_leave_the_original_as_it_is():
    original = b"original bytes"
    mutate(original, b"other", np.random.default_rng(1))
    assert original == b"original bytes"


def test_inputs_that_fail_a_task_are_found_one_by_one():
    failed = []

    outcomes = take(INPUTS, run, lambda content, _: failed.append(content))

    assert sorted(failed) == [b"kills", b"kills too"]
    assert set(outcomes) == {sha256_of(b"row"), sha256_of(b"reason")}


def test_a_chunk_counts_results_losses_and_failures_apart(tmp_path):
    """Of five inputs two have a result, one vanishes, and two fail the task, which are kept."""
    result = measure_chunk("text", INPUTS, run, tmp_path / "failures", WorkerPeak())

    assert (result.inputs, result.outcomes) == (5, {"features": 2})
    assert (result.lost, result.task_failures) == (1, 2)
    kept = [file.read_bytes() for file in (tmp_path / "failures").iterdir() if not file.suffix]
    assert sorted(kept) == [b"kills", b"kills too"]


def test_figures_are_sums_and_the_largest_worker():
    chunks = [
        ChunkResult("audio", 50, {"features": 20, "unreadable": 29}, 1, 0, 700.4),
        ChunkResult("audio", 10, {"features": 6, "unreadable": 1, "empty": 2}, 0, 1, 900.0),
        ChunkResult("text", 5, {"features": 5}, 0, 0, 300.0),
    ]

    assert flat_figures(chunks) == {
        "inputs": 65,
        "with_row_feature_or_reason": 63,
        "lost": 1,
        "task_failures": 1,
        "worker_peak_mib": 900,
    }
    assert table_rows(chunks) == [
        ["audio", "60", "26", "unreadable 30, empty 2", "1", "1", "900"],
        ["text", "5", "5", "–", "0", "0", "300"],
    ]


def test_the_peak_of_a_worker_includes_its_decoder():
    """A worker that takes 100 MB starts a decoder that takes 200 MB."""
    decoder = (
        "x = b'x' * 200_000_000; import sys; sys.stdout.write('.'); sys.stdout.flush(); input()"
    )
    worker = (
        "import subprocess, sys; x = b'x' * 100_000_000; "
        f"subprocess.run([sys.executable, '-c', {decoder!r}, 'jobs.encoders.decoder_table'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", worker, WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.read(1) == b"."
        assert 290 < largest_mib(process.pid) < 450
        process.stdin.write(b"\n")
        process.stdin.close()


def test_java_whose_options_name_the_daemon_is_no_worker():
    """Spark's Java is started with the daemon's module as an option, and takes gigabytes."""
    option = "spark.python.daemon.module=feature_store.spark.python_daemon"
    script = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, option], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"1\n"
        assert largest_mib(process.pid) == 0.0
        process.stdin.close()

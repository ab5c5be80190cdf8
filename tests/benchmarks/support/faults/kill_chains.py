"""Chains of kills in one lake: each night is killed in its window, and the last night finishes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.support.faults.reference_lake import (
    ERASED,
    ReferenceLake,
    contents_of_both_days,
    copied_lake,
    hash_mismatches,
    lost_rows,
)
from tests.benchmarks.support.faults.snapshot_reader import SnapshotReader
from tests.support import toy_dataset
from tests.support.kill_windows import WINDOWS, Window, kill_after, kill_in_window
from tests.support.night_processes import (
    start_erasure,
    start_maintenance,
    start_night,
    wait_for_output,
    wait_for_summary,
)

DELAY_FACTORS = {"own": (0.3, 3.0), "shared": (0.1, 1.0)}
"""Range of the factor of a window's delay; nights in a shared, warm Java are faster."""

MAINTENANCE = Window("maintenance", "", 0.3)
ERASURE = Window("erasure", "", 3.0)
ALL_WINDOWS = (*WINDOWS, MAINTENANCE, ERASURE)


@dataclass(frozen=True, slots=True)
class Chain:
    """What some kills and the night that finished afterwards left in a lake.

    Attributes:
        where: `local` or `s3`.
        windows: window of each kill.
        javas: Java of each kill: `own` died with the night, `shared` survived.
        reads: snapshots that the reader read completely.
        mixed_reads: snapshots among them whose rows were not those of one run.
        lost_rows: rows that the lake has after an undisturbed night and lacks after this one.
        hash_mismatches: tables whose content differs between the two.
    """

    where: str
    windows: list[str]
    javas: list[str]
    reads: int
    mixed_reads: int
    lost_rows: int
    hash_mismatches: int


def chains_of_round(round_number: int) -> list[list[Window]]:
    """Each window once, in three chains of four; each round rotates the windows of nights."""
    first = round_number * 3 % len(WINDOWS)
    nights = [*WINDOWS[first:], *WINDOWS[:first]]
    return [nights[:4], nights[4:8], [MAINTENANCE, ERASURE, *nights[8:]]]


def run_chain(
    reference: ReferenceLake,
    windows: list[Window],
    where: str,
    number: int,
    gateway: dict[str, str],
) -> Chain:
    """Kill in one window after the other in a copy of the lake, finish a night, and compare.

    Args:
        reference: the lake to copy, and the contents to compare with.
        windows: of the kills, in order.
        where: `local` or `s3`.
        number: seed of the delays; its parity selects the Java of each kill.
        gateway: variables with which a process uses the shared Java.

    Raises:
        NotKilled: a night ended before its window.
    """
    rng = random.Random(number)  # noqa: S311  no secret
    javas = [("own", "shared")[(number + index) % 2] for index in range(len(windows))]
    with copied_lake(reference, where) as (lake, state), SnapshotReader(lake) as reader:
        for window, java in zip(windows, javas, strict=True):
            variables = gateway if java == "shared" else {}
            delay_factor = rng.uniform(*DELAY_FACTORS[java])
            if window is MAINTENANCE:
                _kill_maintenance(lake, state, window.delay_s * delay_factor)
            elif window is ERASURE:
                _kill_erasure(lake, state, window.delay_s * delay_factor, variables, gateway)
            else:
                night = start_night(lake, state, toy_dataset.NEXT_DAY, variables)
                kill_in_window(window, night, lake, delay_factor=delay_factor)
        wait_for_summary(start_night(lake, state, toy_dataset.NEXT_DAY, gateway))
        actual = contents_of_both_days(lake)
    was_erased = ERASURE in windows
    expected = reference.contents_after_erasure if was_erased else reference.contents
    return Chain(
        where,
        [window.name for window in windows],
        javas,
        reads=reader.reads,
        mixed_reads=reader.mixed_reads,
        lost_rows=lost_rows(expected, actual),
        hash_mismatches=hash_mismatches(expected, actual),
    )


def _kill_maintenance(lake: str, state: Path, delay_s: float) -> None:
    """Kill the maintenance after a delay, then run it again to its end."""
    maintenance = start_maintenance(lake, state)
    assert maintenance.stdout is not None
    maintenance.stdout.readline()
    kill_after(delay_s, maintenance, MAINTENANCE.name)
    wait_for_output(start_maintenance(lake, state))


def _kill_erasure(
    lake: str, state: Path, delay_s: float, variables: dict[str, str], gateway: dict[str, str]
) -> None:
    """Kill an erasure after a delay, then finish its request in another process."""
    erasure = start_erasure(lake, state, ERASED, variables=variables)
    assert erasure.stdout is not None
    request_id = erasure.stdout.readline().strip()
    kill_after(delay_s, erasure, ERASURE.name)
    wait_for_output(start_erasure(lake, state, "--request", request_id, variables=gateway))

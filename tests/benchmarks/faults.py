"""Kills nights in every window while a reader reads on, and lets writers race: what is mixed, lost or different?

    python -m tests.benchmarks.faults [--kills 12] [--where local|s3] [--concurrent] [--record]

Every three chains of four kill once in each of the twelve windows. In a chain a night dies, its re-run dies in the next
window, and so on, until one is left to finish; then every table is compared with what an undisturbed night leaves. A
chain has a lake of its own in which the tiny world's first night is published and the next day landed; a reader opens
snapshots all the while.
Every other kill takes the night's Java with it; the others leave alive the Java that nights share, as a killed task of
`evensong up` does, and with it whatever Spark job it was running. Chains add up over runs: they are kept under
EVENSONG_STATE until the code changes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from feature_store.lake.storage import open_storage
from feature_store.publishing import publish
from feature_store.publishing.snapshot import Event, events
from feature_store.settings import load_settings
from tests.benchmarks.reading import Reader
from tests.benchmarks.support.code import code_sha256
from tests.benchmarks.support.record import Section, show
from tests.support import worlds
from tests.support.kills import (
    WINDOWS,
    NotKilled,
    Window,
    contents,
    finished,
    kept_java,
    kill_after,
    kill_in,
    publications,
    said,
    start_erasure,
    start_maintenance,
    start_night,
)
from tests.support.object_store import running_object_store

WRITERS, EVENTS_EACH = 8, 5
STRETCHES = {"own": (0.3, 3.0), "shared": (0.1, 1.0)}
"""A kill comes so many times its window's seconds after the window opened; a Java that is warm is faster."""
MAINTENANCE = Window("maintenance", "", 0.3)
ERASURE = Window("erasure", "", 3.0)
ALL_WINDOWS = (*WINDOWS, MAINTENANCE, ERASURE)
ERASED = "rock-3"
CONSOLE = Console()


@dataclass(frozen=True, slots=True)
class Chain:
    """What some kills, one after the other, and the night that was left to finish made of a lake.

    Attributes:
        windows: in which window each kill came.
        javas: whose Java it was: `own` died with the night, `shared` lived on.
        reads: snapshots that the reader opened and read whole.
        mixed_reads: of these, those that were not one run's rows.
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


@dataclass(frozen=True, slots=True)
class Reference:
    """The lake before the second night, and its contents after it when nobody disturbs it."""

    folder: Path
    tables: dict[str, dict[str, Any]]
    tables_after_erasure: dict[str, dict[str, Any]]

    @property
    def lake(self) -> Path:
        """One published night, and the next day landed."""
        return self.folder / "lake"

    @property
    def state(self) -> Path:
        """What the installation that ran it keeps outside the lake."""
        return self.folder / "state"


def reference(folder: Path) -> Reference:
    """Run both nights once; later runs of the benchmark find them."""
    done = folder / "reference.json"
    lake, state = folder / "lake", folder / "state"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        worlds.write_tiny_world(open_storage(str(lake)))
        finished(start_night(str(lake), state, worlds.LAST_DAY))
        worlds.write_next_day(open_storage(str(lake)))
        for name in ("undisturbed", "without-a-person"):
            shutil.copytree(lake, folder / name / "lake")
            shutil.copytree(state, folder / name / "state", symlinks=True)
        undisturbed, without = folder / "undisturbed", folder / "without-a-person"
        said(start_erasure(str(without / "lake"), without / "state", ERASED))
        for one in (undisturbed, without):
            finished(start_night(str(one / "lake"), one / "state", worlds.NEXT_DAY))
        nights = {
            "undisturbed": of_both_days(str(undisturbed / "lake")),
            "without_a_person": of_both_days(str(without / "lake")),
        }
        done.write_text(json.dumps(nights))
    tables = json.loads(done.read_text())
    return Reference(folder, tables["undisturbed"], tables["without_a_person"])


def of_both_days(lake: str) -> dict[str, dict[str, Any]]:
    """What the lake holds of either day, and as one row each what readers got."""
    published = Counter(publications(lake))
    return {
        f"{name} of {day}": table
        for day in (worlds.LAST_DAY, worlds.NEXT_DAY)
        for name, table in contents(lake, day).items()
    } | {
        f"published_runs, {action} of {worlds.LAST_DAY}": {"rows": count, "content_sha256": ""}
        for (day, action), count in published.items()
        if day == f"{worlds.LAST_DAY}"
    }


def chains_of(round_number: int) -> list[list[Window]]:
    """Each window once, in chains of four; every round others follow each other."""
    first = round_number * 3 % len(WINDOWS)
    nights = [*WINDOWS[first:], *WINDOWS[:first]]
    return [nights[:4], nights[4:8], [MAINTENANCE, ERASURE, *nights[8:]]]


def kill_along(
    reference: Reference, windows: list[Window], where: str, number: int, shared: dict[str, str]
) -> Chain:
    """Copy the lake, kill in one window after the other, let a night finish, compare.

    Raises:
        NotKilled: a night was over before its window.
    """
    jitter = random.Random(number)  # noqa: S311  no secret
    javas = [("own", "shared")[(number + place) % 2] for place in range(len(windows))]
    with _copy(reference, where) as (lake, state), Reader(lake) as reader:
        for window, java in zip(windows, javas, strict=True):
            variables = shared if java == "shared" else {}
            stretch = jitter.uniform(*STRETCHES[java])
            if window is MAINTENANCE:
                _killed_maintenance(lake, state, window.seconds_more * stretch)
            elif window is ERASURE:
                _killed_erasure(lake, state, window.seconds_more * stretch, variables, shared)
            else:
                night = start_night(lake, state, worlds.NEXT_DAY, variables)
                kill_in(window, night, lake, stretch=stretch)
        finished(start_night(lake, state, worlds.NEXT_DAY, shared))
        found = of_both_days(lake)
    wanted = reference.tables_after_erasure if ERASURE in windows else reference.tables
    return Chain(
        where,
        [window.name for window in windows],
        javas,
        reads=reader.reads,
        mixed_reads=reader.mixed_reads,
        lost_rows=_lost_rows(wanted, found),
        hash_mismatches=_mismatches(wanted, found),
    )


def _killed_maintenance(lake: str, state: Path, after_s: float) -> None:
    """Maintenance dies while it works, and is done once more."""
    working = start_maintenance(lake, state)
    assert working.stdout is not None
    working.stdout.readline()
    kill_after(after_s, working, MAINTENANCE.name)
    said(start_maintenance(lake, state))


def _killed_erasure(
    lake: str, state: Path, after_s: float, variables: dict[str, str], shared: dict[str, str]
) -> None:
    """An erasure dies while it works, and its request is finished by another process."""
    erasing = start_erasure(lake, state, ERASED, variables=variables)
    assert erasing.stdout is not None
    request = erasing.stdout.readline().strip()
    kill_after(after_s, erasing, ERASURE.name)
    said(start_erasure(lake, state, "--request", request, variables=shared))


def race_publishers(lake: str) -> int:
    """Rows missing after several processes appended events at once."""
    before = events(lake)
    template = before[-1]
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        pool.starmap(_append_events, [(lake, template, number) for number in range(WRITERS)])
    found = Counter(event.run_id for event in events(lake)[len(before) :])
    wanted = {f"writer-{writer}-{n}" for writer in range(WRITERS) for n in range(EVENTS_EACH)}
    return sum(abs(found[run_id] - 1) for run_id in wanted)


def night_beside_backfill(reference: Reference, where: str) -> tuple[float, int, int]:
    """Seconds in which both ran, rows missing, and tables that differ from nights that ran alone."""
    with _copy(reference, where) as (lake, state):
        started_at = time.monotonic()
        night = start_night(lake, state, worlds.NEXT_DAY)
        older = start_night(lake, state.with_name("state-of-backfill"), worlds.LAST_DAY)
        with multiprocessing.pool.ThreadPool(2) as pool:
            new_s, old_s = pool.map(
                lambda one: (finished(one), time.monotonic() - started_at)[1], (night, older)
            )
        found = of_both_days(lake)
    missing = _lost_rows(reference.tables, found)
    different = _mismatches(reference.tables, found)
    return min(new_s, old_s), missing, different


def _append_events(lake: str, template: Event, writer: int) -> None:
    """EVENTS_EACH staged events, each tried until it is in."""
    from dataclasses import replace

    for number in range(EVENTS_EACH):
        event = replace(template, action="stage_only", run_id=f"writer-{writer}-{number}")
        while True:
            current = publish.current_event(events(lake))
            try:
                publish.append_event(
                    lake,
                    replace(event, replaces_event=current.event_number if current else None),
                )
            except publish.CurrentMoved:
                continue
            break


def _lost_rows(wanted: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    return sum(
        max(0, table["rows"] - found.get(name, {"rows": 0})["rows"])
        for name, table in wanted.items()
    )


def _mismatches(wanted: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> int:
    return sum(
        found.get(name, {}).get("content_sha256") != table["content_sha256"]
        for name, table in wanted.items()
    )


@contextmanager
def _store(where: str) -> Iterator[None]:
    """The object store of this run, when there is one; the environment says where it is."""
    if where == "local":
        yield
        return
    with running_object_store() as variables:
        os.environ |= variables
        yield
        for name in variables:
            del os.environ[name]


@contextmanager
def _copy(reference: Reference, where: str) -> Iterator[tuple[str, Path]]:
    """A lake and a state folder that nobody else uses; both go afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        state = shutil.copytree(reference.state, Path(folder) / "state", symlinks=True)
        if where == "local":
            yield str(shutil.copytree(reference.lake, Path(folder) / "lake")), state
            return
        import boto3

        bucket = f"faults-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=bucket)
        source, target = open_storage(str(reference.lake)), open_storage(f"s3://{bucket}/lake")
        for file in source.list(""):
            target.write(file.path, source.read(file.path))
        yield f"s3://{bucket}/lake", state


def _kept(file: Path) -> list[Chain]:
    if not file.exists():
        return []
    return [Chain(**json.loads(line)) for line in file.read_text().splitlines()]


def _figures(chains: list[Chain], raced: dict[str, dict[str, Any]]) -> dict[str, Any]:
    kills = Counter((chain.where, window) for chain in chains for window in chain.windows)
    by_window = Counter(window for chain in chains for window in chain.windows)
    return {
        "kills_local": sum(count for (where, _), count in kills.items() if where == "local"),
        "kills_s3": sum(count for (where, _), count in kills.items() if where == "s3"),
        "windows_covered": len(by_window),
        "kills_in_least_window": min(by_window[window.name] for window in ALL_WINDOWS),
        "nights_finished": len(chains),
        "reads": sum(chain.reads for chain in chains),
        "mixed_reads": sum(chain.mixed_reads for chain in chains),
        "lost_rows": sum(chain.lost_rows for chain in chains),
        "hash_mismatches": sum(chain.hash_mismatches for chain in chains),
        **_raced(raced),
    }


def _raced(by_place: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The shortest overlap and all that was missing, over the places in which writers raced."""
    if not by_place:
        return {}
    races = by_place.values()
    return {
        "raced_in": ", ".join(by_place),
        "overlap_s": min(race["overlap_s"] for race in races),
        "concurrent_writers_rows_missing": sum(
            race["concurrent_writers_rows_missing"] for race in races
        ),
        "concurrent_hash_mismatches": sum(race["concurrent_hash_mismatches"] for race in races),
    }


def _kill_on(known: Reference, results: Path, where: str, kills: int) -> None:
    """So many kills more; each chain is kept as soon as it is known."""
    lake = str(known.lake) if where == "local" else "s3://faults/lake"
    with _store(where), kept_java(known.folder / "java", lake) as shared:
        number = sum(chain.where == where for chain in _kept(results))
        while kills > 0:
            round_number, place = divmod(number, len(chains_of(0)))
            windows = chains_of(round_number)[place]
            number += 1
            try:
                chain = kill_along(known, windows, where, number, shared)
            except NotKilled as error:
                CONSOLE.print(f"{number}: {error}; not counted", markup=False)
                continue
            kills -= len(windows)
            with results.open("a") as file:
                file.write(json.dumps(asdict(chain)) + "\n")
            CONSOLE.print(f"{number}: {chain}", markup=False, highlight=False)


def _race(known: Reference, where: str) -> dict[str, Any]:
    """Writers beside each other in one place: what is missing afterwards."""
    with _store(where):
        overlap_s, missing, different = night_beside_backfill(known, where)
        with _copy(known, where) as (lake, _):
            rows_missing = race_publishers(lake)
    return {
        "overlap_s": round(overlap_s, 1),
        "concurrent_writers_rows_missing": rows_missing + missing,
        "concurrent_hash_mismatches": different,
    }


def main(
    kills: Annotated[
        int, typer.Option(min=0, help="Kills to add to those kept, in whole chains.")
    ] = 12,
    where: Annotated[str, typer.Option(help="local or s3.")] = "local",
    concurrent: Annotated[bool, typer.Option(help="Let writers and nights race too.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Kill, compare, print, and record when asked."""
    folder = load_settings().state.resolve() / "benchmarks" / "faults" / code_sha256()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    known = reference(folder / "nights")
    results = folder / "chains.jsonl"
    if kills:
        _kill_on(known, results, where, kills)
    if concurrent:
        (folder / f"raced-{where}.json").write_text(json.dumps(_race(known, where)))
    raced = {
        file.stem.removeprefix("raced-"): json.loads(file.read_text())
        for file in sorted(folder.glob("raced-*.json"))
    }
    figures = _figures(_kept(results), raced)
    section = Section(
        "Faults",
        "python -m tests.benchmarks.faults --record",
        datetime.now(UTC).date(),
        None,
        ["figure", "value"],
        [[name, str(value)] for name, value in figures.items()],
    )
    show(section, record=record)
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)

"""Kills nights in every window while a reader reads, and races writers: counts mixed reads and lost rows.

    python -m tests.benchmarks.faults [--kills 12] [--where local|s3] [--concurrent] [--record]

Three chains of four kills cover each of the twelve windows once. In a chain a night dies, its re-run dies in the next
window, and so on; the last night finishes, and the benchmark compares every table with those of an undisturbed night.
Each chain has a copy of a lake in which the toy data set's first night is published and the next day landed; a reader
opens snapshots throughout. Every other kill also kills the night's Java; the other nights share a Java that survives, as
it does when a task of `evensong up` is killed, together with the Spark job that it runs. Chains add up over runs: they are
cached under EVENSONG_STATE until the code changes.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from feature_store.settings import load_settings
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.faults.kill_chains import (
    ALL_WINDOWS,
    Chain,
    chains_of_round,
    run_chain,
)
from tests.benchmarks.support.faults.reference_lake import (
    ReferenceLake,
    build_reference,
    copied_lake,
    storage_environment,
)
from tests.benchmarks.support.faults.writer_races import race_night_and_backfill, race_publishers
from tests.benchmarks.support.record import Section, print_section
from tests.support.kill_windows import NotKilled
from tests.support.night_processes import running_gateway

CONSOLE = Console()


def add_kills(reference: ReferenceLake, results: Path, where: str, kills: int) -> None:
    """Run chains until there are `kills` more kills; append each chain to the results at once."""
    lake = str(reference.lake) if where == "local" else "s3://faults/lake"
    with (
        storage_environment(where),
        running_gateway(reference.folder / "java", lake) as gateway,
    ):
        number = sum(chain.where == where for chain in read_chains(results))
        while kills > 0:
            round_number, index = divmod(number, len(chains_of_round(0)))
            windows = chains_of_round(round_number)[index]
            number += 1
            try:
                chain = run_chain(reference, windows, where, number, gateway)
            except NotKilled as error:
                CONSOLE.print(f"{number}: {error}; not counted", markup=False)
                continue
            kills -= len(windows)
            with results.open("a") as file:
                file.write(json.dumps(asdict(chain)) + "\n")
            CONSOLE.print(f"{number}: {chain}", markup=False, highlight=False)


def run_races(reference: ReferenceLake, where: str) -> dict[str, Any]:
    """Race a night with a backfill, then publishers; figures of what is missing afterwards."""
    with storage_environment(where):
        overlap_s, missing, different = race_night_and_backfill(reference, where)
        with copied_lake(reference, where) as (lake, _):
            events_missing = race_publishers(lake)
    return {
        "overlap_s": round(overlap_s, 1),
        "concurrent_writers_rows_missing": events_missing + missing,
        "concurrent_hash_mismatches": different,
    }


def read_chains(file: Path) -> list[Chain]:
    """The cached chains."""
    if not file.exists():
        return []
    return [Chain(**json.loads(line)) for line in file.read_text().splitlines()]


def flat_figures(chains: list[Chain], races: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Sums over all chains, and the figures of the races."""
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
        **_race_figures(races),
    }


def _race_figures(by_store: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The shortest overlap, and the sums of what is missing, over the stores with races."""
    if not by_store:
        return {}
    races = by_store.values()
    return {
        "raced_in": ", ".join(by_store),
        "overlap_s": min(race["overlap_s"] for race in races),
        "concurrent_writers_rows_missing": sum(
            race["concurrent_writers_rows_missing"] for race in races
        ),
        "concurrent_hash_mismatches": sum(race["concurrent_hash_mismatches"] for race in races),
    }


def main(
    kills: Annotated[
        int, typer.Option(min=0, help="Kills to add to the cached ones, in whole chains.")
    ] = 12,
    where: Annotated[str, typer.Option(help="local or s3.")] = "local",
    concurrent: Annotated[bool, typer.Option(help="Let writers and nights race too.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Kill, compare, print, and record when asked."""
    folder = load_settings().state.resolve() / "benchmarks" / "faults" / code_sha256()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    reference = build_reference(folder / "nights")
    results = folder / "chains.jsonl"
    if kills:
        add_kills(reference, results, where, kills)
    if concurrent:
        (folder / f"raced-{where}.json").write_text(json.dumps(run_races(reference, where)))
    races = {
        file.stem.removeprefix("raced-"): json.loads(file.read_text())
        for file in sorted(folder.glob("raced-*.json"))
    }
    figures = flat_figures(read_chains(results), races)
    section = Section(
        "Faults",
        "python -m tests.benchmarks.faults --record",
        datetime.now(UTC).date(),
        None,
        ["figure", "value"],
        [[name, str(value)] for name, value in figures.items()],
    )
    print_section(section, record=record)
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)

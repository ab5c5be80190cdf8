"""Measures the memory of predicting candidates, for 10,000, 100,000 and 1,000,000 listeners.

    python -m tests.benchmarks.predict [--largest 1000000] [--record]

Each size runs in a process of its own: listeners with three listens each, an untrained model, and CANDIDATES tracks of each
listener, streamed into score_candidates of an empty lake as a night does it. The listeners' own data grow with their number and
are in memory before; what predicting adds must not grow with the rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.arrow_io import write_slice
from feature_store.settings import Night, load_settings
from tests.benchmarks.support.memory import peak_mib, reset_peak
from tests.benchmarks.support.record import Section, print_section
from tests.training.datasets import dataset_of, nodes_of
from training.data.interactions import day_number, listens_of
from training.models.ranking.bpr import BPR, BPRConfig
from training.tasks.protocol import ScoringModel
from training.tasks.ranking import Ranking

SIZES = (10_000, 100_000, 1_000_000)
N_TRACKS, LISTENS, CANDIDATES, DIM = 2_000, 3, 200, 16
AS_OF = date(2026, 3, 1)


def predicted(n_users: int, folder: Path) -> dict[str, float]:
    """Figures of one prediction: MiB before it, MiB at its peak, rows, seconds."""
    settings = load_settings(
        lake=str(folder / "lake"), state=folder / "state", lists={"candidates": CANDIDATES}
    )
    night, task = Night(AS_OF, "benchmark", settings), Ranking()
    users = torch.arange(n_users).repeat_interleave(LISTENS)
    tracks = (7 * users + 13 * torch.arange(len(users))) % N_TRACKS
    ones = torch.ones_like(users)
    listens = listens_of(users, tracks, ones * day_number(AS_OF), ones, 1000 * ones)
    nodes = nodes_of(
        [f"user-{number:07}" for number in range(n_users)],
        [f"track-{number:04}" for number in range(N_TRACKS)],
    )
    dataset = dataset_of(nodes, listens, AS_OF)
    view = task.full_view(dataset)
    model = BPR(BPRConfig(dim=DIM), view)
    reset_peak()
    before, started_at_s = peak_mib(), time.perf_counter()
    [output] = task.predict(night, ScoringModel("bpr", "untrained"), model, dataset, view)
    written = write_slice(settings.lake, output.table, output.batches, as_of=AS_OF)
    return {
        "before_mib": before,
        "peak_mib": peak_mib(),
        "rows": written.row_count,
        "seconds": time.perf_counter() - started_at_s,
    }


def measure(n_users: int) -> dict[str, float]:
    """The same in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script = (
            "import json, pathlib, tests.benchmarks.predict as p; "
            f"print(json.dumps(p.predicted({n_users}, pathlib.Path({folder!r}))))"
        )
        output = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True
        ).stdout
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def main(
    largest: Annotated[int, typer.Option(help="Skip larger numbers of listeners.")] = SIZES[-1],
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    sizes = [size for size in SIZES if size <= largest]
    found = {size: measure(size) for size in track(sizes, "sizes", console=Console(stderr=True))}
    rows = [
        [
            f"{size:,}",
            f"{one['rows']:,}",
            f"{one['before_mib']:.0f}",
            f"{one['peak_mib']:.0f}",
            f"{one['peak_mib'] - one['before_mib']:.0f}",
            f"{one['rows'] / one['seconds']:,.0f}",
        ]
        for size, one in found.items()
    ]
    header = ["listeners", "rows", "MiB before", "MiB at the peak", "MiB added", "rows a second"]
    command = f"python -m tests.benchmarks.predict --largest {largest} --record"
    today = datetime.now(UTC).date()
    print_section(
        Section("Memory of predicting", command, today, None, header, rows), record=record
    )
    flat = {
        f"{name}_{size}": round(one[name], 1)
        for size, one in found.items()
        for name in ("before_mib", "peak_mib", "seconds")
    }
    print(json.dumps(flat))


if __name__ == "__main__":
    typer.run(main)

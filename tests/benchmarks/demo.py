"""Benchmark: what a first `evensong demo` takes in time and disk.

    python -m tests.benchmarks.demo [--record]

The command runs as a process of its own with a fresh lake and state, after the environment has
been installed. Its last line says what the night wrote.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.support.front_page import write_front_page
from tests.benchmarks.support.record import Section, print_section

MB, GB = 1e6, 1e9


def megabytes(folder: Path) -> float:
    """Size of the files below `folder`, links not followed."""
    files = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files) / MB


def run_demo(folder: Path) -> tuple[float, dict[str, object]]:
    """Run the command in `folder`; returns its seconds and the JSON object of its last line."""
    places = {"EVENSONG_LAKE": str(folder / "lake"), "EVENSONG_STATE": str(folder / "state")}
    started_at_s = time.perf_counter()
    output = subprocess.run(
        [str(Path(sys.executable).parent / "evensong"), "demo", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ | places,
    ).stdout
    return time.perf_counter() - started_at_s, json.loads(output.splitlines()[-1])


def measure() -> dict[str, float]:
    """Figures of one demo, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        elapsed_s, summary = run_demo(folder)
        tables = summary["tables"]
        if not isinstance(tables, dict):
            raise TypeError(f"evensong demo --json: tables is {tables!r}, not an object")
        return {
            "demo_s": round(elapsed_s, 1),
            "lake_mb": round(megabytes(folder / "lake"), 1),
            "state_mb": round(megabytes(folder / "state"), 1),
            "environment_gb": round(megabytes(Path(sys.prefix)) * MB / GB, 1),
            "tables": len(tables),
            "rec_topk_rows": tables["rec_topk"]["rows"],
        }


def main(*, record: Annotated[bool, typer.Option("--record")] = False) -> None:
    """Run the demo once, print its figures, and record them when asked to."""
    figures = measure()
    rows = [
        ["sample world and one night, s", f"{figures['demo_s']:.0f}"],
        ["lake, MB", f"{figures['lake_mb']:.0f}"],
        ["state (databases, caches), MB", f"{figures['state_mb']:.0f}"],
        ["Python environment, GB", f"{figures['environment_gb']:.1f}"],
        ["tables that the night wrote", f"{figures['tables']:.0f}"],
        ["rows of rec_topk", f"{figures['rec_topk_rows']:,.0f}"],
    ]
    section = Section(
        title="The demo",
        command="python -m tests.benchmarks.demo --record",
        day=datetime.now(UTC).date(),
        seeds=None,
        header=["figure", "value"],
        rows=rows,
    )
    print_section(section, record=record)
    if record:
        write_front_page()
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)

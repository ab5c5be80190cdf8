"""Measures the job rec_similar_tracks: exact up to 100,000 tracks and through its index up to 1,000,000, beside faiss alone.

    python -m tests.benchmarks.similar [--largest 1000000] [--quick] [--record]

Each size runs in a process of its own, first the job and then faiss on the same vectors, on the same cores. The job reads Parquet files
and writes its lists; faiss has the vectors in memory and drops what it finds. faiss compares all modalities at once, with zeros for
what a track lacks, so its lists differ where modalities are missing. The vectors are synthetic and have clusters, with 200 + 384 + 384
dimensions (support/similar_catalogue.py). Growth per pair is the slope of the least-squares line through the logarithms from 10,000
tracks on; below, and in what is subtracted (FIXED_TRACKS), the fixed cost of a Spark job hides the pairs. A worker's memory must not
grow once a shard is full (30,000 tracks) and the index's sample is (300,000). Results are cached under EVENSONG_STATE until the job's
code changes, so a killed run resumes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from feature_store.settings import load_settings
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.record import Section, print_section, refuse_quick_record

EXACT_SIZES, INDEX_SIZES = (1_000, 10_000, 30_000, 100_000), (300_000, 1_000_000)
QUICK_EXACT_SIZES, QUICK_INDEX_SIZES = (500, 1_000, 2_000), (2_000,)
FIXED_TRACKS = 300
EQUAL_TRACKS, QUICK_EQUAL_TRACKS = 20_000, 1_000
SLOPE_FROM, FLAT_FROM = 10_000, 30_000
RUNS = {
    "exact": "run_job({}, is_exact=True)",
    "index": "run_job({}, is_exact=False)",
    "faiss-exact": "run_faiss_exact({})",
    "faiss-index": "run_faiss_index({})",
    "equal": "equal_lists_share({})",
}
HEADER = ["search", "tracks", "job, s", "a track, ms", "a pair, ns", "faiss alone, s", "job / faiss",
          "recall@10", "faiss's recall@10", "peak MiB of a worker", "peak MiB of faiss"]  # fmt: skip

Results = dict[tuple[str, int], dict[str, float]]


def measure(name: str, n_tracks: int) -> dict[str, float]:
    """Figures of a run, from the cache or from a process of its own."""
    version = code_sha256(("jobs/recommendations",))[:12]
    folder = load_settings().state.resolve() / "benchmarks" / "similar" / version
    cached = folder / f"{name}-{n_tracks}.json"
    if not cached.exists():
        script = (
            "import json, tests.benchmarks.support.similar_runs as runs; "
            f"print(json.dumps(runs.{RUNS[name].format(n_tracks)}))"
        )
        output = subprocess.run(
            [sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        folder.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix(".partial")
        partial.write_text(output.splitlines()[-1])
        partial.rename(cached)
    figures: dict[str, float] = json.loads(cached.read_text(encoding="utf-8"))
    return figures


def row_of(kind: str, n_tracks: int, results: Results) -> list[str]:
    """Cells of one size."""
    job, faiss = results[kind, n_tracks], results[f"faiss-{kind}", n_tracks]
    return [
        kind,
        f"{n_tracks:,}",
        f"{job['seconds']:.1f}",
        f"{1e3 * job['seconds'] / n_tracks:.3f}",
        f"{1e9 * job['seconds'] / n_tracks**2:.2f}",
        f"{faiss['seconds']:.1f}",
        f"{job['seconds'] / faiss['seconds']:.2f}",
        f"{job['recall']:.4f}",
        f"{faiss['recall']:.4f}" if kind == "index" else "",
        f"{job['peak_mib']:.0f}",
        f"{faiss['peak_mib']:.0f}",
    ]


def pair_slope(seconds: dict[int, float], fixed_s: float) -> float:
    """Slope of log seconds by log pairs, without the fixed cost; 1 means that a pair costs the same in any catalogue."""
    pairs = np.log([float(size) ** 2 for size in seconds])
    costs = np.log([max(value - fixed_s, 1e-9) for value in seconds.values()])
    return float(np.polyfit(pairs, costs, 1)[0])


def growth_of(peaks_mib: dict[int, float]) -> float:
    """Growth of the peak from the smallest to the largest size, relative; 0 of one size."""
    return peaks_mib[max(peaks_mib)] / peaks_mib[min(peaks_mib)] - 1


def figures_of(results: Results, exact: list[int], index: list[int]) -> dict[str, float]:
    """The flat figures; ratios are those of the largest size."""
    seconds = {
        size: results["exact", size]["seconds"]
        for size in exact
        if size >= min(SLOPE_FROM, exact[1])
    }
    peaks = [
        {
            size: results[kind, size]["peak_mib"]
            for size in sizes
            if size >= min(FLAT_FROM, sizes[-1])
        }
        for kind, sizes in (("exact", exact), ("index", index))
        if sizes
    ]
    figures = {
        "equal_to_brute_force": next(
            value["equal"] for (name, _), value in results.items() if name == "equal"
        ),
        "time_ratio_faiss": time_ratio("exact", exact[-1], results),
        "pair_slope": pair_slope(seconds, results["exact", FIXED_TRACKS]["seconds"]),
        "peak_mib_growth": max(growth_of(of_kind) for of_kind in peaks),
    }
    if index:
        figures["index_recall_at_10"] = min(results["index", size]["recall"] for size in index)
        figures["index_time_ratio_faiss"] = time_ratio("index", index[-1], results)
    return figures


def time_ratio(kind: str, size: int, results: Results) -> float:
    """Seconds of the job by seconds of faiss alone."""
    return results[kind, size]["seconds"] / results[f"faiss-{kind}", size]["seconds"]


def main(
    largest: Annotated[int, typer.Option(min=2_000, help="Skip larger catalogues.")] = 1_000_000,
    quick: Annotated[bool, typer.Option(help="Small catalogues, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    exact, index = (
        [size for size in sizes if size <= largest]
        for sizes in (
            (QUICK_EXACT_SIZES, QUICK_INDEX_SIZES) if quick else (EXACT_SIZES, INDEX_SIZES)
        )
    )
    runs = [("equal", QUICK_EQUAL_TRACKS if quick else EQUAL_TRACKS), ("exact", FIXED_TRACKS)]
    for kind, sizes in (("exact", exact), ("index", index)):
        runs += [(name, size) for size in sizes for name in (kind, f"faiss-{kind}")]
    results = {run: measure(*run) for run in track(runs, "runs", console=Console(stderr=True))}
    rows = [
        row_of(kind, size, results)
        for kind, sizes in (("exact", exact), ("index", index))
        for size in sizes
    ]
    command = f"python -m tests.benchmarks.similar --largest {largest} --record"
    today = datetime.now(UTC).date()
    print_section(
        Section("Similar tracks (synthetic)", command, today, None, HEADER, rows), record=record
    )
    found = figures_of(results, exact, index)
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    typer.run(main)

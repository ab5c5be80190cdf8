"""Measures recall of cold-start tracks, which have no listen before the test window. Synthetic.

    python -m tests.benchmarks.cold_start [--seeds 10] [--families a,b,…] [--record]

In each sample world a tenth of the tracks that were heard before the test window lose every listen before it, every like
and every tag; lists rank them among all other tracks. Relevant are first listens to these tracks in the test window.
"known" has the same relevant pairs for a model that trains on all listens: the difference is what listens add.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from torch import Tensor

from feature_store.settings import Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, build_dataset, open_fit_cache, options_of
from tests.benchmarks.support.baselines import MM_GNN, get_variant
from tests.benchmarks.support.fit_cache import make_split
from tests.benchmarks.support.list_metrics import recall_and_ndcg_among, student_interval
from tests.benchmarks.support.modality_dropout import draw_cold_start_tracks, make_cold_start
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
)
from training.data.dataset import Dataset
from training.data.interactions import Pairs
from training.evaluation.evaluator import Recommendations

FAMILIES = (
    "popularity", "light_gcn_ease", "concat_twin", MM_GNN, f"{MM_GNN}_no_cold_start_dropout", f"{MM_GNN}_no_mutual",
    *(f"{MM_GNN}_only_{head}" for head in ("audio", "lyrics", "cover")),
)  # fmt: skip
COLD_START, KNOWN = "new", "known"
HEADER = [
    "family", "recall@10, cold start", "recall@10, known", "gain of MM-GNN, cold start [95 %]",
]  # fmt: skip


def recall_among(
    listed: Recommendations, tracks: Tensor, relevant: Pairs, dataset: Dataset
) -> float:
    """Mean recall at 10 over the relevant pairs of `tracks` that are also in `relevant`.

    Raises:
        ValueError: there is no such pair.
    """
    keys, others = (
        pairs.users * dataset.n_tracks + pairs.tracks for pairs in (listed.relevant, relevant)
    )
    in_both = replace(listed, relevant=listed.relevant.where(torch.isin(keys, others)))
    track_mask = torch.zeros(dataset.n_tracks, dtype=torch.bool)
    track_mask[tracks] = True
    recall, _ndcg = recall_and_ndcg_among(in_both, track_mask, len(dataset.nodes.users))
    if bool(recall.isnan().all()):
        raise ValueError(
            f"of {len(tracks)} tracks nothing is to be found in the test window; take a larger world"
        )
    return float(recall.nanmean())


def measure(
    dataset: Dataset, settings: Settings, families: list[str], seed: int
) -> dict[str, float]:
    """Recall at 10 of cold-start tracks, by `<family>.new` and `<family>.known`."""
    tracks, split = draw_cold_start_tracks(dataset, seed), make_split(dataset, seed)
    cold_start = make_cold_start(dataset, tracks, split.sealed_test.end)
    fit_caches = [open_fit_cache(one, settings) for one in (dataset, cold_start)]
    recalls = {}
    for family in families:
        variant = get_variant(family)
        known, new = (fit_cache.fit(variant, seed).lists[variant.head] for fit_cache in fit_caches)
        recalls[f"{family}.{COLD_START}"] = recall_among(new, tracks, known.relevant, dataset)
        recalls[f"{family}.{KNOWN}"] = recall_among(known, tracks, known.relevant, dataset)
    return recalls


def rows_and_figures(
    runs: list[dict[str, float]], families: list[str]
) -> tuple[list[list[str]], dict[str, float]]:
    """A row of HEADER for each family, and the figures of the JSON line."""
    rows, flat = [], {}
    for name in families:
        new, known = ([run[f"{name}.{part}"] for run in runs] for part in (COLD_START, KNOWN))
        row = [name, mean_and_sd(new), mean_and_sd(known), "–"]
        flat[f"{name}.{COLD_START}"] = statistics.fmean(new)
        flat[f"{name}.{KNOWN}"] = statistics.fmean(known)
        if name != MM_GNN and MM_GNN in families:
            gain = student_interval(
                [run[f"{MM_GNN}.{COLD_START}"] - run[f"{name}.{COLD_START}"] for run in runs]
            )
            flat |= interval_figures(f"{MM_GNN}_minus_{name}.{COLD_START}", gain)
            row[-1] = format_interval(gain)
        rows.append(row)
    return rows, flat


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Worlds to measure.")] = 10,
    families: Annotated[str, typer.Option(help="Names with commas; all when left out.")] = "",
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    settings = load_settings()
    names = families.split(",") if families else list(FAMILIES)
    console = Console(stderr=True)
    runs = [
        measure(build_dataset(options_of(seed, quick=False), settings), settings, names, seed)
        for seed in track(range(FIRST_SEED, FIRST_SEED + seeds), "worlds", console=console)
    ]
    rows, flat = rows_and_figures(runs, names)
    option = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.cold_start --seeds {seeds}{option} --record"
    day = datetime.now(tz=UTC).date()
    section = Section("Cold-start tracks (synthetic)", command, day, seeds, HEADER, rows)
    print_section(section, record=record)
    print(json.dumps({name: round(value, 6) for name, value in flat.items()}))


if __name__ == "__main__":
    typer.run(main)

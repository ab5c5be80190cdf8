"""Measures whether MM-GNN predicts organic listens better when it trains on organic listens alone. Synthetic.

    python -m tests.benchmarks.feedback [--seeds 3] [--quick] [--record]

In the sample world a radio that plays popular tracks starts a tenth of the listens, and a start page shows popular tracks.
The setting `organic_only` of the graph drops listens that the radio started and listens soon after an impression.
Both models train on the same days. The relevant pairs of both are the organic listens of the test window to tracks that
the listener had not heard before in any way.
"""

from __future__ import annotations

import json
import statistics
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track

from feature_store.settings import Night, Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, build_dataset, options_of
from tests.benchmarks.support.baselines import MM_GNN
from tests.benchmarks.support.fit_cache import make_split, recommended
from tests.benchmarks.support.list_metrics import ListMetrics, list_metrics, segments_of
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
    refuse_quick_record,
)
from tests.support.ranking_fits import RANKING_TASK, fitting_of
from training.config import load_recipe
from training.data.dataset import Dataset
from training.engine.loop import deterministic
from training.engine.model_selection import select_on_validation
from training.evaluate import test_view
from training.evaluation.significance import Difference, paired_difference
from training.evaluation.splits import Holdout, Split, restrict_to_pairs_of
from training.train import device_of

ALL_LISTENS, ORGANIC_ONLY = "all_listens", "organic_only"
METRICS = ("recall_at_10", "ndcg_at_10", "coverage", "novelty")
BOOTSTRAP_SEED = 7


def split_with_organic_test(all_listens: Dataset, organic: Dataset, seed: int) -> Split[Holdout]:
    """Trains on all listens; relevant are organic listens to tracks not heard before in any way."""
    return restrict_to_pairs_of(
        make_split(all_listens, seed), make_split(organic, seed), all_listens.n_tracks
    )


def measure(seed: int, settings: Settings, *, quick: bool) -> dict[str, ListMetrics]:
    """Metrics of both models in one sample world."""
    options = options_of(seed, quick=quick)
    all_listens, organic = (
        build_dataset(options, settings, organic_only=only) for only in (False, True)
    )
    test_split = split_with_organic_test(all_listens, organic, seed)
    view = test_view(RANKING_TASK, all_listens, test_split)
    segments = segments_of(all_listens, test_split, view)
    training_data = {
        ALL_LISTENS: (all_listens, test_split),
        ORGANIC_ONLY: (organic, make_split(organic, seed)),
    }
    recipe = load_recipe("ranking", MM_GNN)
    metrics = {}
    for name, (dataset, split) in training_data.items():
        device = device_of(Night(dataset.as_of, "benchmark", settings))
        with deterministic(seed, settings.training.n_threads):
            fitting = fitting_of(dataset, device)
            state = select_on_validation(fitting, split, recipe, seed=seed).state
            view = test_view(RANKING_TASK, dataset, split)
            model = RANKING_TASK.from_state(state, recipe, view, {}, device)
            # Both models' lists exclude all heard tracks, also those that organic_only drops.
            listed = recommended(model, all_listens, test_split, device)
        metrics[name] = list_metrics(listed, segments)
    return metrics


def difference(runs: list[dict[str, ListMetrics]]) -> Difference:
    """Gain of organic_only in nDCG@10 over the listeners of all worlds."""
    organic, all_listens = (
        torch.cat([run[name].per_user["ndcg_at_10"] for run in runs])
        for name in (ORGANIC_ONLY, ALL_LISTENS)
    )
    return paired_difference([organic], [all_listens], np.random.default_rng(BOOTSTRAP_SEED))


def flat_figures(runs: list[dict[str, ListMetrics]]) -> dict[str, float]:
    """Means over worlds by `<training data>.<metric>`, and the gain with both ends of its interval."""
    flat = {
        f"{name}.{metric}": statistics.fmean(run[name].values[metric] for run in runs)
        for name in (ALL_LISTENS, ORGANIC_ONLY)
        for metric in METRICS
    }
    flat |= interval_figures(f"{ORGANIC_ONLY}_minus_{ALL_LISTENS}.ndcg_at_10", difference(runs))
    return {name: round(value, 6) for name, value in flat.items()}


def rows_of(runs: list[dict[str, ListMetrics]]) -> list[list[str]]:
    """One row for each kind of training data."""
    rows = [
        [
            name.replace("_", " "),
            *(mean_and_sd([run[name].values[metric] for run in runs]) for metric in METRICS),
            "",
        ]
        for name in (ALL_LISTENS, ORGANIC_ONLY)
    ]
    rows[-1][-1] = format_interval(difference(runs))
    return rows


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds to measure.")] = 3,
    quick: Annotated[bool, typer.Option(help="A smaller world, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    runs = [
        measure(seed, settings, quick=quick)
        for seed in track(
            range(FIRST_SEED, FIRST_SEED + seeds), "worlds", console=Console(stderr=True)
        )
    ]
    header = ["trained on", "recall@10", "nDCG@10", "coverage", "novelty", "nDCG@10 gain [95 %]"]
    command = f"python -m tests.benchmarks.feedback --seeds {seeds} --record"
    title, today = "Training on organic listens alone (synthetic)", datetime.now(UTC).date()
    print_section(Section(title, command, today, seeds, header, rows_of(runs)), record=record)
    print(json.dumps(flat_figures(runs)))


if __name__ == "__main__":
    typer.run(main)

"""Does MM-GNN find better what people will choose when it learns from what they chose alone? Synthetic.

    python -m tests.benchmarks.feedback [--seeds 3] [--quick] [--record]

A tenth of the sample world's listens were started by a radio that plays what is popular, and a start page shows what is
played much. The graph's setting organic_only leaves out what the radio played and what was played soon after it was shown.
Both sides are fitted on the same days and measured on the same pairs: what people chose by themselves in the test window,
and had heard in no way before.
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
from tests.benchmarks.sample_world import FIRST_SEED, build_world, options_of
from tests.benchmarks.support.baselines import OURS
from tests.benchmarks.support.comparison import Figures, figures_of, segments_of
from tests.benchmarks.support.fits import held_out
from tests.benchmarks.support.record import (
    Section,
    interval,
    refuse_quick_record,
    show,
    spread,
    with_ends,
)
from training.artifacts.checkpoints import put_together
from training.config import load_recipe
from training.data.dataset import World
from training.engine.loop import deterministic
from training.engine.model_selection import choose
from training.evaluate import test_evidence, test_lists
from training.evaluation.significance import Difference, paired_difference
from training.evaluation.splits import Split
from training.train import device_of

EVERYTHING, CHOSEN = "all_listens", "organic_only"
METRICS = ("recall_at_10", "ndcg_at_10", "coverage", "novelty")
BOOTSTRAP_SEED = 7


def judged_by_choices(everything: World, chosen: World, seed: int) -> Split:
    """All listens to learn from, and to be found what people chose and had heard in no way before."""
    return held_out(everything, seed).asking_for(held_out(chosen, seed), everything.n_tracks)


def measure(seed: int, settings: Settings, *, quick: bool) -> dict[str, Figures]:
    """Figures of both sides in one world."""
    options = options_of(seed, quick=quick)
    everything, chosen = (
        build_world(options, settings, organic_only=only) for only in (False, True)
    )
    judge = judged_by_choices(everything, chosen, seed)
    segments = segments_of(everything, judge, test_evidence(everything, judge))
    sides = {EVERYTHING: (everything, judge), CHOSEN: (chosen, held_out(chosen, seed))}
    figures = {}
    for side, (world, split) in sides.items():
        recipe, device = load_recipe(OURS), device_of(Night(world.as_of, "benchmark", settings))
        with deterministic(seed, settings.training.n_threads):
            saved = choose(world, split, recipe, seed=seed, device=device).saved
            model = put_together(saved, recipe.model, test_evidence(world, split), device)
            # Whatever the model knows, its lists leave out everything that was heard.
            listed = test_lists(model, everything, judge, device)
        figures[side] = figures_of(listed, segments)
    return figures


def difference(runs: list[dict[str, Figures]]) -> Difference:
    """What organic_only adds to nDCG@10, over the people of all worlds."""
    ours, theirs = (
        torch.cat([run[name].of_each["ndcg_at_10"] for run in runs])
        for name in (CHOSEN, EVERYTHING)
    )
    return paired_difference([ours], [theirs], np.random.default_rng(BOOTSTRAP_SEED))


def flat_figures(runs: list[dict[str, Figures]]) -> dict[str, float]:
    """Means over the worlds by `<side>.<metric>`, and the difference with both ends of its interval."""
    flat = {
        f"{side}.{metric}": statistics.fmean(run[side].values[metric] for run in runs)
        for side in (EVERYTHING, CHOSEN)
        for metric in METRICS
    }
    flat |= with_ends(f"{CHOSEN}_minus_{EVERYTHING}.ndcg_at_10", difference(runs))
    return {name: round(value, 6) for name, value in flat.items()}


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
    flat, added = flat_figures(runs), difference(runs)
    header = ["learned from", "recall@10", "nDCG@10", "coverage", "novelty", "nDCG@10 added [95 %]"]
    rows = [
        [
            side.replace("_", " "),
            *(spread([run[side].values[metric] for run in runs]) for metric in METRICS),
            "",
        ]
        for side in (EVERYTHING, CHOSEN)
    ]
    rows[-1][-1] = interval(added)
    command = f"python -m tests.benchmarks.feedback --seeds {seeds} --record"
    title, today = "Learning from choices alone (synthetic)", datetime.now(UTC).date()
    show(Section(title, command, today, seeds, header, rows), record=record)
    print(json.dumps(flat))


if __name__ == "__main__":
    typer.run(main)

"""Does MM-GNN find better what people will choose when it learns from what they chose alone? Synthetic.

    python -m tests.benchmarks.feedback [--seeds 3] [--quick] [--record]

A tenth of the sample world's listens were chosen by a radio that plays what is popular: is_organic is false. The graph's
setting organic_only leaves them out. Both sides are fitted on the same days and measured on the same pairs: what people
chose by themselves in the test window, and had heard in no way before.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed

from feature_store.settings import Night, Settings, load_settings
from tests.benchmarks.comparison import Figures, figures_of
from tests.benchmarks.contenders import OURS
from tests.benchmarks.fits import held_out
from tests.benchmarks.record import Section, record_section, refuse_quick_record
from tests.benchmarks.sample_world import FIRST_SEED, build_world, open_bench, options_of
from training.checkpoint import put_together
from training.comparison import Difference, paired_difference
from training.config import load_recipe
from training.data.interactions import joined
from training.data.world import World
from training.evaluate import test_evidence, test_lists
from training.learning import choose
from training.loop import deterministic
from training.measuring import Listed
from training.train import device_of

EVERYTHING, CHOSEN = "all_listens", "organic_only"
METRICS = ("recall_at_10", "ndcg_at_10", "coverage", "novelty")
BOOTSTRAP_SEED = 7


def judged_by_choices(everything: World, chosen: World, seed: int) -> World:
    """All listens to learn from, and from the validation window on those alone that people chose."""
    end = held_out(everything, seed).validation.end
    after = chosen.listens.within(end, chosen.as_of + timedelta(days=1))
    return replace(everything, listens=joined(everything.listens.before(end), after))


def measure(seed: int, settings: Settings, *, quick: bool) -> dict[str, Figures]:
    """Figures of both sides in one world."""
    options = options_of(seed, quick=quick)
    chosen, everything = (
        build_world(options, settings, settings.graph.model_copy(update={"organic_only": only}))
        for only in (True, False)
    )
    judge = judged_by_choices(everything, chosen, seed)
    segments = open_bench(judge, settings).segments(seed)
    return {
        side: figures_of(_lists(world, judge, seed, settings), segments)
        for side, world in ((EVERYTHING, judge), (CHOSEN, chosen))
    }


def _lists(world: World, judge: World, seed: int, settings: Settings) -> Listed:
    """What the model of a world lists for the test of `judge`, without what was heard there."""
    recipe, split = load_recipe(OURS), held_out(world, seed)
    device = device_of(Night(world.as_of, "benchmark", settings))
    with deterministic(seed, settings.training.n_threads):
        chosen = choose(world, split, recipe, seed=seed, device=device)
        known = test_evidence(world, split)
        model = put_together(chosen.saved, recipe.model, known, device)
        return test_lists(model, judge, held_out(judge, seed), device)


def difference(runs: list[dict[str, Figures]]) -> Difference:
    """What organic_only adds to nDCG@10, over the people of all worlds."""
    ours, theirs = (torch.cat([run[name].ndcg for run in runs]) for name in (CHOSEN, EVERYTHING))
    return paired_difference([ours], [theirs], np.random.default_rng(BOOTSTRAP_SEED))


def flat_figures(runs: list[dict[str, Figures]]) -> dict[str, float]:
    """Means over the worlds by `<side>.<metric>`, and the difference with both ends of its interval."""
    flat = {
        f"{side}.{metric}": statistics.fmean(run[side].values[metric] for run in runs)
        for side in (EVERYTHING, CHOSEN)
        for metric in METRICS
    }
    added = difference(runs)
    name = f"{CHOSEN}_minus_{EVERYTHING}.ndcg_at_10"
    flat |= {name: added.mean, f"{name}_low": added.low, f"{name}_high": added.high}
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
        for seed in track(range(FIRST_SEED, FIRST_SEED + seeds), "worlds", Console(stderr=True))
    ]
    flat, added = flat_figures(runs), difference(runs)
    header = ["learned from", "recall@10", "nDCG@10", "coverage", "novelty", "nDCG@10 added [95 %]"]
    rows = [
        [side.replace("_", " "), *(f"{flat[f'{side}.{metric}']:.4f}" for metric in METRICS), ""]
        for side in (EVERYTHING, CHOSEN)
    ]
    rows[-1][-1] = f"{added.mean:.4f} [{added.low:.4f}, {added.high:.4f}]"
    printed = Printed(*header, title=f"Learning from choices alone (synthetic), {seeds} worlds")
    for row in rows:
        printed.add_row(*row)
    Console().print(printed)
    if record:
        command = f"python -m tests.benchmarks.feedback --seeds {seeds} --record"
        title, today = "Learning from choices alone (synthetic)", datetime.now(UTC).date()
        record_section(Section(title, command, today, seeds, header, rows))
    print(json.dumps(flat))


if __name__ == "__main__":
    typer.run(main)

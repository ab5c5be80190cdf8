"""How well each family recommends on the sample world's time split. Synthetic: its tastes were planted by us.

    python -m tests.benchmarks.sample_world [--seeds 10] [--families a,b,…] [--quick] [--record]

Each seed is a world of its own, written and brought through every job up to the graph once, then kept under
EVENSONG_STATE. Families are fitted before the validation window, chosen inside it, and measured on the test window; so
is MM-GNN without each of its parts, and each of its heads alone.
"""

from __future__ import annotations

import json
import statistics
from datetime import date
from functools import partial
from typing import Annotated

import typer

from feature_store.lake.storage import sha256_of
from feature_store.settings import Night, Settings, load_settings
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.source import write_sample_world
from tests.benchmarks.support.baselines import OURS, WITHOUT, contender_called
from tests.benchmarks.support.code import tables_sha256
from tests.benchmarks.support.comparison import Figures, figures_of, over_worlds
from tests.benchmarks.support.fits import Bench
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.record import (
    Section,
    interval,
    refuse_quick_record,
    show,
    spread,
    with_ends,
)
from training.data.content import TABLE_OF
from training.data.dataset import World
from training.data.reading import read_world
from training.evaluate import test_evidence
from training.evaluation.evaluator import CHOOSING_METRIC
from training.evaluation.significance import Difference
from training.models.ranking.mm_gnn import COLLABORATIVE, LINEAR
from training.train import device_of

REFERENCE = "popularity"
FAMILIES = (
    REFERENCE, "item_knn", "ease", "light_gcn", "light_gcn_ease", OURS,
    *(f"{OURS}_{part}" for part in WITHOUT),
    *(f"{OURS}_only_{head}" for head in (COLLABORATIVE, *TABLE_OF, LINEAR)),
)  # fmt: skip
METRICS = ("recall_at_10", "ndcg_at_10")
FIRST_SEED = 11
QUICK_USERS, QUICK_TRACKS = 100, 80


def options_of(seed: int, *, quick: bool) -> SampleWorld:
    """The world of a seed; a smaller one when it must be quick."""
    smaller = {"n_users_at_start": QUICK_USERS, "n_tracks_at_start": QUICK_TRACKS}
    return SampleWorld(seed=seed, **(smaller if quick else {}))


def build_world(options: SampleWorld, settings: Settings, *, organic_only: bool = False) -> World:
    """The world as training reads it; jobs run only when this code has not built it before.

    Args:
        options: of the world.
        settings: those of the jobs, and where the world is kept.
        organic_only: which listens training takes; no other table that it reads knows this rule.
    """
    kept = settings.state / "benchmarks" / "sample_world" / _world_hash(options, settings)
    lake = built_lake(kept, settings, options.last_day, partial(write_sample_world, options))
    rules = settings.graph.model_copy(update={"organic_only": organic_only})
    return read_world(lake, options.last_day, rules)


def open_bench(world: World, settings: Settings) -> Bench:
    """The world as families are fitted on it; fits are kept under EVENSONG_STATE."""
    return Bench(
        world=world,
        data_sha256=world.sha256(),
        folder=settings.state / "benchmarks" / "sample_world" / "fits",
        device=device_of(Night(world.as_of, "benchmark", settings)),
        n_threads=settings.training.n_threads,
        max_epochs=None,
        evidence=test_evidence,
    )


def measure(world: World, settings: Settings, families: list[str], seed: int) -> dict[str, Figures]:
    """Test metrics by family; every family is given the same split."""
    bench = open_bench(world, settings)
    figures, segments = {}, bench.segments(seed)
    for name in families:
        contender = contender_called(name)
        lists = bench.fitted(contender, seed).lists
        figures[name] = figures_of(lists[contender.head], segments)
    return figures


def by_name(runs: list[dict[str, Figures]]) -> dict[str, list[float]]:
    """The values of each seed, by `<family>.<metric>`."""
    return {
        f"{family}.{metric}": [run[family].values[metric] for run in runs]
        for family in runs[0]
        for metric in METRICS
    }


def rows_of(figures: dict[str, list[float]]) -> list[list[str]]:
    """A line per family: each metric with its deviation, and as a multiple of popularity's."""
    lines = []
    for family in dict.fromkeys(name.partition(".")[0] for name in figures):
        line = [family]
        for metric in METRICS:
            found, bar = figures[f"{family}.{metric}"], figures[f"{REFERENCE}.{metric}"]
            line += [spread(found), f"{statistics.fmean(found) / statistics.fmean(bar):.2f}"]
        lead = lead_over(family, figures)
        line.append("–" if lead is None else interval(lead))
        lines.append(line)
    return lines


def lead_over(family: str, figures: dict[str, list[float]]) -> Difference | None:
    """MM-GNN's nDCG@10 less that of a family, world by world; None for itself, or in a single world."""
    pair = [figures.get(f"{name}.{CHOOSING_METRIC}", []) for name in (OURS, family)]
    if family == OURS or min(map(len, pair)) < 2:
        return None
    return over_worlds([ours - theirs for ours, theirs in zip(*pair, strict=True)])


def _world_hash(options: SampleWorld, settings: Settings) -> str:
    """Names a built world: its options, and what makes tables of it."""
    made_by = tables_sha256(settings)
    return f"seed-{options.seed}-{sha256_of((repr(options) + made_by).encode())[:12]}"


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds to measure.")] = 10,
    families: Annotated[str, typer.Option(help="Names with commas; all when left out.")] = "",
    quick: Annotated[bool, typer.Option(help="A smaller world, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
    on: Annotated[str, typer.Option(help="Date to record; today's when left out.")] = "",
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    chosen = [name for name in families.split(",") if name and name != REFERENCE]
    names = [REFERENCE, *chosen] if chosen else list(FAMILIES)
    runs = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        world = build_world(options_of(seed, quick=quick), settings)
        runs.append(measure(world, settings, names, seed))
    figures = by_name(runs)
    header = [
        "family", "recall@10", "× popularity", "nDCG@10", "× popularity",
        "MM-GNN ahead in nDCG@10 [95 %]",
    ]  # fmt: skip
    picked = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.sample_world --seeds {seeds}{picked} --record"
    day = date.fromisoformat(on) if on else date.today()  # noqa: DTZ011  a date for people
    rows = rows_of(figures)
    show(Section("Sample world (synthetic)", command, day, seeds, header, rows), record=record)
    flat: dict[str, float | None] = {}
    for name, values in figures.items():
        flat[name] = round(statistics.fmean(values), 6)
        flat[f"{name}_sd"] = round(statistics.stdev(values), 6) if len(values) > 1 else None
    for family in names:
        if (lead := lead_over(family, figures)) is not None:
            ends = with_ends(f"{OURS}_minus_{family}.{CHOOSING_METRIC}", lead)
            flat |= {name: round(value, 6) for name, value in ends.items()}
    print(json.dumps(flat))


if __name__ == "__main__":
    typer.run(main)

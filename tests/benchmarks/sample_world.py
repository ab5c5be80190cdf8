"""Measures how well each family recommends on the sample world's time split. Synthetic: we planted the tastes.

    python -m tests.benchmarks.sample_world [--seeds 10] [--families a,b,…] [--quick] [--record]

Each seed is a sample world of its own, built once by every job up to the graph and cached under EVENSONG_STATE. Families
train on the days before the validation window, are selected on that window, and are measured on the test window. Variants
are MM-GNN without each of its parts, and each of its heads alone.
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
from jobs.sources.sample_world.writer import write_sample_world
from tests.benchmarks.support.baselines import ABLATIONS, MM_GNN, get_variant
from tests.benchmarks.support.code_version import tables_sha256
from tests.benchmarks.support.fit_cache import FitCache
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.list_metrics import ListMetrics, list_metrics, student_interval
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
    refuse_quick_record,
)
from training.data.content import TABLE_OF
from training.data.dataset import Dataset
from training.data.reading import read_dataset
from training.evaluate import test_view
from training.evaluation.evaluator import SELECTION_METRIC
from training.evaluation.significance import Difference
from training.models.ranking.mm_gnn import COLLABORATIVE, LINEAR
from training.train import device_of

REFERENCE = "popularity"
FAMILIES = (
    REFERENCE, "item_knn", "ease", "light_gcn", "light_gcn_ease", MM_GNN,
    *(f"{MM_GNN}_{ablation}" for ablation in ABLATIONS),
    *(f"{MM_GNN}_only_{head}" for head in (COLLABORATIVE, *TABLE_OF, LINEAR)),
)  # fmt: skip
METRICS = ("recall_at_10", "ndcg_at_10")
HEADER = [
    "family", "recall@10", "× popularity", "nDCG@10", "× popularity", "nDCG@10 gain of MM-GNN [95 %]",
]  # fmt: skip
FIRST_SEED = 11
QUICK_USERS, QUICK_TRACKS = 100, 80


def options_of(seed: int, *, quick: bool) -> SampleWorld:
    """Options of a seed's sample world; `quick` makes a smaller one."""
    smaller = {"n_users_at_start": QUICK_USERS, "n_tracks_at_start": QUICK_TRACKS}
    return SampleWorld(seed=seed, **(smaller if quick else {}))


def build_dataset(
    options: SampleWorld, settings: Settings, *, organic_only: bool = False
) -> Dataset:
    """The sample world as training reads it; jobs run only if the cache lacks its lake.

    Args:
        options: of the sample world.
        settings: of the jobs; `state` holds the cache.
        organic_only: which listens training reads; no other table that it reads depends on this rule.
    """
    lake = sample_lake(options, settings)
    rules = settings.graph.model_copy(update={"organic_only": organic_only})
    return read_dataset(lake, options.last_day, rules)


def sample_lake(options: SampleWorld, settings: Settings) -> str:
    """The lake of a sample world; jobs run only if the cache lacks it."""
    folder = settings.state / "benchmarks" / "sample_world" / _lake_key(options, settings)
    return built_lake(folder, settings, options.last_day, partial(write_sample_world, options))


def open_fit_cache(dataset: Dataset, settings: Settings) -> FitCache:
    """The cache under EVENSONG_STATE of fits on the data set."""
    return FitCache(
        dataset=dataset,
        data_sha256=dataset.sha256(),
        folder=settings.state / "benchmarks" / "sample_world" / "fits",
        device=device_of(Night(dataset.as_of, "benchmark", settings)),
        n_threads=settings.training.n_threads,
        max_epochs=None,
        view_at_test=test_view,
    )


def measure(
    dataset: Dataset, settings: Settings, families: list[str], seed: int
) -> dict[str, ListMetrics]:
    """Test metrics by family; every family gets the same split."""
    fit_cache = open_fit_cache(dataset, settings)
    metrics, segments = {}, fit_cache.segments(seed)
    for name in families:
        variant = get_variant(name)
        lists = fit_cache.fit(variant, seed).lists
        metrics[name] = list_metrics(lists[variant.head], segments)
    return metrics


def values_by_name(runs: list[dict[str, ListMetrics]]) -> dict[str, list[float]]:
    """The values of each seed, by `<family>.<metric>`."""
    return {
        f"{family}.{metric}": [run[family].values[metric] for run in runs]
        for family in runs[0]
        for metric in METRICS
    }


def rows_of(values: dict[str, list[float]]) -> list[list[str]]:
    """A row for each family: each metric with its deviation, and as a multiple of popularity's."""
    rows = []
    for family in dict.fromkeys(name.partition(".")[0] for name in values):
        row = [family]
        for metric in METRICS:
            own, reference = values[f"{family}.{metric}"], values[f"{REFERENCE}.{metric}"]
            ratio = statistics.fmean(own) / statistics.fmean(reference)
            row += [mean_and_sd(own), f"{ratio:.2f}"]
        gain = gain_over(family, values)
        row.append("–" if gain is None else format_interval(gain))
        rows.append(row)
    return rows


def gain_over(family: str, values: dict[str, list[float]]) -> Difference | None:
    """MM-GNN's nDCG@10 less the family's, world by world; None for itself or for a single world."""
    pair = [values.get(f"{name}.{SELECTION_METRIC}", []) for name in (MM_GNN, family)]
    if family == MM_GNN or min(map(len, pair)) < 2:
        return None
    return student_interval([mm_gnn - other for mm_gnn, other in zip(*pair, strict=True)])


def flat_figures(values: dict[str, list[float]]) -> dict[str, float | None]:
    """Means and deviations by `<family>.<metric>`, and MM-GNN's gains with their intervals."""
    flat: dict[str, float | None] = {}
    for name, of_seeds in values.items():
        flat[name] = round(statistics.fmean(of_seeds), 6)
        flat[f"{name}_sd"] = round(statistics.stdev(of_seeds), 6) if len(of_seeds) > 1 else None
    for family in dict.fromkeys(name.partition(".")[0] for name in values):
        if (gain := gain_over(family, values)) is not None:
            ends = interval_figures(f"{MM_GNN}_minus_{family}.{SELECTION_METRIC}", gain)
            flat |= {name: round(value, 6) for name, value in ends.items()}
    return flat


def _lake_key(options: SampleWorld, settings: Settings) -> str:
    """Name of a built lake: its seed, and a hash of its options, code_hash and settings."""
    code_hash = tables_sha256(settings)
    return f"seed-{options.seed}-{sha256_of((repr(options) + code_hash).encode())[:12]}"


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
        dataset = build_dataset(options_of(seed, quick=quick), settings)
        runs.append(measure(dataset, settings, names, seed))
    values = values_by_name(runs)
    option = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.sample_world --seeds {seeds}{option} --record"
    day = date.fromisoformat(on) if on else date.today()  # noqa: DTZ011  a date for people
    section = Section("Sample world (synthetic)", command, day, seeds, HEADER, rows_of(values))
    print_section(section, record=record)
    print(json.dumps(flat_figures(values)))


if __name__ == "__main__":
    typer.run(main)

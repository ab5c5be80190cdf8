"""Measures how well each family recommends on HetRec 2011 Last.fm, a public data set of social recommenders.

    python -m tests.benchmarks.social [--seeds 5] [--families a,b,…] [--quick] [--record]

Each seed is a random 8:1:1 split of each listener's artists. Families train on eight tenths, select epoch and ensemble
weights on validation, and are measured once on the test by the protocol of published comparisons: the model sees only the
eight tenths, all artists are candidates, and a list excludes the listener's artists of train and validation. Graph and
features exclude tags that listeners gave to held-out artists. MM-GNN and its twin have one setting for this data: MUTUAL.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from feature_store.lake.storage import Storage, sha256_of
from feature_store.settings import Night, Settings, load_settings
from jobs.sources.hetrec import write_hetrec
from tests.benchmarks.support.baselines import (
    ABLATIONS,
    ALL_HEADS,
    FAMILIES,
    MM_GNN,
    Variant,
    get_variant,
)
from tests.benchmarks.support.code_version import REPOSITORY_ROOT, tables_sha256
from tests.benchmarks.support.fit_cache import FitCache
from tests.benchmarks.support.front_page import write_front_page
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.list_metrics import ListMetrics, list_metrics
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    print_section,
    refuse_quick_record,
)
from training.data.content import TAGS
from training.data.reading import read_dataset
from training.evaluate import published_view
from training.evaluation.significance import Difference, paired_difference
from training.models.ranking.mm_gnn import COLLABORATIVE, LINEAR
from training.train import device_of

HETREC = REPOSITORY_ROOT.parent / "shared" / "data" / "hetrec2011-lastfm-2k"
AS_OF = date(2012, 1, 1)  # after the last tag, which is of 2011
FIRST_SEED = 1
FEWER_SEEDS = 3
QUICK_EPOCHS = 2
BOOTSTRAP_SEED = 7

MUTUAL = {"mutual_weight": 0.1}
"""Weight of mutual learning in MM-GNN and its twin, selected on validation here.

Only one modality has content here, and with a larger weight the heads become too similar.
"""

ALL_SEEDS = frozenset(
    {"popularity", "item_knn", "ease", "ials", "light_gcn", "light_gcn_ease", MM_GNN}
)
"""Families measured on every seed; all others on at most FEWER_SEEDS."""

HETREC_VARIANTS = (
    *(f"{MM_GNN}_{ablation}" for ablation in ABLATIONS if ablation != "no_emotion"),
    *(f"{MM_GNN}_only_{head}" for head in (COLLABORATIVE, TAGS, LINEAR)),
)
"""Variants of MM-GNN for this data, which has no audio and no lyrics and hence no emotion."""

COLUMNS = {
    "recall_at_10": "recall@10",
    "ndcg_at_10": "nDCG@10",
    "few_listens_recall_at_10": "few listens",
    "few_follows_recall_at_10": "few follows",
    "tail_recall_at_10": "tail",
    "cold_recall_at_10": "cold",
    "missing_recall_at_10": "without a modality",
    "coverage": "coverage",
    "novelty": "novelty",
}
GAINS = {
    "ndcg_at_10": "nDCG@10 gain of MM-GNN [95 %]",
    "tail_recall_at_10": "in tail recall@10",
    "cold_recall_at_10": "in cold recall@10",
}
TITLE = "Social (HetRec 2011 Last.fm)"
HEADER = ["family", *COLUMNS.values(), *GAINS.values()]


def open_fit_cache(settings: Settings, *, quick: bool) -> FitCache:
    """The cache of fits on HetRec; jobs run only if the cache lacks the lake."""
    if not HETREC.is_dir():
        raise typer.BadParameter(f"{HETREC.name} must lie in ../shared/data beside the project")
    folder = settings.state / "benchmarks" / "social"
    lake_folder = folder / f"lake-{_lake_key(settings)}"
    lake = built_lake(lake_folder, settings, AS_OF, partial(_land, HETREC))
    dataset = read_dataset(lake, AS_OF, settings.graph)
    return FitCache(
        dataset=dataset,
        data_sha256=dataset.sha256(),
        folder=folder / "fits",
        device=device_of(Night(AS_OF, "benchmark", settings)),
        n_threads=settings.training.n_threads,
        max_epochs=QUICK_EPOCHS if quick else None,
        view_at_test=published_view,
    )


def hetrec_variant(name: str) -> Variant:
    """A variant with its settings for this data."""
    variant = get_variant(name)
    if variant.family not in (MM_GNN, "concat_twin"):
        return variant
    return replace(variant, changes={**MUTUAL, **variant.changes})


def measure(
    fit_cache: FitCache, families: list[str], seeds: int
) -> dict[str, dict[int, ListMetrics]]:
    """Metrics by family and seed; cached fits are not repeated."""
    runs = [
        (seed, name)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
        for name in families
        if name in ALL_SEEDS or seed < FIRST_SEED + FEWER_SEEDS
    ]
    segments = {seed: fit_cache.segments(seed) for seed in dict(runs)}
    metrics: dict[str, dict[int, ListMetrics]] = {name: {} for name in families}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(runs))
        for seed, name in runs:
            progress.update(task, description=f"{name}, seed {seed}")
            variant = hetrec_variant(name)
            lists = fit_cache.fit(variant, seed).lists
            if variant.head not in lists:
                heads = sorted(set(lists) - {ALL_HEADS})
                raise typer.BadParameter(f"{name}: the heads on this data are {', '.join(heads)}")
            metrics[name][seed] = list_metrics(lists[variant.head], segments[seed])
            progress.advance(task)
    return metrics


def differences(metrics: dict[str, dict[int, ListMetrics]]) -> dict[str, Difference]:
    """MM-GNN less each other family over the seeds of both, by `mm_gnn_minus_<family>.<metric>`."""
    if MM_GNN not in metrics:
        return {}
    found = {}
    for name in metrics.keys() - {MM_GNN}:
        seeds = sorted(metrics[MM_GNN].keys() & metrics[name].keys())
        for metric in metrics[MM_GNN][seeds[0]].per_user:
            mm_gnn, other = (
                [metrics[family][seed].per_user[metric] for seed in seeds]
                for family in (MM_GNN, name)
            )
            generator = np.random.default_rng(BOOTSTRAP_SEED)
            if not all(bool(of_seed.isnan().all()) for of_seed in mm_gnn):
                difference = paired_difference(mm_gnn, other, generator)
                found[f"{MM_GNN}_minus_{name}.{metric}"] = difference
    return dict(sorted(found.items()))


def flat_figures(
    metrics: dict[str, dict[int, ListMetrics]], compared: dict[str, Difference]
) -> dict[str, float | None]:
    """Numbers of seeds, means over them, deviations, and differences with both ends of their intervals.

    A segment without relevant tracks in every seed has the figure null.
    """
    flat: dict[str, float | None] = {}
    for name, by_seed in metrics.items():
        flat[f"{name}.seeds"] = len(by_seed)
        for metric in COLUMNS:
            of_seeds = [one.values[metric] for one in by_seed.values()]
            values = [value for value in of_seeds if not math.isnan(value)]
            flat[f"{name}.{metric}"] = statistics.fmean(values) if values else None
            flat[f"{name}.{metric}_sd"] = statistics.stdev(values) if len(values) > 1 else None
    for name, difference in compared.items():
        flat |= interval_figures(name, difference)
    return {name: None if value is None else round(value, 6) for name, value in flat.items()}


def sections_of(
    metrics: dict[str, dict[int, ListMetrics]], command: str, day: date
) -> list[Section]:
    """A section for each number of seeds: all means of a table are over the same seeds.

    The families with the most seeds have a table of their own; that of fewer seeds has every family
    again, on the first seeds alone.
    """
    most, *fewer = sorted({len(by_seed) for by_seed in metrics.values()}, reverse=True)
    sections = []
    for n_seeds in (most, *fewer):
        shown = {
            name: {seed: by_seed[seed] for seed in sorted(by_seed)[:n_seeds]}
            for name, by_seed in metrics.items()
            if len(by_seed) >= n_seeds
        }
        title = TITLE if n_seeds == most else f"{TITLE}, first {n_seeds} seeds"
        rows = rows_of(shown, differences(shown))
        sections.append(Section(title, command, day, n_seeds, HEADER, rows))
    return sections


def rows_of(
    metrics: dict[str, dict[int, ListMetrics]], compared: dict[str, Difference]
) -> list[list[str]]:
    """A row for each family: means over its seeds, and MM-GNN's gains."""
    flat = flat_figures(metrics, compared)
    rows = []
    for name in metrics:
        row = [name]
        for metric in COLUMNS:
            mean, deviation = flat[f"{name}.{metric}"], flat[f"{name}.{metric}_sd"]
            is_headline = metric in ("recall_at_10", "ndcg_at_10") and deviation is not None
            suffix = f" ± {deviation:.4f}" if is_headline else ""
            row.append("–" if mean is None else f"{mean:.4f}{suffix}")
        gains = [compared.get(f"{MM_GNN}_minus_{name}.{metric}") for metric in GAINS]
        rows.append([*row, *(format_interval(gain) if gain else "–" for gain in gains)])
    return rows


def _land(folder: Path, storage: Storage) -> object:
    return write_hetrec(folder, storage, AS_OF)


def _lake_key(settings: Settings) -> str:
    """Name of a built lake: a hash of the data set's files, the code and the settings."""
    files = "".join(sha256_of(file.read_bytes()) for file in sorted(HETREC.glob("*.dat")))
    return sha256_of((files + tables_sha256(settings)).encode())[:12]


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Splits to measure.")] = 5,
    families: Annotated[str, typer.Option(help="Names with commas; all when left out.")] = "",
    quick: Annotated[bool, typer.Option(help="Two epochs, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
    on: Annotated[str, typer.Option(help="Date to record; today's when left out.")] = "",
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    names = families.split(",") if families else [*FAMILIES, *HETREC_VARIANTS]
    for name in names:
        get_variant(name)
    metrics = measure(open_fit_cache(load_settings(), quick=quick), names, seeds)
    day = date.fromisoformat(on) if on else date.today()  # noqa: DTZ011  a date for people
    option = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.social --seeds {seeds}{option} --record"
    for section in sections_of(metrics, command, day):
        print_section(section, record=record)
    if record:
        write_front_page()
    print(json.dumps(flat_figures(metrics, differences(metrics))))


if __name__ == "__main__":
    typer.run(main)

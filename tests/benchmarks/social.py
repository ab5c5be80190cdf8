"""How well does each family recommend on HetRec 2011 Last.fm, the data that social recommenders publish on?

    python -m tests.benchmarks.social [--seeds 5] [--families a,b,…] [--quick] [--record]

Each seed is a random split of its own, 8:1:1 of every person's artists. Families learn from the eight tenths, choose epoch
and head weights on validation, and are measured once on the test by the protocol of published comparisons: the model knows
the eight tenths alone, all artists are ranked, and those of the nine tenths are left out. Tags that people gave to
held-out artists are kept from graph and features. MM-GNN and its twin have one setting of their own here: MUTUAL.
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
    ALL_HEADS,
    FAMILIES,
    OURS,
    WITHOUT,
    Contender,
    contender_called,
)
from tests.benchmarks.support.code import SOURCES, tables_sha256
from tests.benchmarks.support.comparison import Figures, figures_of
from tests.benchmarks.support.fits import Bench
from tests.benchmarks.support.lakes import built_lake
from tests.benchmarks.support.record import Section, interval, refuse_quick_record, show, with_ends
from training.data.content import TAGS
from training.data.reading import read_world
from training.evaluate import published_evidence
from training.evaluation.significance import Difference, paired_difference
from training.models.ranking.mm_gnn import COLLABORATIVE, LINEAR
from training.train import device_of

HETREC = SOURCES.parent / "shared" / "data" / "hetrec2011-lastfm-2k"
AS_OF = date(2012, 1, 1)  # after the last tag, which is of 2011
FIRST_SEED = 1
FEWER_SEEDS = 3
QUICK_EPOCHS = 2
BOOTSTRAP_SEED = 7

MUTUAL = {"mutual_weight": 0.1}
"""MM-GNN's and its twin's, chosen on validation here: heads of one modality that learn more of each other become alike."""

ALL_SEEDS = frozenset({"ease", "ials", "light_gcn", "light_gcn_ease", OURS})
"""Families that are measured on every seed; the others on at most FEWER_SEEDS."""

ABLATIONS = (
    *(f"{OURS}_{part}" for part in WITHOUT if part != "no_emotion"),
    *(f"{OURS}_only_{head}" for head in (COLLABORATIVE, TAGS, LINEAR)),
)
"""Parts that MM-GNN has on this data: nothing of it is heard or read, so there is no emotion."""

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
LEADS = {
    "ndcg_at_10": "MM-GNN ahead in nDCG@10 [95 %]",
    "tail_recall_at_10": "in the tail's recall@10",
    "cold_recall_at_10": "in cold recall@10",
}


def open_bench(settings: Settings, *, quick: bool) -> Bench:
    """HetRec as training reads it; jobs run only when this code has not built it before."""
    if not HETREC.is_dir():
        raise typer.BadParameter(f"{HETREC.name} must lie in ../shared/data beside the project")
    root = settings.state / "benchmarks" / "social"
    kept = root / f"lake-{_lake_hash(settings)}"
    lake = built_lake(kept, settings, AS_OF, partial(_land, HETREC))
    world = read_world(lake, AS_OF, settings.graph)
    return Bench(
        world=world,
        data_sha256=world.sha256(),
        folder=root / "fits",
        device=device_of(Night(AS_OF, "benchmark", settings)),
        n_threads=settings.training.n_threads,
        max_epochs=QUICK_EPOCHS if quick else None,
        evidence=published_evidence,
    )


def competing(name: str) -> Contender:
    """A contender with the settings that it has on this data."""
    contender = contender_called(name)
    if contender.family not in (OURS, "concat_twin"):
        return contender
    return replace(contender, changes={**MUTUAL, **contender.changes})


def measure(bench: Bench, families: list[str], seeds: int) -> dict[str, dict[int, Figures]]:
    """Figures by family and seed; a fit that a file keeps is not made again."""
    wanted = [
        (seed, name)
        for seed in range(FIRST_SEED, FIRST_SEED + seeds)
        for name in families
        if name in ALL_SEEDS or seed < FIRST_SEED + FEWER_SEEDS
    ]
    segments = {seed: bench.segments(seed) for seed in dict(wanted)}
    figures: dict[str, dict[int, Figures]] = {name: {} for name in families}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(wanted))
        for seed, name in wanted:
            progress.update(task, description=f"{name}, seed {seed}")
            contender = competing(name)
            kept = bench.fitted(contender, seed)
            if contender.head not in kept.lists:
                heads = sorted(set(kept.lists) - {ALL_HEADS})
                raise typer.BadParameter(f"{name}: this world's heads are {', '.join(heads)}")
            figures[name][seed] = figures_of(kept.lists[contender.head], segments[seed])
            progress.advance(task)
    return figures


def differences(figures: dict[str, dict[int, Figures]]) -> dict[str, Difference]:
    """MM-GNN less every other family over the seeds that both have, by `mm_gnn_minus_<family>.<metric>`."""
    if OURS not in figures:
        return {}
    found = {}
    for name in figures.keys() - {OURS}:
        both = sorted(figures[OURS].keys() & figures[name].keys())
        for metric in figures[OURS][both[0]].of_each:
            ours, theirs = (
                [figures[family][seed].of_each[metric] for seed in both] for family in (OURS, name)
            )
            generator = np.random.default_rng(BOOTSTRAP_SEED)
            if not all(bool(one.isnan().all()) for one in ours):
                difference = paired_difference(ours, theirs, generator)
                found[f"{OURS}_minus_{name}.{metric}"] = difference
    return dict(sorted(found.items()))


def flat_figures(
    figures: dict[str, dict[int, Figures]], compared: dict[str, Difference]
) -> dict[str, float | None]:
    """Means over seeds, their deviation, and the differences with both ends of their intervals.

    A segment without anything to be found in any seed has no figure: null.
    """
    flat: dict[str, float | None] = {}
    for name, by_seed in figures.items():
        for metric in COLUMNS:
            values = [one.values[metric] for one in by_seed.values()]
            found = [value for value in values if not math.isnan(value)]
            flat[f"{name}.{metric}"] = statistics.fmean(found) if found else None
            flat[f"{name}.{metric}_sd"] = statistics.stdev(found) if len(found) > 1 else None
    for name, difference in compared.items():
        flat |= with_ends(name, difference)
    return {name: None if value is None else round(value, 6) for name, value in flat.items()}


def rows_of(
    figures: dict[str, dict[int, Figures]], compared: dict[str, Difference]
) -> list[list[str]]:
    """A line per family: figures over its seeds, and how far MM-GNN lies ahead."""
    flat = flat_figures(figures, compared)
    rows = []
    for name, by_seed in figures.items():
        line = [name, str(len(by_seed))]
        for metric in COLUMNS:
            mean, deviation = flat[f"{name}.{metric}"], flat[f"{name}.{metric}_sd"]
            is_headline = metric in ("recall_at_10", "ndcg_at_10") and deviation is not None
            spread = f" ± {deviation:.4f}" if is_headline else ""
            line.append("–" if mean is None else f"{mean:.4f}{spread}")
        leads = [compared.get(f"{OURS}_minus_{name}.{metric}") for metric in LEADS]
        rows.append([*line, *(interval(lead) if lead else "–" for lead in leads)])
    return rows


def _land(folder: Path, storage: Storage) -> object:
    return write_hetrec(folder, storage, AS_OF)


def _lake_hash(settings: Settings) -> str:
    """Names a built lake: the data set's files, and what makes tables of them."""
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
    names = families.split(",") if families else [*FAMILIES, *ABLATIONS]
    for name in names:
        contender_called(name)
    figures = measure(open_bench(load_settings(), quick=quick), names, seeds)
    compared = differences(figures)
    rows = rows_of(figures, compared)
    header = ["family", "seeds", *COLUMNS.values(), *LEADS.values()]
    day = date.fromisoformat(on) if on else date.today()  # noqa: DTZ011  a date for people
    chosen = f" --families {families}" if families else ""
    command = f"python -m tests.benchmarks.social --seeds {seeds}{chosen} --record"
    section = Section("Social (HetRec 2011 Last.fm)", command, day, seeds, header, rows)
    show(section, record=record)
    print(json.dumps(flat_figures(figures, compared)))


if __name__ == "__main__":
    typer.run(main)

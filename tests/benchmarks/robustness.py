"""Measures how much MM-GNN and its concatenating twin lose when tracks lack modalities. Synthetic.

    python -m tests.benchmarks.robustness [--seeds 10] [--quick] [--record]

The sample worlds are those of the benchmark sample_world. At a rate d, modality dropout removes each modality from d % of the
tracks that have it, drawn separately for each modality; a track without tags loses its tag edges in the graph, too.
`drop_at_score`: the model trains on all modalities and ranks without the dropped ones. `drop_at_train`: it trains and ranks
without them. The loss ratio is 1 - nDCG@10(d) / nDCG@10(0) on the test window.
`drop_at_score_of_new`: as `drop_at_score`, but a tenth of the tracks are cold-start tracks (benchmark cold_start) and the
only candidates, so that only content heads can rank them. Its figure is nDCG@10 itself: a family whose ensemble weights do
without content has nothing to lose. Families are compared world by world, with Student's interval over the worlds.
A family's curves in a world are cached under EVENSONG_STATE.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from feature_store.lake.storage import sha256_of
from feature_store.settings import Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, build_dataset, open_fit_cache, options_of
from tests.benchmarks.support.baselines import MM_GNN, Variant
from tests.benchmarks.support.fit_cache import FitCache, make_split
from tests.benchmarks.support.list_metrics import student_interval
from tests.benchmarks.support.modality_dropout import (
    draw_cold_start_tracks,
    drop_modalities,
    make_cold_start,
    restrict_candidates,
)
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
    refuse_quick_record,
)
from tests.support.ranking_fits import RANKING_TASK, fitting_of
from training.artifacts.model_state import ModelState
from training.config import load_recipe
from training.data.dataset import Dataset
from training.engine.loop import deterministic
from training.engine.model_selection import evaluate_on_test, select_on_validation
from training.evaluate import test_result, test_view
from training.evaluation.evaluator import SELECTION_METRIC
from training.evaluation.significance import Difference
from training.evaluation.splits import Holdout, Split, restrict_to_pairs_of

FAMILIES = (MM_GNN, "concat_twin")
PROTOCOLS = SCORE, TRAIN, SCORE_COLD_START = "score", "train", "score_of_new"
HEADER_OF = {SCORE: "at score", TRAIN: "at train", SCORE_COLD_START: "at score, cold start"}
RATES = (10, 30, 50, 70, 100)
COLD_START_RATES = (0, *RATES[:-1])  # no head can rank a cold-start track without content

CODE_FILES = [
    Path(__file__),
    *(Path(__file__).parent / "support" / name for name in ("modality_dropout.py", "fit_cache.py")),
]


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve.

    Attributes:
        protocol: one of PROTOCOLS.
        rate: in percent.
        ndcg: nDCG@10 on the test window.
    """

    protocol: str
    rate: int
    family: str
    ndcg: float


PointValues = dict[tuple[str, int, str], list[float]]
"""A value of each world, by protocol, rate and family."""


def curves(dataset: Dataset, seed: int, settings: Settings) -> list[Point]:
    """All points of both families in one world, from the cache where it has them."""
    fit_cache = open_fit_cache(dataset, settings)
    code_hash = sha256_of(b"".join(file.read_bytes() for file in CODE_FILES))[:12]
    points = []
    for family in FAMILIES:
        name = f"robustness-{fit_cache.key(Variant(family), seed)}-{code_hash}.json"
        cached = fit_cache.folder / name
        if not cached.exists():
            measured = [asdict(point) for point in _curves_of(family, fit_cache, seed)]
            partial = cached.with_suffix(".partial")
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(measured))
            partial.rename(cached)
        points += [Point(**point) for point in json.loads(cached.read_text())]
    return points


def _curves_of(family: str, fit_cache: FitCache, seed: int) -> Iterator[Point]:
    """A family's curves: one fit on all data, one with cold-start tracks, and one for each rate."""
    recipe, dataset, split = (
        load_recipe("ranking", family),
        fit_cache.dataset,
        fit_cache.split(seed),
    )
    device = fit_cache.device
    tracks = draw_cold_start_tracks(dataset, seed)
    cold_start = make_cold_start(dataset, tracks, split.sealed_test.end)
    cold_split = make_split(cold_start, seed)
    cold_test = restrict_candidates(
        tracks, restrict_to_pairs_of(cold_split, split, dataset.n_tracks)
    )

    def fitted(to_fit: Dataset, on: Split[Holdout]) -> ModelState:
        with deterministic(seed, fit_cache.n_threads):
            return select_on_validation(fitting_of(to_fit, device), on, recipe, seed=seed).state

    def ndcg(state: ModelState, dropped: Dataset) -> float:
        tested = evaluate_on_test(fitting_of(dropped, device), split, state, recipe)
        return tested.result.values[SELECTION_METRIC]

    def cold_start_ndcg(state: ModelState, dropped: Dataset) -> float:
        view = test_view(RANKING_TASK, dropped, cold_split)
        model = RANKING_TASK.from_state(state, recipe, view, {}, device)
        result = test_result(RANKING_TASK, model, dropped, cold_test, device)
        return result.values[SELECTION_METRIC]

    full, cold = fitted(dataset, split), fitted(cold_start, cold_split)
    for rate in (0, *RATES):
        dropped = drop_modalities(dataset, rate, seed)
        refit = fitted(dropped, split) if rate else full
        with deterministic(seed, fit_cache.n_threads):
            yield Point(SCORE, rate, family, ndcg(full, dropped))
            yield Point(TRAIN, rate, family, ndcg(refit, dropped))
            if rate in COLD_START_RATES:
                cold_dropped = drop_modalities(cold_start, rate, seed)
                yield Point(SCORE_COLD_START, rate, family, cold_start_ndcg(cold, cold_dropped))


def ndcg_values(points: list[list[Point]]) -> PointValues:
    """NDCG@10 of each world."""
    values: PointValues = {}
    for point in (point for of_world in points for point in of_world):
        values.setdefault((point.protocol, point.rate, point.family), []).append(point.ndcg)
    return values


def loss_ratios(points: list[list[Point]]) -> PointValues:
    """1 - nDCG(d) / nDCG(0) of each world; not of cold-start tracks."""
    ndcg = ndcg_values(points)
    return {
        (protocol, rate, family): [
            1 - dropped / full
            for dropped, full in zip(values, ndcg[protocol, 0, family], strict=True)
        ]
        for (protocol, rate, family), values in ndcg.items()
        if rate and protocol != SCORE_COLD_START
    }


def twin_loses_more(ratios: PointValues, protocol: str, rates: Sequence[int]) -> Difference:
    """The twin's loss ratio less MM-GNN's, averaged over `rates` in each world, with its interval.

    Raises:
        ValueError: a single world has no interval.
    """
    mm_gnn, twin = (
        np.mean([ratios[protocol, rate, family] for rate in rates], axis=0) for family in FAMILIES
    )
    return student_interval((twin - mm_gnn).tolist())


def loss_rows(ratios: PointValues) -> list[list[str]]:
    """A row for each rate and one for their mean: loss ratio of each family, and the difference."""
    rows = []
    for title, rates in [(f"{rate} %", (rate,)) for rate in RATES] + [("mean", RATES)]:
        row = [title]
        for protocol in (SCORE, TRAIN):
            for family in FAMILIES:
                of_worlds = np.mean([ratios[protocol, rate, family] for rate in rates], axis=0)
                row.append(mean_and_sd(of_worlds.tolist(), decimals=3))
            row.append(format_interval(twin_loses_more(ratios, protocol, rates)))
        rows.append(row)
    return rows


def mm_gnn_gain(ndcg: PointValues, protocol: str, rate: int) -> Difference:
    """MM-GNN's nDCG@10 less the twin's: mean over worlds, with its interval."""
    mm_gnn, twin = (ndcg[protocol, rate, family] for family in FAMILIES)
    return student_interval([one - other for one, other in zip(mm_gnn, twin, strict=True)])


def ndcg_rows(ndcg: PointValues) -> list[list[str]]:
    """A row for each rate: nDCG@10 of each family, and MM-GNN's gain."""
    rows = []
    for rate in (0, *RATES):
        row = [f"{rate} %"]
        for protocol in PROTOCOLS:
            if (protocol, rate, MM_GNN) in ndcg:
                row += [mean_and_sd(ndcg[protocol, rate, family]) for family in FAMILIES]
                row.append(format_interval(mm_gnn_gain(ndcg, protocol, rate)))
            else:
                row += ["–"] * (len(FAMILIES) + 1)
        rows.append(row)
    return rows


def flat_figures(points: list[list[Point]]) -> dict[str, float]:
    """By `drop_at_<protocol>.<rate>.<family>_loss_ratio` and `…_ndcg_at_10`, with both comparisons."""
    ratios, ndcg = loss_ratios(points), ndcg_values(points)
    flat = {
        f"drop_at_{protocol}.{rate}.{family}_loss_ratio": statistics.fmean(lost)
        for (protocol, rate, family), lost in ratios.items()
    }
    for protocol in (SCORE, TRAIN):
        more = twin_loses_more(ratios, protocol, RATES)
        flat |= interval_figures(f"drop_at_{protocol}.twin_loses_more", more)
    for (protocol, rate, family), values in ndcg.items():
        flat[f"drop_at_{protocol}.{rate}.{family}_ndcg_at_10"] = statistics.fmean(values)
    for protocol, rate, family in ndcg:
        if family == MM_GNN:
            gain = mm_gnn_gain(ndcg, protocol, rate)
            flat |= interval_figures(f"drop_at_{protocol}.{rate}.mm_gnn_gain", gain)
    return {name: round(value, 6) for name, value in flat.items()}


def main(
    seeds: Annotated[int, typer.Option(min=2, help="Worlds to measure.")] = 10,
    quick: Annotated[bool, typer.Option(help="A smaller world, to see that it runs.")] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    points = [
        curves(build_dataset(options_of(seed, quick=quick), settings), seed, settings)
        for seed in track(
            range(FIRST_SEED, FIRST_SEED + seeds), "worlds", console=Console(stderr=True)
        )
    ]
    command = f"python -m tests.benchmarks.robustness --seeds {seeds} --record"
    today = datetime.now(UTC).date()
    for title, first, last, protocols, rows in (
        ("Missing modalities (synthetic)", "missing; share of nDCG@10 lost", "twin loses more",
         (SCORE, TRAIN), loss_rows(loss_ratios(points))),
        ("nDCG@10 with missing modalities (synthetic)", "missing; nDCG@10", "gain of MM-GNN",
         PROTOCOLS, ndcg_rows(ndcg_values(points))),
    ):  # fmt: skip
        header = [first]
        for protocol in protocols:
            header += [f"{family}, {HEADER_OF[protocol]}" for family in FAMILIES]
            header.append(f"{last}, {HEADER_OF[protocol]} [95 %]")
        print_section(Section(title, command, today, seeds, header, rows), record=record)
    print(json.dumps(flat_figures(points)))


if __name__ == "__main__":
    typer.run(main)

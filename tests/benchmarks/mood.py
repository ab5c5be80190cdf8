"""Measures how well listens are found by listener and mood, on sample worlds. Synthetic: we planted the tastes.

    python -m tests.benchmarks.mood [--mood-worlds 10] [--quick] [--record]

Each world is one of those of the benchmark sample_world, built by every job up to the graph. A held-out listen asks for its
track by its listener and by the mean mood of the tracks around it. Wide & Deep is measured whole and with each of its parts,
beside the nearest tracks on the plane, popularity, and MM-GNN without emotion, which ranks whatever the mood. The second table
lists for each of them the nDCG when only the nearest share of the tracks is ranked, with the distance that is left: at
equal distance it tells who ranks better.

Fits are kept below EVENSONG_STATE, so a benchmark that was killed goes on.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from feature_store.settings import Night, Settings, load_settings
from tests.benchmarks.sample_world import FIRST_SEED, options_of, sample_lake
from tests.benchmarks.support.list_metrics import student_interval
from tests.benchmarks.support.mood.fits import IGNORES_MOOD, SHARES, VARIANTS, MoodFigures, MoodFits
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
    refuse_quick_record,
)
from training.data.mood import read_mood
from training.evaluation.mood_ranking import SELECTION_METRIC
from training.evaluation.significance import Difference

NAMES = (*VARIANTS, IGNORES_MOOD)
MAIN = "both"
DISTANCE = "emotional_distance"
QUICK_EPOCHS = 2
HEADER = [
    "model",
    "nDCG@10",
    "recall@10",
    "distance of the ten",
    "nDCG@10 gain of both parts [95 %]",
]
CURVE_HEADER = ["model", *(f"nearest {share:.0%}: nDCG@10, distance" for share in SHARES)]

Runs = Mapping[str, Sequence[MoodFigures]]
"""Figures of each model, one a world."""


def measure(seed: int, settings: Settings, *, quick: bool) -> dict[str, MoodFigures]:
    """All models on the world of a seed."""
    options = options_of(seed, quick=quick)
    lake = sample_lake(options, settings)
    own = settings.model_copy(update={"lake": lake})
    fits = MoodFits(
        data=read_mood(Night(options.last_day, "benchmark", own)),
        folder=settings.state / "benchmarks" / "mood",
        n_threads=settings.training.n_threads,
        max_epochs=QUICK_EPOCHS if quick else None,
    )
    return {name: fits.fit(name, seed) for name in NAMES}


def rows_of(runs: Runs) -> list[list[str]]:
    """A row of HEADER for each model."""
    metrics = (SELECTION_METRIC, "recall_at_10", DISTANCE)
    return [
        [
            name,
            *(mean_and_sd(_values(of_worlds, metric)) for metric in metrics),
            "–" if (gain := gain_over(name, runs)) is None else format_interval(gain),
        ]
        for name, of_worlds in runs.items()
    ]


def curve_rows(runs: Runs) -> list[list[str]]:
    """A row of CURVE_HEADER for each model."""
    rows = []
    for name, of_worlds in runs.items():
        cells = []
        for share in SHARES:
            ndcg, distance = (
                statistics.fmean(_values(of_worlds, metric, share))
                for metric in (SELECTION_METRIC, DISTANCE)
            )
            cells.append(f"{ndcg:.4f}, {distance:.3f}")
        rows.append([name, *cells])
    return rows


def gain_over(name: str, runs: Runs) -> Difference | None:
    """nDCG@10 of both parts less the model's, world by world; None for itself or a single world."""
    if name == MAIN or len(runs[MAIN]) < 2:
        return None
    pairs = zip(*(_values(runs[one], SELECTION_METRIC) for one in (MAIN, name)), strict=True)
    return student_interval([ours - theirs for ours, theirs in pairs])


def flat_figures(runs: Runs) -> dict[str, float]:
    """Means as <model>.<metric>, those of a share as <model>.<metric>_nearest_<percent>, and gains."""
    flat = {
        f"{name}.{metric}{'' if share == 1 else f'_nearest_{share * 100:.0f}'}": statistics.fmean(
            _values(of_worlds, metric, share)
        )
        for name, of_worlds in runs.items()
        for share in SHARES
        for metric in of_worlds[0].by_share[share]
    }
    for name in runs:
        gain = gain_over(name, runs)
        if gain is not None:
            flat |= interval_figures(f"{MAIN}_minus_{name}.{SELECTION_METRIC}", gain)
    return flat


def _values(of_worlds: Sequence[MoodFigures], metric: str, share: float = 1.0) -> list[float]:
    return [one.by_share[share][metric] for one in of_worlds]


def main(
    mood_worlds: Annotated[int, typer.Option(min=1, help="Worlds to measure.")] = 10,
    quick: Annotated[
        bool, typer.Option(help=f"A smaller world, {QUICK_EPOCHS} epochs, to see that it runs.")
    ] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings = load_settings()
    by_world = [
        measure(seed, settings, quick=quick) for seed in range(FIRST_SEED, FIRST_SEED + mood_worlds)
    ]
    runs = {name: [one[name] for one in by_world] for name in NAMES}
    command = f"python -m tests.benchmarks.mood --mood-worlds {mood_worlds} --record"
    day = datetime.now(tz=UTC).date()
    for title, header, rows in (
        ("Moods: sample worlds (synthetic)", HEADER, rows_of(runs)),
        ("Moods: only the nearest tracks (synthetic)", CURVE_HEADER, curve_rows(runs)),
    ):
        print_section(Section(title, command, day, mood_worlds, header, rows), record=record)
    print(json.dumps({name: round(value, 6) for name, value in flat_figures(runs).items()}))


if __name__ == "__main__":
    typer.run(main)

"""Measures how well valence and arousal are read from text: EmoBank, by its official split.

    python -m tests.benchmarks.emotion [--seeds 3] [--emobank FOLDER] [--mpnet FOLDER] [--quick] [--record]

Words to Waves is trained on train and selected on dev (epochs, spreads, the strength of ridge); the test is measured once for each
fit. no_smoothing weighs all labels alike. Train sentences whose text stands in dev or test too are left out.
Of a larger model (--mpnet) only the upper four layers have adapters, and the outputs of the lower ones are kept.

Fits are kept below EVENSONG_STATE, so a benchmark that was killed goes on.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from feature_store.settings import load_settings
from tests.benchmarks.support.emotion.emobank_texts import first_texts, read_emobank
from tests.benchmarks.support.emotion.fits import BANDS, EmotionFits, FitFigures, Variant
from tests.benchmarks.support.record import (
    Section,
    format_interval,
    interval_figures,
    mean_and_sd,
    print_section,
    refuse_quick_record,
)
from training.data.emotion_texts import DIMENSIONS
from training.evaluation.significance import Difference, paired_difference

EMOBANK = Path(__file__).parents[3] / "shared" / "data" / "emobank"
FIRST_SEED = 1
QUICK_TEXTS, QUICK_EPOCHS = 300, 1
UPPER_LAYERS = 4  # of the larger model

NO_SMOOTHING, RIDGE = "_no_smoothing", "_ridge"
METRICS = (
    "dev_r2_mean",
    "test_r2_mean",
    *(f"test_{name}_{metric}" for metric in ("r2", "pearson", "rmse") for name in DIMENSIONS),
    *(f"test_{name}_within_{spelling}_sd" for spelling in ("1", "1_64") for name in DIMENSIONS),
    "trainable_ratio",
)
HEADER = [
    "model", "dev R²", "test R²", "R² V", "R² A", "r V", "r A", "RMSE V", "RMSE A", "V in 1 sd", "A in 1 sd",
    "V in 1.64 sd", "A in 1.64 sd", "weights that learn", "test R² less its ridge's [95 %]",
    "test R² less that without smoothing [95 %]",
]  # fmt: skip
BAND_HEADER = [
    "model",
    *(f"{name} {band}" for name in ("V", "A") for band in ("below .5", ".5 to 1", "from 1")),
]

Runs = Mapping[str, Sequence[FitFigures]]
"""Figures of each model, one a seed."""


def variants_of(name: str, folder: str, upper_layers: int) -> dict[str, Variant]:
    """Words to Waves on a text model, without smoothing, and ridge."""
    model = {"text_folder": folder}
    adapted = model | {"upper_layers": upper_layers}
    return {
        name: Variant("words_to_waves", adapted),
        f"{name}{NO_SMOOTHING}": Variant("words_to_waves", adapted | {"smoothing": 0.0}),
        f"{name}{RIDGE}": Variant("ridge", model),
    }


def measure(
    fits: EmotionFits, variants: Mapping[str, Variant], seeds: int
) -> dict[str, list[FitFigures]]:
    """All fits; one that has no chance is fitted once."""
    return {
        name: [
            fits.fit(name, variant, FIRST_SEED + number)
            for number in range(seeds if variant.family == "words_to_waves" else 1)
        ]
        for name, variant in variants.items()
    }


def rows_of(runs: Runs) -> list[list[str]]:
    """A row of HEADER for each model."""
    rows = []
    for name, fits in runs.items():
        cells = [mean_and_sd(_values(fits, metric)) for metric in METRICS]
        gains = [_gain(runs, name, other) for other in (RIDGE, NO_SMOOTHING)]
        rows.append(
            [name, *cells, *("–" if one is None else format_interval(one) for one in gains)]
        )
    return rows


def band_rows(runs: Runs) -> list[list[str]]:
    """A row of BAND_HEADER for each model: errors on the scale of 1 to 5, by the label's distance from 3."""
    return [
        [
            name,
            *(
                mean_and_sd(_values(fits, f"test_{dimension}_rmse_{band}"))
                for dimension in DIMENSIONS
                for band in BANDS
            ),
        ]
        for name, fits in runs.items()
    ]


def flat_figures(runs: Runs) -> dict[str, float]:
    """Means over seeds as <model>.<metric>, and gains with their intervals."""
    flat = {
        f"{name}.{metric}": statistics.fmean(_values(fits, metric))
        for name, fits in runs.items()
        for metric in fits[0].values
    }
    for name in runs:
        for suffix, what in ((RIDGE, "minus_ridge"), (NO_SMOOTHING, "minus_no_smoothing")):
            gain = _gain(runs, name, suffix)
            if gain is not None:
                flat |= interval_figures(f"{name}_{what}.test_r2_mean", gain)
    ratios = [flat[f"{name}.trainable_ratio"] for name in runs if f"{name}.trainable_ratio" in flat]
    return flat | {"trainable_ratio": max(ratios)}


def _values(fits: Sequence[FitFigures], metric: str) -> list[float]:
    return [one.values[metric] for one in fits if metric in one.values]


def _gain(runs: Runs, name: str, suffix: str) -> Difference | None:
    """A model's test R² less that of its variant; over texts and seeds; None for others."""
    theirs = runs.get(f"{name}{suffix}")
    if theirs is None:
        return None
    ours = [torch.tensor(one.per_text) for one in runs[name]]
    others = [torch.tensor(one.per_text) for one in theirs]
    others = others if len(others) == len(ours) else others * len(ours)
    return paired_difference(ours, others, np.random.default_rng(FIRST_SEED))


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Fits of each model that has chance.")] = 3,
    emobank: Annotated[Path, typer.Option(help="Folder with emobank.csv.")] = EMOBANK,
    mpnet: Annotated[
        Path | None, typer.Option(help="Folder of a larger text model of transformers.")
    ] = None,
    quick: Annotated[
        bool, typer.Option(help=f"{QUICK_TEXTS} sentences, {QUICK_EPOCHS} epoch.")
    ] = False,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
) -> None:
    """Measure, print, and record when asked."""
    refuse_quick_record(quick=quick, record=record)
    settings, data = load_settings(), read_emobank(emobank)
    fits = EmotionFits(
        data=first_texts(data, QUICK_TEXTS) if quick else data,
        folder=settings.state / "benchmarks" / "emotion",
        n_threads=settings.training.n_threads,
        max_epochs=QUICK_EPOCHS if quick else None,
        console=Console(stderr=True),
    )
    variants = {"vader": Variant("vader_valence")} | variants_of("minilm", "", -1)
    if mpnet is not None:
        variants |= variants_of("mpnet", str(mpnet.resolve()), UPPER_LAYERS)
    runs = measure(fits, variants, seeds)
    command = f"python -m tests.benchmarks.emotion --seeds {seeds}{' --mpnet FOLDER' if mpnet else ''} --record"
    day = datetime.now(tz=UTC).date()
    for title, header, rows in (
        ("Emotion of text: EmoBank, official split", HEADER, rows_of(runs)),
        ("Emotion of text: errors by distance of the label from 3", BAND_HEADER, band_rows(runs)),
    ):
        print_section(Section(title, command, day, seeds, header, rows), record=record)
    print(json.dumps({name: round(value, 6) for name, value in flat_figures(runs).items()}))


if __name__ == "__main__":
    typer.run(main)

"""Figures and table rows of retrieval among held-out music, with intervals that draw tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tests.benchmarks.support.htcl.real.fits import RealFit
from tests.benchmarks.support.htcl.real.retrieval import DEPTHS, Recalls
from tests.benchmarks.support.htcl.real.split import Part, RealMusic
from tests.benchmarks.support.htcl.real.vectors import MUSICNN_NAME, RANDOM_NAME, WindowVectors
from tests.benchmarks.support.record import interval_figures
from training.evaluation.significance import Difference, paired_difference
from training.models.protocols import TEXT_METRIC

HEADER = [
    "vectors", "size", "learned from", "same track @1 / @5 / @10", "@10 [95 %]", "less MusiCNN's [95 %]",
    "less random tower's [95 %]", "same album @1 / @5 / @10", "@10 [95 %]", "title → audio @1 / @5 / @10", "@10 [95 %]",
]  # fmt: skip
FIT_HEADER = ["size", "learned from", "rate", "validation", "best epoch", "epochs", "note"]
MUSICNN, RANDOM = "musicnn", "random"
"""Baselines, as the names of figures call them."""
SAME_TRACK, SAME_ALBUM, TITLE_TO_AUDIO = TASKS = ("same_track", "same_album", "title_to_audio")


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """Recalls of one kind of vectors.

    Attributes:
        recalls: by task; vectors that no text has lack TITLE_TO_AUDIO.
    """

    vectors: WindowVectors
    recalls: Mapping[str, Recalls]

    def interval(self, task: str, seed: int) -> Difference:
        """Mean recall@10 over tracks."""
        ours = self.recalls[task][10]
        return paired_difference([ours], [torch.zeros_like(ours)], np.random.default_rng(seed))

    def gain_over(self, other: Retrieval, task: str, seed: int) -> Difference:
        """Mean over tracks of what recall@10 is above that of other vectors."""
        ours, theirs = (one.recalls[task][10] for one in (self, other))
        return paired_difference([ours], [theirs], np.random.default_rng(seed))


def pool_figures(music: RealMusic) -> dict[str, float]:
    """Tracks and windows of each part, and recalls of a random order of both pools."""
    figures: dict[str, float] = {}
    for part in Part:
        name = part.name.lower()
        figures[f"real.{name}_tracks"] = int((music.parts == part).sum())
        figures[f"real.{name}_windows"] = len(music.windows(part))
    n_pool = figures["real.held_out_tracks"]
    for depth in DEPTHS:
        figures[f"real.chance_recall_at_{depth}"] = min(1.0, depth / n_pool)
        figures[f"real.chance_same_album_recall_at_{depth}"] = min(1.0, depth / (n_pool - 1))
    return figures


def retrieval_figures(found: Sequence[Retrieval], seed: int) -> dict[str, float]:
    """Recalls, and gains over MusiCNN and over the random tower of the same size.

    Args:
        found: each kind of vectors.
        seed: of the intervals.
    """
    figures: dict[str, float] = {}
    for one in found:
        prefix = f"real.{one.vectors.prefix}"
        for task, recalls in one.recalls.items():
            figures[f"real.{task}_queries"] = int((~recalls[10].isnan()).sum())
            for depth in DEPTHS:
                figures[f"{prefix}{task}_recall_at_{depth}"] = float(recalls[depth].nanmean())
            name = f"{prefix}{task}_recall_at_10"
            figures |= interval_figures(name, one.interval(task, seed))
        for baseline, other in _baselines(one, found).items():
            for task in (SAME_TRACK, SAME_ALBUM):
                gain = one.gain_over(other, task, seed)
                figures |= interval_figures(f"{prefix}{task}_gain_over_{baseline}", gain)
    return figures


def fit_figures(chosen: Sequence[RealFit], fits: Sequence[RealFit]) -> dict[str, float]:
    """The learning rate chosen for each size, and every fit's figure on validation."""
    figures = {f"real.{fit.choice.size}_learning_rate": fit.choice.learning_rate for fit in chosen}
    for fit in fits:
        choice = fit.choice
        name = f"real.validation_{choice.size}_{choice.text}_{choice.learning_rate:g}"
        figures[f"{name}_{TEXT_METRIC}"] = fit.validation
    return figures


def retrieval_rows(
    found: Sequence[Retrieval], pools: Mapping[str, float], seed: int
) -> list[list[str]]:
    """A random order, then a row for each kind of vectors."""
    own, album = (
        " / ".join(f"{pools[f'real.chance_{task}recall_at_{depth}']:.3f}" for depth in DEPTHS)
        for task in ("", "same_album_")
    )
    random_order = ["random order", "–", "–", own, "–", "–", "–", album, "–", own, "–"]
    return [random_order, *(_row(one, found, seed) for one in found)]


def fit_rows(chosen: Sequence[RealFit], fits: Sequence[RealFit]) -> list[list[str]]:
    """Every fit with the MRR between windows and texts of the validation."""
    rows = []
    for fit in fits:
        choice = fit.choice
        notes = ["chosen rate"] if fit in chosen else []
        notes += ["stopped before validation did"] if fit.is_bounded else []
        figures = [f"{choice.learning_rate:g}", f"{fit.validation:.3f}"]
        epochs = [str(fit.best_epoch), str(fit.n_epochs)]
        rows.append([choice.size, choice.text, *figures, *epochs, "; ".join(notes)])
    return rows


def _row(one: Retrieval, found: Sequence[Retrieval], seed: int) -> list[str]:
    cells: dict[str, list[str]] = {}
    for task in TASKS:
        if task not in one.recalls:
            cells[task] = ["–", "–"]
            continue
        means = " / ".join(f"{float(one.recalls[task][depth].nanmean()):.3f}" for depth in DEPTHS)
        cells[task] = [means, _ends(one.interval(task, seed))]
    baselines = _baselines(one, found)
    gains = [_gain(one, baselines.get(name), seed) for name in (MUSICNN, RANDOM)]
    names = [one.vectors.name, one.vectors.size or "–", one.vectors.text or "–"]
    return [*names, *cells[SAME_TRACK], *gains, *cells[SAME_ALBUM], *cells[TITLE_TO_AUDIO]]


def _gain(one: Retrieval, other: Retrieval | None, seed: int) -> str:
    if other is None:
        return "–"
    gain = one.gain_over(other, SAME_TRACK, seed)
    return f"{gain.mean:+.3f} {_ends(gain)}"


def _baselines(one: Retrieval, found: Sequence[Retrieval]) -> dict[str, Retrieval]:
    """MusiCNN, and for what is trained the random tower of its size."""
    by_name = {(other.vectors.name, other.vectors.size): other for other in found}
    named = {
        MUSICNN: by_name.get((MUSICNN_NAME, "")),
        RANDOM: by_name.get((RANDOM_NAME, one.vectors.size)),
    }
    return {name: other for name, other in named.items() if other and other is not one}


def _ends(interval: Difference) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"

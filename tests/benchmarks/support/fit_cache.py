"""Caches the fits of families on one data set in files, so that an interrupted benchmark resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from feature_store.lake.storage import sha256_of
from tests.benchmarks.support.baselines import ALL_HEADS, Variant
from tests.benchmarks.support.list_metrics import Segments, segments_of
from tests.support.ranking_fits import RANKING_TASK, fitting_of, split_of
from training.artifacts.code_version import family_code_version
from training.data.batches import UserBatch
from training.data.dataset import Dataset, DataView
from training.data.interactions import Pairs
from training.engine.loop import deterministic
from training.engine.model_selection import select_on_validation
from training.engine.recipe import Recipe
from training.evaluate import on_test
from training.evaluation.evaluator import Recommendations
from training.evaluation.splits import Holdout, Split, Unsplit
from training.evaluation.top_k import TopK
from training.models.registry import RANKING
from training.tasks.ranking import Ranking


@dataclass(frozen=True, slots=True, eq=False)
class FitResult:
    """Test lists and validation metrics of a fitted model.

    Attributes:
        lists: recommendations for the test, by the head that ranks them.
        validation: metrics on validation, at the selected epoch and ensemble weights.
    """

    lists: dict[str, Recommendations]
    validation: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class FitCache:
    """Fits variants on one data set, and reads them from files when they exist.

    Attributes:
        data_sha256: hash of the data set.
        folder: of the files.
        n_threads: threads of every fit.
        max_epochs: bound for a quick run; None leaves the recipes unchanged.
        view_at_test: what a model sees at the test, by the protocol of the comparison.
    """

    dataset: Dataset
    data_sha256: str
    folder: Path
    device: torch.device
    n_threads: int
    max_epochs: int | None
    view_at_test: Callable[[Ranking, Dataset, Split[Holdout]], DataView]

    def split(self, seed: int) -> Split:
        """See make_split."""
        return make_split(self.dataset, seed)

    def segments(self, seed: int) -> Segments:
        """Segments of the seed's split, by what a model sees at the test."""
        split = self.split(seed)
        view = self.view_at_test(RANKING_TASK, self.dataset, split)
        return segments_of(self.dataset, split, view)

    def fit(self, variant: Variant, seed: int) -> FitResult:
        """The variant's fit with a seed, from its file if there is one."""
        file = self.folder / f"{self.key(variant, seed)}.safetensors"
        if not file.exists():
            _write(file, self._fit(variant.recipe(self.max_epochs), seed))
        return _read(file)

    def key(self, variant: Variant, seed: int) -> str:
        """Name of a fit's file: family, seed, and a hash of data, code, recipe and environment."""
        code_version = family_code_version(RANKING[variant.family].module, Ranking.__module__)
        inputs = (
            self.data_sha256, code_version, variant.recipe(self.max_epochs).as_json(), str(seed),
            str(self.n_threads), self.device.type, self.view_at_test.__name__,
        )  # fmt: skip
        digest = sha256_of("\x00".join(inputs).encode())[:16]
        return f"{variant.family}-{seed}-{digest}"

    def _fit(self, recipe: Recipe, seed: int) -> FitResult:
        """Fit, select on validation, and rank the test; each head alone ranks with full weight."""
        split = self.split(seed)
        with deterministic(seed, self.n_threads):
            fitting = fitting_of(self.dataset, self.device)
            chosen = select_on_validation(fitting, split, recipe, seed=seed)
            view = self.view_at_test(RANKING_TASK, self.dataset, split)
            model = RANKING_TASK.from_state(chosen.state, recipe, view, {}, self.device)
            lists = {ALL_HEADS: recommended(model, self.dataset, split, self.device)}
            for index, head in enumerate(getattr(model, "head_names", ())):
                alone = _HeadAlone(model, index)
                lists[head] = recommended(alone, self.dataset, split, self.device)
        return FitResult(lists, chosen.validation.result.values)


class _HeadAlone(nn.Module):
    """Ranks by one head of an ensemble; a track that it does not cover has no place."""

    def __init__(self, model: Any, index: int) -> None:
        super().__init__()
        self._model, self._index = model, index

    def score(self, batch: UserBatch) -> Tensor:
        heads = self._model.head_scores(batch)
        return heads.scores[self._index].masked_fill(~heads.coverage_mask[self._index], -torch.inf)


def recommended(
    model: Any, dataset: Dataset, split: Split[Holdout], device: torch.device
) -> Recommendations:
    """Lists for the test, by a model that was selected without it."""
    return on_test(
        split, lambda test: RANKING_TASK.evaluator(dataset, test, device).recommend(model)
    )


def make_split(dataset: Dataset, seed: int) -> Split:
    """The split of a seed; every family gets the same one.

    Raises:
        ValueError: the data set is too small for a split.
    """
    split = split_of(dataset, seed)
    if isinstance(split, Unsplit):
        raise ValueError(f"seed {seed} holds nothing out: {split.reason}; take more data")  # noqa: TRY004  of data, not of a type
    return split


def _write(file: Path, result: FitResult) -> None:
    """Write one file, which appears whole or not at all."""
    any_list = result.lists[ALL_HEADS]
    tensors = {
        "users": any_list.users,
        "relevant_users": any_list.relevant.users,
        "relevant_tracks": any_list.relevant.tracks,
        "relevant_weight": any_list.relevant.weight,
    }
    for head, listed in result.lists.items():
        tensors[f"{head}/tracks"] = listed.ranked.tracks
        tensors[f"{head}/scores"] = listed.ranked.scores
        tensors[f"{head}/valid_mask"] = listed.ranked.valid_mask
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    save_file(contiguous, partial, metadata={"validation": json.dumps(result.validation)})
    partial.rename(file)


def _read(file: Path) -> FitResult:
    with safe_open(file, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no dict
        validation = json.loads(stored.metadata()["validation"])
    relevant = Pairs(*(tensors[f"relevant_{part}"] for part in ("users", "tracks", "weight")))
    heads = [name.removesuffix("/tracks") for name in tensors if name.endswith("/tracks")]
    lists = {
        head: Recommendations(
            tensors["users"],
            TopK(*(tensors[f"{head}/{part}"] for part in ("tracks", "scores", "valid_mask"))),
            relevant,
        )
        for head in heads
    }
    return FitResult(lists, validation)

"""Fits of the task mood on one world, kept in files: a benchmark that was killed goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from feature_store.lake.storage import open_storage, sha256_of
from feature_store.setting_groups import SplitSettings
from tests.support.ranking_fits import RANKING_TASK, cut_of, fitting_of
from training.artifacts import checkpoints
from training.artifacts.code_version import family_code_version
from training.artifacts.model_state import ModelState
from training.config import load_recipe
from training.data.batches import UserBatch
from training.data.mood import MoodData, MoodHoldout
from training.engine.loop import deterministic
from training.engine.model_selection import Fitting, select_on_validation
from training.engine.recipe import Recipe
from training.evaluate import on_test, test_view
from training.evaluation.eval_result import EvalResult
from training.evaluation.splits import Split, Unsplit
from training.models.mood_protocol import MoodQueries, MoodRecommender
from training.models.registry import MOOD, RANKING
from training.tasks.mood import Mood
from training.tasks.protocol import ModelRef
from training.tasks.ranking import Ranking

TASK = Mood()
CPU = torch.device("cpu")
SHARES = (1.0, 0.7, 0.4, 0.2, 0.1, 0.05)
"""Of the tracks with a mood, the nearest to the listen's, which alone are ranked."""
MM_GNN = ModelRef("ranking", "mm_gnn")
IGNORES_MOOD = "mm_gnn"


@dataclass(frozen=True, slots=True)
class Variant:
    """A family of mood with changed settings.

    Attributes:
        changes: to the model's settings.
    """

    family: str
    changes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def recipe(self, max_epochs: int | None) -> Recipe:
        """The family's recipe with the changes."""
        return _bounded(load_recipe(TASK.name, self.family), max_epochs, **self.changes)


VARIANTS = {
    "wide": Variant("wide_deep", {"parts": "wide"}),
    "deep": Variant("wide_deep", {"parts": "deep"}),
    "both": Variant("wide_deep"),
    "nearest": Variant("nearest"),
    "popularity": Variant("popularity"),
}


@dataclass(frozen=True, slots=True)
class MoodFigures:
    """What is measured of a model on the test.

    Attributes:
        by_share: metrics by name, for each of SHARES.
        validation: the chosen metric on validation; NaN for the model that ignores moods.
        best_epoch: of the fit; 0 for a model that is solved.
    """

    by_share: dict[float, dict[str, float]]
    validation: float
    best_epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class MoodFits:
    """Fits on one world: selected on the window of validation, measured on that of the test.

    The ranking model, whose vectors Wide & Deep reads, knows no emotion (emotion_weight 0) and is
    fitted before the same cut.

    Attributes:
        folder: of the files.
        max_epochs: bound for a quick run; None leaves the recipes unchanged.
    """

    data: MoodData
    folder: Path
    n_threads: int
    max_epochs: int | None

    def fit(self, name: str, seed: int) -> MoodFigures:
        """The figures of a variant, or of the model that ignores moods, from its file if there is one."""
        file = self.folder / f"{name}-{seed}-{self._key(name, seed)}.json"
        if not file.exists():
            with deterministic(seed, self.n_threads):
                figures = (
                    self._of_ranking(seed)
                    if name == IGNORES_MOOD
                    else self._of_variant(VARIANTS[name], seed)
                )
            found = [[*figures.by_share.items()], figures.validation, figures.best_epoch]
            _write_text(file, json.dumps(found))
        by_share, validation, best_epoch = json.loads(file.read_text(encoding="utf-8"))
        return MoodFigures(dict(by_share), validation, best_epoch)

    def _of_variant(self, variant: Variant, seed: int) -> MoodFigures:
        split, upstream = self._split(), {MM_GNN: self._ranking_state(seed)}
        recipe = variant.recipe(self.max_epochs)
        fitting = Fitting(TASK, self.data, CPU, before_cut=lambda _: upstream)
        selected = select_on_validation(fitting, split, recipe, seed=seed)
        view = test_view(TASK, self.data, split)
        model = TASK.from_state(selected.state, recipe, view, upstream, CPU)
        epochs = [fit.best_epoch for fit in selected.fits.values()]
        return MoodFigures(
            self._by_share(split, model),  # type: ignore[arg-type]  # families of mood offer it
            selected.validation.result.values[TASK.metric],
            epochs[0] if epochs else 0,
        )

    def _of_ranking(self, seed: int) -> MoodFigures:
        """The ranking model alone, whatever the mood."""
        split, state = self._split(), self._ranking_state(seed)
        view = test_view(TASK, self.data, split).ranking
        model = RANKING_TASK.from_state(state, self._ranking_recipe(), view, {}, CPU)
        return MoodFigures(self._by_share(split, IgnoresMood(model)), float("nan"), 0)

    def _by_share(
        self, split: Split[MoodHoldout], model: MoodRecommender
    ) -> dict[float, dict[str, float]]:
        def measure(test: MoodHoldout) -> dict[float, dict[str, float]]:
            evaluator = TASK.evaluator(self.data, test, CPU)
            results: dict[float, EvalResult] = {
                share: evaluator.result(evaluator.lists(model, share)) for share in SHARES
            }
            return {share: dict(result.values) for share, result in results.items()}

        return on_test(split, measure)

    def _ranking_state(self, seed: int) -> ModelState:
        """MM-GNN, fitted before the cut, from its files if they are there."""
        storage = open_storage(str(self.folder))
        recipe = self._ranking_recipe()
        name = f"ranking-{seed}-{self._ranking_key(seed)}"
        done = self.folder / f"{name}.sha256"
        if not done.exists():
            split = RANKING_TASK.split(
                self.data.dataset,
                cut_of(self.data.dataset, SplitSettings()),
                SplitSettings(),
                torch.Generator().manual_seed(seed),
            )
            if isinstance(split, Unsplit):
                raise ValueError(f"the world holds nothing out: {split.reason}")
            fitting = fitting_of(self.data.dataset, CPU)
            with deterministic(seed, self.n_threads):
                selected = select_on_validation(fitting, split, recipe, seed=seed)
            sha256 = checkpoints.write(
                storage, name, selected.state, selected.fits, recipe.as_json()
            )
            _write_text(done, sha256)
        return checkpoints.read(storage, name, done.read_text(encoding="utf-8"))

    def _ranking_recipe(self) -> Recipe:
        recipe = load_recipe(MM_GNN.task, MM_GNN.family)
        return _bounded(recipe, self.max_epochs, emotion_weight=0.0)

    def _split(self) -> Split[MoodHoldout]:
        config = SplitSettings()
        cut = cut_of(self.data.dataset, config)
        split = TASK.split(self.data, cut, config, torch.Generator())
        if isinstance(split, Unsplit):
            raise ValueError(f"the world holds nothing out: {split.reason}")  # noqa: TRY004  of data
        return split

    def _key(self, name: str, seed: int) -> str:
        """Hash of data, code, recipes and seed."""
        parts = [self.data.sha256(), self._ranking_key(seed), str(SHARES)]
        if name != IGNORES_MOOD:
            family = MOOD[VARIANTS[name].family]
            parts.append(family_code_version(family.module, Mood.__module__))
            parts.append(VARIANTS[name].recipe(self.max_epochs).as_json())
        return sha256_of("\0".join(parts).encode())[:16]

    def _ranking_key(self, seed: int) -> str:
        code_version = family_code_version(RANKING[MM_GNN.family].module, Ranking.__module__)
        parts = (
            self.data.dataset.sha256(), code_version, self._ranking_recipe().as_json(), str(seed),
            str(self.n_threads),
        )  # fmt: skip
        return sha256_of("\0".join(parts).encode())[:16]


class IgnoresMood(nn.Module):
    """A ranking model as one of moods: it ranks for the listener, whatever the mood."""

    node_tables: Mapping[str, str] = MappingProxyType({})

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def score(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Score of some tracks for each query; the lowest where no head covers the track."""
        users, rows = queries.users.unique(return_inverse=True)
        scores: Tensor = self._model.score(UserBatch(users))  # type: ignore[operator]  # a Recommender
        lowest = scores[scores.isfinite()].min() if bool(scores.isfinite().any()) else 0.0
        return scores.masked_fill(~scores.isfinite(), float(lowest) - 1)[rows][:, tracks]


def _bounded(recipe: Recipe, max_epochs: int | None, **changes: object) -> Recipe:
    """The recipe with changed settings, and at most so many epochs."""
    loop = recipe.loop
    if max_epochs is not None:
        loop = replace(loop, max_epochs=max_epochs, validate_every=1)
    return replace(recipe, model=replace(recipe.model, **changes), loop=loop)


def _write_text(file: Path, text: str) -> None:
    """Write one file, which appears whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(file)

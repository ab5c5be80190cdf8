"""Fits of text emotion on one data set, kept in files: a benchmark that was killed goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import torch
from rich.console import Console
from torch import Tensor

from feature_store.lake.storage import sha256_of
from feature_store.setting_groups import SplitSettings
from training.artifacts.code_version import family_code_version
from training.config import load_recipe
from training.data.emotion_texts import DIMENSIONS, EmotionHoldout, EmotionTexts
from training.engine.loop import Epoch, Pace, deterministic, eval_mode
from training.engine.model_selection import Fitting, SelectedModel, select_on_validation
from training.engine.recipe import Recipe
from training.engine.resume import ResumePolicy
from training.evaluate import on_test
from training.evaluation.emotion_fit import SELECTION_METRIC
from training.evaluation.splits import Split, Unsplit
from training.models.registry import TEXT_EMOTION
from training.tasks.text_emotion import TextEmotion

TASK = TextEmotion()
CPU = torch.device("cpu")
BANDS = {"below_0_5": (0.0, 0.5), "0_5_to_1": (0.5, 1.0), "from_1": (1.0, 9.0)}
"""Distance of a rating of 1 to 5 from 3, by name."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A family with changed settings.

    Attributes:
        changes: to the model's settings.
    """

    family: str
    changes: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def recipe(self, max_epochs: int | None) -> Recipe:
        """The family's recipe with the changes."""
        recipe = load_recipe(TASK.name, self.family)
        loop = recipe.loop if max_epochs is None else replace(recipe.loop, max_epochs=max_epochs)
        return replace(recipe, model=replace(recipe.model, **self.changes), loop=loop)


@dataclass(frozen=True, slots=True)
class FitFigures:
    """What is measured of a fit.

    Attributes:
        values: figures by name, those of the test as test_<name>.
        per_text: the chosen metric of each text of the test.
    """

    values: dict[str, float]
    per_text: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class EmotionFits:
    """Fits on one data set, on its own split: trained on train, selected on dev, measured on test.

    Attributes:
        folder: of the files.
        max_epochs: bound for a quick run; None leaves the recipes unchanged.
        console: is told of each epoch.
    """

    data: EmotionTexts
    folder: Path
    n_threads: int
    max_epochs: int | None
    console: Console

    def fit(self, name: str, variant: Variant, seed: int) -> FitFigures:
        """The figures of a variant's fit with a seed, from its file if there is one."""
        recipe = variant.recipe(self.max_epochs)
        key = f"{name}-{seed}-{self._key(recipe, seed)}"
        file = self.folder / f"{key}.json"
        if not file.exists():
            figures = self._measured(name, recipe, seed, self.folder / key)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps([figures.values, figures.per_text]), encoding="utf-8")
            partial.rename(file)
        values, per_text = json.loads(file.read_text(encoding="utf-8"))
        return FitFigures(values, per_text)

    def _key(self, recipe: Recipe, seed: int) -> str:
        code_version = family_code_version(
            TEXT_EMOTION[recipe.family].module, TextEmotion.__module__
        )
        inputs = (
            self.data.sha256(),
            code_version,
            recipe.as_json(),
            str(seed),
            str(self.n_threads),
        )
        return sha256_of("\x00".join(inputs).encode())[:16]

    def _measured(self, name: str, recipe: Recipe, seed: int, resume: Path) -> FitFigures:
        resume.mkdir(parents=True, exist_ok=True)
        split = TASK.split(self.data, None, SplitSettings(), torch.Generator())
        if isinstance(split, Unsplit):
            raise ValueError(  # noqa: TRY004  the data are wrong, and no type
                f"EmoBank: {split.reason}; give the whole of it, with its split"
            )

        def tell(_fit: str, epoch: Epoch, pace: Pace) -> None:
            losses = ", ".join(f"{loss} {value:.3f}" for loss, value in epoch.losses.items())
            figure = "–" if epoch.validation is None else f"{epoch.validation:.4f}"
            self.console.print(
                f"{name}, seed {seed}: epoch {epoch.number}, {losses}, dev {figure}, "
                f"{pace.elapsed_s:.0f} s"
            )

        fitting = Fitting(
            TASK,
            self.data,
            CPU,
            resume_policy_of=lambda _: ResumePolicy(resume, lambda: None),
            on_epoch=tell,
        )
        started_at_s = time.monotonic()
        with deterministic(seed, self.n_threads):
            selected = select_on_validation(fitting, split, recipe, seed=seed)
            elapsed_s = time.monotonic() - started_at_s
            return self._figures(split, selected, recipe, elapsed_s)

    def _figures(
        self,
        split: Split[EmotionHoldout],
        selected: SelectedModel,
        recipe: Recipe,
        elapsed_s: float,
    ) -> FitFigures:
        """Of the model that dev has selected, which has not seen dev's labels otherwise."""
        view = TASK.train_view(self.data, split.validation)
        model = TASK.from_state(selected.state, recipe, view, {}, CPU)

        def measure(test: EmotionHoldout) -> FitFigures:
            result = TASK.evaluator(self.data, test, CPU).evaluate(model)
            values = {f"test_{name}": value for name, value in result.values.items()}
            values |= rmse_by_band(model, self.data, test)
            return FitFigures(values, result.per_unit.tolist())

        of_test = on_test(split, measure)
        epochs = [fit.best_epoch for fit in selected.fits.values()]
        values = of_test.values | {
            f"dev_{SELECTION_METRIC}": selected.validation.result.values[SELECTION_METRIC],
            "best_epoch": float(epochs[0]) if epochs else 0.0,
            "fit_s": elapsed_s,
        }
        if "test_trainable_ratio" in values:
            values["trainable_ratio"] = values.pop("test_trainable_ratio")
        return FitFigures(values, of_test.per_text)


def rmse_by_band(
    model: torch.nn.Module, data: EmotionTexts, part: EmotionHoldout
) -> dict[str, float]:
    """Error of each dimension, on the scale of 1 to 5, by how far its label is from 3.

    A band without a label has no figure.
    """
    with eval_mode(model):
        estimates = model.estimate([data.texts[row] for row in part.rows.tolist()])
    labels, mean = 2 * data.combined[part.rows].double(), 2 * estimates.mean.double()
    found: dict[str, float] = {}
    for column, name in enumerate(DIMENSIONS):
        error = (labels[:, column] - mean[:, column]).square()
        for band, mask in bands_of(labels[:, column]).items():
            if bool(mask.any()):
                found[f"test_{name}_rmse_{band}"] = float(error[mask].mean().sqrt())
    return found


def bands_of(distance: Tensor) -> dict[str, Tensor]:
    """Which labels are in each band, shape (n,) bool; `distance` from 3 may be negative."""
    return {
        name: (distance.abs() >= low) & (distance.abs() < high)
        for name, (low, high) in BANDS.items()
    }

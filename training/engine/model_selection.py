"""Model selection: fits families, selects on validation, evaluates once on the test, refits.

It knows no task and no family: a Fitting names the task. Of several processes all fit, and rank 0
evaluates for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from training.engine.distributed import broadcast_from_rank0
from training.engine.loop import Epoch, FitHistory, FittedStage, Pace, fit_stage
from training.evaluate import test_result, test_view
from training.evaluation.eval_result import EvalResult, joined
from training.evaluation.significance import ChallengerTest, challenger_test, winning_challenger
from training.evaluation.splits import Split, Unsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from training.artifacts.model_state import ModelState
    from training.engine.recipe import Recipe
    from training.engine.resume import ResumePolicy
    from training.engine.stages import Stage
    from training.tasks.protocol import Evaluator, Task, Upstream

WHOLE, FIRST, SECOND = "validation", "first_half", "second_half"
"""Selectors of a fit: by all units of validation, and by each half of them."""

ResumePolicyOf = Callable[["Recipe"], "ResumePolicy | None"]
"""The resume policy of a recipe's fits; None writes no resume files."""

_NO_UPSTREAM: Upstream = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """Metrics of a family on a part of the split."""

    family: str
    split: str
    result: EvalResult


@dataclass(frozen=True, slots=True, eq=False)
class Fitting:
    """What all fits of a training share.

    Attributes:
        data: what the task has read.
        resume_policy_of: see ResumePolicyOf.
        before_cut: of a family, the states that it needs, fitted before the night's cut;
            evaluations see these alone.
        final: the states that the model which scores learns from.
        on_epoch: told of every epoch: the fit's name (family, purpose, seed and, of several, the
            stage), the epoch, and how long it took.
    """

    task: Task[Any, Any, Any]
    data: Any
    device: torch.device
    resume_policy_of: ResumePolicyOf = lambda _: None
    before_cut: Callable[[str], Upstream] = lambda _: _NO_UPSTREAM
    final: Callable[[str], Upstream] = lambda _: _NO_UPSTREAM
    on_epoch: Callable[[str, Epoch, Pace], None] = lambda *_: None


@dataclass(frozen=True, slots=True, eq=False)
class SelectedModel:
    """A model whose epochs and calibration were selected on validation.

    Attributes:
        fits: history of each stage, fitted on the part before validation.
        validation: metrics on validation.
        cross_fitted: metrics of the units of each half by the model that the other half selected;
            None when it was not asked for.
    """

    state: ModelState
    fits: dict[str, FitHistory]
    validation: FamilyResult
    cross_fitted: EvalResult | None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """A model fitted on everything, with the histories and metrics that led to it.

    Attributes:
        recipe: of the family that won.
        state: of the model that scores.
        before_cut: of the model that was fitted before the night's cut; None for unsplit data.
        fits: histories by purpose: "selection" (on the part before validation) and "final" (on
            everything); of several stages as "selection.<stage>".
        results: metrics of every family that competed, before the final fit; empty for unsplit
            data.
        challenger_tests: one per challenger.
        unsplit: why nothing could be held out; empty when something was.
    """

    recipe: Recipe
    state: ModelState
    before_cut: ModelState | None
    fits: dict[str, FitHistory]
    results: tuple[FamilyResult, ...]
    challenger_tests: tuple[ChallengerTest, ...]
    unsplit: str


def fit_champion(
    fitting: Fitting,
    split: Split[Any] | Unsplit,
    champion: Recipe,
    *,
    challengers: Sequence[Recipe] = (),
    chosen: str = "",
    seed: int,
    n_seeds: int = 1,
) -> TrainingResult:
    """Test the challengers against the champion, and fit the winner on everything.

    A challenger wins on validation, and only when its whole interval lies above zero and no segment
    loses. Data too small to hold anything out have no challenger tests: the champion is fitted for
    its `epochs_without_validation`, uncalibrated and without metrics; `unsplit` says why.

    Args:
        fitting: task, data and device.
        split: what is held out.
        champion: recipe of the family that scores so far.
        challengers: recipes of the families that may replace it.
        chosen: the family to fit on everything, whatever the tests say; empty for the winner.
        seed: of the batches' order, their candidates, and the bootstrap.
        n_seeds: fits of each family in the champion–challenger test.
    """
    if isinstance(split, Unsplit):
        [alone] = [
            one for one in (champion, *challengers) if one.family == (chosen or champion.family)
        ]
        return _fit_without_split(fitting, alone, seed, split.reason)
    competing = {recipe.family: recipe for recipe in (champion, *challengers)}
    selected = {
        family: [
            select_on_validation(
                fitting,
                split,
                recipe,
                seed=seed + offset,
                cross_fit_seed=seed if challengers else None,
            )
            for offset in range(_seeds_of(fitting, split, recipe, n_seeds if challengers else 1))
        ]
        for family, recipe in competing.items()
    }
    tests = _challenger_tests(selected, n_seeds, seed)
    winner = competing[chosen or winning_challenger(tests) or champion.family]
    best = selected[winner.family][0]
    state, final = _refit(fitting, winner, best, seed)
    results = tuple(
        result
        for family, (one, *_) in selected.items()
        for result in (
            one.validation,
            evaluate_on_test(fitting, split, one.state, competing[family]),
        )
    )
    fits = _by_purpose({"selection": best.fits, "final": final})
    return TrainingResult(winner, state, best.state, fits, results, tests, "")


def select_on_validation(
    fitting: Fitting,
    split: Split[Any],
    recipe: Recipe,
    *,
    seed: int,
    cross_fit_seed: int | None = None,
) -> SelectedModel:
    """Fit before the validation window; select epochs and calibration inside it.

    The test stays sealed. With `cross_fit_seed` the units of validation are divided into halves,
    and each half also selects an epoch and a calibration of its own for the evaluation on the other
    half: what a champion–challenger test compares was then not selected by what it is compared on.
    Of several stages only the last one is selected by halves.

    Args:
        fitting: task, data and device.
        split: what is held out.
        recipe: of the family.
        seed: of parameters and batches.
        cross_fit_seed: divides the units; the same for all families that are compared.
    """
    task = fitting.task
    view = task.view_for(task.train_view(fitting.data, split.validation), None)
    model = _new_model(fitting, recipe, view, fitting.before_cut(recipe.family), seed)
    evaluators = _evaluators(fitting, split.validation, cross_fit_seed)
    # A fit with other selectors has other states, so it does not resume from this one's file.
    purpose = "selection-halves" if FIRST in evaluators else "selection"
    validation = _Validation(task, model, evaluators)
    fitted = _fit_stages(fitting, model, view, recipe, seed, purpose, validation=validation)
    cross_fitted = _cross_fit(task, model, evaluators, fitted) if FIRST in evaluators else None
    _calibrate(task, model, evaluators[WHOLE])
    state = task.to_state(recipe.family, model, view)
    result = broadcast_from_rank0(lambda: evaluators[WHOLE].evaluate(model))
    histories = {stage.name: one.history for stage, one in fitted}
    return SelectedModel(
        state, histories, FamilyResult(recipe.family, "validation", result), cross_fitted
    )


def evaluate_on_test(
    fitting: Fitting, split: Split[Any], state: ModelState, recipe: Recipe
) -> FamilyResult:
    """Metrics of the selected model on the test, with the view before the test's cut; once."""
    task, data, device = fitting.task, fitting.data, fitting.device

    def result() -> EvalResult:
        view = test_view(task, data, split)
        upstream = fitting.before_cut(recipe.family)
        model = task.from_state(state, recipe, view, upstream, device)
        return test_result(task, model, data, split, device)

    return FamilyResult(recipe.family, "test", broadcast_from_rank0(result))


def better_on_test(metric: str, family: str, results: Iterable[FamilyResult]) -> dict[str, float]:
    """By how much other families are ahead of one on the test; those behind it are left out."""
    on_test = {one.family: one.result.values[metric] for one in results if one.split == "test"}
    ahead = {other: value - on_test[family] for other, value in on_test.items()}
    return {other: difference for other, difference in ahead.items() if difference > 0}


def _fit_without_split(fitting: Fitting, recipe: Recipe, seed: int, reason: str) -> TrainingResult:
    """Fit a family for a fixed number of epochs, without validation and metrics."""
    task = fitting.task
    view = task.view_for(task.full_view(fitting.data), None)
    n_epochs = recipe.loop.epochs_without_validation
    model = _new_model(fitting, recipe, view, fitting.final(recipe.family), seed)
    fitted = _fit_stages(
        fitting, model, view, recipe, seed, "final", n_epochs_of=lambda _: n_epochs
    )
    state = task.to_state(recipe.family, model, view)
    final = {stage.name: one.history for stage, one in fitted}
    return TrainingResult(recipe, state, None, _by_purpose({"final": final}), (), (), reason)


def _refit(
    fitting: Fitting, recipe: Recipe, selected: SelectedModel, seed: int
) -> tuple[ModelState, dict[str, FitHistory]]:
    """Fit the full view, with the epochs and the calibration that validation selected."""
    task = fitting.task
    view = task.view_for(task.full_view(fitting.data), selected.state)
    model = _new_model(fitting, recipe, view, fitting.final(recipe.family), seed)
    fitted = _fit_stages(
        fitting,
        model,
        view,
        recipe,
        seed,
        "final",
        n_epochs_of=lambda stage: selected.fits[stage].best_epoch,
    )
    _load(model, {name: selected.state.parameters[name] for name in selected.state.calibrated})
    state = task.to_state(recipe.family, model, view)
    return state, {stage.name: one.history for stage, one in fitted}


def _new_model(
    fitting: Fitting, recipe: Recipe, view: Any, upstream: Upstream, seed: int
) -> nn.Module:
    """A new model. Every fit starts from the seed, whatever was fitted or evaluated before it."""
    torch.manual_seed(seed)
    return fitting.task.new_model(recipe, view, upstream).to(fitting.device)


def _fit_stages(
    fitting: Fitting,
    model: nn.Module,
    view: Any,
    recipe: Recipe,
    seed: int,
    purpose: str,
    *,
    validation: _Validation | None = None,
    n_epochs_of: Callable[[str], int] | None = None,
) -> list[tuple[Stage, FittedStage]]:
    """Fit the stages in order: selected by `validation`, or for `n_epochs_of` each.

    A stage whose figure the validation cannot give runs its `epochs_without_validation`.
    """
    generator = torch.Generator().manual_seed(seed)
    stages = fitting.task.stages(model, view, recipe, generator, fitting.device)
    policy = fitting.resume_policy_of(recipe)
    purpose = f"{purpose}-{seed}"
    fit = f"{recipe.family} {purpose}"
    fitted = []
    for stage in stages:
        n_epochs = None if n_epochs_of is None else n_epochs_of(stage.name)
        validate = validation
        if validation is not None and not validation.measures(stage):
            n_epochs, validate = stage.loop.epochs_without_validation, None
        history = fit_stage(
            stage,
            n_epochs=n_epochs,
            validate=validate,
            resume_file=policy.file_of(purpose, stage.name) if policy else None,
            on_epoch=partial(fitting.on_epoch, fit if len(stages) == 1 else f"{fit} {stage.name}"),
        )
        fitted.append((stage, history))
    return fitted


def _seeds_of(fitting: Fitting, split: Split[Any], recipe: Recipe, n_seeds: int) -> int:
    """How many seeds to fit; one for a model that its constructor solves, which has no chance."""
    if n_seeds == 1:
        return 1
    task = fitting.task
    view = task.view_for(task.train_view(fitting.data, split.validation), None)
    model = task.new_model(recipe, view, fitting.before_cut(recipe.family))
    return n_seeds if any(True for _ in model.parameters()) else 1


def _evaluators(fitting: Fitting, part: Any, cross_fit_seed: int | None) -> dict[str, Evaluator]:
    """Evaluators of validation, and of its halves where these are asked for."""
    parts = {WHOLE: part}
    if cross_fit_seed is not None:
        generator = torch.Generator().manual_seed(cross_fit_seed)
        parts[FIRST], parts[SECOND] = fitting.task.halves(part, generator)
    return {
        name: fitting.task.evaluator(fitting.data, one, fitting.device)
        for name, one in parts.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Validation:
    """The figures of an epoch by selector; that of the whole is the same without halves."""

    task: Task[Any, Any, Any]
    model: nn.Module
    evaluators: Mapping[str, Evaluator]

    def __call__(self, stage: Stage) -> Mapping[str, float]:
        metric = stage.metric or self.task.metric
        return {
            name: one.evaluate(self.model).values[metric] for name, one in self.evaluators.items()
        }

    def measures(self, stage: Stage) -> bool:
        """Whether what is held out is enough for the stage's figure; the task's own always is."""
        if not stage.metric:
            return True
        return broadcast_from_rank0(
            lambda: stage.metric in self.evaluators[WHOLE].evaluate(self.model).values
        )


def _cross_fit(
    task: Task[Any, Any, Any],
    model: nn.Module,
    evaluators: Mapping[str, Evaluator],
    fitted: Sequence[tuple[Stage, FittedStage]],
) -> EvalResult:
    """Evaluate each half by what the other one selected; leaves what the whole selected."""
    results = []
    for selector, other in ((SECOND, FIRST), (FIRST, SECOND)):
        with _selected_by(selector, fitted):
            _calibrate(task, model, evaluators[selector])
            results.append(broadcast_from_rank0(partial(evaluators[other].evaluate, model)))
    return joined(results)


@contextmanager
def _selected_by(selector: str, fitted: Sequence[tuple[Stage, FittedStage]]) -> Iterator[None]:
    """The last stage as the selector chose it; puts the whole's choice back."""
    if not fitted or not fitted[-1][1].states:  # nothing was fitted, or nothing selected it
        yield
        return
    stage, of_stage = fitted[-1]
    stage.load(of_stage.states[selector])
    try:
        yield
    finally:
        stage.load(of_stage.states[WHOLE])


def _calibrate(task: Task[Any, Any, Any], model: nn.Module, evaluator: Evaluator) -> None:
    """Choose on validation what stages do not train; rank 0 chooses for all."""
    _load(model, broadcast_from_rank0(lambda: task.calibrate(model, evaluator)))


def _load(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Replace some tensors of a model."""
    model.load_state_dict(dict(tensors), strict=False)


def _challenger_tests(
    selected: Mapping[str, Sequence[SelectedModel]], n_seeds: int, seed: int
) -> tuple[ChallengerTest, ...]:
    """The champion–challenger tests: each of the others against the first, at a common level.

    All are tested on the same units of validation, cross-fitted; the test split says how good the
    winner is.
    """
    (champion, theirs), *challengers = selected.items()
    return tuple(
        challenger_test(
            champion,
            challenger,
            _by_seed(ours, n_seeds),
            _by_seed(theirs, n_seeds),
            np.random.default_rng(seed),
            n_compared=len(challengers),
        )
        for challenger, ours in challengers
    )


def _by_seed(selected: Sequence[SelectedModel], n_seeds: int) -> list[EvalResult]:
    """A result for each seed; a model without chance has the same one for all."""
    results = [one.cross_fitted for one in selected if one.cross_fitted is not None]
    return results if len(results) == n_seeds else results * n_seeds


def _by_purpose(fits: Mapping[str, Mapping[str, FitHistory]]) -> dict[str, FitHistory]:
    """Histories as "final" for one stage, and as "final.<stage>" for several."""
    return {
        purpose if len(stages) == 1 else f"{purpose}.{stage}": history
        for purpose, stages in fits.items()
        for stage, history in stages.items()
    }

"""Model selection: fits families, selects on validation, evaluates once on the test, refits.

Of several processes all fit, and rank 0 evaluates for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from training.artifacts.checkpoints import ModelState, from_state, to_state
from training.config import Recipe
from training.data.batches import TrainingBatches
from training.data.content import fit_to_shapes
from training.data.dataset import Dataset, DataView
from training.engine.distributed import broadcast_from_rank0
from training.engine.loop import FitHistory, fit
from training.engine.resume import ResumeFile, ResumePolicy
from training.evaluate import test_result, test_view
from training.evaluation.evaluator import SELECTION_METRIC, EvalResult, Evaluator
from training.evaluation.significance import ChallengerTest, paired_difference, winning_challenger
from training.evaluation.splits import Split, Unsplit, choose_split
from training.layers.ensemble import select_weights
from training.models.protocols import Recommender
from training.models.registry import FAMILIES


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """Metrics of a family on a part of the split."""

    family: str
    split: str
    result: EvalResult


@dataclass(frozen=True, slots=True, eq=False)
class SelectedModel:
    """A model whose epoch and ensemble weights were selected on validation.

    Attributes:
        fit: history of the fit, on the part before validation.
        validation: metrics on validation.
    """

    state: ModelState
    fit: FitHistory
    validation: FamilyResult


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """A model fitted on everything, with the histories and metrics that led to it.

    Attributes:
        recipe: of the family that won.
        fits: "selection" (on the part before validation) and "final" (on everything).
        results: metrics of every family that competed, before the final fit; empty for an Unsplit
            dataset.
        challenger_tests: one per challenger.
        unsplit: why nothing could be held out; empty when something was.
    """

    recipe: Recipe
    state: ModelState
    fits: dict[str, FitHistory]
    results: tuple[FamilyResult, ...]
    challenger_tests: tuple[ChallengerTest, ...]
    unsplit: str


ResumePolicyOf = Callable[[Recipe], ResumePolicy | None]
"""The resume policy of a recipe's fits; None writes no resume files."""


def fit_champion(
    dataset: Dataset,
    champion: Recipe,
    *,
    challengers: Sequence[Recipe] = (),
    seed: int,
    device: torch.device,
    resume_policy_of: ResumePolicyOf = lambda _: None,
) -> TrainingResult:
    """Test the challengers against the champion, and fit the winner on everything.

    A challenger wins on validation, and only when its whole interval lies above zero. A dataset too
    small to hold anything out has no challenger tests: the champion is fitted for its
    `epochs_without_validation`, with equal head weights and no metrics; `unsplit` says why.

    Args:
        dataset: all that is known.
        champion: recipe of the family that makes the lists so far.
        challengers: recipes of the families that may replace it.
        seed: of the split, the batches' order, their candidates, and the bootstrap.
        device: where to compute.
        resume_policy_of: see ResumePolicyOf.
    """
    split = split_for(dataset, champion, seed)
    if isinstance(split, Unsplit):
        policy = resume_policy_of(champion)
        return _fit_without_split(dataset, champion, seed, device, policy, split.reason)
    competing = {recipe.family: recipe for recipe in (champion, *challengers)}
    selected = {
        family: select_on_validation(
            dataset, split, recipe, seed=seed, device=device, resume_policy=resume_policy_of(recipe)
        )
        for family, recipe in competing.items()
    }
    tests = _challenger_tests([one.validation for one in selected.values()], seed)
    winner = competing[winning_challenger(tests) or champion.family]
    best = selected[winner.family]
    state, final = _refit(dataset, winner, best, seed, device, resume_policy_of(winner))
    results = tuple(
        result
        for family, one in selected.items()
        for result in (
            one.validation,
            evaluate_on_test(one.state, dataset, split, competing[family], device),
        )
    )
    return TrainingResult(
        winner, state, {"selection": best.fit, "final": final}, results, tests, ""
    )


def split_for(dataset: Dataset, recipe: Recipe, seed: int) -> Split | Unsplit:
    """The split that a recipe asks for; the same for every family with the same settings."""
    generator = torch.Generator().manual_seed(seed)
    return choose_split(
        dataset.listens, dataset.as_of, dataset.available_from, recipe.split, generator
    )


def select_on_validation(
    dataset: Dataset,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    resume_policy: ResumePolicy | None = None,
) -> SelectedModel:
    """Fit before the validation window, select epoch and ensemble weights inside it.

    The test stays sealed.
    """
    view = dataset.train_view(split.validation).with_learnable_modalities()
    evaluator = Evaluator(split.validation, len(dataset.nodes.users), dataset.n_tracks, device)
    model = _new_model(recipe, view, seed, device)
    batches = _batches(view, recipe, seed, device)
    history = fit(
        model,
        batches,
        recipe.loop,
        n_epochs=recipe.loop.max_epochs,
        validate=lambda: evaluator.evaluate(model).values[SELECTION_METRIC],
        resume_file=_resume_file(resume_policy, "selection", batches),
    )
    n_heads = len(model.head_names)
    if n_heads > 1:
        weights = broadcast_from_rank0(
            lambda: select_weights(evaluator.ndcg_of_weights(model), n_heads)
        )
        model.ensemble.weights.copy_(weights)
    state = to_state(recipe.family, model, view)
    result = broadcast_from_rank0(lambda: evaluator.evaluate(model))
    return SelectedModel(state, history, FamilyResult(recipe.family, "validation", result))


def evaluate_on_test(
    state: ModelState, dataset: Dataset, split: Split, recipe: Recipe, device: torch.device
) -> FamilyResult:
    """Metrics of the selected model on the test, with the view before the test's cut; once."""

    def result() -> EvalResult:
        model = from_state(state, recipe.model, test_view(dataset, split), device)
        return test_result(model, dataset, split, device)

    return FamilyResult(recipe.family, "test", broadcast_from_rank0(result))


def _fit_without_split(
    dataset: Dataset,
    champion: Recipe,
    seed: int,
    device: torch.device,
    resume_policy: ResumePolicy | None,
    reason: str,
) -> TrainingResult:
    """Fit the champion for a fixed number of epochs, without validation and metrics."""
    view = dataset.full_view().with_learnable_modalities()
    n_epochs = champion.loop.epochs_without_validation
    model, final = _final_fit(champion, view, n_epochs, seed, device, resume_policy)
    state = to_state(champion.family, model, view)
    return TrainingResult(champion, state, {"final": final}, (), (), reason)


def _challenger_tests(validated: Sequence[FamilyResult], seed: int) -> tuple[ChallengerTest, ...]:
    """The champion–challenger tests: each of the others against the first, at a common level.

    All are tested on the same listeners of validation; the test split says how good the winner is.
    """
    champion, *challengers = validated
    ndcg = champion.result.ndcg_per_user
    return tuple(
        ChallengerTest(
            champion.family,
            one.family,
            paired_difference(
                [one.result.ndcg_per_user],
                [ndcg],
                np.random.default_rng(seed),
                n_compared=len(challengers),
            ),
            one.result.n_users,
        )
        for one in challengers
    )


def _refit(
    dataset: Dataset,
    recipe: Recipe,
    selected: SelectedModel,
    seed: int,
    device: torch.device,
    resume_policy: ResumePolicy | None,
) -> tuple[ModelState, FitHistory]:
    """Fit the full view, with the epochs and ensemble weights that validation selected."""
    full = dataset.full_view()
    view = DataView(full.graph, fit_to_shapes(full.content, selected.state.shapes))
    n_epochs = selected.fit.best_epoch
    model, final = _final_fit(recipe, view, n_epochs, seed, device, resume_policy)
    model.ensemble.weights.copy_(selected.state.parameters["ensemble.weights"])
    return to_state(recipe.family, model, view), final


def _final_fit(
    recipe: Recipe,
    view: DataView,
    n_epochs: int,
    seed: int,
    device: torch.device,
    resume_policy: ResumePolicy | None,
) -> tuple[Recommender, FitHistory]:
    """A new model, fitted on all of `view` for so many epochs."""
    model = _new_model(recipe, view, seed, device)
    batches = _batches(view, recipe, seed, device)
    file = _resume_file(resume_policy, "final", batches)
    return model, fit(model, batches, recipe.loop, n_epochs=n_epochs, resume_file=file)


def _new_model(recipe: Recipe, view: DataView, seed: int, device: torch.device) -> Recommender:
    """A new model. Every fit starts from the seed, whatever was fitted or evaluated before it."""
    torch.manual_seed(seed)
    model = FAMILIES[recipe.family].model(recipe.model, view)
    return cast("Recommender", cast("nn.Module", model).to(device))


def _batches(view: DataView, recipe: Recipe, seed: int, device: torch.device) -> TrainingBatches:
    return TrainingBatches(
        listened=view.graph.listened,
        n_tracks=len(view.graph.nodes.tracks),
        batch_users=recipe.loop.batch_users,
        min_batches=recipe.loop.min_batches,
        max_candidates=recipe.loop.max_candidates,
        max_distillation_candidates=recipe.loop.max_distillation_candidates,
        generator=torch.Generator().manual_seed(seed),
        device=device,
    )


def _resume_file(
    policy: ResumePolicy | None, purpose: str, batches: TrainingBatches
) -> ResumeFile | None:
    """The resume file of the fit for this purpose; None without a policy."""
    if policy is None:
        return None
    file = policy.folder / f"{purpose}.safetensors"
    return ResumeFile(file, batches.generator, policy.check_no_erasure)

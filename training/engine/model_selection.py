"""From a world to a model: fit, choose on validation, measure once on the test, fit on all.

Of several processes all fit, and the first one measures for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from training.artifacts.checkpoints import Saved, put_together, taken_apart
from training.config import Recipe
from training.data.batches import LearningBatches
from training.data.content import fit_to_shapes
from training.data.dataset import Evidence, World
from training.engine.distributed import said_by_first
from training.engine.loop import Fit, fit
from training.engine.resume import Keeping, Progress
from training.evaluate import test_evidence, test_quality
from training.evaluation.evaluator import CHOOSING_METRIC, Examiner, Quality
from training.evaluation.significance import Contest, paired_difference, winner_of
from training.evaluation.splits import Split, Unsplit, choose_split
from training.layers.ensemble import choose_weights
from training.models.registry import FAMILIES, Recommender


@dataclass(frozen=True, slots=True)
class Measured:
    """How good a family was on a part of the split."""

    family: str
    split: str
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A model whose epoch and blend were chosen on validation.

    Attributes:
        fit: how it was fitted, on the part before validation.
        validation: metrics there.
    """

    saved: Saved
    fit: Fit
    validation: Measured


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A model fitted on everything, and how it came about.

    Attributes:
        recipe: of the family that won.
        fits: "choosing" (on the part before validation) and "final" (on everything).
        measured: metrics of every family that competed, before the final fit; empty for an Unsplit
            world.
        contests: of each challenger.
        unsplit: why nothing could be held out; empty when something was.
    """

    recipe: Recipe
    saved: Saved
    fits: dict[str, Fit]
    measured: tuple[Measured, ...]
    contests: tuple[Contest, ...]
    unsplit: str


KeepingOf = Callable[[Recipe], Keeping | None]
"""How a recipe's fits keep their states, to go on after a kill; None keeps none."""


def learn(
    world: World,
    champion: Recipe,
    *,
    challengers: Sequence[Recipe] = (),
    seed: int,
    device: torch.device,
    keeping_of: KeepingOf = lambda _: None,
) -> Learned:
    """Let families compete on the champion's split, and fit the winner on everything.

    A challenger wins on validation, and only when its interval says so. A world too small to hold
    anything out holds no contest: the champion is fitted for its `epochs_without_validation`, with
    equal head weights and no metrics; `unsplit` says why.

    Args:
        world: what is known.
        champion: how to train the family that makes the lists so far.
        challengers: how to train those that want to.
        seed: of the split, the batches' order, their candidates, and the bootstrap.
        device: where to compute.
        keeping_of: see KeepingOf.
    """
    split = split_of(world, champion, seed)
    if isinstance(split, Unsplit):
        evidence = world.everything().learnable()
        n_epochs = champion.loop.epochs_without_validation
        model, final = _final_fit(champion, evidence, n_epochs, seed, device, keeping_of(champion))
        saved = taken_apart(champion.family, model, evidence)
        return Learned(champion, saved, {"final": final}, (), (), split.reason)
    competing = {recipe.family: recipe for recipe in (champion, *challengers)}
    chosen = {
        family: choose(world, split, recipe, seed=seed, device=device, keeping=keeping_of(recipe))
        for family, recipe in competing.items()
    }
    contests = _contests([one.validation for one in chosen.values()], seed)
    winner = competing[winner_of(contests) or champion.family]
    best = chosen[winner.family]
    saved, final = _refitted(world, winner, best, seed, device, keeping_of(winner))
    measured = tuple(
        measured
        for family, one in chosen.items()
        for measured in (
            one.validation,
            tested(one.saved, world, split, competing[family], device),
        )
    )
    return Learned(winner, saved, {"choosing": best.fit, "final": final}, measured, contests, "")


def _contests(validated: Sequence[Measured], seed: int) -> tuple[Contest, ...]:
    """Each of the others against the first, over the same people, at a common level.

    On validation, where everything is chosen: the test says how good the winner is.
    """
    champion, *challengers = validated
    ndcg = champion.quality.ndcg_of_each
    return tuple(
        Contest(
            champion.family,
            one.family,
            paired_difference(
                [one.quality.ndcg_of_each],
                [ndcg],
                np.random.default_rng(seed),
                n_compared=len(challengers),
            ),
            one.quality.n_users,
        )
        for one in challengers
    )


def split_of(world: World, recipe: Recipe, seed: int) -> Split | Unsplit:
    """The split that a recipe asks for; the same for every family with the same settings."""
    generator = torch.Generator().manual_seed(seed)
    return choose_split(world.listens, world.as_of, world.came_day, recipe.split, generator)


def choose(
    world: World,
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    keeping: Keeping | None = None,
) -> Chosen:
    """Fit before the validation window, choose epoch and blend inside it; the test stays shut."""
    evidence = world.known_before(split.validation).learnable()
    examiner = Examiner(split.validation, len(world.nodes.users), world.n_tracks, device)
    model = _made(recipe, evidence, seed, device)
    batches = _batches(evidence, recipe, seed, device)
    fitted = fit(
        model,
        batches,
        recipe.loop,
        n_epochs=recipe.loop.max_epochs,
        validate=lambda: examiner.measure(model).values[CHOOSING_METRIC],
        progress=_progress(keeping, "choosing", batches),
    )
    n_heads = len(model.head_names)
    if n_heads > 1:
        weights = said_by_first(lambda: choose_weights(examiner.weighing(model), n_heads))
        model.blend.weights.copy_(weights)
    saved = taken_apart(recipe.family, model, evidence)
    quality = said_by_first(lambda: examiner.measure(model))
    return Chosen(saved, fitted, Measured(recipe.family, "validation", quality))


def tested(
    saved: Saved, world: World, split: Split, recipe: Recipe, device: torch.device
) -> Measured:
    """The chosen model meets the test, once, with the evidence before its cut."""

    def quality() -> Quality:
        model = put_together(saved, recipe.model, test_evidence(world, split), device)
        return test_quality(model, world, split, device)

    return Measured(recipe.family, "test", said_by_first(quality))


def _refitted(
    world: World,
    recipe: Recipe,
    chosen: Chosen,
    seed: int,
    device: torch.device,
    keeping: Keeping | None,
) -> tuple[Saved, Fit]:
    """Fit everything known, with the epochs and the blend that validation chose."""
    known = world.everything()
    evidence = Evidence(known.graph, fit_to_shapes(known.content, chosen.saved.shapes))
    n_epochs = chosen.fit.best_epoch
    model, final = _final_fit(recipe, evidence, n_epochs, seed, device, keeping)
    model.blend.weights.copy_(chosen.saved.parameters["blend.weights"])
    return taken_apart(recipe.family, model, evidence), final


def _final_fit(
    recipe: Recipe,
    evidence: Evidence,
    n_epochs: int,
    seed: int,
    device: torch.device,
    keeping: Keeping | None,
) -> tuple[Recommender, Fit]:
    """A new model, fitted on all of `evidence` for so many epochs."""
    model = _made(recipe, evidence, seed, device)
    batches = _batches(evidence, recipe, seed, device)
    kept = _progress(keeping, "final", batches)
    return model, fit(model, batches, recipe.loop, n_epochs=n_epochs, progress=kept)


def _made(recipe: Recipe, evidence: Evidence, seed: int, device: torch.device) -> Recommender:
    """A new model. Every fit starts from the seed, whatever was fitted or measured before it."""
    torch.manual_seed(seed)
    model = FAMILIES[recipe.family].model(recipe.model, evidence)
    return cast("Recommender", cast("nn.Module", model).to(device))


def _batches(
    evidence: Evidence, recipe: Recipe, seed: int, device: torch.device
) -> LearningBatches:
    return LearningBatches(
        heard=evidence.graph.listened,
        n_tracks=len(evidence.graph.nodes.tracks),
        batch_users=recipe.loop.batch_users,
        min_batches=recipe.loop.min_batches,
        max_candidates=recipe.loop.max_candidates,
        max_shared=recipe.loop.max_shared,
        generator=torch.Generator().manual_seed(seed),
        device=device,
    )


def _progress(keeping: Keeping | None, purpose: str, batches: LearningBatches) -> Progress | None:
    """Where the fit for this purpose keeps its state, if it shall keep any."""
    if keeping is None:
        return None
    file = keeping.folder / f"{purpose}.safetensors"
    return Progress(file, batches.generator, keeping.refuse_old_people)

"""Inputs of a training: who competes, the data, what is held out, and the versions that follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
import torch

from feature_store.lake.storage import sha256_of
from training.artifacts import model_registry
from training.config import load_recipe
from training.data.cut import read_cut
from training.engine.distributed import check_same_in_all_processes
from training.evaluation.splits import Unsplit

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.model_registry import ModelRow, ModelVersions
    from training.artifacts.model_state import ModelState
    from training.engine.recipe import Recipe
    from training.evaluation.splits import Cut, Split
    from training.tasks.protocol import ModelRef, Task


Needed = Mapping[str, Mapping["ModelRef", "ModelRow"]]
"""Rows of the models that families learn from, by family."""

LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Who is trained, and what becomes of the result.

    Attributes:
        competing: recipes of the champion, then of those that may replace it.
        baselines: recipes of families to evaluate too.
        role: of the model: champion, candidate (trained by hand, for a person to promote) or
            component (another model learns from it).
        chosen: the family whose model is stored; empty for the winner.
    """

    competing: tuple[Recipe, ...]
    baselines: tuple[Recipe, ...]
    role: str
    chosen: str = ""

    @property
    def stored_family(self) -> str:
        """The family that is stored unless a challenger wins."""
        return self.chosen or self.competing[0].family

    @property
    def stored_recipe(self) -> Recipe:
        """Recipe of `stored_family`."""
        return next(one for one in self.competing if one.family == self.stored_family)

    @property
    def is_component(self) -> bool:
        """Whether another model's training asked for it."""
        return self.role == "component"

    @property
    def is_promoted(self) -> bool:
        """Whether the model scores from its day on."""
        return self.role == "champion"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingInputs:
    """What a training reads, and the versions that follow from it.

    Attributes:
        table_versions: of the tables read, for the lineage.
        check_no_erasure: raises when a person was erased after the tables were read.
        cut: the night's, which all tasks share.
        split: what is held out.
        needed: rows of the models that families learn from, by family.
        versions: of each family.
        inputs_sha256: of all that competes, without the day.
    """

    table_versions: Mapping[str, int]
    check_no_erasure: Callable[[], None]
    data: Any
    data_sha256: str
    cut: Cut | None
    split: Split[Any] | Unsplit
    needed: Needed
    versions: Mapping[str, ModelVersions]
    inputs_sha256: str

    def upstream_of(self, family: str, state: ModelState) -> tuple[str, ...]:
        """What a model has learned from, as run_models lists it."""
        needed = {str(ref): row.model_version for ref, row in self.needed[family].items()}
        learned = {**state.features, **needed}
        return tuple(f"{name}={version}" for name, version in sorted(learned.items()))


def plan_for(night: Night, task: Task[Any, Any, Any], champion: str) -> TrainingPlan:
    """The champion, its challengers, and the baselines."""
    others = model_registry.challengers_of(night, task.name, champion)
    return _plan(task, (champion, *others), "champion", "")


def plan_by_hand(task: Task[Any, Any, Any], champion: str, candidate: str) -> TrainingPlan:
    """A family that a person wants to see, compared with the champion."""
    return _plan(task, tuple(dict.fromkeys((champion, candidate))), "candidate", candidate)


def plan_component(ref: ModelRef) -> TrainingPlan:
    """A family that another one learns from; it is compared with nothing."""
    return TrainingPlan((load_recipe(ref.task, ref.family),), (), "component")


def lacks(task: Task[Any, Any, Any], family: str, data: Any) -> str:
    """Why there is nothing that a family could learn or predict from; empty when there is."""
    return task.lacks(data) or _lacks_of_view(task, family, lambda: task.full_view(data))


def without_lacking(task: Task[Any, Any, Any], plan: TrainingPlan, data: Any) -> TrainingPlan:
    """The plan without challengers and baselines that cannot learn from the data."""
    reasons = _reasons_of_view(task, plan, lambda: task.full_view(data))
    return _without(plan, reasons, "not compared: they cannot learn from the data")


def split_for(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan, data: Any
) -> tuple[TrainingPlan, Split[Any] | Unsplit]:
    """What is held out, and the plan without families that could not learn from the rest.

    The family that is stored stays: where it lacks something before the cut, as when the first
    recordings came after it, nothing is held out and it learns from all there is, without metrics.
    """
    cut, config = read_cut(night), night.settings.training.split
    generator = torch.Generator().manual_seed(night.settings.seed)
    split = task.split(data, cut, config, generator)
    if isinstance(split, Unsplit):
        return plan, split
    part = split.validation
    reasons = _reasons_of_view(task, plan, lambda: task.train_view(data, part))
    if reason := reasons.pop(plan.stored_family, ""):
        split = Unsplit(f"before validation {reason}")
    return _without(plan, reasons, "not compared: they cannot learn before validation"), split


def training_inputs(
    night: Night,
    task: Task[Any, Any, Any],
    plan: TrainingPlan,
    data: Any,
    data_sha256: str,
    split: Split[Any] | Unsplit,
    needed: Needed,
    table_versions: Mapping[str, int],
    check_no_erasure: Callable[[], None],
    device: torch.device,
) -> TrainingInputs:
    """Hash what decides the training; all processes must find the same.

    Raises:
        ProcessesDifferError: another process has read other data or has other code.
    """
    features = task.feature_versions(night.settings.lake, night.as_of)
    by_family = {
        family: features | {str(ref): row.model_version for ref, row in rows.items()}
        for family, rows in needed.items()
    }
    versions = {
        recipe.family: model_registry.versions_of_recipe(
            recipe,
            data_sha256,
            (f"{name}={version}" for name, version in by_family[recipe.family].items()),
            night,
            device.type,
        )
        for recipe in (*plan.competing, *plan.baselines)
    }
    check_same_in_all_processes(
        "data, code or recipes", " ".join(one.model_version for one in versions.values())
    )
    competing = [versions[recipe.family].inputs_sha256 for recipe in plan.competing]
    if len(competing) > 1:
        competing.append(str(night.settings.training.challenger_seeds))
    return TrainingInputs(
        table_versions=table_versions,
        check_no_erasure=check_no_erasure,
        data=data,
        data_sha256=data_sha256,
        cut=read_cut(night),
        split=_split(split, needed[plan.stored_family]),
        needed=needed,
        versions=versions,
        inputs_sha256=sha256_of(json.dumps(competing).encode()),
    )


def missing_need(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan, needed: Needed
) -> str:
    """Why the family that is stored cannot learn from what it needs; empty when it can.

    What it needs had no data, or is no model that the family can read.
    """
    for ref, row in needed[plan.stored_family].items():
        if not row.has_model:
            return f"{ref}, which it needs, has no model: {row.no_data_reason}"
    return _lacks_needed(night, task, plan.stored_recipe, needed)


def without_unusable(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan, needed: Needed
) -> TrainingPlan:
    """The plan without families whose needed models do not serve them.

    These have no data, no copy to evaluate with, or are no models that the family can read. The
    family that is stored whatever happens stays: without such a copy it has no metrics.
    """

    def is_usable(recipe: Recipe) -> bool:
        return recipe.family == plan.stored_family or (
            all(row.has_model and row.before_cut_sha256 for row in needed[recipe.family].values())
            and not _lacks_needed(night, task, recipe, needed)
        )

    dropped = [one.family for one in (*plan.competing, *plan.baselines) if not is_usable(one)]
    if dropped:
        LOG.warning("not compared: what they need cannot be evaluated with", families=dropped)
    return replace(
        plan,
        competing=tuple(one for one in plan.competing if is_usable(one)),
        baselines=tuple(one for one in plan.baselines if is_usable(one)),
    )


def _lacks_needed(night: Night, task: Task[Any, Any, Any], recipe: Recipe, needed: Needed) -> str:
    """Why a family cannot read the models that it needs; empty when it can, or needs none."""
    rows = needed[recipe.family]
    states = [model_registry.read_state(night, row) for row in rows.values()]
    return task.families[recipe.family].lacks_needed(recipe.model, *states) if rows else ""


def _split(split: Split[Any] | Unsplit, rows: Mapping[ModelRef, ModelRow]) -> Split[Any] | Unsplit:
    """Nothing is held out where a needed model has no copy that knows nothing of it."""
    if isinstance(split, Unsplit):
        return split
    for ref, row in rows.items():
        is_other_rule = (split.rule == "time") != (row.held_out_from_date is not None)
        if row.before_cut_sha256 is None or is_other_rule:
            return Unsplit(
                f"{ref} {row.model_version} did not hold out the same, so what learns from it "
                "cannot be evaluated on what it has seen"
            )
    return split


def _reasons_of_view(
    task: Task[Any, Any, Any], plan: TrainingPlan, view: Callable[[], Any]
) -> dict[str, str]:
    """Why families of the plan cannot learn from a view; without those that can."""
    reasons = {
        recipe.family: _lacks_of_view(task, recipe.family, view)
        for recipe in (*plan.competing, *plan.baselines)
    }
    return {family: reason for family, reason in reasons.items() if reason}


def _lacks_of_view(task: Task[Any, Any, Any], family: str, view: Callable[[], Any]) -> str:
    """Why a family cannot learn from a view, which is made only for a family that may lack some."""
    family_lacks = task.families[family].lacks
    return family_lacks(view()) if family_lacks is not None else ""


def _without(plan: TrainingPlan, reasons: Mapping[str, str], message: str) -> TrainingPlan:
    """The plan without families for which there is a reason, which is logged."""
    if reasons:
        LOG.warning(message, reasons=dict(reasons))
    return replace(
        plan,
        competing=tuple(one for one in plan.competing if one.family not in reasons),
        baselines=tuple(one for one in plan.baselines if one.family not in reasons),
    )


def _plan(
    task: Task[Any, Any, Any], competing: tuple[str, ...], role: str, chosen: str
) -> TrainingPlan:
    baselines = tuple(name for name in task.baselines if name not in competing)
    return TrainingPlan(
        tuple(load_recipe(task.name, name) for name in competing),
        tuple(load_recipe(task.name, name) for name in baselines),
        role,
        chosen,
    )

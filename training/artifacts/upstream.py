"""Upstreams: the feature versions and models that a model learns from, and those that a night has.

A model's row lists the versions that it learned from. A night gives it those, or trains it anew
when the upstream has changed; never a mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from training.artifacts import model_registry
from training.artifacts.model_registry import NoModelError
from training.tasks.protocol import ModelRef
from training.tasks.registry import get_family, get_task

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.model_registry import ModelRow
    from training.artifacts.model_state import ModelState
    from training.evaluation.splits import Cut


def versions_of_night(night: Night, task: str, family: str) -> dict[str, str]:
    """What the night has for a family: encoders by feature table, models by task/family."""
    versions = get_task(task).feature_versions(night.settings.lake, night.as_of)
    for ref in get_family(task, family).needs:
        row = needed_row(night, ref)
        if row is not None:
            versions[str(ref)] = row.model_version
    return versions


def needed_row(night: Night, ref: ModelRef) -> ModelRow | None:
    """The model that others learn from on the night; None when it is to be trained."""
    versions = versions_of_night(night, ref.task, ref.family)
    return model_registry.newest_component(night, ref.task, ref.family, versions)


def is_before_cut(row: ModelRow, cut: Cut | None, night: Night) -> bool:
    """Whether the model's copy for evaluations knows nothing of what the night holds out.

    The windows grow with the days that have listens, so the cut may move back from one night to the
    next. What was held out at random is the same for tasks of one night alone.
    """
    if row.held_out_from_date is None or cut is None:
        return row.trained_as_of_date == night.as_of
    return row.held_out_from_date <= cut.validation.start


def learned_features(row: ModelRow) -> dict[str, str]:
    """Versions of the feature tables that a model learned from."""
    return {name: version for name, version in row.learned_versions.items() if "/" not in name}


def learned_states(night: Night, row: ModelRow) -> dict[ModelRef, ModelState]:
    """The states of the models that a model learned from, in the versions that its row names.

    Raises:
        NoModelError: the row of one is gone, for example with an erasure.
    """
    return {
        ref: model_registry.read_state(night, _row_of_version(night, ref, row.learned_versions))
        for ref in get_family(row.training_task, row.family).needs
    }


def needed_states(
    night: Night, needed: Mapping[ModelRef, ModelRow], *, before_cut: bool
) -> dict[ModelRef, ModelState]:
    """The states of the needed models: those that score, or the copies that evaluations read.

    Raises:
        NoModelError: a needed model has no such copy.
    """
    return {
        ref: model_registry.read_state(night, row, before_cut=before_cut)
        for ref, row in needed.items()
    }


def _row_of_version(night: Night, ref: ModelRef, learned: Mapping[str, str]) -> ModelRow:
    """The newest row of the version of a needed model that was learned from."""
    version = learned.get(str(ref))
    rows = [row for row in model_registry.rows_of(night, ref.task) if row.model_version == version]
    if not rows:
        raise NoModelError(
            f"run_models: no {ref} of version {version}, which a model that scores learned from; "
            "train that model again (--retrain always)"
        )
    return max(rows, key=lambda row: row.recorded_at_utc)

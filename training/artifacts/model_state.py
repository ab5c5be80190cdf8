"""The state of a model: tensors, and what belongs to which id; what a checkpoint stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from training.data.nodes import IdList


class CheckpointError(ValueError):
    """A checkpoint is not what its row says, or does not fit its family."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelState:
    """Everything that a checkpoint stores of a model.

    Attributes:
        parameters: tensors by name, on the CPU. Of a model with a frozen backbone only the others.
        calibrated: names of the tensors that validation chose; a refit takes them over.
        ids: ids that tensors have rows for, by kind: user, track, artist, tag, album.
        rows_of: tensors with one row per id, and the kind of id. The rows of kind "user" belong to
            persons, and an erasure removes them.
        features: version of each feature table that the model learned from.
        backbones: hash of the weights of each frozen backbone, by name.
        details: the task's own, as JSON values.
        recipe: with which it was trained, as JSON values; a checkpoint that was read has it.
    """

    family: str
    parameters: dict[str, Tensor]
    calibrated: tuple[str, ...] = ()
    ids: Mapping[str, IdList] = field(default_factory=dict)
    rows_of: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    backbones: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


def rows_by_id(rows: Tensor, known: IdList, ids: IdList) -> Tensor:
    """Rows in the order of `ids`, shape (len(ids), dim); zeros for ids without one."""
    ordered = torch.zeros(len(ids), *rows.shape[1:], dtype=rows.dtype)
    theirs, mine = known.intersection(ids)
    ordered[mine] = rows[theirs]
    return ordered


def check_names(state: ModelState, expected: set[str]) -> None:
    """Refuse a state whose parameters are not those of its family.

    Raises:
        CheckpointError: a parameter is missing or left over.
    """
    if expected != set(state.parameters):
        raise CheckpointError(
            f"checkpoint of {state.family}: parameters differ by "
            f"{sorted(expected ^ set(state.parameters))}; train again (--retrain always)"
        )

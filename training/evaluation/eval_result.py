"""The result of an evaluation: means by name, and the chosen metric of each unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class EvalResult:
    """Metrics by name.

    A unit is what the metrics are means over: a listener, a sentence or a track, as the task says.

    Attributes:
        values: means over the units.
        per_unit: the task's chosen metric of each unit, in an order that the holdout decides; shape
            (n_units,).
        segments: which units belong to a segment, such as new listeners; shape (n_units,) bool.
    """

    values: dict[str, float]
    per_unit: Tensor
    segments: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def n_units(self) -> int:
        """Units over which the metrics are means."""
        return len(self.per_unit)


def joined(results: Sequence[EvalResult]) -> EvalResult:
    """The units of several parts of one holdout; each value is the mean weighted by units.

    Args:
        results: at least one, with the same metrics and segments.
    """
    counted = [one for one in results if one.n_units] or list(results[:1])
    n_units = sum(one.n_units for one in counted)
    values = {
        name: sum(one.values[name] * one.n_units for one in counted) / max(1, n_units)
        for name in results[0].values
    }
    return EvalResult(
        values,
        torch.cat([one.per_unit for one in results]),
        {name: torch.cat([one.segments[name] for one in results]) for name in results[0].segments},
    )

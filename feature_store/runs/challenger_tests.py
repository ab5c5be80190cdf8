"""Results of champion-challenger tests, read from the rows of score_evaluation.

A test gives the challenger's validation rows of these metrics, each with its bounds `_low` and
`_high`: `ndcg_at_10_ahead` over all listeners, `ndcg_at_10_ahead.new` over those of a segment.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

_AHEAD = re.compile(r"(?P<metric>.+)_ahead(?:\.(?P<segment>.+?))?(?:_(?P<bound>low|high))?")


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of a challenger less that of the champion, with its 95 % interval.

    Attributes:
        segment: which listeners; empty for all of them.
        as_of: day of the training that tested it.
    """

    metric: str
    segment: str
    mean: float
    low: float
    high: float
    as_of: date

    @property
    def is_losing_segment(self) -> bool:
        """Whether all of the interval lies below zero, for a segment."""
        return bool(self.segment) and self.high < 0

    def __str__(self) -> str:
        """Example: `new: ndcg_at_10 -0.0200 (-0.0300 to -0.0100)`."""
        listeners = f"{self.segment}: " if self.segment else ""
        return f"{listeners}{self.metric} {self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f})"


def is_test_result(metric: str) -> bool:
    """Whether a metric's name is that of a champion-challenger test."""
    return _AHEAD.fullmatch(metric) is not None


def newest_test(evaluation: Sequence[Mapping[str, Any]], version: str) -> tuple[Difference, ...]:
    """Differences of the newest champion-challenger test of a model version, overall first.

    Args:
        evaluation: rows of score_evaluation.
        version: of the challenger.
    """
    tested = [
        (row, match)
        for row in evaluation
        if row["model_version"] == version
        and row["split"] == "validation"
        and (match := _AHEAD.fullmatch(row["metric"]))
    ]
    if not tested:
        return ()
    newest = max(row["as_of_date"] for row, _ in tested)
    values: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row, match in tested:
        if row["as_of_date"] == newest:
            key = (match["segment"] or "", match["metric"])
            values[key][match["bound"] or "mean"] = row["value"]
    return tuple(
        Difference(metric, segment, **values[segment, metric], as_of=newest)
        for segment, metric in sorted(values)
    )

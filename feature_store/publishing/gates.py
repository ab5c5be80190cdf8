"""Evaluate gates: compare metrics with their bounds by Great Expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from feature_store.publishing.validation import Bound, validate

SUITE = "publication"
"""Name of the suite of all gates."""


class GateFailed(RuntimeError):
    """A gate blocks publication; readers keep the current tables."""


@dataclass(frozen=True, slots=True)
class GateMetric:
    """The metric of one gate, with its bounds.

    Attributes:
        rule: name of the gate, as messages and waivers give it.
        low: smallest value that passes; None for no bound.
        high: largest value that passes; None for no bound.
        examples: a few rows that break the rule; kept in published_runs alone, as they name
            listeners.
        is_absolute: the rule cannot be waived.
    """

    rule: str
    table_name: str
    value: float
    low: float | None = None
    high: float | None = None
    examples: str = ""
    is_absolute: bool = False

    @property
    def threshold(self) -> str:
        """The bounds as text."""
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of one gate, in the shape of `published_runs.gates`.

    Attributes:
        waived_by: who waived a broken rule and why; None without a waiver.
    """

    rule: str
    table_name: str
    is_passed: bool
    value: float
    threshold: str
    examples: str
    is_absolute: bool = False
    waived_by: str | None = None

    @property
    def is_blocking(self) -> bool:
        """Whether the rule is broken and not waived."""
        return not self.is_passed and self.waived_by is None

    def as_row(self) -> dict[str, object]:
        """The result as a struct of the column type GATE_RESULTS."""
        return asdict(self)

    def __str__(self) -> str:
        """The result without examples: messages reach logs, alerts and lineage."""
        return f"{self.table_name}: {self.rule} is {self.value:g}, must be {self.threshold}"


def evaluate_gates(metrics: Sequence[GateMetric]) -> list[GateResult]:
    """The result of every gate, in the given order.

    Raises:
        ValueError: two metrics have the same rule.
    """
    names = [metric.rule for metric in metrics]
    if len(set(names)) != len(names):
        raise ValueError(f"gates: a rule is measured twice: {sorted(names)}")
    bounds = [Bound(metric.rule, metric.low, metric.high) for metric in metrics]
    values = {metric.rule: metric.value for metric in metrics}
    passed = validate(SUITE, values, bounds).is_passed if metrics else {}
    return [
        GateResult(
            rule=metric.rule,
            table_name=metric.table_name,
            is_passed=passed[metric.rule],
            value=metric.value,
            threshold=metric.threshold,
            examples=metric.examples,
            is_absolute=metric.is_absolute,
        )
        for metric in metrics
    ]

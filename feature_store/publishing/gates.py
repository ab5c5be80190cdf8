"""Judge measured figures against their bounds, with Great Expectations on one small frame.

Expectations on the tables themselves would each cost Spark jobs of their own; the audit aggregates
once, and what is judged here is one row with one column a rule.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd


class GateFailed(RuntimeError):
    """Published rows break a rule; readers keep what they had."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure and what it must be.

    Attributes:
        rule: its name, as people and waivers know it.
        low: smallest value that passes; None for no bound.
        high: largest value that passes; None for no bound.
        examples: a few of the rows that count against it, for people.
        is_absolute: nobody may waive it.
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
        """The bounds in words."""
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of one rule; the shape of `published_runs.gates`.

    Attributes:
        waived_by: who let a broken rule through and why; None for a rule that nobody waived.
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
    def stops(self) -> bool:
        """Whether the rule is broken and nobody let it through."""
        return not self.is_passed and self.waived_by is None

    def as_row(self) -> dict[str, object]:
        """As a row of the contract's GATE_RESULTS."""
        return asdict(self)

    def __str__(self) -> str:
        seen = f"; for example {self.examples}" if self.examples else ""
        return f"{self.table_name}: {self.rule} is {self.value:g}, must be {self.threshold}{seen}"


def judge(measures: Sequence[Measure]) -> list[GateResult]:
    """Every measure with its verdict, in the order given.

    Raises:
        ValueError: two measures share a rule's name.
    """
    names = [measure.rule for measure in measures]
    if len(set(names)) != len(names):
        raise ValueError(f"gates: a rule is measured twice: {sorted(names)}")
    passed = _expectations_met(measures) if measures else {}
    return [
        GateResult(
            rule=measure.rule,
            table_name=measure.table_name,
            is_passed=passed[measure.rule],
            value=measure.value,
            threshold=measure.threshold,
            examples=measure.examples,
            is_absolute=measure.is_absolute,
        )
        for measure in measures
    ]


def _expectations_met(measures: Sequence[Measure]) -> dict[str, bool]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import, which would call home
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_values_to_be_between import (
        ExpectColumnValuesToBeBetween,
    )

    figures = pd.DataFrame([{measure.rule: measure.value for measure in measures}])
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # a plain dict is what it reads
    batch = (
        context.data_sources.add_pandas("audit")
        .add_dataframe_asset("figures")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": figures})
    )
    suite = gx.ExpectationSuite(
        name="publication",
        expectations=[
            ExpectColumnValuesToBeBetween(
                column=measure.rule, min_value=measure.low, max_value=measure.high
            )
            for measure in measures
        ],
    )
    return {
        result.expectation_config.kwargs["column"]: bool(result.success)
        for result in batch.validate(suite).results
        if result.expectation_config is not None
    }

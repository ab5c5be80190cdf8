"""Validation by Great Expectations: named suites of expectations over one row of figures.

A suite on the tables themselves costs four Spark jobs a table (feature_store/DECISIONS.md). So the
figures are aggregated in the scan that is made anyway, and the expectations check a frame with one
column a figure.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure must be.

    Attributes:
        figure: name of the figure.
        low: smallest value that passes; None for no bound.
        high: largest value that passes; None for no bound.
        rule: the rule in words, kept with the result.
    """

    figure: str
    low: float | None = None
    high: float | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of one suite.

    Attributes:
        suite: its name.
        is_passed: whether each figure is within its bounds, by figure.
        result: what Great Expectations says, as JSON can hold it.
    """

    suite: str
    is_passed: dict[str, bool]
    result: dict[str, Any]


def validate(suite: str, figures: Mapping[str, float], bounds: Sequence[Bound]) -> Validation:
    """Check figures against bounds as one suite."""
    import pandas as pd  # imported here: people who only publish or roll back need no pandas

    gx, between = _great_expectations()
    batch = (
        _context()
        .data_sources.add_or_update_pandas(suite)
        .add_dataframe_asset("figures")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": pd.DataFrame([dict(figures)])})
    )
    expectations = [
        between(
            column=bound.figure,
            min_value=bound.low,
            max_value=bound.high,
            meta={"rule": bound.rule} if bound.rule else None,
        )
        for bound in bounds
    ]
    found = batch.validate(gx.ExpectationSuite(name=suite, expectations=expectations))
    return Validation(
        suite=suite,
        is_passed={
            result.expectation_config.kwargs["column"]: bool(result.success)
            for result in found.results
            if result.expectation_config is not None
        },
        result=found.to_json_dict(),
    )


def _great_expectations() -> tuple[Any, Any]:
    """The package, and the class of the one expectation that is used."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import, which would send usage data
    # Its import tells what it does not document, in sixty lines of every publication's log.
    logging.getLogger("great_expectations._docs_decorators").setLevel(logging.WARNING)
    import great_expectations as gx
    from great_expectations.expectations.core.expect_column_values_to_be_between import (
        ExpectColumnValuesToBeBetween,
    )

    return gx, ExpectColumnValuesToBeBetween


@cache
def _context() -> Any:
    gx, _ = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context

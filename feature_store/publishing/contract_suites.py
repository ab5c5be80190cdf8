"""Suites that are rendered from the contracts: one for each published table, named like it.

Its expectations are the contract's rules: no null, unique key, range, set of values. Delta has
checked single rows when they were written; a suite checks the whole slice, as it is read back.
Rules about numbers of rows compare with other runs; they are gates (jobs/publishing).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from feature_store.contract import OneOf, Table
from feature_store.publishing.validation import Bound, Validation, validate

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import Column, DataFrame

    from feature_store.lake.storage import Storage

_REPEATED_KEY = "repeated key"


@dataclass(frozen=True, slots=True)
class ContractRule:
    """A rule that the rows of a slice fulfil.

    Attributes:
        name: what would be wrong, such as "null user_id"; the name of the figure that counts it.
        rule: the rule in words or as SQL.
        count_sql: aggregate that counts the rows that break it; "" for the key, which
            `repeated_keys` counts.
    """

    name: str
    rule: str
    count_sql: str


def contract_rules(table: Table) -> list[ContractRule]:
    """Every rule of a contract: columns without null, the key, ranges and sets of values."""
    rules = [
        ContractRule(
            f"null {column.name}", f"{column.name} IS NOT NULL", f"count_if({column.name} IS NULL)"
        )
        for column in table.columns
        if not column.is_nullable
    ]
    rules.append(ContractRule(_REPEATED_KEY, f"({', '.join(table.key)}) is unique", ""))
    for constraint in table.constraints:
        kind = "unknown" if isinstance(constraint, OneOf) else "out of range"
        # A null breaks the rule of its own column, not this one.
        is_broken = f"coalesce(NOT ({constraint.predicate}), false)"
        rules.append(
            ContractRule(
                f"{kind} {constraint.column}", constraint.predicate, f"count_if({is_broken})"
            )
        )
    return rules


def rule_counts(table: Table) -> dict[str, Column]:
    """Aggregates that count the rows that break each rule but the key's, by the rule's name."""
    from pyspark.sql import functions as F

    return {rule.name: F.expr(rule.count_sql) for rule in contract_rules(table) if rule.count_sql}


def repeated_keys(slices: Mapping[Table, DataFrame]) -> dict[str, int]:
    """For each table, how many rows of its slice repeat the key of another; one Spark job.

    A key is counted by itself: as a distinct count beside other aggregates it would shuffle all of
    them for each key.
    """
    from pyspark.sql import functions as F

    keys = [
        rows.select(
            F.lit(table.name).alias("table_name"), F.to_json(F.struct(*table.key)).alias("key")
        )
        for table, rows in slices.items()
    ]
    found = (
        reduce(lambda one, other: one.unionByName(other), keys)
        .groupBy("table_name", "key")
        .agg((F.count("*") - 1).alias("repeats"))
        .where("repeats > 0")
        .groupBy("table_name")
        .agg(F.sum("repeats").alias("repeats"))
        .collect()
    )
    repeats = {row["table_name"]: int(row["repeats"]) for row in found}
    return {table.name: repeats.get(table.name, 0) for table in slices}


def validate_contract(table: Table, counts: Mapping[str, int], repeated: int) -> Validation:
    """Check what was read back of a slice against the table's contract.

    Args:
        table: the contract.
        counts: `rule_counts` of the slice.
        repeated: `repeated_keys` of the slice.
    """
    bounds = [Bound(rule.name, high=0, rule=rule.rule) for rule in contract_rules(table)]
    return validate(table.name, {**counts, _REPEATED_KEY: repeated}, bounds)


def validation_path(as_of: date, run_id: str) -> str:
    """Where the validation results of a run lie in the lake, beside its report."""
    return f"reports/{as_of}/{run_id}.validation.json"


def store_validations(
    storage: Storage, as_of: date, run_id: str, validations: Sequence[Validation]
) -> None:
    """Keep the results of a run's suites; an earlier try's are replaced."""
    results = [validation.result for validation in validations]
    storage.write(validation_path(as_of, run_id), json.dumps(results, indent=1).encode())


def read_validations(storage: Storage, as_of: date, run_id: str) -> list[dict[str, Any]]:
    """The results of a run's suites; none when the run was not audited."""
    path = validation_path(as_of, run_id)
    if not storage.exists(path):
        return []
    results: list[dict[str, Any]] = json.loads(storage.read(path))
    return results

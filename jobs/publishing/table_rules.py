"""Table rules: contracts, days without arrivals, row counts, columns against those published."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from feature_store.lake.delta_tables import open_table
from feature_store.lake.storage import open_storage
from feature_store.publishing.gates import GateMetric
from feature_store.publishing.snapshot import Pin, Snapshot
from feature_store.settings import Night
from feature_store.tables import table_called
from feature_store.tables.recommendations import REC_CHANGES, REC_TOPK
from jobs.landing.manifests import closed_days, read_manifest
from jobs.publishing.population_rules import ratio
from jobs.publishing.row_rules import EXAMPLES_PER_RULE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from feature_store.contract import Table
    from feature_store.publishing.validation import Validation


def contract_metrics(validations: Iterable[Validation]) -> list[GateMetric]:
    """For each published table the number of expectations of its contract that its slice breaks."""
    return [
        GateMetric(
            f"contract_{validation.suite}",
            validation.suite,
            len(broken),
            high=0,
            examples="; ".join(broken),
            is_absolute=True,
        )
        for validation in validations
        for broken in [[name for name, passed in validation.is_passed.items() if not passed]]
    ]


def days_without_arrivals(night: Night) -> GateMetric:
    """Days from the newest landing day with files to the night; 36,500 days without any file."""
    storage = open_storage(night.settings.lake)
    arrival_days = [
        day
        for day in closed_days(storage)
        if day <= night.as_of and read_manifest(storage, day).kept_files
    ]
    newest = max(arrival_days, default=night.as_of - timedelta(days=36_500))
    return GateMetric(
        "days_without_arrivals",
        "raw_rejects",
        (night.as_of - newest).days,
        high=night.settings.gates.max_days_without_arrivals,
    )


def row_count_ratios(
    pins: Sequence[Pin],
    baseline: Snapshot | None,
    night: Night,
    without_candidates: Collection[str] = (),
) -> list[GateMetric]:
    """Rows of each staged table / rows of the baseline's; 1 without a baseline.

    rec_changes is left out, because unchanged lists leave it empty.

    Args:
        pins: the staged tables.
        baseline: what readers saw before the night's day.
        night: gives the threshold.
        without_candidates: tables that had to stay empty, because a training task is off or has no
            model; their ratio is 1.
    """
    published = {
        pin.table_name: pin.row_count
        for pin in (baseline.event.tables if baseline else ())
        if pin.table_name not in without_candidates
    }
    lowest = 1 - night.settings.gates.max_row_drop_ratio
    return [
        GateMetric(
            f"row_count_ratio_{pin.table_name}",
            pin.table_name,
            ratio(pin.row_count, published.get(pin.table_name, pin.row_count)),
            low=lowest,
        )
        for pin in pins
        if pin.table_name != REC_CHANGES.name
    ]


def columns_lost(pins: Sequence[Pin], baseline: Snapshot | None, lake: str) -> GateMetric:
    """Number of the baseline's columns that the staged tables lack or hold with another type."""
    lost = []
    for pin in pins:
        table = table_called(pin.table_name)
        if baseline is None or table.name not in {old.table_name for old in baseline.event.tables}:
            continue
        staged = _column_types(lake, table, pin.table_version)
        lost += [
            f"{table.name}.{name}"
            for name, kind in _column_types(lake, table, baseline.version_of(table)).items()
            if staged.get(name) != kind
        ]
    return GateMetric(
        "columns_lost",
        REC_TOPK.name,
        len(lost),
        high=0,
        examples="; ".join(lost[:EXAMPLES_PER_RULE]),
        is_absolute=True,
    )


def _column_types(lake: str, table: Table, version: int) -> dict[str, str]:
    fields = open_table(lake, table, version).schema().fields
    return {field.name: str(field.type) for field in fields}

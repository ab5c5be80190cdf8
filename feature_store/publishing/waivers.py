"""Waivers: an operator lets one run pass one broken population rule, with a reason on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.delta_tables import exists
from feature_store.publishing.gates import GateResult
from feature_store.publishing.snapshot import Event, events, newest_event_of
from feature_store.tables.runs import RUN_WAIVERS


class WaiverRefused(ValueError):
    """The rule cannot be waived, or does not block the run."""


def waive(
    lake: str, run_id: str, rule: str, *, actor: str, reason: str, now: datetime
) -> GateResult:
    """Record that `actor` waives `rule` for a blocked run; returns the gate's result.

    A waiver publishes nothing: clear the run's last task, or publish the run manually.

    Raises:
        WaiverRefused: the rule does not block the run, or is absolute.
    """
    results = {gate["rule"]: GateResult(**gate) for gate in _blocked_event(lake, run_id).gates}
    gate = results.get(rule)
    if gate is None or gate.is_passed:
        broken = ", ".join(name for name, result in results.items() if not result.is_passed)
        raise WaiverRefused(
            f"published_runs: rule {rule!r} does not stop run {run_id}; stopped by: {broken}"
        )
    if gate.is_absolute:
        raise WaiverRefused(
            f"{gate}; an absolute rule cannot be waived: correct the rows, then clear the "
            "task that writes the table"
        )
    row = {
        "run_id": run_id,
        "rule": rule,
        "actor": actor,
        "reason": reason,
        "recorded_at_utc": now,
    }
    rows = pa.Table.from_pylist([row], schema=RUN_WAIVERS.arrow_schema)
    append(lake, RUN_WAIVERS, rows, commit_note=run_id)
    return gate


def apply_waivers(lake: str, run_id: str, gates: Sequence[GateResult]) -> list[GateResult]:
    """The gates with `waived_by` of each broken rule that this run has a waiver for."""
    if not exists(lake, RUN_WAIVERS) or all(gate.is_passed for gate in gates):
        return list(gates)
    rows = sorted(read_table(lake, RUN_WAIVERS).to_pylist(), key=lambda row: row["recorded_at_utc"])
    waived = {
        row["rule"]: f"{row['actor']}: {row['reason']}" for row in rows if row["run_id"] == run_id
    }
    return [
        replace(gate, waived_by=waived[gate.rule])
        if not gate.is_passed and not gate.is_absolute and gate.rule in waived
        else gate
        for gate in gates
    ]


def _blocked_event(lake: str, run_id: str) -> Event:
    """The run's newest event, which must be a blocked event."""
    newest = newest_event_of(run_id, events(lake))
    if newest is None or newest.action != "blocked":
        found = f"its newest event is {newest.action}" if newest else "it has no event"
        raise WaiverRefused(
            f"published_runs: run {run_id!r} is not blocked, {found}; see `evensong published`"
        )
    return newest

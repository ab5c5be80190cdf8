"""Write-audit-publish.

Staged slices become what readers see by one exclusive commit to published_runs.

A night stages its rec_ slices; `audited_pins` reads them back; the gates judge them; `append_event`
is the switch. Killed anywhere before that commit, readers keep the earlier set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from feature_store.contract import Table
from feature_store.lake import spark_io
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import ensure_table, open_table
from feature_store.privacy.table_rewrite import refuse_rewritten
from feature_store.publishing.gates import GateFailed, GateResult
from feature_store.publishing.snapshot import (
    Event,
    NothingPublished,
    Pin,
    Snapshot,
    current_event,
    erased_since,
    events,
)
from feature_store.publishing.waivers import with_waivers
from feature_store.settings import Night
from feature_store.tables import PUBLISHED_TABLES
from feature_store.tables.runs import PUBLISHED_RUNS, RUN_METRICS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Mode = Literal["auto", "stage_only", "make_current"]
MODES: tuple[Mode, ...] = ("auto", "stage_only", "make_current")

_SWITCH_TRIES = 5


class ReadBackMismatch(RuntimeError):
    """What lies in storage is not what the run computed."""


class RunErased(LookupError):
    """A run held somebody who was erased since, so its versions are gone for good."""


class CurrentMoved(RuntimeError):
    """Somebody else published while this run was about to."""


def audited_pins(spark: SparkSession, night: Night) -> tuple[Pin, ...]:
    """Read every staged slice back and pin the versions that hold what the run computed.

    Raises:
        ReadBackMismatch: a slice was not written by this run, or differs from what it computed.
        ErasedMeanwhile: somebody was erased since; the version that was staged holds the person.
    """
    return tuple(_audited_pin(spark, night, table) for table in PUBLISHED_TABLES)


def publish(
    night: Night,
    *,
    pins: Sequence[Pin],
    gates: Sequence[GateResult],
    inputs: Sequence[Pin],
    model_versions: Sequence[str],
    current: Event | None,
    mode: Mode,
    actor: str,
    now: datetime,
) -> Event:
    """Append the night's event: `publish`, `stage_only`, or `blocked` when a gate failed.

    `current` is the event that the gates compared with; should readers see another one by now,
    the gates judged something else, and nothing is appended.

    With mode `auto`, a run older than what readers see is only staged: no backfill takes them back,
    neither one that began before the night of a later day had ended.
    A broken rule that somebody waived for this run stops nothing.

    Raises:
        GateFailed: a rule is broken; the blocked event is recorded first.
        CurrentMoved: somebody published meanwhile.
    """
    judged = with_waivers(night.settings.lake, night.run_id, gates)
    broken = [gate for gate in judged if gate.stops]
    if mode == "auto":
        current = _overtaken_by(night) or current
    event = Event(
        event_number=0,  # append_event numbers it
        replaces_event=current.event_number if current else None,
        action="blocked" if broken else _action(night, current, mode),
        run_id=night.run_id,
        as_of=night.as_of,
        actor=actor,
        reason="; ".join(gate.rule for gate in broken) or None,
        tables=tuple(pins),
        gates=tuple(gate.as_row() for gate in judged),
        inputs=tuple(inputs),
        model_versions=tuple(model_versions),
        code_version=version("evensong"),
        contract_version=contract_version(),
        recorded_at_utc=now,
    )
    appended = append_event(night.settings.lake, event)
    if broken:
        kept = f"event {current.event_number} stays current" if current else "nothing is published"
        raise GateFailed(
            f"{'; '.join(str(gate) for gate in broken)} (event {appended.event_number}, blocked); "
            f"{kept}; correct the data or the rule's setting and clear the task, or look at "
            f"`evensong waive --help`"
        )
    return appended


def rollback(lake: str, run_id: str, *, actor: str, reason: str | None, now: datetime) -> Event:
    """Make an earlier published run current again, by one appended event.

    Raises:
        NothingPublished: that run was never published.
        RunErased: it held somebody who was erased since.
        TableMissing: a version that it pins is gone.
        CurrentMoved: somebody published meanwhile.
    """
    so_far = events(lake)
    # A run that was current during an erasure lives on in the versions which that event pinned.
    shown = ("publish", "erase")
    wanted = [event for event in so_far if event.run_id == run_id and event.action in shown]
    current = current_event(so_far)
    if not wanted or current is None:
        published = sorted({event.run_id for event in so_far if event.action == "publish"})
        raise NothingPublished(
            f"published_runs: no published run is called {run_id!r}; published: "
            f"{', '.join(published) or 'none'}; see `evensong published`"
        )
    refuse_erased(wanted[-1], so_far)
    restored = Snapshot(lake, wanted[-1])
    for pin in restored.event.tables:
        restored.read(pin.table_name, columns=["as_of_date"])
    event = replace(
        wanted[-1],
        event_number=len(so_far) + 1,
        replaces_event=current.event_number,
        action="rollback",
        actor=actor,
        reason=reason,
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def refuse_erased(event: Event, among: Sequence[Event]) -> None:
    """Refuse an event whose versions an erasure removed.

    Raises:
        RunErased: says which event removed them, and how to get lists of that day.
    """
    erased = erased_since(event, among)
    if erased is not None:
        raise RunErased(
            f"published_runs: run {event.run_id} of {event.as_of} held somebody who was erased "
            f"since (event {erased.event_number}); its versions are gone and cannot be restored; "
            f"run the night again: `evensong night --as-of {event.as_of} --publish make_current`"
        )


def append_event(lake: str, event: Event) -> Event:
    """Commit one event, exclusively.

    Numbered after the newest, replacing what `event` says it replaces.

    Raises:
        CurrentMoved: what is current is not what `event` replaces any more.
    """
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import CommitFailedError

    ensure_table(lake, PUBLISHED_RUNS)
    for _ in range(_SWITCH_TRIES):
        opened = open_table(lake, PUBLISHED_RUNS)
        so_far = events(lake, version=opened.version())
        _refuse_moved(event, current_event(so_far))
        numbered = replace(event, event_number=len(so_far) + 1)
        try:
            # No retries: a commit that lost the race must look at the new events first.
            write_deltalake(
                opened,
                _as_rows(numbered),
                mode="append",
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except CommitFailedError:
            continue
        return numbered
    raise CurrentMoved(
        f"published_runs: {_SWITCH_TRIES} other events were committed meanwhile; clear the task"
    )


def contract_version() -> str:
    """Hash of the contracts of all published tables.

    Changes when readers' columns or their meaning do.
    """
    text = "\n".join(table.markdown for table in PUBLISHED_TABLES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _audited_pin(spark: SparkSession, night: Night, table: Table) -> Pin:
    staged = _newest_write(night, table)
    refuse_rewritten(night.settings.lake, table, staged.table_version)
    slice_of_night = spark_io.read(
        spark, night.settings.lake, table, as_of=night.as_of, version=staged.table_version
    )
    row_count, content_sha256 = spark_io.fingerprint(slice_of_night, table)
    if (row_count, content_sha256) != (staged.row_count, staged.content_sha256):
        raise ReadBackMismatch(
            f"{table.name} v{staged.table_version}: {row_count} rows with hash "
            f"{content_sha256[:12]} "
            f"were read back, {staged.row_count} with {staged.content_sha256[:12]} were computed; "
            "nothing was published; clear the task that writes the table"
        )
    return staged


def _newest_write(night: Night, table: Table) -> Pin:
    rows = read_table(night.settings.lake, RUN_METRICS, as_of=night.as_of).to_pylist()
    mine = [row for row in rows if row["run_id"] == night.run_id and row["task"] == table.name]
    if not mine:
        raise ReadBackMismatch(
            f"{table.name}: run {night.run_id} has not written its slice of {night.as_of}; "
            "clear the task that writes the table"
        )
    newest = max(mine, key=lambda row: row["recorded_at_utc"])
    return Pin(table.name, newest["table_version"], newest["row_count"], newest["content_sha256"])


def _overtaken_by(night: Night) -> Event | None:
    """The publication of a later day that readers see by now: the run will only be staged."""
    newest = current_event(events(night.settings.lake))
    is_later = newest is not None and newest.action == "publish" and newest.as_of > night.as_of
    return newest if is_later else None


def _action(night: Night, current: Event | None, mode: Mode) -> str:
    if mode == "stage_only":
        return "stage_only"
    goes_back = current is not None and night.as_of < current.as_of
    return "stage_only" if mode == "auto" and goes_back else "publish"


def _refuse_moved(event: Event, current: Event | None) -> None:
    found = current.event_number if current else None
    if found != event.replaces_event:
        raise CurrentMoved(
            f"published_runs: event {found} is current, this run was to replace "
            f"{event.replaces_event}; "
            "look at `evensong published`, then clear the task to publish after all"
        )


def _as_rows(event: Event) -> pa.Table:
    row = asdict(event)
    row["as_of_date"] = row.pop("as_of")
    return pa.Table.from_pylist([row], schema=PUBLISHED_RUNS.arrow_schema)

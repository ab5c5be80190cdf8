"""Erasure of a batch from landing files and tables, while nights go on.

1. Search and stage, without any lease and without a trace that a night could see.
2. With the nights' lease (`suppression.LEASE`), for seconds: put the people on the suppression
   list, add a mark, and commit to every table that no writer holds. Tasks that begin now wait.
3. Wait for the other tables one by one, without that lease, and commit to them; publish. If one of
   them named the people, or another run was published meanwhile, go on with 2.

Why no task brings a person back, although none waits for the search:

* A task notes list and marks before it reads its inputs, and compares them under its table's lease
  just before it commits. One that began before the mark does not pass that any more. One that had
  passed it before the mark still holds its table's lease, so step 2 finds the table taken; step 3
  waits for its commit, and searches that.
* A task that begins after step 2 reads tables that are clean: all that were free are rewritten
  before the lease is given back. Of a table that was taken it may read unclean rows: those that
  were there at the end of step 2, or those that step 3 finds. In both cases step 2 comes again: its
  mark stops the task, or its search finds what the task has committed.
* Landing days lose suppressed people before a night reads them (jobs/landing/closing.py).
"""

from __future__ import annotations

from contextlib import suppress as suppress_error
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.lease import LeaseTaken, writer_lease
from feature_store.privacy.person_filter import People
from feature_store.privacy.suppression import LEASE, mark_rewritten, person_of, suppress
from feature_store.privacy.table_eraser import TableEraser
from feature_store.publishing.publish import CurrentMoved
from feature_store.publishing.snapshot import current_event, events
from feature_store.tables import PUBLISHED_TABLES
from jobs.privacy.landing_pass import LandingEraser
from jobs.privacy.personal_tables import tables_that_can_name_people
from jobs.privacy.republication import publish_erasure, slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.batch import Batch
    from feature_store.privacy.table_eraser import TableErasure
    from feature_store.publishing.snapshot import Event

LOG = structlog.get_logger()

_MOST_PASSES = 5


class ErasureOvertaken(RuntimeError):
    """Other runs wrote rows about the people, or were published, during every pass."""


def erase_from_lake(
    batch: Batch, *, spark: SparkSession | None, clock: Callable[[], datetime]
) -> None:
    """Suppress the people, rewrite landing files and tables, and publish the new versions.

    Raises:
        LeaseTaken: a writer held a table for too long; what was committed stays.
        ErasureOvertaken: every pass met new rows about the people; what was committed stays.
    """
    row_pass = _RowPass(batch, spark, clock)
    row_pass.prepare()
    for _ in range(_MOST_PASSES):
        if row_pass.run():
            row_pass.discard()
            return
    raise ErasureOvertaken(
        f"erase: other runs wrote rows about these people, or were published, {_MOST_PASSES} times "
        "while they were erased; the requests stay pending: run `evensong erase --resume` when "
        "fewer nights run"
    )


class _RowPass:
    """The erasers of landing files and tables; what they have searched they remember."""

    def __init__(
        self, batch: Batch, spark: SparkSession | None, clock: Callable[[], datetime]
    ) -> None:
        self._batch, self._spark, self._clock = batch, spark, clock
        self._settings, self._lake = batch.settings, batch.settings.lake
        self._people = People(
            [person_of(self._settings, request.user_id) for request in batch.requests]
        )
        self._landing = LandingEraser(batch, self._people)
        self._erasers: dict[Table, TableEraser] = {}

    def prepare(self) -> None:
        """Search landing files and tables; stage files without the people."""
        current = current_event(events(self._lake))
        self._landing.prepare()
        for table, eraser in self._erasers_of_all_tables().items():
            eraser.prepare(slice_of(current, table))

    def run(self) -> bool:
        """Erase what is there; returns whether nothing came in between that has to be looked at."""
        for request in self._batch.requests:
            suppress(self._settings, request.user_id)
        self._landing.erase_most()
        current = current_event(events(self._lake))
        with writer_lease(self._lake, LEASE):
            mark_rewritten(self._lake)
            self._landing.erase_rest()
            erasers = self._erasers_of_all_tables()
            erased = self._erase_free_tables(erasers, current)
            taken = [table for table in erasers if table not in erased]
            unclean = [table for table in taken if erasers[table].names_people()]
        self._record(erased)
        late = self._erase_taken_tables(_published(taken), current)
        is_shown = self._publish(current, erased | late)
        late |= self._erase_taken_tables([one for one in taken if one not in late], current)
        came = any(one is not None and one.n_rows for one in late.values())
        return is_shown and not unclean and not came

    def discard(self) -> None:
        """Delete the staged files that were not needed."""
        for eraser in self._erasers.values():
            eraser.discard()

    def _erasers_of_all_tables(self) -> dict[Table, TableEraser]:
        """An eraser for each table that there is by now."""
        for table in tables_that_can_name_people(self._lake):
            if table not in self._erasers:
                self._erasers[table] = TableEraser(self._lake, table, self._people)
        return self._erasers

    def _erase_free_tables(
        self, erasers: dict[Table, TableEraser], current: Event | None
    ) -> dict[Table, TableErasure | None]:
        """Commit to the tables that no writer holds; waits for none."""
        erased: dict[Table, TableErasure | None] = {}
        for table, eraser in erasers.items():
            with suppress_error(LeaseTaken):
                erased[table] = eraser.erase(slice_of(current, table), wait_s=0)
        return erased

    def _erase_taken_tables(
        self, tables: Collection[Table], current: Event | None
    ) -> dict[Table, TableErasure | None]:
        """Wait for each writer, then commit; nights that do not need the table go on."""
        erased: dict[Table, TableErasure | None] = {}
        for table in tables:
            LOG.info("waits for a writer", table=table.name)
            erased[table] = self._erasers[table].erase(slice_of(current, table))
            self._record({table: erased[table]})
        return erased

    def _record(self, erased: Mapping[Table, TableErasure | None]) -> None:
        for table, erasure in erased.items():
            if erasure is not None:
                self._batch.add(table.name, erasure.by_person, is_table=True)

    def _publish(self, current: Event | None, erased: Mapping[Table, TableErasure | None]) -> bool:
        """Show readers the new versions; False when another run was published meanwhile."""
        if current is None:
            return current_event(events(self._lake)) is None
        shown = {table: one for table in _published(erased) if (one := erased[table]) is not None}
        has_changed = any(one.n_rows for one in shown.values())
        if self._batch.is_shown_by(current.event_number) and not has_changed:
            return True
        try:
            publish_erasure(self._batch, current, shown, self._spark, self._clock())
        except CurrentMoved as error:
            LOG.info("erases again", reason=str(error))
            return False
        return True


def _published(tables: Iterable[Table]) -> list[Table]:
    return [table for table in tables if table in PUBLISHED_TABLES]

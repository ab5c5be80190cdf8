"""Check that rec_changes compares the staged lists with the same versions as the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.publishing.publish import CurrentMoved
from feature_store.tables.recommendations import REC_CHANGES
from jobs.recommendations.changes import build

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.publishing.snapshot import Snapshot
    from feature_store.settings import Night


def check_compared_run(
    changes: DataFrame,
    lists: DataFrame,
    published: DataFrame | None,
    baseline: Snapshot | None,
    night: Night,
) -> None:
    """Refuse changes that are not those from the baseline's lists to the staged ones.

    Readers may have moved, by a rollback or another publication, after rec_changes was computed. A
    run that is published a second time keeps its name, so the rows are compared, not the names.

    Args:
        changes: the staged rec_changes.
        lists: the staged rec_topk.
        published: the baseline's rec_topk; None without a baseline.
        baseline: what readers saw before the night's day.
        night: the run to audit.

    Raises:
        CurrentMoved: names both runs and the task to clear.
    """
    before = published if published is not None else lists.limit(0)
    expected = build(lists, before, night=night)
    staged = changes.select(*expected.columns)
    if staged.exceptAll(expected).isEmpty() and expected.exceptAll(staged).isEmpty():
        return
    rows = staged.select("compared_run_id").distinct().collect()
    found = ", ".join(sorted(row["compared_run_id"] for row in rows)) or "none"
    due = (
        f"run {baseline.run_id} as event {baseline.event.event_number} pins it"
        if baseline is not None
        else "no run, for readers saw none"
    )
    raise CurrentMoved(
        f"{REC_CHANGES.name}: compares with run {found}, and its rows are not the changes of the "
        f"staged lists against {due}: readers moved, or the lists were written again, after the "
        f"table was written; nothing was published; clear the task {REC_CHANGES.name} and all after"
    )

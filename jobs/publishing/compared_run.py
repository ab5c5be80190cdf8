"""Check that rec_changes compares with the same run as the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.publishing.publish import CurrentMoved
from feature_store.tables.recommendations import REC_CHANGES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.publishing.snapshot import Snapshot

_PLACE = ("user_id", "track_id", "rank")


def check_compared_run(
    changes: DataFrame, lists: DataFrame, published: DataFrame | None, baseline: Snapshot | None
) -> None:
    """Refuse changes against another run than the baseline, or missing changes against it.

    Readers may have moved, by a rollback or another publication, after rec_changes was computed.

    Args:
        changes: the staged rec_changes.
        lists: the staged rec_topk.
        published: the baseline's rec_topk; None without a baseline.
        baseline: what readers saw before the night's day.

    Raises:
        CurrentMoved: names both runs and the task to clear.
    """
    expected = [baseline.run_id] if baseline is not None else []
    rows = changes.select("compared_run_id").distinct().collect()
    found = sorted(row["compared_run_id"] for row in rows)
    if found == expected or (not found and not _differ(lists, published)):
        return
    compared = f"event {baseline.event.event_number}" if baseline is not None else "no event"
    raise CurrentMoved(
        f"{REC_CHANGES.name}: compares with run {', '.join(found) or 'none'}, the night must "
        f"compare with run {', '.join(expected) or 'none'} ({compared}): readers moved after the "
        f"table was written; nothing was published; clear the task {REC_CHANGES.name} and all after"
    )


def _differ(lists: DataFrame, published: DataFrame | None) -> bool:
    """Whether a track entered, left or moved; without a baseline nothing can."""
    if published is None:
        return False
    now, before = lists.select(*_PLACE), published.select(*_PLACE)
    return not (now.exceptAll(before).isEmpty() and before.exceptAll(now).isEmpty())

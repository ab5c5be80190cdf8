"""Check that rec_changes compares with the same lists as the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.publishing.publish import CurrentMoved
from feature_store.tables.recommendations import REC_CHANGES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.publishing.snapshot import Snapshot

_PLACE = ("user_id", "track_id", "rank")


def check_compared_run(
    changes: DataFrame, lists: DataFrame, published: DataFrame | None, baseline: Snapshot | None
) -> None:
    """Refuse changes against other lists than the baseline's, or missing changes against them.

    Readers may have moved, by a rollback or another publication, after rec_changes was computed. A
    run that is published a second time keeps its name, so ranks are compared besides names.

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
    is_same_run = found == expected or (not found and not _differ(lists, published))
    if is_same_run and not _contradict(changes, published):
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


def _contradict(changes: DataFrame, published: DataFrame | None) -> bool:
    """Whether a change starts from a rank that the published lists do not have."""
    if published is None:
        return False
    before = published.select("user_id", "track_id", F.col("rank").alias("published_rank"))
    both = changes.join(before, on=["user_id", "track_id"], how="left")
    return not both.where(~F.col("from_rank").eqNullSafe(F.col("published_rank"))).isEmpty()

"""Versions of an entity (slowly changing dimension): one row per day on which it changed."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def new_versions(states: DataFrame, previous: DataFrame, entity: Sequence[str]) -> DataFrame:
    """The states that differ from the entity's state before and are newer than its written rows.

    Args:
        states: the whole state of each entity on the days on which it may have changed, one row
            for each entity and known_from_date; written days may be among them.
        previous: the newest written row of each entity, with the columns of `states`.
        entity: columns that identify the entity.
    """
    state = F.struct(*[name for name in states.columns if name not in {*entity, "known_from_date"}])
    written = previous.select(*states.columns).withColumn("is_written", F.expr("true"))
    timeline = written.unionByName(states.withColumn("is_written", F.expr("false")))
    of_entity = Window.partitionBy(*entity)
    # A day may be computed again: its written row comes first, so the equal new one is no change.
    in_order = of_entity.orderBy("known_from_date", F.col("is_written").desc())
    written_until = F.max(F.when(F.col("is_written"), F.col("known_from_date"))).over(of_entity)
    compared = timeline.withColumns(
        {"previous": F.lag(state).over(in_order), "written_until": written_until}
    )
    is_new = F.col("written_until").isNull() | (F.col("known_from_date") > F.col("written_until"))
    is_change = ~state.eqNullSafe(F.col("previous"))
    return compared.where(is_new & is_change).select(*states.columns)

"""Versions of an entity: a row for each day on which something about it changed."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def new_versions(states: DataFrame, before: DataFrame, entity: Sequence[str]) -> DataFrame:
    """The states that differ from the one before them and are newer than what is written.

    Args:
        states: an entity's whole state on the days on which it may have changed; one row for each
            entity and known_from_date. Days that are written already may be among them.
        before: the newest written row of each entity; needs the columns of `states`.
        entity: columns that say what a row is about.
    """
    state = F.struct(*[name for name in states.columns if name not in {*entity, "known_from_date"}])
    written = before.select(*states.columns).withColumn("is_written", F.expr("true"))
    timeline = written.unionByName(states.withColumn("is_written", F.expr("false")))
    of_entity = Window.partitionBy(*entity)
    # A written day may be computed again: its written row comes first, its twin is no change.
    in_order = of_entity.orderBy("known_from_date", F.col("is_written").desc())
    written_until = F.max(F.when(F.col("is_written"), F.col("known_from_date"))).over(of_entity)
    compared = timeline.withColumns(
        {"previous": F.lag(state).over(in_order), "written_until": written_until}
    )
    is_new = F.col("written_until").isNull() | (F.col("known_from_date") > F.col("written_until"))
    is_change = ~state.eqNullSafe(F.col("previous"))
    return compared.where(is_new & is_change).select(*states.columns)

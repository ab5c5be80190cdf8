"""graph_nodes: every user, track, artist, tag and album so far, with its stable node index.

Withdrawn tracks stay, because the model learns from their listens; lists leave them out.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.ids import with_node_index
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS, CORE_USERS
from feature_store.tables.graph import GRAPH_NODES
from jobs.inputs import History

INPUTS = (History(CORE_USERS), History(CORE_TRACKS), History(CORE_TAGS))
OUTPUT = GRAPH_NODES


def build(users: DataFrame, tracks: DataFrame, tags: DataFrame, *, night: Night) -> DataFrame:
    """One row for each node; the index depends on the first day of each, hence History inputs."""
    kinds = [
        _first_known("user", users, "user_id"),
        _first_known("track", tracks, "track_id"),
        _first_known("artist", tracks, "artist_id"),
        _first_known("tag", tags, "tag"),
        _first_known("album", tracks.where(F.col("album_id").isNotNull()), "album_id"),
    ]
    nodes = reduce(lambda above, below: above.unionByName(below), kinds)
    return (
        with_node_index(nodes)
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _first_known(kind: str, rows: DataFrame, id_column: str) -> DataFrame:
    return (
        rows.groupBy(F.col(id_column).alias("node_id"))
        .agg(F.min("known_from_date").alias("known_from_date"))
        .withColumn("node_kind", F.lit(kind))
    )

"""What the gates judge of the night's graph: edges to nowhere, people alone, degrees that moved."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.publishing.gates import Measure
from feature_store.publishing.snapshot import Snapshot
from feature_store.settings import Night
from feature_store.tables.graph import (
    EDGE_TABLES,
    GRAPH_NODES,
    GRAPH_USER_LISTENED_TRACK,
    KIND_OF_END,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from feature_store.contract import Table

_EXAMPLES = 3


def graph_measures(spark: SparkSession, night: Night, current: Snapshot | None) -> list[Measure]:
    """Every figure of the night's graph that a gate judges."""
    lake, as_of = night.settings.lake, night.as_of
    nodes = spark_io.read(spark, lake, GRAPH_NODES, as_of=as_of)
    edges = {table: spark_io.read(spark, lake, table, as_of=as_of) for table in EDGE_TABLES}
    before = (
        spark_io.read(spark, lake, GRAPH_USER_LISTENED_TRACK, as_of=current.as_of)
        if current
        else None
    )
    return [
        dangling_edges(nodes, edges),
        isolated_users(nodes, edges, night),
        degree_shift(edges[GRAPH_USER_LISTENED_TRACK], before, night),
    ]


def dangling_edges(nodes: DataFrame, edges: Mapping[Table, DataFrame]) -> Measure:
    """How many ends of edges are no node; an edge may have two such ends."""
    ends = reduce(
        lambda one, other: one.unionByName(other),
        [_ends(rows, table, column) for table, rows in edges.items() for column in table.key[1:]],
    )
    # Each node's ends are counted before the join: there are far fewer nodes than edges.
    described = F.to_json(F.struct("table_name", "node_kind", "node_id"))
    [found] = (
        ends.groupBy("node_kind", "node_id", "table_name")
        .agg(F.count("*").alias("ends"))
        .join(nodes, on=["node_kind", "node_id"], how="left_anti")
        .agg(
            F.coalesce(F.sum("ends"), F.lit(0)).alias("ends"),  # a sum of nothing is null
            F.slice(F.sort_array(F.collect_list(described)), 1, _EXAMPLES).alias("examples"),
        )
        .collect()
    )
    return Measure(
        "dangling_edges",
        GRAPH_NODES.name,
        found["ends"],
        high=0,
        examples="; ".join(found["examples"]),
        is_absolute=True,
    )


def _ends(rows: DataFrame, table: Table, column: str) -> DataFrame:
    return rows.select(
        F.lit(KIND_OF_END[column]).alias("node_kind"),
        F.col(column).alias("node_id"),
        F.lit(table.name).alias("table_name"),
    )


def isolated_users(nodes: DataFrame, edges: Mapping[Table, DataFrame], night: Night) -> Measure:
    """Share of the people of whom no edge tells; 0 of nobody."""
    connected = reduce(
        lambda one, other: one.unionByName(other),
        [
            rows.select(F.col(column).alias("node_id"))
            for table, rows in edges.items()
            for column in table.key[1:]
            if KIND_OF_END[column] == "user"
        ],
    ).distinct()
    people = nodes.where(F.col("node_kind") == "user")
    [found] = (
        people.join(connected.withColumn("has_edge", F.lit(1)), on="node_id", how="left")
        .agg(F.count("*").alias("people"), F.count("has_edge").alias("connected"))
        .collect()
    )
    isolated = found["people"] - found["connected"]
    return Measure(
        "isolated_user_ratio",
        GRAPH_NODES.name,
        isolated / max(1, found["people"]),
        high=night.settings.gates.max_isolated_user_ratio,
    )


def degree_shift(listened: DataFrame, before: DataFrame | None, night: Night) -> Measure:
    """How far tracks per listener moved against an earlier graph; 0 without one, or against none.

    The largest gap between the two distributions; 1 when nobody listens any more. A run of the same
    day has replaced the earlier graph and is compared with itself.
    """
    now = _degrees(listened)
    earlier = _degrees(before) if before is not None else Counter()
    return Measure(
        "degree_shift_ratio",
        GRAPH_USER_LISTENED_TRACK.name,
        largest_gap(now, earlier) if earlier else 0.0,
        high=night.settings.gates.max_degree_shift_ratio,
    )


def largest_gap(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Kolmogorov-Smirnov statistic of two samples, from how often each value is in them.

    max over x of |share of `one` up to x - share of `other` up to x| (Smirnov 1939). Example: half
    have 1 and half 2; all have 2: .5. A sample without a value lies as far away as can be: 1.
    """
    if not one or not other:
        return float(one != other)
    values = sorted({*one, *other})
    pairs = zip(_shares_up_to(values, one), _shares_up_to(values, other), strict=True)
    return max(abs(mine - theirs) for mine, theirs in pairs)


def _shares_up_to(values: Sequence[int], sample: Mapping[int, int]) -> list[float]:
    """For each of the ascending `values`: the share of the sample that is not above it."""
    total = sum(sample.values())
    return [count / total for count in accumulate(sample.get(value, 0) for value in values)]


def _degrees(listened: DataFrame) -> Counter[int]:
    """How many people have so many tracks, by number of tracks."""
    rows = (
        listened.groupBy("user_id")
        .agg(F.count("*").alias("tracks"))
        .groupBy("tracks")
        .agg(F.count("*").alias("people"))
        .collect()
    )
    return Counter({row["tracks"]: row["people"] for row in rows})

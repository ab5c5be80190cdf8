"""Graph rules: dangling edges, isolated users, and the shift of the degree distribution."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import accumulate
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.publishing.gates import GateMetric
from feature_store.publishing.snapshot import Snapshot
from feature_store.settings import Night
from feature_store.tables.graph import (
    EDGE_TABLES,
    GRAPH_NODES,
    GRAPH_USER_LISTENED_TRACK,
    NODE_KIND_OF_COLUMN,
)
from jobs.publishing.row_rules import EXAMPLES_PER_RULE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from feature_store.contract import Table


def graph_metrics(spark: SparkSession, night: Night, baseline: Snapshot | None) -> list[GateMetric]:
    """Every metric of the night's graph that a gate evaluates."""
    lake, as_of = night.settings.lake, night.as_of
    nodes = spark_io.read(spark, lake, GRAPH_NODES, as_of=as_of)
    edges = {table: spark_io.read(spark, lake, table, as_of=as_of) for table in EDGE_TABLES}
    before = (
        spark_io.read(spark, lake, GRAPH_USER_LISTENED_TRACK, as_of=baseline.as_of)
        if baseline
        else None
    )
    return [
        dangling_edges(nodes, edges),
        isolated_users(nodes, edges, night),
        degree_shift(edges[GRAPH_USER_LISTENED_TRACK], before, night),
    ]


def dangling_edges(nodes: DataFrame, edges: Mapping[Table, DataFrame]) -> GateMetric:
    """Number of edge ends that graph_nodes does not list; an edge may have two such ends."""
    ends = reduce(
        lambda one, other: one.unionByName(other),
        [_ends(rows, table, column) for table, rows in edges.items() for column in table.key[1:]],
    )
    # Each node's ends are counted before the join: there are far fewer nodes than edges.
    examples = F.sort_array(
        F.collect_list(F.to_json(F.struct("table_name", "node_kind", "node_id")))
    )
    [found] = (
        ends.groupBy("node_kind", "node_id", "table_name")
        .agg(F.count("*").alias("ends"))
        .join(nodes, on=["node_kind", "node_id"], how="left_anti")
        .agg(
            F.coalesce(F.sum("ends"), F.lit(0)).alias("ends"),  # a sum of nothing is null
            F.slice(examples, 1, EXAMPLES_PER_RULE).alias("examples"),
        )
        .collect()
    )
    return GateMetric(
        "dangling_edges",
        GRAPH_NODES.name,
        found["ends"],
        high=0,
        examples="; ".join(found["examples"]),
        is_absolute=True,
    )


def isolated_users(nodes: DataFrame, edges: Mapping[Table, DataFrame], night: Night) -> GateMetric:
    """Share of users without any edge; 0 without users."""
    connected = reduce(
        lambda one, other: one.unionByName(other),
        [
            rows.select(F.col(column).alias("node_id"))
            for table, rows in edges.items()
            for column in table.key[1:]
            if NODE_KIND_OF_COLUMN[column] == "user"
        ],
    ).distinct()
    users = nodes.where(F.col("node_kind") == "user")
    [found] = (
        users.join(connected.withColumn("has_edge", F.lit(1)), on="node_id", how="left")
        .agg(F.count("*").alias("users"), F.count("has_edge").alias("connected"))
        .collect()
    )
    isolated = found["users"] - found["connected"]
    return GateMetric(
        "isolated_user_ratio",
        GRAPH_NODES.name,
        isolated / max(1, found["users"]),
        high=night.settings.gates.max_isolated_user_ratio,
    )


def degree_shift(listened: DataFrame, before: DataFrame | None, night: Night) -> GateMetric:
    """Shift of tracks per user against an earlier graph; 0 if that graph is missing or empty.

    The value is the largest gap between the two distributions; 1 when no user has a listen now.
    """
    now = _degrees(listened)
    earlier = _degrees(before) if before is not None else Counter()
    return GateMetric(
        "degree_shift_ratio",
        GRAPH_USER_LISTENED_TRACK.name,
        largest_gap(now, earlier) if earlier else 0.0,
        high=night.settings.gates.max_degree_shift_ratio,
    )


def largest_gap(one: Mapping[int, int], other: Mapping[int, int]) -> float:
    """Kolmogorov-Smirnov statistic of two samples, given as counts by value.

    max over x of |share of `one` up to x - share of `other` up to x| (Smirnov 1939). Example: half
    the first sample is 1 and half is 2, the second is all 2: .5. One empty sample gives 1.
    """
    if not one or not other:
        return float(one != other)
    values = sorted({*one, *other})
    pairs = zip(_shares_up_to(values, one), _shares_up_to(values, other), strict=True)
    return max(abs(one_share - other_share) for one_share, other_share in pairs)


def _ends(rows: DataFrame, table: Table, column: str) -> DataFrame:
    return rows.select(
        F.lit(NODE_KIND_OF_COLUMN[column]).alias("node_kind"),
        F.col(column).alias("node_id"),
        F.lit(table.name).alias("table_name"),
    )


def _degrees(listened: DataFrame) -> Counter[int]:
    """Number of users by number of tracks."""
    rows = (
        listened.groupBy("user_id")
        .agg(F.count("*").alias("tracks"))
        .groupBy("tracks")
        .agg(F.count("*").alias("users"))
        .collect()
    )
    return Counter({row["tracks"]: row["users"] for row in rows})


def _shares_up_to(values: Sequence[int], sample: Mapping[int, int]) -> list[float]:
    """Empirical cumulative distribution of the sample at the ascending `values`."""
    total = sum(sample.values())
    return [count / total for count in accumulate(sample.get(value, 0) for value in values)]

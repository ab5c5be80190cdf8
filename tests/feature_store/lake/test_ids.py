"""Node indices are dense, in order of first appearance, and stable."""

from __future__ import annotations

from datetime import date

from feature_store.lake.ids import with_node_index

FEB_28, FEB_29, MAR_1 = date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)
FIRST_DAY = [("track", "b", FEB_28), ("track", "a", FEB_28), ("user", "z", FEB_28)]
LATER = [("track", "0", MAR_1), ("user", "y", FEB_29), ("track", "B", FEB_29), ("user", "x", MAR_1)]


def indexed(spark, rows):
    frame = spark.createDataFrame(rows, "node_kind STRING, node_id STRING, known_from_date DATE")
    return {
        (row.node_kind, row.node_id): row.node_index for row in with_node_index(frame).collect()
    }


def test_indices_count_from_one_within_a_kind_by_first_day_then_id(spark):
    """`0` sorts before `a`, but appeared two days later, so it is last."""
    assert indexed(spark, FIRST_DAY + LATER) == {
        ("track", "a"): 1,
        ("track", "b"): 2,
        ("track", "B"): 3,
        ("track", "0"): 4,
        ("user", "z"): 1,
        ("user", "y"): 2,
        ("user", "x"): 3,
    }


def test_later_days_only_append(spark):
    """Nodes of the first day keep their indices when later days follow; no index repeats."""
    first, both = indexed(spark, FIRST_DAY), indexed(spark, LATER + FIRST_DAY)

    assert first == {node: both[node] for node in first}
    assert sorted(index for (kind, _), index in both.items() if kind == "track") == [1, 2, 3, 4]

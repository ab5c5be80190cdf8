"""Graph rules, on a graph whose counts are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from feature_store.publishing.gates import evaluate_gates
from feature_store.tables.graph import (
    EDGE_TABLES,
    GRAPH_NODES,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_HAS_TAG,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_USER_LIKED_TRACK,
    GRAPH_USER_LISTENED_TRACK,
)
from jobs.publishing.graph_rules import dangling_edges, degree_shift, isolated_users, largest_gap
from tests.jobs.core.frames import frame

ENDS = {
    GRAPH_USER_LISTENED_TRACK: [("ada", "hymn"), ("ada", "aria")],
    GRAPH_USER_LIKED_TRACK: [("bo", "hymn")],
    GRAPH_USER_FOLLOWS_USER: [("cy", "dee")],
    GRAPH_TRACK_BY_ARTIST: [("hymn", "choir")],
    GRAPH_TRACK_ON_ALBUM: [("hymn", "psalms")],
    GRAPH_TRACK_HAS_TAG: [("aria", "slow")],
}
NODES = [("user", name) for name in ("ada", "bo", "cy", "dee", "eve")] + [
    ("track", "hymn"), ("track", "aria"), ("artist", "choir"), ("album", "psalms"), ("tag", "slow"),
]  # fmt: skip


def nodes_without(spark, *missing):
    return frame(
        spark, GRAPH_NODES, "node_kind node_id", *[node for node in NODES if node not in missing]
    )


def edges_of(spark, ends=ENDS):
    return {
        table: frame(spark, table, " ".join(table.key[1:]), *pairs) for table, pairs in ends.items()
    }


def test_a_graph_whose_edges_end_at_nodes_passes(spark):
    found = dangling_edges(nodes_without(spark), edges_of(spark))

    assert (found.value, found.is_absolute, found.examples) == (0, True, "")
    assert evaluate_gates([found])[0].is_passed
    assert set(ENDS) == set(EDGE_TABLES)


@pytest.mark.parametrize(
    ("missing", "ends", "table"),
    [
        (("track", "hymn"), 4, "graph_track_by_artist"),
        (("track", "aria"), 2, "graph_track_has_tag"),
        (("user", "dee"), 1, "graph_user_follows_user"),
        (("user", "bo"), 1, "graph_user_liked_track"),
        (("album", "psalms"), 1, "graph_track_on_album"),
        (("tag", "slow"), 1, "graph_track_has_tag"),
        (("user", "eve"), 0, ""),
    ],
)
def test_every_edge_end_without_a_node_is_counted_and_named(spark, missing, ends, table):
    """Four edges end at the track hymn; no edge ends at eve."""
    found = dangling_edges(nodes_without(spark, missing), edges_of(spark))

    assert found.value == ends
    assert evaluate_gates([found])[0].is_passed == (ends == 0)
    example = f'{{"table_name":"{table}","node_kind":"{missing[0]}","node_id":"{missing[1]}"}}'
    assert found.examples.split("; ")[0] == (example if ends else "")


def test_a_node_of_another_kind_does_not_count_as_the_end(spark):
    """The tag hymn is not the track hymn."""
    nodes = nodes_without(spark, ("track", "hymn")).unionByName(
        frame(spark, GRAPH_NODES, "node_kind node_id", ("tag", "hymn"))
    )

    assert dangling_edges(nodes, edges_of(spark)).value == 4


def test_users_without_any_edge_are_isolated(spark, night):
    """Ada listens, bo likes, cy follows, dee is followed: eve is one of five. Tracks do not count."""
    found = isolated_users(nodes_without(spark), edges_of(spark), night)

    assert found.value == pytest.approx(1 / 5)
    assert evaluate_gates([found])[0].is_passed


def test_a_graph_without_user_edges_fails_and_a_graph_without_users_passes(spark, night):
    """With edges among tracks, artists and tags only, every user is isolated."""
    bare = edges_of(spark, ENDS | {table: [] for table in list(ENDS)[:3]})
    no_users = nodes_without(spark, *[node for node in NODES if node[0] == "user"])

    all_isolated = isolated_users(nodes_without(spark), bare, night)

    assert all_isolated.value == 1
    assert not evaluate_gates([all_isolated])[0].is_passed
    assert isolated_users(no_users, bare, night).value == 0


def test_tracks_per_listener_are_compared_with_those_before(spark, night):
    """Before: one user with 1, three with 2. Now: two with 1, two with 3. Up to 2: 1/2 against 1."""
    earlier = listened(spark, [1, 2, 2, 2])
    now = listened(spark, [1, 1, 3, 3])

    assert degree_shift(now, earlier, night).value == pytest.approx(0.5)
    assert degree_shift(now, now, night).value == 0


def test_a_first_night_has_no_shift_and_a_night_without_listens_the_largest(spark, night):
    some, none = listened(spark, [1, 2]), listened(spark, [])

    assert degree_shift(some, None, night).value == 0
    assert degree_shift(some, none, night).value == 0
    without_listens = degree_shift(none, some, night)
    assert without_listens.value == 1
    assert not evaluate_gates([without_listens])[0].is_passed


def test_the_gap_is_scipy_s_kolmogorov_smirnov_statistic():
    rng = np.random.default_rng(3)
    one, other = rng.poisson(4, 60), rng.poisson(6, 45)
    counted = [
        dict(zip(*map(np.ndarray.tolist, np.unique(sample, return_counts=True)), strict=True))
        for sample in (one, other)
    ]

    assert largest_gap(*counted) == pytest.approx(ks_2samp(one, other).statistic)


def listened(spark, degrees):
    """Listens of user n to degrees[n] tracks."""
    pairs = [
        (f"u{user}", f"t{track}") for user, degree in enumerate(degrees) for track in range(degree)
    ]
    return frame(spark, GRAPH_USER_LISTENED_TRACK, "user_id track_id", *pairs)

"""The ordered world: a model that reads the order is right, and one that counts listeners is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import groupby, pairwise

from tests.training.datasets import graph_with, nodes_of, ordered_world, pairs_of
from training.config import load_recipe
from training.data.batches import UserBatch
from training.data.dataset import DataView
from training.evaluation.top_k import mask_listened_, top_k_tracks
from training.models.registry import RANKING

WORLD = ordered_world()
HISTORIES = {
    user: [track for _, track, _ in rows]
    for user, rows in groupby(WORLD.rows, key=lambda row: row[0])
}


def test_what_most_often_followed_the_last_track_is_right_for_every_asked_listener():
    """The oracle counts which track follows which, and knows no more than the rows do."""
    followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for tracks in HISTORIES.values():
        for track, following in pairwise(tracks):
            followers[track][following] += 1

    answers = {
        user: followers[HISTORIES[user][-1]].most_common(1)[0][0] for user in WORLD.next_track
    }

    assert answers == WORLD.next_track
    assert len(set(answers.values())) == 4  # one of each block
    assert {len(counts) for counts in followers.values()} == {1}  # the rule has no exception


def test_item_knn_goes_back_to_the_track_before_for_every_asked_listener():
    """Common listeners with her three tracks: 6 of the track before, 2 of the next one."""
    before = {user: HISTORIES[f"goes-back-0-{user[8:]}"][0] for user in WORLD.next_track}

    assert _first_unheard("item_knn") == before
    assert all(before[user] != track for user, track in WORLD.next_track.items())


def test_popularity_names_a_track_of_another_block_for_every_asked_listener():
    """Tracks 0 and 1 of a block have 6 listeners, 2 and 3 have 5; of equal ones the first id counts."""
    listeners = Counter(track for _, track, _ in WORLD.rows)
    most_heard = sorted(track for track, count in listeners.items() if count == 6)

    first = _first_unheard("popularity")

    assert len(most_heard) == 8
    assert first == {
        user: next(track for track in most_heard if track not in HISTORIES[user])
        for user in WORLD.next_track
    }
    assert all(first[user] != track for user, track in WORLD.next_track.items())


def _first_unheard(family):
    """The best track that each asked listener has not heard, by a family as it is registered."""
    graph = _graph()
    model = RANKING[family].model(load_recipe("ranking", family).model, DataView(graph, {}))
    asked = graph.nodes.users.positions(list(WORLD.next_track), "test")

    scores = mask_listened_(model.score(UserBatch(asked)), asked, graph.listened)
    first = top_k_tracks(scores, 1).tracks[:, 0]
    return dict(zip(WORLD.next_track, graph.nodes.tracks.ids[first].tolist(), strict=True))


def _graph():
    nodes = nodes_of(list(HISTORIES), [track for _, track, _ in WORLD.rows])
    users, tracks = (
        ids.positions([row[column] for row in WORLD.rows], "test").tolist()
        for column, ids in enumerate((nodes.users, nodes.tracks))
    )
    return graph_with(nodes, pairs_of(list(zip(users, tracks, strict=True))))

"""The train view: edges by the settings, without anything that leaks a held-out pair."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch

from feature_store.setting_groups import GraphSettings
from tests.training import lake as sample
from tests.training.datasets import (
    dataset_of,
    dated_edges,
    edges,
    graph_with,
    ids,
    listens_on,
    nodes_of,
    pairs_of,
)
from training.data.content import TAGS, Vectors
from training.data.dataset import Dataset, DatedEdges
from training.data.graph import RelationWeights, adjacency
from training.data.interactions import counts_of, day_number, joined
from training.data.reading import read_dataset
from training.evaluation.splits import Holdout

AS_OF = date(2026, 3, 1)
ANN, BO, CATALOGUE = 0, 1, -1
CUT = date(2026, 2, 22)


def small_dataset() -> Dataset:
    nodes = nodes_of(["ann", "bo"], ids("t", 4))
    return dataset_of(nodes, listens_on([(ANN, 0, date(2026, 2, 1))]), AS_OF)


def holdout_of(dataset: Dataset, *pairs: tuple[int, int]) -> Holdout:
    """What came before CUT, with these pairs to be found."""
    available_mask = dataset.available_from < day_number(CUT)
    return Holdout(
        dataset.listens.before(CUT), CUT, available_mask, pairs_of(pairs), pairs_of(pairs)
    )


def as_pairs(found) -> list[tuple[int, int]]:
    return list(zip(found.source.tolist(), found.target.tolist(), strict=True))


def test_nothing_is_known_of_a_track_that_became_available_later():
    """t1 came on the day of the cut, t3 the day before: t1 has no artist, album, tag, like or content, and t3 all."""
    both = edges([(1, 0), (3, 0)])
    tag_edges = DatedEdges(both, torch.tensor([CATALOGUE] * 2), torch.zeros(2), torch.zeros(2) > 0)
    dataset = replace(
        small_dataset(),
        available_from=torch.tensor([0, day_number(CUT), 0, day_number(CUT) - 1]),
        made_by=both,
        on_album=both,
        tagged=both,
        tagger_count=torch.tensor([1, 1]),
        tag_events=tag_edges,
        tag_vectors=Vectors("encoder", torch.ones(1, 3), torch.tensor([True])),
        liked=dated_edges([(BO, 1, None), (BO, 3, None)]),
    )

    then, now = dataset.train_view(holdout_of(dataset, (ANN, 2))), dataset.full_view()

    for known, tracks in ((then, [3]), (now, [1, 3])):
        graph = known.graph
        for found in (graph.made_by, graph.on_album, graph.tagged):
            assert found.source.tolist() == tracks
        assert graph.liked.target.tolist() == tracks
        assert known.content[TAGS].has.nonzero().flatten().tolist() == tracks
    for name, modality in dataset.content.items():
        has = modality.has.clone()
        assert now.content[name].has.tolist() == has.tolist()
        has[1] = False
        assert then.content[name].has.tolist() == has.tolist()


def test_likes_of_held_out_pairs_and_of_later_days_are_no_edges():
    """Ann liked t2 long before the cut, and it is held out for her: only bo's like of it is known."""
    before = date(2026, 2, 21)
    likes = [(ANN, 0, before), (ANN, 2, before), (BO, 2, before), (BO, 1, CUT), (BO, 3, AS_OF)]
    dataset = replace(small_dataset(), liked=dated_edges(likes))

    known = dataset.train_view(holdout_of(dataset, (ANN, 2)))

    assert as_pairs(known.graph.liked) == [(ANN, 0), (BO, 2)]
    assert len(dataset.full_view().graph.liked) == len(likes)


def test_follows_that_began_later_are_unknown_and_undated_ones_are_known():
    follows = [(ANN, BO, CUT), (BO, ANN, None)]
    dataset = replace(small_dataset(), follows=dated_edges(follows))

    known = dataset.train_view(holdout_of(dataset, (ANN, 2)))

    assert as_pairs(known.graph.follows) == [(BO, ANN)]


def test_old_or_few_listens_make_no_edge_by_the_settings():
    """Two days before the end, two listens; a count has no day. At the cut the window ends there.

    Ann's t0: 28 February and 1 March; t1: twice on the 27th; t3: 20 and 21 February. Bo's t2: once; t3: counted twice.
    """
    listens = listens_on(
        [(ANN, 0, date(2026, 2, 28)), (ANN, 0, AS_OF)]
        + [(ANN, 1, date(2026, 2, 27))] * 2
        + [(ANN, 3, date(2026, 2, 20)), (ANN, 3, date(2026, 2, 21)), (BO, 2, AS_OF)]
    )
    counted = counts_of(torch.tensor([BO]), torch.tensor([3]), torch.tensor([2]))
    rules = GraphSettings(listened_window_days=2, min_listen_count=2)
    dataset = replace(small_dataset(), listens=joined(listens, counted), rules=rules)

    now = dataset.full_view().graph.listened
    then = dataset.train_view(holdout_of(dataset, (BO, 2))).graph.listened

    assert list(zip(now.users.tolist(), now.tracks.tolist(), strict=True)) == [(ANN, 0), (BO, 3)]
    assert list(zip(then.users.tolist(), then.tracks.tolist(), strict=True)) == [(ANN, 3), (BO, 3)]
    assert replace(dataset, rules=GraphSettings()).sha256() != dataset.sha256()


@pytest.mark.parametrize(("least", "is_edge"), [(1, True), (2, False)])
def test_a_tag_edge_counts_only_the_taggers_of_the_view(least, is_edge):
    """Ann and the catalogue call t2 so; with her pair held out the catalogue is left alone."""
    given = edges([(2, 0), (2, 0)])
    undated = torch.zeros(2, dtype=torch.int64)
    dataset = replace(
        small_dataset(),
        rules=GraphSettings(min_tagger_count=least),
        tagged=edges([(2, 0)]),
        tagger_count=torch.tensor([2]),
        tag_events=DatedEdges(given, torch.tensor([ANN, CATALOGUE]), undated, undated > 0),
        tag_vectors=Vectors("encoder", torch.ones(1, 3), torch.tensor([True])),
    )

    known = dataset.train_view(holdout_of(dataset, (ANN, 2)))

    assert len(known.graph.tagged) == is_edge
    assert bool(known.content[TAGS].has[2]) == is_edge


def test_likes_and_albums_are_edges_of_the_adjacency():
    """u0 hears and likes t0: 1 + 2; both tracks are on m: 3 each. Degrees 3, 6, 3 and, of m, 6.

    Without t1 nothing is left but what u0 and t0 have of each other.
    """
    nodes = nodes_of(["u0"], ["t0", "t1"])
    graph = graph_with(nodes, pairs_of([(0, 0)]), liked=[(0, 0)], on_album=[(0, 0), (1, 0)])
    weights = RelationWeights(
        listened=1, follows=1, made_by=1, tagged=1, liked=2, on_album=3, listened_power=0
    )
    u0, t0, t1, album = 0, 1, 2, 6  # after two artists and a tag

    both = adjacency(graph, weights, torch.tensor([True, True])).to_dense()
    alone = adjacency(graph, weights, torch.tensor([True, False])).to_dense()

    assert both[u0, t0] == pytest.approx(3 / (3 * 6) ** 0.5)
    assert both[t0, album] == pytest.approx(3 / (6 * 6) ** 0.5)
    assert both[album, t1] == pytest.approx(3 / (6 * 3) ** 0.5)
    assert alone.nonzero().tolist() == [[u0, t0], [t0, u0]]
    assert alone[u0, t0] == pytest.approx(1)


def test_a_like_of_a_track_without_the_modality_is_no_edge():
    """t1 lacks the modality: of two likes the one of t0 is left."""
    graph = graph_with(nodes_of(["u0"], ["t0", "t1"]), pairs_of([]), liked=[(0, 0), (0, 1)])
    weights = RelationWeights(
        listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=0
    )

    found = adjacency(graph, weights, torch.tensor([True, False])).to_dense()

    assert found.nonzero().tolist() == [[0, 1], [1, 0]]


def test_the_tables_edges_are_read_with_their_days(night):
    """u01 likes t03 since the first day, u00 follows u02 since an unknown day; m has three tracks."""
    sample.fill(night.settings.lake, night.as_of)

    dataset = read_dataset(night.settings.lake, night.as_of, night.settings.graph)

    assert as_pairs(dataset.liked.edges) == [(1, 3)]
    assert dataset.liked.began_before(sample.FIRST_DAY).tolist() == [False]
    assert dataset.liked.began_before(night.as_of).tolist() == [True]
    assert as_pairs(dataset.follows.edges) == [(0, 2)]
    assert dataset.follows.is_dated.tolist() == [False]
    assert as_pairs(dataset.on_album) == [(0, 0), (1, 0), (2, 0)]
    assert dataset.nodes.albums.ids.tolist() == ["m"]


def test_a_track_is_available_from_its_first_delivery(night):
    """The catalogue delivers t01 on day 2 and again on day 6; t02 on day 9, when u06 has heard it on day 3 already.

    All others came with the first delivery, or before it, on an unknown day.
    """
    lake, first = night.settings.lake, sample.FIRST_DAY
    sample.fill(lake, night.as_of, late=(1, 2))
    for day, number in ((2, 1), (6, 1), (9, 2)):
        sample.deliver_tracks(lake, first + timedelta(days=day), [number])

    dataset = read_dataset(lake, night.as_of, night.settings.graph)

    available_from = [0] * len(sample.TRACKS)
    available_from[1], available_from[2] = day_number(first) + 2, day_number(first) + 9
    assert dataset.available_from.tolist() == available_from
    assert replace(dataset, available_from=dataset.available_from + 1).sha256() != dataset.sha256()

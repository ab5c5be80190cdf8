"""Cold-start tracks: how they are drawn, what they lose, and their recall."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch

from tests.benchmarks.cold_start import recall_among
from tests.benchmarks.support.fit_cache import make_split
from tests.benchmarks.support.modality_dropout import (
    draw_cold_start_tracks,
    make_cold_start,
    restrict_candidates,
)
from tests.training.datasets import (
    dataset_of,
    dated_edges,
    edges,
    ids,
    listens_on,
    nodes_of,
    pairs_of,
)
from training.data.dataset import Dataset, DatedEdges
from training.data.interactions import counts_of, joined
from training.evaluation.evaluator import Recommendations
from training.evaluation.top_k import TopK

AS_OF, N_USERS, N_TRACKS = date(2026, 3, 1), 6, 40
CUT = AS_OF - timedelta(days=6)


@pytest.fixture
def dataset() -> Dataset:
    """In 40 days every user hears a track a day, user n from track n on; user 0 likes and tags all tracks."""
    rows = [
        (user, (user + day) % N_TRACKS, AS_OF - timedelta(days=39 - day))
        for user in range(N_USERS)
        for day in range(40)
    ]
    likes = [(0, track, AS_OF) for track in range(N_TRACKS)]
    tagged = edges([(track, 0) for track in range(N_TRACKS)])
    user_0 = torch.zeros(N_TRACKS, dtype=torch.int64)
    return replace(
        dataset_of(nodes_of(ids("u", N_USERS), ids("t", N_TRACKS)), listens_on(rows), AS_OF),
        liked=dated_edges(likes),
        tagged=tagged,
        tagger_count=torch.ones(N_TRACKS, dtype=torch.int64),
        tag_events=DatedEdges(tagged, user_0, user_0, user_0 > 0),
    )


def test_the_seed_draws_a_tenth_of_the_tracks_heard_before_the_cut(dataset):
    """38 of 40 tracks are heard: day 33 is the first of the test, and by then user 5 has heard track 37."""
    listened = set(make_split(dataset, 1).sealed_test.before.tracks.tolist())

    drawn, again, other = (draw_cold_start_tracks(dataset, seed) for seed in (1, 1, 2))

    assert len(listened) == 38
    assert len(drawn) == len(set(drawn.tolist())) == 3
    assert set(drawn.tolist()) <= listened
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)


def test_a_cold_start_track_keeps_only_listens_from_the_cut_on(dataset):
    """No user hears track 10 in the test's week, and users 0 to 4 hear 37; undated counts are removed, too."""
    counted = counts_of(torch.tensor([3, 3]), torch.tensor([10, 11]), torch.tensor([5, 5]))
    dataset = replace(dataset, listens=joined(dataset.listens, counted))
    tracks = torch.tensor([10, 37])

    cold_start = make_cold_start(dataset, tracks, CUT)

    remaining = cold_start.listens.where(torch.isin(cold_start.listens.tracks, tracks))
    assert sorted(zip(remaining.users.tolist(), remaining.tracks.tolist(), strict=True)) == [
        (user, 37) for user in range(5)
    ]
    assert (
        len(cold_start.listens) == len(dataset.listens) - 6 - 1 - 1
    )  # listens to 10, the count of 10, a listen to 37
    for tracks_left in (
        cold_start.liked.edges.target,
        cold_start.tagged.source,
        cold_start.tag_events.edges.source,
    ):
        assert not bool(torch.isin(tracks_left, tracks).any())
        assert len(tracks_left) == N_TRACKS - 2


def test_pairs_that_were_heard_before_the_removal_are_not_relevant(dataset):
    """Users 0 and 1 hear track 37 in the week, and 1 knew it. User 0's list has it, user 1's has not: 1 of 1."""
    lists = torch.tensor([[37, 1], [2, 3]])
    ranked = TopK(lists, torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool))
    users = torch.tensor([0, 1])
    new = Recommendations(users, ranked, pairs_of([(0, 5), (0, 37), (1, 37)]))
    known = Recommendations(users, ranked, pairs_of([(0, 5), (0, 37), (1, 8)]))

    assert recall_among(new, torch.tensor([37]), known.relevant, dataset) == 1
    assert recall_among(new, torch.tensor([37]), new.relevant, dataset) == 0.5


def test_restricted_candidates_are_the_only_candidates_and_relevant_tracks(dataset):
    """Only pairs of tracks 36 and 37 stay in the test week; the training data is the same."""
    split = make_split(dataset, 1)
    tracks = torch.tensor([36, 37])

    restricted = restrict_candidates(tracks, split)

    assert restricted.sealed_test.available_mask.nonzero().flatten().tolist() == [36, 37]
    assert set(restricted.sealed_test.relevant.tracks.tolist()) == {36, 37}
    assert len(split.sealed_test.relevant) > len(restricted.sealed_test.relevant)
    assert restricted.sealed_test.before is split.sealed_test.before
    assert restricted.validation is split.validation


def test_no_relevant_pair_raises(dataset):
    lists = torch.tensor([[5, 6]])
    ranked = TopK(lists, lists.double(), lists > 0)
    empty = Recommendations(torch.tensor([0]), ranked, pairs_of([(0, 5)]))

    with pytest.raises(ValueError, match="of 1 tracks nothing is to be found"):
        recall_among(empty, torch.tensor([37]), empty.relevant, dataset)

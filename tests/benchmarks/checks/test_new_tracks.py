"""Which tracks are made new, and what is to be found of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch

from tests.benchmarks.new_tracks import found_of
from tests.benchmarks.support.fits import held_out
from tests.benchmarks.support.modality_dropout import listing_only, newcomers, with_new
from tests.training.worlds import (
    dated_edges,
    edges,
    ids,
    listens_on,
    nodes_of,
    pairs_of,
    world_of,
)
from training.data.dataset import DatedEdges, World
from training.data.interactions import counts_of, joined
from training.evaluation.evaluator import Listed
from training.evaluation.top_k import Ranked

AS_OF, N_PEOPLE, N_TRACKS = date(2026, 3, 1), 6, 40
CUT = AS_OF - timedelta(days=6)


@pytest.fixture
def world() -> World:
    """In 40 days everybody hears a track a day, person n from track n on; person 0 likes all and tags all."""
    rows = [
        (user, (user + day) % N_TRACKS, AS_OF - timedelta(days=39 - day))
        for user in range(N_PEOPLE)
        for day in range(40)
    ]
    everything = [(0, track, AS_OF) for track in range(N_TRACKS)]
    tagged = edges([(track, 0) for track in range(N_TRACKS)])
    nobody = torch.zeros(N_TRACKS, dtype=torch.int64)
    return replace(
        world_of(nodes_of(ids("u", N_PEOPLE), ids("t", N_TRACKS)), listens_on(rows), AS_OF),
        liked=dated_edges(everything),
        tagged=tagged,
        tagger_count=torch.ones(N_TRACKS, dtype=torch.int64),
        tag_events=DatedEdges(tagged, nobody, nobody, nobody > 0),
    )


def test_a_tenth_of_the_tracks_heard_before_the_cut_is_drawn_by_its_seed(world):
    """38 of 40: day 33 is the first of the test, until when person 5 has come to track 37."""
    heard = set(held_out(world, 1).sealed_test.before.tracks.tolist())

    drawn, again, other = (newcomers(world, seed) for seed in (1, 1, 2))

    assert len(heard) == 38
    assert len(drawn) == len(set(drawn.tolist())) == 3
    assert set(drawn.tolist()) <= heard
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, other)


def test_of_tracks_made_new_nothing_is_left_but_listens_from_the_cut_on(world):
    """Tracks 10 and 37: nobody hears 10 in the test's week, persons 0 to 4 hear 37 there; counts are history, too."""
    counted = counts_of(torch.tensor([3, 3]), torch.tensor([10, 11]), torch.tensor([5, 5]))
    world = replace(world, listens=joined(world.listens, counted))
    tracks = torch.tensor([10, 37])

    unheard = with_new(world, tracks, CUT)

    left = unheard.listens.where(torch.isin(unheard.listens.tracks, tracks))
    assert sorted(zip(left.users.tolist(), left.tracks.tolist(), strict=True)) == [
        (user, 37) for user in range(5)
    ]
    assert len(unheard.listens) == len(world.listens) - 6 - 1 - 1  # of 10, counted, and of 37
    for found in (
        unheard.liked.edges.target,
        unheard.tagged.source,
        unheard.tag_events.edges.source,
    ):
        assert not bool(torch.isin(found, tracks).any())
        assert len(found) == N_TRACKS - 2


def test_what_a_person_had_heard_before_it_was_made_new_is_not_to_be_found(world):
    """Persons 0 and 1 hear track 37 in the week; 1 knew it. Person 0's list has it, person 1's has not: 1 of 1."""
    lists = torch.tensor([[37, 1], [2, 3]])
    ranked = Ranked(lists, torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool))
    people = torch.tensor([0, 1])
    new = Listed(people, ranked, pairs_of([(0, 5), (0, 37), (1, 37)]))
    known = Listed(people, ranked, pairs_of([(0, 5), (0, 37), (1, 8)]))

    assert found_of(new, torch.tensor([37]), known.wanted, world) == 1
    assert found_of(new, torch.tensor([37]), new.wanted, world) == 0.5


def test_a_shelf_of_new_tracks_lists_and_asks_for_nothing_else(world):
    """Of the test week's pairs those of tracks 36 and 37 are left; what is learned from is the same."""
    split = held_out(world, 1)
    tracks = torch.tensor([36, 37])

    shelf = listing_only(tracks, split)

    assert shelf.sealed_test.had_come.nonzero().flatten().tolist() == [36, 37]
    assert set(shelf.sealed_test.after.tracks.tolist()) == {36, 37}
    assert len(split.sealed_test.after) > len(shelf.sealed_test.after)
    assert shelf.sealed_test.before is split.sealed_test.before
    assert shelf.validation is split.validation


def test_nothing_to_be_found_is_no_figure(world):
    lists = torch.tensor([[5, 6]])
    ranked = Ranked(lists, lists.double(), lists > 0)
    empty = Listed(torch.tensor([0]), ranked, pairs_of([(0, 5)]))

    with pytest.raises(ValueError, match="of 1 tracks nothing is to be found"):
        found_of(empty, torch.tensor([37]), empty.wanted, world)

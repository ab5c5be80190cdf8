"""Worlds with less in them: without some modalities, or without what people did with some tracks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import torch
from torch import Tensor

from tests.benchmarks.support.fits import held_out
from training.data.dataset import World
from training.data.interactions import day_number
from training.evaluation.splits import Split

ONE_NEW_IN = 10  # tracks that people had heard


def thinned(world: World, rate: int, seed: int) -> World:
    """The world with every modality taken from `rate` % of the tracks that have it."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(having: Tensor) -> Tensor:
        shuffled = having[torch.randperm(len(having), generator=generator)]
        return shuffled[: len(having) * rate // 100]

    content = {
        name: modality.without(drawn(modality.has.nonzero().squeeze(1)))
        for name, modality in world.content.items()
    }
    return untagged(replace(world, content=content), drawn(world.tagged.source.unique()))


def untagged(world: World, tracks: Tensor) -> World:
    """The world in which nobody tagged the tracks at these positions."""
    stays = ~torch.isin(world.tagged.source, tracks)
    events = world.tag_events
    told = ~torch.isin(events.edges.source, tracks)
    return replace(
        world,
        tagged=world.tagged.where(stays),
        tagger_count=world.tagger_count[stays],
        tag_events=events.where(told),
    )


def newcomers(world: World, seed: int) -> Tensor:
    """Positions of a tenth of the tracks that people had heard before the test's cut, drawn at random."""
    heard = held_out(world, seed).sealed_test.before.tracks.unique()
    order = torch.randperm(len(heard), generator=torch.Generator().manual_seed(seed))
    return heard[order[: len(heard) // ONE_NEW_IN]]


def with_new(world: World, tracks: Tensor, cut: date) -> World:
    """The world in which nobody heard these tracks before `cut`, and nobody ever liked or tagged them.

    Artist and album stay.
    """
    listens, liked = world.listens, world.liked
    of_others = ~torch.isin(listens.tracks, tracks)
    is_later = listens.is_dated & (listens.day >= day_number(cut))
    likes = ~torch.isin(liked.edges.target, tracks)
    return untagged(
        replace(world, listens=listens.where(of_others | is_later), liked=liked.where(likes)),
        tracks,
    )


def listing_only(tracks: Tensor, split: Split) -> Split:
    """The same to learn from; at the test, lists hold these tracks alone, and they alone are to be found."""
    test = split.sealed_test
    only = torch.zeros_like(test.had_come)
    only[tracks] = True
    after = test.after.where(only[test.after.tracks])
    return replace(split, sealed_test=replace(test, had_come=only, after=after))

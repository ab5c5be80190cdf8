"""Data sets without some modalities, or without the history of some tracks (cold start)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import torch
from torch import Tensor

from tests.benchmarks.support.fit_cache import make_split
from training.data.dataset import Dataset
from training.data.interactions import day_number
from training.evaluation.splits import Split

COLD_START_DIVISOR = 10  # one in so many heard tracks becomes a cold-start track


def drop_modalities(dataset: Dataset, rate: int, seed: int) -> Dataset:
    """Remove every modality from `rate` % of the tracks that have it."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tracks: Tensor) -> Tensor:
        shuffled = tracks[torch.randperm(len(tracks), generator=generator)]
        return shuffled[: len(tracks) * rate // 100]

    content = {
        name: modality.without(draw(modality.has.nonzero().squeeze(1)))
        for name, modality in dataset.content.items()
    }
    return drop_tags(replace(dataset, content=content), draw(dataset.tagged.source.unique()))


def drop_tags(dataset: Dataset, tracks: Tensor) -> Dataset:
    """Remove all tags of the tracks at these positions."""
    kept_edges = ~torch.isin(dataset.tagged.source, tracks)
    events = dataset.tag_events
    kept_events = ~torch.isin(events.edges.source, tracks)
    return replace(
        dataset,
        tagged=dataset.tagged.where(kept_edges),
        tagger_count=dataset.tagger_count[kept_edges],
        tag_events=events.where(kept_events),
    )


def draw_cold_start_tracks(dataset: Dataset, seed: int) -> Tensor:
    """Positions of a tenth of the tracks that were heard before the test window, drawn at random."""
    listened = make_split(dataset, seed).sealed_test.before.tracks.unique()
    order = torch.randperm(len(listened), generator=torch.Generator().manual_seed(seed))
    return listened[order[: len(listened) // COLD_START_DIVISOR]]


def make_cold_start(dataset: Dataset, tracks: Tensor, cut: date) -> Dataset:
    """Remove the tracks' listens before `cut`, and all their likes and tags.

    Artist and album stay.
    """
    listens, liked = dataset.listens, dataset.liked
    of_others = ~torch.isin(listens.tracks, tracks)
    is_later = listens.is_dated & (listens.day >= day_number(cut))
    likes = ~torch.isin(liked.edges.target, tracks)
    return drop_tags(
        replace(dataset, listens=listens.where(of_others | is_later), liked=liked.where(likes)),
        tracks,
    )


def restrict_candidates(tracks: Tensor, split: Split) -> Split:
    """The same training data; the test's candidates and relevant pairs are these tracks alone."""
    test = split.sealed_test
    candidate_mask = torch.zeros_like(test.available_mask)
    candidate_mask[tracks] = True
    relevant = test.relevant.where(candidate_mask[test.relevant.tracks])
    return replace(
        split, sealed_test=replace(test, available_mask=candidate_mask, relevant=relevant)
    )

"""What HTCL's vectors are worth: text retrieval, what listeners went on to, and linear probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from training.data.interactions import Pairs
from training.data.track_pairs import TrackPairs

DEPTHS = (1, 5, 10)
MIN_OF_TAG = 20  # tracks with a tag, in either part, without which it has no probe


def random_recall(depth: int, pool: int) -> float:
    """Share of right ones among the first `depth` of a pool in random order."""
    return min(1.0, depth / pool)


def pairs_among(pairs: TrackPairs, tracks: Tensor, n_tracks: int) -> Pairs:
    """Each pair of two different ones of these tracks once; positions within `tracks`."""
    row_of = torch.full((n_tracks,), -1)
    row_of[tracks] = torch.arange(len(tracks))
    distinct = pairs.distinct(n_tracks)
    rows = Pairs(row_of[distinct.users], row_of[distinct.tracks], distinct.weight)
    return rows.where((rows.users >= 0) & (rows.tracks >= 0) & (rows.users != rows.tracks))


def pair_recall(vectors: Tensor, pairs: Pairs, depth: int) -> float:
    """How often the second track of a pair is among the `depth` nearest to the first.

    Args:
        vectors: unit vectors of the pool, shape (n, dim).
        pairs: rows of the pool, none with itself.
        depth: length of the lists.

    Raises:
        ValueError: there is no pair.
    """
    if not len(pairs):
        raise ValueError("no pair of two tracks of the pool; take a larger world")
    scores = (vectors @ vectors.T).fill_diagonal_(-torch.inf)
    nearest = scores.topk(min(depth, len(scores) - 1), dim=1).indices
    return float((nearest[pairs.users] == pairs.tracks[:, None]).any(dim=1).double().mean())


def probe_classes(
    learned: Tensor, classes: Sequence[str], unseen: Tensor, truths: Sequence[str]
) -> float:
    """Macro-F1 of a logistic regression from vectors to classes.

    Args:
        learned: vectors that the probe learns from, shape (n, dim).
        classes: of these.
        unseen: vectors that it is judged on.
        truths: of those.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2_000))
    probe.fit(learned.numpy(), classes)
    return float(f1_score(truths, probe.predict(unseen.numpy()), average="macro"))


def probe_tags(learned: Tensor, tags: Tensor, unseen: Tensor, truths: Tensor) -> float:
    """Macro-F1 over tags of a logistic regression each.

    Args:
        learned: vectors that the probes learn from, shape (n, dim).
        tags: which of them have which tag, shape (n, n_tags) bool.
        unseen: vectors that they are judged on.
        truths: likewise.

    Raises:
        ValueError: no tag is frequent enough.
    """
    figures = []
    for column in range(tags.shape[1]):
        has, truth = tags[:, column].numpy(), truths[:, column].numpy()
        if min(has.sum(), truth.sum()) < MIN_OF_TAG:
            continue
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=2_000, class_weight="balanced")
        )
        probe.fit(learned.numpy(), has)
        figures.append(f1_score(truth, probe.predict(unseen.numpy())))
    if not figures:
        raise ValueError(f"no tag has {MIN_OF_TAG} tracks in both parts; take a larger world")
    return float(np.mean(figures))

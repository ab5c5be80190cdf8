"""Measures a model on a holdout: everybody in it, ranked over the whole catalogue of its cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.batches import UserBatch, blocks
from training.data.interactions import Pairs
from training.engine.loop import scoring
from training.evaluation import metrics
from training.evaluation.splits import Holdout
from training.evaluation.top_k import Ranked, best_tracks, leave_out_
from training.layers.ensemble import blended
from training.models.registry import Recommender

BLOCK_USERS = 256  # people scored at once: bounds the memory at 256 x n_tracks x heads
MAX_WEIGHED = 4_096  # people on whom blends are tried, with 16 blocks of that size
CUT_OFF = 10
CHOOSING_METRIC = "ndcg_at_10"  # what early stopping and blends go by


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Metrics by name.

    Attributes:
        values: means over the people who have something to be found.
        ndcg_of_each: of these people in order of their positions, at CUT_OFF, shape (n_users,).
    """

    values: dict[str, float]
    ndcg_of_each: Tensor

    @property
    def n_users(self) -> int:
        """People over whom the metrics are means."""
        return len(self.ndcg_of_each)


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """What a model would have recommended, and what was to be found.

    Attributes:
        users: positions, ascending, shape (n_users,).
        ranked: a list of CUT_OFF tracks for each of them, without what the person had heard.
        wanted: pairs to be found, at least one for each of them.
    """

    users: Tensor
    ranked: Ranked
    wanted: Pairs


class Examiner:
    """A holdout made ready to be measured against again and again."""

    def __init__(self, holdout: Holdout, n_users: int, n_tracks: int, device: torch.device) -> None:
        self._n_users, self._n_tracks, self._device = n_users, n_tracks, device
        self._heard = holdout.before.pairs(holdout.end, n_tracks)
        self._came_later = ~holdout.had_come
        self._wanted = holdout.after
        self.users = holdout.after.users.unique()

    def measure(self, model: Recommender) -> Quality:
        """Rank what each person had not heard, and compare with what the person went on to hear."""
        return self._quality(self.lists(model).ranked, self.users)

    def lists(self, model: Recommender) -> Listed:
        """Rank what each person had not heard."""
        with scoring(model):
            scores = (model.score(batch) for batch in self._batches(self.users))
            ranked = self._ranked(scores, self.users)
        return Listed(self.users, ranked, self._wanted)

    def weighing(self, model: Recommender) -> Callable[[Tensor], float]:
        """What head weights are worth, by CHOOSING_METRIC; heads speak once for all.

        What they say is kept, so of many people only MAX_WEIGHED are asked, evenly spread.
        """
        asked = self.users[:: -(-len(self.users) // MAX_WEIGHED)]
        with scoring(model):
            heads = [model.head_scores(batch) for batch in self._batches(asked)]

        def worth(weights: Tensor) -> float:
            scores = (blended(one, weights) for one in heads)
            return self._quality(self._ranked(scores, asked), asked).values[CHOOSING_METRIC]

        return worth

    def _batches(self, users: Tensor) -> Iterator[UserBatch]:
        return (UserBatch(batch.users.to(self._device)) for batch in blocks(users, BLOCK_USERS))

    def _ranked(self, scores: Iterator[Tensor], users: Tensor) -> Ranked:
        """The lists that these blocks of scores give, in the order of `users`."""
        ranked = [
            best_tracks(self._askable(block.cpu(), batch.users), CUT_OFF)
            for batch, block in zip(blocks(users, BLOCK_USERS), scores, strict=True)
        ]
        return Ranked(
            torch.cat([one.tracks for one in ranked]),
            torch.cat([one.scores for one in ranked]),
            torch.cat([one.is_filled for one in ranked]),
        )

    def _askable(self, scores: Tensor, users: Tensor) -> Tensor:
        """Without what each person had heard and without tracks that came later; in place."""
        scores[:, self._came_later] = -torch.inf
        return leave_out_(scores, users, self._heard)

    def _quality(self, ranked: Ranked, users: Tensor) -> Quality:
        """Metrics of the lists of `users`."""
        is_hit, n_relevant = metrics.hits(ranked, users, self._wanted, self._n_tracks)
        ndcg_of_each = metrics.ndcg_of_each(is_hit, n_relevant, CUT_OFF)
        listeners = torch.bincount(self._heard.tracks, minlength=self._n_tracks)
        values = {
            "recall_at_10": metrics.recall(is_hit, n_relevant, CUT_OFF),
            "ndcg_at_10": float(ndcg_of_each.mean()),
            "mrr": metrics.mrr(is_hit),
            "coverage": metrics.coverage(ranked, self._n_tracks - int(self._came_later.sum())),
            "novelty": metrics.novelty(ranked, listeners, self._n_users),
        }
        return Quality(values, ndcg_of_each)

"""Evaluates a model on a holdout: ranks the cut's whole catalogue for every listener in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from training.data.batches import UserBatch, blocks
from training.data.interactions import Pairs
from training.engine.loop import eval_mode
from training.evaluation import metrics
from training.evaluation.eval_result import EvalResult
from training.evaluation.splits import Holdout
from training.evaluation.top_k import TopK, mask_listened_, top_k_tracks
from training.layers.ensemble import ensemble_scores
from training.models.protocols import EnsembleRecommender, Recommender

BLOCK_USERS = 256  # listeners scored at once: bounds the memory at 256 x n_tracks x heads
MAX_WEIGHT_USERS = 4_096  # listeners on whom head weights are tried: 16 blocks
CUT_OFF = 10
SELECTION_METRIC = "ndcg_at_10"  # early stopping and ensemble weights go by it


@dataclass(frozen=True, slots=True, eq=False)
class Recommendations:
    """Lists that a model would have recommended, and the relevant pairs.

    Attributes:
        users: positions, ascending, shape (n_users,).
        ranked: a list of CUT_OFF tracks for each of them, without what the listener had heard.
        relevant: held-out pairs, at least one for each of them.
    """

    users: Tensor
    ranked: TopK
    relevant: Pairs


class Evaluator:
    """A holdout, prepared once and evaluated against many times."""

    def __init__(
        self,
        holdout: Holdout,
        n_users: int,
        n_tracks: int,
        device: torch.device,
        segments: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        """Prepare a holdout.

        Args:
            holdout: what is known, and what is relevant.
            n_users: of the dataset.
            n_tracks: likewise.
            device: of the models.
            segments: which listeners belong to each segment, shape (n_users,) bool.
        """
        self._n_users, self._n_tracks, self._device = n_users, n_tracks, device
        self._listened = holdout.before.pairs(holdout.end, n_tracks)
        self._unavailable = ~holdout.available_mask
        self._relevant = holdout.relevant
        self.users = holdout.relevant.users.unique()
        self._segments = segments

    def evaluate(self, model: Recommender) -> EvalResult:
        """Rank what each listener had not heard, and compare with what the listener heard next."""
        return self._result(self.recommend(model).ranked, self.users)

    def recommend(self, model: Recommender) -> Recommendations:
        """Rank what each listener had not heard."""
        with eval_mode(cast("nn.Module", model)):
            scores = (model.score(batch) for batch in self._batches(self.users))
            ranked = self._ranked(scores, self.users)
        return Recommendations(self.users, ranked, self._relevant)

    def ndcg_of_weights(self, model: EnsembleRecommender) -> Callable[[Tensor], Tensor]:
        """Return the nDCG of each listener as a function of the head weights; heads score once.

        The heads' scores stay in memory, so at most MAX_WEIGHT_USERS listeners take part, evenly
        spread.
        """
        users = self.users[:: -(-len(self.users) // MAX_WEIGHT_USERS)]
        with eval_mode(cast("nn.Module", model)):
            heads = [model.head_scores(batch) for batch in self._batches(users)]

        def ndcg_per_user(weights: Tensor) -> Tensor:
            scores = (ensemble_scores(one, weights) for one in heads)
            ranked = self._ranked(scores, users)
            is_hit, n_relevant = metrics.hits(ranked, users, self._relevant, self._n_tracks)
            return metrics.ndcg_per_user(is_hit, n_relevant, CUT_OFF)

        return ndcg_per_user

    def _batches(self, users: Tensor) -> Iterator[UserBatch]:
        return (UserBatch(batch.users.to(self._device)) for batch in blocks(users, BLOCK_USERS))

    def _ranked(self, scores: Iterator[Tensor], users: Tensor) -> TopK:
        """The lists that these blocks of scores give, in the order of `users`."""
        ranked = [
            top_k_tracks(self._mask_excluded(block.cpu(), batch.users), CUT_OFF)
            for batch, block in zip(blocks(users, BLOCK_USERS), scores, strict=True)
        ]
        return TopK(
            torch.cat([one.tracks for one in ranked]),
            torch.cat([one.scores for one in ranked]),
            torch.cat([one.valid_mask for one in ranked]),
        )

    def _mask_excluded(self, scores: Tensor, users: Tensor) -> Tensor:
        """Put -inf on tracks that each listener had heard and on unavailable ones; in place."""
        scores[:, self._unavailable] = -torch.inf
        return mask_listened_(scores, users, self._listened)

    def _result(self, ranked: TopK, users: Tensor) -> EvalResult:
        """Metrics of the lists of `users`."""
        is_hit, n_relevant = metrics.hits(ranked, users, self._relevant, self._n_tracks)
        ndcg_per_user = metrics.ndcg_per_user(is_hit, n_relevant, CUT_OFF)
        listeners = torch.bincount(self._listened.tracks, minlength=self._n_tracks)
        values = {
            "recall_at_10": metrics.recall(is_hit, n_relevant, CUT_OFF),
            "ndcg_at_10": float(ndcg_per_user.mean()),
            "mrr": metrics.mrr(is_hit),
            "coverage": metrics.coverage(ranked, self._n_tracks - int(self._unavailable.sum())),
            "novelty": metrics.novelty(ranked, listeners, self._n_users),
        }
        segments = {name: mask[users] for name, mask in self._segments.items()}
        return EvalResult(values, ndcg_per_user, segments)

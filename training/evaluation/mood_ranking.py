"""Held-out listens with their contexts: what a listener played, asked for by the mood around it.

Each listen asks for its track among all tracks that were available before the cut, those that the
listener knows included: music is heard again. Figures are means over a listener's listens, then
over listeners. The emotional distance tells how far the recommended tracks are from the mood.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from training.engine.loop import eval_mode
from training.evaluation import metrics
from training.evaluation.eval_result import EvalResult
from training.evaluation.top_k import TopK, top_k_tracks
from training.models.mood_protocol import MoodQueries, MoodRecommender

if TYPE_CHECKING:
    from training.data.mood import ListenMoods, MoodHoldout, TrackMoods

BLOCK_QUERIES = 256  # scored at once: bounds the memory at 256 x n_tracks
MAX_QUERIES = 20_000  # of a holdout; of more, evenly spread ones are asked
CUT_OFF = 10
SELECTION_METRIC = "ndcg_at_10"


def evenly_spread(listens: ListenMoods) -> ListenMoods:
    """At most MAX_QUERIES rows, evenly spread over the rows, which are in order of listeners."""
    step = -(-len(listens) // MAX_QUERIES)
    return listens if step <= 1 else listens.rows(torch.arange(0, len(listens), step))


class MoodEvaluator:
    """A holdout, prepared once and evaluated against many times."""

    def __init__(self, holdout: MoodHoldout, moods: TrackMoods, device: torch.device) -> None:
        """Prepare a holdout.

        Args:
            holdout: what is known, and what is asked.
            moods: of all tracks.
            device: of the models.
        """
        self._queries, self._device = holdout.queries, device
        self._known = holdout.known.available_mask
        self._moods = moods.among(self._known)
        self._tracks = torch.arange(len(self._known))
        users, self._listener = holdout.queries.users.unique(return_inverse=True)
        self._n_listeners = len(users)

    def evaluate(self, model: MoodRecommender) -> EvalResult:
        """Rank all known tracks for each query."""
        return self.result(self.lists(model))

    def lists(self, model: MoodRecommender, nearest_share: float = 1.0) -> TopK:
        """A list of CUT_OFF tracks for each query.

        Args:
            model: was built on the holdout's train view.
            nearest_share: of the tracks with a mood, the nearest ones, which alone are ranked; 1
                ranks all tracks, with or without a mood.
        """
        blocks = []
        with eval_mode(cast("nn.Module", model)):
            for rows in torch.arange(len(self._queries)).split(BLOCK_QUERIES):
                some = self._queries.rows(rows)
                queries = MoodQueries(some.users, some.contexts).to(self._device)
                scores = model.score(queries, self._tracks.to(self._device)).cpu()
                scores[:, ~self._known] = -torch.inf
                if nearest_share < 1:
                    scores[~self._is_near(some.contexts, nearest_share)] = -torch.inf
                blocks.append(top_k_tracks(scores, CUT_OFF))
        return TopK(
            torch.cat([one.tracks for one in blocks]),
            torch.cat([one.scores for one in blocks]),
            torch.cat([one.valid_mask for one in blocks]),
        )

    def result(self, ranked: TopK) -> EvalResult:
        """Figures of the lists of all queries."""
        is_hit = (ranked.tracks == self._queries.tracks[:, None]) & ranked.valid_mask
        one = torch.ones(len(is_hit), dtype=torch.int64)
        ndcg = self._by_listener(metrics.ndcg_per_user(is_hit, one, CUT_OFF))
        recall = self._by_listener(metrics.recall_per_user(is_hit, one, CUT_OFF))
        values = {SELECTION_METRIC: ndcg, "recall_at_10": recall}
        distance = self._by_listener(self._distances(ranked))
        means = {name: float(value.mean()) for name, value in values.items()}
        return EvalResult(means | {"emotional_distance": float(distance.nanmean())}, ndcg)

    def _distances(self, ranked: TopK) -> Tensor:
        """Mean distance of each list's tracks from the query's mood, shape (n,).

        Tracks without a mood do not count; NaN for a list of such tracks alone.
        """
        apart = self._moods.positions[ranked.tracks] - self._queries.contexts[:, None]
        counted = self._moods.has[ranked.tracks] & ranked.valid_mask
        distance = torch.linalg.vector_norm(apart, dim=2).where(counted, torch.nan)
        mean: Tensor = distance.nanmean(dim=1)
        return mean

    def _is_near(self, contexts: Tensor, share: float) -> Tensor:
        """Tracks among the nearest share of those with a mood, shape (batch, n_tracks) bool."""
        apart = contexts[:, None] - self._moods.positions
        distance = torch.linalg.vector_norm(apart, dim=2).where(self._moods.has, torch.inf)
        n_near = max(1, round(share * int(self._moods.has.sum())))
        furthest = distance.kthvalue(n_near, dim=1).values
        is_near: Tensor = (distance <= furthest[:, None]) & self._moods.has
        return is_near

    def _by_listener(self, of_queries: Tensor) -> Tensor:
        """Mean of each listener's queries, without NaN, shape (n_listeners,) float64."""
        counted = ~of_queries.isnan()
        sums, counts = torch.zeros(2, self._n_listeners, dtype=torch.float64)
        sums.index_add_(0, self._listener[counted], of_queries[counted].double())
        counts.index_add_(0, self._listener[counted], torch.ones(int(counted.sum())).double())
        means: Tensor = sums / counts
        return means

"""Held-out similar tracks: what listeners went on to hear, or what is of the same artist.

Where listens have times, a track is a query and the tracks that listeners went on to finish after
it, beyond the night's cut, are what is to be found among all available tracks. Without times the
tracks of some artists are held out, and each of them is to find the others of its artist or album
by sound alone: texts name the artist.

Tracks of further artists, which a view before a holdout does not learn from, tell how well a text
finds its recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from training.data.interactions import Pairs
from training.data.track_batches import spread
from training.engine.loop import eval_mode
from training.evaluation import metrics
from training.evaluation.eval_result import EvalResult
from training.evaluation.top_k import TopK, top_k_tracks
from training.models.protocols import TEXT_METRIC, EncodedTracks, TrackEncoder

if TYPE_CHECKING:
    from training.evaluation.splits import Holdout

CUT_OFF = 10
SELECTION_METRIC = "recall_at_10"
MAX_QUERIES, MAX_TRACKS = 1_000, 5_000
TEXT_POOL, MIN_TEXT_POOL = 500, 20
"""Tracks among which texts find recordings: at most, and those without which nothing is said."""
_BLOCK = 256


@dataclass(frozen=True, slots=True, eq=False)
class SimilarityHoldout:
    """What is held out of a training of similar tracks.

    Attributes:
        listens: the listens before the cut, and which tracks were available then.
        relevant: pairs of a query and a track that it is to find; `users` are the queries.
        unseen_mask: tracks of artists that are held out here, shape (n_tracks,) bool.
        hidden_mask: those of this and of a later holdout, of which a view before it learns nothing.
        by_audio: whether tracks are compared by sound alone.
    """

    listens: Holdout
    relevant: Pairs
    unseen_mask: Tensor
    hidden_mask: Tensor
    by_audio: bool

    @property
    def n_queries(self) -> int:
        """Tracks with something to find."""
        return len(self.relevant.users.unique())

    def halves(self, generator: torch.Generator) -> tuple[SimilarityHoldout, SimilarityHoldout]:
        """The pairs of half of the queries, drawn at random, and those of the others."""
        queries = self.relevant.users.unique()
        first = queries[torch.randperm(len(queries), generator=generator)[: len(queries) // 2]]
        in_first = torch.isin(self.relevant.users, first)
        return (
            replace(self, relevant=self.relevant.where(in_first)),
            replace(self, relevant=self.relevant.where(~in_first)),
        )


class SimilarityEvaluator:
    """A holdout, prepared once and evaluated against many times.

    Of more than MAX_QUERIES queries and MAX_TRACKS tracks evenly spread ones take part; what is to
    be found always does.
    """

    def __init__(self, holdout: SimilarityHoldout, has_both: Tensor) -> None:
        """Prepare a holdout.

        Args:
            holdout: what is to be found.
            has_both: tracks with a recording and a text, shape (n_tracks,) bool.
        """
        queries = spread(holdout.relevant.users.unique(), MAX_QUERIES)
        self._relevant = holdout.relevant.where(torch.isin(holdout.relevant.users, queries))
        pool = holdout.unseen_mask if holdout.by_audio else holdout.listens.available_mask
        others = spread(pool.nonzero().squeeze(1), MAX_TRACKS)
        self._tracks = torch.cat([self._relevant.tracks, others]).unique()
        self._queries, self._by_audio = queries, holdout.by_audio
        unseen = holdout.unseen_mask & holdout.listens.available_mask & has_both
        self._unseen = spread(unseen.nonzero().squeeze(1), TEXT_POOL)

    def evaluate(self, model: TrackEncoder) -> EvalResult:
        """Mean figures over queries; finding recordings by text for a model that has both."""
        encoded = self.encode(model)
        is_hit, n_relevant = self._hits(model, encoded)
        recall = metrics.recall_per_user(is_hit, n_relevant, CUT_OFF)
        values = {SELECTION_METRIC: float(recall.mean()), "mrr": metrics.mrr(is_hit)}
        if len(self._unseen) >= MIN_TEXT_POOL:
            with eval_mode(cast("nn.Module", model)):
                both = model.encode(self._unseen)
            if "text" in both.vectors:
                values[TEXT_METRIC] = text_mrr(both)
        return EvalResult(values, recall)

    def encode(self, model: TrackEncoder) -> tuple[EncodedTracks, EncodedTracks]:
        """Queries, and the tracks that they are compared with."""
        with eval_mode(cast("nn.Module", model)):
            return model.encode(self._queries), model.encode(self._tracks)

    def recall(self, model: TrackEncoder, encoded: tuple[EncodedTracks, EncodedTracks]) -> float:
        """The chosen metric, of vectors that are there already."""
        is_hit, n_relevant = self._hits(model, encoded)
        return metrics.recall(is_hit, n_relevant, CUT_OFF)

    def _hits(
        self, model: TrackEncoder, encoded: tuple[EncodedTracks, EncodedTracks]
    ) -> tuple[Tensor, Tensor]:
        """See metrics.hits."""
        queries, tracks = encoded
        ranked = []
        for rows in torch.arange(len(self._queries)).split(_BLOCK):
            scores = model.similarity(queries.rows(rows), tracks, by_audio=self._by_audio)
            is_itself = self._queries[rows][:, None] == self._tracks[None]
            ranked.append(top_k_tracks(scores.masked_fill(is_itself, -torch.inf), CUT_OFF))
        found = TopK(
            torch.cat([self._tracks[one.tracks] for one in ranked]),
            torch.cat([one.scores for one in ranked]),
            torch.cat([one.valid_mask for one in ranked]),
        )
        n_tracks = int(max(self._tracks.max(), self._queries.max())) + 1
        return metrics.hits(found, self._queries, self._relevant, n_tracks)


def text_recall(both: EncodedTracks, depths: Sequence[int]) -> dict[int, float]:
    """How often a text finds its recording among the first so many, and a recording its text.

    Args:
        both: tracks that have the vectors "audio" and "text".
        depths: the lengths of the lists.

    Returns:
        The mean of both directions by length; 0 without a track.
    """
    ranks = _text_ranks(both)
    if not len(ranks):
        return dict.fromkeys(depths, 0.0)
    return {depth: float((ranks <= depth).double().mean()) for depth in depths}


def text_mrr(both: EncodedTracks) -> float:
    """Mean reciprocal rank of the right recording of a text, and of the right text of a recording.

    Unlike a recall at ten it tells models apart among few tracks, too.

    Args:
        both: tracks that have the vectors "audio" and "text", at least one.
    """
    return float((1 / _text_ranks(both).double()).mean())


def _text_ranks(both: EncodedTracks) -> Tensor:
    """Rank of the right one, from 1, of each text and then of each recording, shape (2 n,)."""
    scores = both.vectors["text"] @ both.vectors["audio"].T
    ranks = []
    for found in (scores, scores.T):
        right = found.diagonal()[:, None]
        # A track before it in the list: better, or equal and earlier.
        is_before = (found > right) | ((found == right) & (_columns(found) < _rows(found)))
        ranks.append(1 + is_before.sum(dim=1))
    return torch.cat(ranks)


def _rows(matrix: Tensor) -> Tensor:
    return torch.arange(matrix.shape[0])[:, None]


def _columns(matrix: Tensor) -> Tensor:
    return torch.arange(matrix.shape[1])[None]

"""Rows of score_candidates as record batches: the best tracks of each listener, block by block."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from feature_store.tables.scores import SCORE_CANDIDATES
from training.data.batches import UserBatch, blocks
from training.engine.distributed import n_processes, process_rank
from training.engine.loop import eval_mode
from training.evaluation.evaluator import BLOCK_USERS
from training.evaluation.top_k import TopK, top_k_tracks
from training.layers.ensemble import covering_heads
from training.models.protocols import EnsembleRecommender

if TYPE_CHECKING:
    from torch import Tensor

    from feature_store.settings import Night
    from training.data.dataset import Dataset
    from training.data.nodes import IdList
    from training.tasks.protocol import ScoringModel


def candidate_batches(
    night: Night,
    scoring: ScoringModel,
    model: torch.nn.Module,
    dataset: Dataset,
    listeners: Tensor,
) -> Iterator[pa.RecordBatch]:
    """A record batch for each block of listeners; a listener whom no head covers has no row.

    Of several processes each scores its own shard of the listeners. Memory is bounded by a block:
    BLOCK_USERS x tracks x heads.

    Args:
        night: the day and the settings.
        scoring: names the model in the rows.
        model: a Recommender.
        dataset: whose available tracks are listed.
        listeners: positions of all listeners to score, shape (n,).
    """
    device = device_of(model)
    mine = listeners[shard_of(dataset.nodes.users, listeners) == process_rank()]
    unavailable = ~dataset.is_available.to(device)
    with eval_mode(model):
        for block in blocks(mine, BLOCK_USERS):
            batch = UserBatch(block.users.to(device))
            scores, heads = _scores(model, batch, scoring.family)
            scores = scores.masked_fill(unavailable, -torch.inf)
            ranked = top_k_tracks(scores, night.settings.lists.candidates)
            yield _rows(night, scoring, dataset, block.users, ranked, heads)


def device_of(model: torch.nn.Module) -> torch.device:
    """Where the model's tensors are; a model without any computes on the CPU."""
    for tensor in chain(model.parameters(), model.buffers()):
        return tensor.device
    return torch.device("cpu")


def shard_of(users: IdList, positions: Tensor) -> Tensor:
    """Shard of each listener by a hash of the id, shape (n,): it changes for nobody over nights."""
    if n_processes() == 1:
        return torch.zeros(len(positions), dtype=torch.int64)
    ids = users.ids[positions.numpy()]
    return torch.tensor([zlib.crc32(str(user).encode()) % n_processes() for user in ids])


@dataclass(frozen=True, slots=True, eq=False)
class _Heads:
    """Heads of a model; `coverage_mask`, shape (heads, batch, n_tracks), is None for one output."""

    names: tuple[str, ...]
    coverage_mask: Tensor | None
    weights: Tensor | None

    def lists(self, ranked: TopK) -> pa.Array:
        """Names of the heads behind each valid entry, one list each."""
        valid_mask = ranked.valid_mask.cpu()
        if self.coverage_mask is None or self.weights is None:
            names = pa.scalar(list(self.names), pa.list_(pa.string()))
            return pa.repeat(names, int(valid_mask.sum()))
        n_heads = len(self.names)
        listed = self.coverage_mask.gather(2, ranked.tracks.expand(n_heads, -1, -1))
        covering = covering_heads(listed, self.weights).cpu()[:, valid_mask]  # (heads, entries)
        sets, index = np.unique(covering.numpy(), axis=1, return_inverse=True)
        named = [
            [name for name, is_in in zip(self.names, one, strict=True) if is_in] for one in sets.T
        ]
        return pa.array(named, pa.list_(pa.string())).take(pa.array(index.reshape(-1)))


def _scores(model: torch.nn.Module, batch: UserBatch, family: str) -> tuple[Tensor, _Heads]:
    """Score of every track, shape (batch, n_tracks), and the heads behind each."""
    if not isinstance(model, EnsembleRecommender):
        scores: Tensor = model.score(batch)  # type: ignore[operator]  # a Recommender
        return scores, _Heads((family,), None, None)
    heads = model.head_scores(batch)
    return model.ensemble(heads), _Heads(
        model.head_names, heads.coverage_mask, model.ensemble.weights
    )


def _rows(
    night: Night,
    scoring: ScoringModel,
    dataset: Dataset,
    users: Tensor,
    ranked: TopK,
    heads: _Heads,
) -> pa.RecordBatch:
    """The valid entries of some listeners' lists, in order of user and rank."""
    valid_mask = ranked.valid_mask.cpu().numpy()
    rows, columns = np.nonzero(valid_mask)
    tracks = ranked.tracks.cpu().numpy()[valid_mask]
    n_rows = len(rows)
    values = {
        "as_of_date": pa.repeat(pa.scalar(night.as_of, pa.date32()), n_rows),
        "user_id": pa.array(dataset.nodes.users.ids[users.numpy()[rows]]),
        "rank": pa.array(columns + 1, pa.int32()),
        "track_id": pa.array(dataset.nodes.tracks.ids[tracks]),
        "score": pa.array(ranked.scores.cpu().numpy()[valid_mask]),
        "heads": heads.lists(ranked),
        "family": pa.repeat(scoring.family, n_rows),
        "model_version": pa.repeat(scoring.model_version, n_rows),
        "run_id": pa.repeat(night.run_id, n_rows),
    }
    [batch] = pa.table(values).cast(
        SCORE_CANDIDATES.arrow_schema
    ).combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], SCORE_CANDIDATES.arrow_schema)
    ]
    return batch

"""Writes score_candidates: the best tracks of every listener by the night's model.

    python -m training.predict --as-of 2026-03-01

Reads the model of run_models and the night's graph: listeners and tracks that are newer than the
training are scored through their neighbours and their content. A listener whom no head covers has
no row.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Annotated

import numpy as np
import pyarrow as pa
import structlog
import torch
import typer
from torch import Tensor

from feature_store.lake.arrow_io import Written, write_slice
from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard
from feature_store.runs.lineage import versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables.scores import SCORE_CANDIDATES
from training.artifacts import checkpoints, model_registry
from training.artifacts.model_registry import ModelRow
from training.config import recipe_from_json
from training.data.batches import UserBatch, blocks
from training.data.dataset import Dataset, DataView
from training.data.reading import TABLES_READ, read_dataset
from training.engine.loop import deterministic, eval_mode
from training.evaluation.evaluator import BLOCK_USERS
from training.evaluation.top_k import TopK, top_k_tracks
from training.layers.ensemble import HeadScores
from training.models.protocols import Recommender
from training.train import device_of

LOG = structlog.get_logger()


def run(night: Night) -> Written:
    """Score every listener with the champion's model."""
    return score(night)


def score(night: Night, *, family: str | None = None) -> Written:
    """Replace the night's slice of score_candidates.

    Raises:
        NoModelError: there is no usable model.
        CheckpointError: its files are not those that its row names.
        ErasedDuringRun: a person was erased while it scored.
    """
    started_at_s = time.monotonic()
    check_no_erasure = erasure_guard(night.settings.lake)
    row = model_registry.usable_model(night, family or model_registry.champion_of(night))
    inputs = versions_of(night.settings.lake, TABLES_READ)
    dataset = read_dataset(night.settings.lake, night.as_of, night.settings.graph)
    with deterministic(night.settings.seed, night.settings.training.n_threads):
        view = dataset.full_view()
        model = load_model(night, row, view)
        rows = candidate_rows(night, row, model, dataset, view.graph.listened.users.unique())
    written = write_slice(
        night.settings.lake,
        SCORE_CANDIDATES,
        rows,
        as_of=night.as_of,
        before_commit=check_no_erasure,
    )
    elapsed_s = time.monotonic() - started_at_s
    record_task(night, written, inputs, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "scored",
        table=SCORE_CANDIDATES.name,
        as_of=str(night.as_of),
        rows=written.row_count,
        version=row.model_version,
        seconds=round(elapsed_s, 1),
    )
    return written


def load_model(night: Night, row: ModelRow, view: DataView) -> Recommender:
    """The model of a row, over the night's graph."""
    state = checkpoints.read(
        open_storage(night.settings.lake), row.checkpoint_uri, row.checkpoint_sha256
    )
    recipe = recipe_from_json(row.config_json)
    return checkpoints.from_state(state, recipe.model, view, device_of(night))


def candidate_rows(
    night: Night, row: ModelRow, model: Recommender, dataset: Dataset, users: Tensor
) -> pa.Table:
    """Rows of score_candidates: the best available tracks of each of the `users`.

    `users` are positions, shape (n,), of listeners with a listen in the graph.
    """
    names = (*model.head_names,)
    weights = model.ensemble.weights
    tables = []
    with eval_mode(model):
        for block in blocks(users, BLOCK_USERS):
            heads = model.head_scores(UserBatch(block.users.to(weights.device)))
            available = dataset.is_available.to(weights.device)
            scores = model.ensemble(heads).masked_fill(~available, -torch.inf)
            ranked = top_k_tracks(scores, night.settings.lists.candidates)
            covering_heads = _covering_heads(heads, weights, ranked)
            tables.append(
                _block_rows(night, row, dataset, block.users, ranked, covering_heads, names)
            )
    return pa.concat_tables(tables) if tables else SCORE_CANDIDATES.arrow_schema.empty_table()


def _covering_heads(heads: HeadScores, weights: Tensor, ranked: TopK) -> Tensor:
    """Which heads cover each listed track, shape (batch, k) int64; head i is bit i."""
    bits = torch.zeros_like(ranked.tracks)
    for head, (coverage_mask, weight) in enumerate(zip(heads.coverage_mask, weights, strict=True)):
        bits += (coverage_mask.gather(1, ranked.tracks) & (weight > 0)).long() << head
    return bits


def _block_rows(
    night: Night,
    row: ModelRow,
    dataset: Dataset,
    users: Tensor,
    ranked: TopK,
    covering_heads: Tensor,
    head_names: tuple[str, ...],
) -> pa.Table:
    """The valid entries of some listeners' lists, in order of user and rank."""
    valid_mask = ranked.valid_mask.cpu().numpy()
    rows, columns = np.nonzero(valid_mask)
    tracks = ranked.tracks.cpu().numpy()[valid_mask]
    bit_sets, index = np.unique(covering_heads.cpu().numpy()[valid_mask], return_inverse=True)
    head_lists = pa.array(
        [[name for head, name in enumerate(head_names) if bits >> head & 1] for bits in bit_sets],
        pa.list_(pa.string()),
    )
    n_rows = len(rows)
    values = {
        "as_of_date": pa.repeat(pa.scalar(night.as_of, pa.date32()), n_rows),
        "user_id": pa.array(dataset.nodes.users.ids[users.numpy()[rows]]),
        "rank": pa.array(columns + 1, pa.int32()),
        "track_id": pa.array(dataset.nodes.tracks.ids[tracks]),
        "score": pa.array(ranked.scores.cpu().numpy()[valid_mask]),
        "heads": head_lists.take(pa.array(index)),
        "family": pa.repeat(row.family, n_rows),
        "model_version": pa.repeat(row.model_version, n_rows),
        "run_id": pa.repeat(night.run_id, n_rows),
    }
    return pa.table(values).cast(SCORE_CANDIDATES.arrow_schema)


def main(
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[str, typer.Option(help="A family; empty for the champion.")] = "",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "manual",
) -> None:
    """Score every listener of a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    score(night, family=family or None)


if __name__ == "__main__":
    typer.run(main)

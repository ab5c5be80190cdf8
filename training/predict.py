"""score_candidates: the best tracks of every listener by the night's model.

    python -m training.predict --as-of 2026-03-01

Reads the model of run_models and the night's graph: people and tracks that came after the training
are scored through their neighbours and their content; who cannot be scored by any head has no row.
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
from feature_store.privacy.suppression import unchanged_people
from feature_store.runs.lineage import versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables.scores import SCORE_CANDIDATES
from training.artifacts import checkpoints, model_registry
from training.artifacts.model_registry import ModelRow
from training.config import recipe_from_json
from training.data.batches import UserBatch, blocks
from training.data.dataset import Evidence, World
from training.data.reading import TABLES_READ, read_world
from training.engine.loop import deterministic, scoring
from training.evaluation.evaluator import BLOCK_USERS
from training.evaluation.top_k import Ranked, best_tracks
from training.layers.ensemble import HeadScores
from training.models.registry import Recommender
from training.train import device_of

LOG = structlog.get_logger()


def run(night: Night) -> Written:
    """Score everybody with the champion's model."""
    return score(night)


def score(night: Night, *, family: str | None = None) -> Written:
    """Replace the night's slice of score_candidates.

    Raises:
        NoModelError: there is no usable model.
        CheckpointError: its files are not those that its row names.
        ErasedMeanwhile: a person was erased while it scored.
    """
    started_at_s = time.monotonic()
    refuse_old_people = unchanged_people(night.settings.lake)
    row = model_registry.usable_model(night, family or model_registry.champion_of(night))
    inputs = versions_of(night.settings.lake, TABLES_READ)
    world = read_world(night.settings.lake, night.as_of, night.settings.graph)
    with deterministic(night.settings.seed, night.settings.training.n_threads):
        evidence = world.everything()
        model = load_model(night, row, evidence)
        rows = candidate_rows(night, row, model, world, evidence.graph.listened.users.unique())
    written = write_slice(
        night.settings.lake,
        SCORE_CANDIDATES,
        rows,
        as_of=night.as_of,
        before_commit=refuse_old_people,
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


def load_model(night: Night, row: ModelRow, evidence: Evidence) -> Recommender:
    """The model of a row, over the night's graph."""
    saved = checkpoints.read(
        open_storage(night.settings.lake), row.checkpoint_uri, row.checkpoint_sha256
    )
    recipe = recipe_from_json(row.config_json)
    return checkpoints.put_together(saved, recipe.model, evidence, device_of(night))


def candidate_rows(
    night: Night, row: ModelRow, model: Recommender, world: World, people: Tensor
) -> pa.Table:
    """Rows of score_candidates: the best available tracks of each of the `people`.

    These are positions, shape (n,), of those with a listen in the graph.
    """
    names = (*model.head_names,)
    weights = model.blend.weights
    tables = []
    with scoring(model):
        for block in blocks(people, BLOCK_USERS):
            heads = model.head_scores(UserBatch(block.users.to(weights.device)))
            offered = world.is_available.to(weights.device)
            scores = model.blend(heads).masked_fill(~offered, -torch.inf)
            ranked = best_tracks(scores, night.settings.lists.candidates)
            voters = _voters_at(heads, weights, ranked)
            tables.append(_block_rows(night, row, world, block.users, ranked, voters, names))
    return pa.concat_tables(tables) if tables else SCORE_CANDIDATES.arrow_schema.empty_table()


def _voters_at(heads: HeadScores, weights: Tensor, ranked: Ranked) -> Tensor:
    """Which heads had a vote for each listed track, shape (batch, k) int64; head i is bit i."""
    bits = torch.zeros_like(ranked.tracks)
    for place, (votes, weight) in enumerate(zip(heads.votes, weights, strict=True)):
        bits += (votes.gather(1, ranked.tracks) & (weight > 0)).long() << place
    return bits


def _block_rows(
    night: Night,
    row: ModelRow,
    world: World,
    users: Tensor,
    ranked: Ranked,
    voters: Tensor,
    head_names: tuple[str, ...],
) -> pa.Table:
    """The filled entries of some people's lists, in order of user and rank."""
    is_filled = ranked.is_filled.cpu().numpy()
    rows, places = np.nonzero(is_filled)
    tracks = ranked.tracks.cpu().numpy()[is_filled]
    codes, which = np.unique(voters.cpu().numpy()[is_filled], return_inverse=True)
    heads_of_code = pa.array(
        [[name for bit, name in enumerate(head_names) if code >> bit & 1] for code in codes],
        pa.list_(pa.string()),
    )
    n_rows = len(rows)
    columns = {
        "as_of_date": pa.repeat(pa.scalar(night.as_of, pa.date32()), n_rows),
        "user_id": pa.array(world.nodes.users.ids[users.numpy()[rows]]),
        "rank": pa.array(places + 1, pa.int32()),
        "track_id": pa.array(world.nodes.tracks.ids[tracks]),
        "score": pa.array(ranked.scores.cpu().numpy()[is_filled]),
        "heads": heads_of_code.take(pa.array(which)),
        "family": pa.repeat(row.family, n_rows),
        "model_version": pa.repeat(row.model_version, n_rows),
        "run_id": pa.repeat(night.run_id, n_rows),
    }
    return pa.table(columns).cast(SCORE_CANDIDATES.arrow_schema)


def main(
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[str, typer.Option(help="A family; empty for the champion.")] = "",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "by-hand",
) -> None:
    """Score every listener of a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    score(night, family=family or None)


if __name__ == "__main__":
    typer.run(main)

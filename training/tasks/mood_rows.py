"""Rows of score_mood as record batches: the best tracks of each listener for each cell.

Of a cell those tracks alone are scored that lie in it or within the fewest steps of it that hold
`mood.candidates_per_cell` available tracks; at least the cell's neighbours. A track without a mood
is in no list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from feature_store.mood_plane import CELLS_PER_SIDE
from feature_store.tables.scores import SCORE_MOOD
from training.data.batches import blocks
from training.data.interactions import day_number
from training.data.mood import N_CELLS, TrackMoods, cell_centres
from training.engine.distributed import process_rank
from training.engine.loop import eval_mode
from training.evaluation.top_k import top_k_tracks
from training.models.mood_protocol import MoodQueries
from training.tasks.candidate_rows import device_of, shard_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from feature_store.settings import Night
    from training.data.mood import MoodData, MoodView
    from training.evaluation.top_k import TopK
    from training.tasks.protocol import ScoringModel

BLOCK_USERS = 64  # listeners of a record batch: 64 x 25 lists


def mood_batches(
    night: Night,
    scoring: ScoringModel,
    model: torch.nn.Module,
    data: MoodData,
    view: MoodView,
) -> Iterator[pa.RecordBatch]:
    """A record batch for each block of listeners, with their lists for all cells.

    Of several processes each scores its own shard of the listeners. Memory is bounded by a block:
    BLOCK_USERS x tracks, and the lists.

    Args:
        night: the day and the settings.
        scoring: names the model in the rows.
        model: a MoodRecommender.
        data: whose available tracks are listed.
        view: everything that is known.
    """
    device, dataset = device_of(model), data.dataset
    listeners = listeners_with_lists(night, data, view)
    mine = listeners[shard_of(dataset.nodes.users, listeners) == process_rank()]
    per_cell = night.settings.mood.candidates_per_cell
    candidates = cell_candidates(view.moods.among(dataset.is_available), per_cell)
    centres = cell_centres()
    with eval_mode(model):
        for block in blocks(mine, BLOCK_USERS):
            ranked = []
            for cell, tracks in enumerate(candidates):
                contexts = centres[cell].expand(len(block.users), 2)
                queries = MoodQueries(block.users, contexts).to(device)
                scores = model.score(queries, tracks.to(device))  # type: ignore[operator]  # a MoodRecommender
                ranked.append(top_k_tracks(scores.cpu(), per_cell))
            yield _rows(night, scoring, data, block.users, candidates, ranked)


def listeners_with_lists(night: Night, data: MoodData, view: MoodView) -> Tensor:
    """Positions of the listeners who get lists for moods, ascending, shape (n,).

    All with a listen in the graph, or those with a listen in the last `mood.active_days`.
    """
    settings, listens = night.settings.mood, data.dataset.listens
    if settings.listeners == "all":
        heard: Tensor = view.ranking.graph.listened.users.unique()
        return heard
    first_day = day_number(night.as_of) - settings.active_days + 1
    active: Tensor = listens.users[listens.is_dated & (listens.day >= first_day)].unique()
    return active


def cell_candidates(moods: TrackMoods, at_least: int) -> list[Tensor]:
    """Tracks that are scored for each cell: positions in ascending order, N_CELLS of them.

    Those within the fewest steps of the cell, 1 or more, that hold `at_least` tracks; all with a
    mood where these are too few. A step goes to a cell that touches, also at a corner.
    """
    cells = moods.cells
    fifths = torch.stack([cells // CELLS_PER_SIDE, cells % CELLS_PER_SIDE], dim=1)
    found = []
    for cell in range(N_CELLS):
        centre = torch.tensor([cell // CELLS_PER_SIDE, cell % CELLS_PER_SIDE])
        steps = (fifths - centre).abs().amax(dim=1).where(moods.has, CELLS_PER_SIDE)
        reached = steps.bincount(minlength=CELLS_PER_SIDE + 1)[:CELLS_PER_SIDE].cumsum(0)
        is_enough = (reached[1:] >= at_least).nonzero()
        furthest = 1 + int(is_enough[0]) if len(is_enough) else CELLS_PER_SIDE - 1
        found.append((steps <= furthest).nonzero().squeeze(1))
    return found


def _rows(
    night: Night,
    scoring: ScoringModel,
    data: MoodData,
    users: Tensor,
    candidates: list[Tensor],
    ranked: list[TopK],
) -> pa.RecordBatch:
    """The lists of some listeners, in order of user, cell and rank."""
    columns: dict[str, list[NDArray[np.int64]]] = {
        "row": [], "cell": [], "rank": [], "track": [],
    }  # fmt: skip
    scores = []
    for cell, (tracks, lists) in enumerate(zip(candidates, ranked, strict=True)):
        valid_mask = lists.valid_mask.numpy()
        rows, ranks = np.nonzero(valid_mask)
        columns["row"].append(rows)
        columns["cell"].append(np.full(len(rows), cell))
        columns["rank"].append(ranks)
        columns["track"].append(tracks.numpy()[lists.tracks.numpy()[valid_mask]])
        scores.append(lists.scores.numpy()[valid_mask])
    flat = {name: np.concatenate(parts).astype(np.int64) for name, parts in columns.items()}
    order = np.lexsort((flat["rank"], flat["cell"], flat["row"]))
    flat = {name: values[order] for name, values in flat.items()}
    n_rows, nodes = len(order), data.dataset.nodes
    values = {
        "as_of_date": pa.repeat(pa.scalar(night.as_of, pa.date32()), n_rows),
        "user_id": pa.array(nodes.users.ids[users.numpy()[flat["row"]]]),
        "valence_cell": pa.array(flat["cell"] // CELLS_PER_SIDE, pa.int32()),
        "arousal_cell": pa.array(flat["cell"] % CELLS_PER_SIDE, pa.int32()),
        "rank": pa.array(flat["rank"] + 1, pa.int32()),
        "track_id": pa.array(nodes.tracks.ids[flat["track"]]),
        "score": pa.array(np.concatenate(scores)[order]),
        "family": pa.repeat(scoring.family, n_rows),
        "model_version": pa.repeat(scoring.model_version, n_rows),
        "run_id": pa.repeat(night.run_id, n_rows),
    }
    [batch] = pa.table(values).cast(SCORE_MOOD.arrow_schema).combine_chunks().to_batches() or [
        pa.RecordBatch.from_pylist([], SCORE_MOOD.arrow_schema)
    ]
    return batch

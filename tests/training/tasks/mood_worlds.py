"""Small worlds of moods, drawn here, and a fitted ranking model without a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta

import torch

from tests.training.datasets import dataset_of, ids, listens_on, nodes_of
from training.artifacts.model_state import ModelState
from training.data.dataset import Dataset
from training.data.interactions import day_number
from training.data.mood import ListenMoods, MoodData, TrackMoods
from training.models.ranking.mm_gnn import MMGNNConfig

MARCH_1 = date(2026, 3, 1)
SAD, HAPPY = (0.1, 0.5), (0.9, 0.5)
"""Moods of the plane: cells 2 and 22."""
DIM = 6


def mood_data(
    rows: Sequence[tuple[int, int, date, tuple[float, float]]],
    positions: Sequence[tuple[float, float] | None],
    n_users: int,
) -> MoodData:
    """Listens of user, track and day, each with its context; a track of None has no mood."""
    in_order = sorted(rows)
    nodes = nodes_of(ids("u", n_users), ids("t", len(positions)))
    dataset = dataset_of(nodes, listens_on([row[:3] for row in in_order]), MARCH_1)
    return MoodData(dataset, track_moods(positions), listen_moods(in_order))


def track_moods(positions: Sequence[tuple[float, float] | None]) -> TrackMoods:
    known = [(0.0, 0.0) if one is None else one for one in positions]
    has = [one is not None for one in positions]
    return TrackMoods(torch.tensor(known, dtype=torch.float64), torch.tensor(has))


def listen_moods(
    rows: Sequence[tuple[int, int, date, tuple[float, float]]],
) -> ListenMoods:
    return ListenMoods(
        torch.tensor([row[0] for row in rows], dtype=torch.int64),
        torch.tensor([row[1] for row in rows], dtype=torch.int64),
        torch.tensor([day_number(row[2]) for row in rows], dtype=torch.int64),
        torch.tensor([row[3] for row in rows], dtype=torch.float64).reshape(-1, 2),
    )


def two_moods(n_users: int = 12, n_days: int = 40) -> MoodData:
    """Ten sad tracks and ten happy ones; who is sad plays sad ones, and each listener has favourites.

    Listener u plays in each mood the tracks u and u + 1 (modulo 10) of that mood, day by day.
    """
    positions = [SAD] * 10 + [HAPPY] * 10
    rows = []
    for user in range(n_users):
        for day in range(n_days):
            is_happy = (user + day) % 2
            track = 10 * is_happy + (user + day // 2 % 2) % 10
            rows.append((user, track, MARCH_1 - timedelta(days=day), HAPPY if is_happy else SAD))
    return mood_data(rows, positions, n_users)


def ranking_state(dataset: Dataset, seed: int = 0) -> ModelState:
    """An MM-GNN whose collaborative head was drawn and not trained."""
    generator = torch.Generator().manual_seed(seed)
    kinds = ("user", "track", "artist", "tag", "album")
    tables = {f"heads.collaborative.nodes.{kind}": kind for kind in kinds}
    return ModelState(
        family="mm_gnn",
        parameters={
            name: torch.randn(len(dataset.nodes.of_kind(kind)), DIM, generator=generator)
            for name, kind in tables.items()
        },
        ids={kind: dataset.nodes.of_kind(kind) for kind in kinds},
        rows_of=tables,
        details={"shapes": {}},
        recipe={"model": asdict(MMGNNConfig(dim=DIM))},
    )


def mood_leak() -> MoodData:
    """30 listeners heard 6 of 50 tracks, in moods drawn at random; what they hear next is drawn too.

    Nobody hears a track again. Of 50 tracks one is to be found, and what the listener knows is not
    left out: by chance it stands among the first ten for a fifth of the listens.
    """
    generator = torch.Generator().manual_seed(3)

    def drawn_mood() -> tuple[float, float]:
        valence, arousal = torch.rand(2, generator=generator).tolist()
        return valence, arousal

    rows = []
    for user in range(30):
        tracks = torch.randperm(50, generator=generator)[:8].tolist()
        days = [34 - 3 * number for number in range(6)] + [9, 2]
        for track, days_ago in zip(tracks, days, strict=True):
            rows.append((user, track, MARCH_1 - timedelta(days=days_ago), drawn_mood()))
    data = mood_data(rows, [drawn_mood() for _ in range(50)], 30)
    return replace(data, dataset=replace(data.dataset, content={}))

"""Similar-tracks section: nearest neighbours of a few sample tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.features import FEAT_TRACK_HTCL
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_SIMILAR_TRACKS
from jobs.recommendations.steps.track_vectors import TRAINED
from jobs.report.tracks import TrackRef, read_track_refs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.report.lake import RunView

_SHOWN_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One similar track, its score, and the modalities that were compared.

    Attributes:
        vector_kind: which of its trained vectors was compared: audio, text or fused; None where
            the modalities' own vectors were.
    """

    rank: int
    track: TrackRef
    score: float
    modalities: tuple[str, ...]
    vector_kind: str | None


@dataclass(frozen=True, slots=True)
class SampleTrack:
    """A track, the number of users who listened to it, and its nearest tracks."""

    track: TrackRef
    n_users: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class SimilarTracks:
    """Content of the similar-tracks section; `n_tracks` counts all tracks with neighbours."""

    n_tracks: int
    samples: tuple[SampleTrack, ...]


def read_similar_tracks(view: RunView) -> SimilarTracks:
    """Neighbours of the most popular track, a median one, and one without listens."""
    rows = view.rows(REC_SIMILAR_TRACKS)
    if rows.is_empty():
        return SimilarTracks(0, ())
    n_users = dict(
        view.rows(GRAPH_USER_LISTENED_TRACK, ["track_id"]).group_by("track_id").len().rows()
    )
    track_ids = rows["track_id"].unique(maintain_order=True).to_list()
    refs = read_track_refs(view)
    columns = ["track_id", "vector_kind"]
    kinds = dict(view.rows(FEAT_TRACK_HTCL, columns).select(columns).iter_rows())
    samples = [
        SampleTrack(
            refs[track_id],
            n_users.get(track_id, 0),
            _neighbours(rows.filter(pl.col("track_id") == track_id), kinds),
        )
        for track_id in _sample(track_ids, n_users)
        if track_id in refs
    ]
    return SimilarTracks(len(track_ids), tuple(samples))


def _sample(track_ids: list[str], n_users: dict[str, int]) -> list[str]:
    ranked = sorted(track_ids, key=lambda track_id: (-n_users.get(track_id, 0), track_id))
    listened = [track_id for track_id in ranked if track_id in n_users]
    without_listens = [track_id for track_id in ranked if track_id not in n_users]
    chosen = [*listened[:1], *listened[len(listened) // 2 :][:1], *without_listens[:1]]
    return list(dict.fromkeys(chosen))


def _neighbours(rows: pl.DataFrame, kinds: Mapping[str, str]) -> tuple[Neighbour, ...]:
    return tuple(
        Neighbour(
            rank=row["rank"],
            track=TrackRef(row["similar_track_id"], row["title"], row["artist_name"]),
            score=row["score"],
            modalities=tuple(row["modalities"]),
            vector_kind=kinds.get(row["similar_track_id"])
            if TRAINED in row["modalities"]
            else None,
        )
        for row in rows.sort("rank").head(_SHOWN_NEIGHBOURS).iter_rows(named=True)
    )

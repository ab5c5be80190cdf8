"""Sample worlds for HTCL: some thousand recordings of half a minute, of artists enough to hold out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from feature_store.lake.storage import sha256_of
from feature_store.settings import Night, Settings
from jobs.sources.sample_world.catalogue import make_artists, make_tracks
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.writer import write_sample_world
from tests.benchmarks.support.code_version import code_sha256
from tests.benchmarks.support.lakes import built_lake
from training.data.audio_text import AudioTextData, AudioTextView, read_audio_text

POOL = 500  # tracks of unseen artists that are found among each other

_CODE = (
    "jobs/sources/sample_world", "jobs/raw", "jobs/core", "jobs/decoding", "jobs/encoders",
    "jobs/features", "jobs/graph", "feature_store/tables",
)  # fmt: skip


def world_of(seed: int) -> SampleWorld:
    """A world of 2,488 tracks by 320 artists; without covers, which HTCL does not read.

    Its listeners choose by how music sounds rather than by genre, which texts tell: where both are
    the same there is nothing that stage 2 could learn or lose.
    """
    return SampleWorld(
        seed=seed,
        genre_weight=1.0,
        style_weight=1.5,
        n_artists=320,
        n_tracks_at_start=2_400,
        n_users_at_start=2_400,
        clip_s=30.0,
        sample_rate_hz=16_000,
        cover_missing_every=1,
        n_emotion_texts=0,
        has_faults=False,
    )


def read_world(seed: int, settings: Settings) -> AudioTextData:
    """The world as training reads it; jobs run only if the cache lacks its lake.

    Args:
        seed: of the world.
        settings: of the jobs; `state` holds the cache.
    """
    world = world_of(seed)
    code_version = code_sha256(_CODE) + settings.encoders.model_dump_json()
    key = f"seed-{seed}-{sha256_of((repr(world) + code_version).encode())[:12]}"
    folder = settings.state / "benchmarks" / "htcl" / "worlds" / key
    lake = built_lake(folder, settings, world.last_day, partial(write_sample_world, world))
    own = settings.model_copy(update={"lake": lake, "state": folder / "state"})
    return read_audio_text(Night(world.last_day, "benchmark", own))


@dataclass(frozen=True, slots=True, eq=False)
class ArtistParts:
    """Tracks by what becomes of their artists; no artist is in two parts.

    Attributes:
        view: what a model learns from: no track and no pair of the other two parts.
        validation: tracks with a recording and a text, by which epochs are selected.
        test: further ones, on which is measured.
    """

    view: AudioTextView
    validation: Tensor
    test: Tensor


def split_by_artist(data: AudioTextData, seed: int, pool: int = POOL) -> ArtistParts:
    """Hold artists out, in an order drawn by the seed, until `pool` tracks and half as many are.

    Raises:
        ValueError: the world is too small.
    """
    view = data.full_view()
    has_both = view.has_audio & view.has_text
    made_by = data.dataset.made_by
    order = torch.randperm(
        len(data.dataset.nodes.artists), generator=torch.Generator().manual_seed(seed)
    )
    parts: list[Tensor] = []
    is_learned = torch.ones(data.n_tracks, dtype=torch.bool)
    artists = iter(order.tolist())
    for size in (pool, pool // 2):
        found: list[int] = []
        while len(found) < size:
            artist = next(artists, None)
            if artist is None:
                raise ValueError(f"artists have {len(found)} tracks left of {size} to hold out")
            own = made_by.source[made_by.target == artist]
            is_learned[own] = False
            found += own[has_both[own]].tolist()
        parts.append(torch.tensor(found[:size]))
    test, validation = parts
    pairs = view.pairs
    within = is_learned[pairs.triggers] & is_learned[pairs.tracks]
    learned = replace(view, is_learned=is_learned, pairs=pairs.where(within))
    return ArtistParts(learned, validation, test)


def genres_of(data: AudioTextData, seed: int) -> list[str]:
    """The genre of each track, as it was made."""
    world = world_of(seed)
    tracks = make_tracks(world, make_artists(world), world.n_tracks)
    by_id = {track.track_id: track.artist.genre.name for track in tracks}
    return [by_id[str(name)] for name in data.dataset.nodes.tracks.ids]

"""A small world of recordings and texts: four styles that both tell, and listeners who stay within two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import torch

from feature_store.track_text import TEXT_FIELDS, TextParts, compose_text
from tests.training.datasets import dataset_of, edges, ids, listens_on
from training.data.audio_text import AudioTextData
from training.data.content import Modality
from training.data.interactions import day_number
from training.data.nodes import IdList, Nodes
from training.data.spectrograms import N_FRAMES, N_MELS, Spectrograms
from training.data.track_pairs import TrackPairs

MARCH_1 = date(2026, 3, 1)
STYLES = ("dark night", "bright day", "dark day", "bright night")
N_ARTISTS, TRACKS_OF_ONE = 32, 3
N_TRACKS = N_ARTISTS * TRACKS_OF_ONE
N_DAYS = 40


def style_of(track: int) -> int:
    return track // TRACKS_OF_ONE % len(STYLES)


def frames(track: int, n_sounding: int = N_FRAMES) -> np.ndarray:
    """Sound in the bands of the style, and noise; then padding."""
    rng = np.random.default_rng(track)
    found = rng.normal(0, 0.3, (N_FRAMES, N_MELS))
    start = 32 * style_of(track)
    found[:, start : start + 32] += 1.0
    found[n_sounding:] = found.min()
    return found.astype("<f2")


def spectrograms(tracks: range, n_sounding: int = N_FRAMES) -> Spectrograms:
    content = [frames(track, n_sounding).tobytes() for track in tracks]
    rows = {f"h{track}": row for row, track in enumerate(tracks)}
    counts = torch.full((len(tracks),), n_sounding)
    return Spectrograms(rows, pa.chunked_array([pa.array(content, pa.binary())]), counts)


def nodes() -> Nodes:
    return Nodes(
        IdList.of("user", ids("u", 12)),
        IdList("track", np.array([f"t{track:03}" for track in range(N_TRACKS)])),
        IdList("artist", np.array([f"a{artist:02}" for artist in range(N_ARTISTS)])),
        IdList.of("tag", ["slow"]),
        IdList.of("album", ["m"]),
    )


def no_modality(n_tracks: int) -> Modality:
    none = torch.zeros(n_tracks, dtype=torch.bool)
    return Modality("", torch.zeros(n_tracks, 2), none, torch.zeros(n_tracks, 2), none)


def content() -> Mapping[str, Modality]:
    """An embedding of audio that tells the style."""
    styles = torch.tensor([style_of(track) for track in range(N_TRACKS)])
    embedding = torch.nn.functional.one_hot(styles, 4).float()
    has = torch.ones(N_TRACKS, dtype=torch.bool)
    nothing = no_modality(N_TRACKS)
    audio = Modality("enc", embedding, has, torch.zeros(N_TRACKS, 2), ~has)
    return {"audio": audio, "lyrics": nothing, "cover": nothing}


def pairs(n_a_day: int = 12) -> TrackPairs:
    """Listeners go from style 0 to 1 and back, and from 2 to 3 and back, to a track drawn at random."""
    rng = np.random.default_rng(5)
    rows = []
    for day in range(N_DAYS):
        for number in range(n_a_day):
            trigger = int(rng.integers(N_TRACKS))
            partner = style_of(trigger) ^ 1
            others = [track for track in range(N_TRACKS) if style_of(track) == partner]
            rows.append((number % 12, trigger, int(rng.choice(others)), day))
    users, triggers, tracks, days = (torch.tensor(column) for column in zip(*rows, strict=True))
    first = day_number(MARCH_1) - N_DAYS + 1
    return TrackPairs(users, triggers, tracks, first + days)


def world(found: TrackPairs | None = None) -> AudioTextData:
    """All tracks were there from the beginning."""
    found = pairs() if found is None else found
    first_day = MARCH_1 - timedelta(days=N_DAYS - 1)
    listens = listens_on([(0, 0, first_day), (0, 1, MARCH_1)])
    dataset = dataset_of(nodes(), listens, MARCH_1, dict(content()))
    made_by = edges([(track, track // TRACKS_OF_ONE) for track in range(N_TRACKS)])
    parts = [TextParts(title=STYLES[style_of(track)]) for track in range(N_TRACKS)]
    stored = spectrograms(range(N_TRACKS))
    return AudioTextData(
        dataset=replace(dataset, made_by=made_by),
        spectrograms=stored,
        mel_version="mel/w/p",
        audio_rows=torch.arange(N_TRACKS),
        audio_hashes=[f"h{track}" for track in range(N_TRACKS)],
        parts=parts,
        text_fields=TEXT_FIELDS,
        texts=[compose_text(one, TEXT_FIELDS) or "" for one in parts],
        pairs=found,
    )


def without_pairs() -> TrackPairs:
    return pairs().where(torch.zeros(len(pairs()), dtype=torch.bool))

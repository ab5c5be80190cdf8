"""A synthetic catalogue of any size for the benchmark of similar tracks: chunks of vectors, and files that the job reads.

A track's vectors are a linear map of hidden coordinates, one map a modality, plus noise: those of its style, those of its artist
and its own. Vectors of pure noise have no neighbours that an index could find; tracks of one artist and style lie together here, as
they do in embeddings of music. Of the tracks 85 % have all modalities, 10 % have no lyrics and 5 % only tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.recommendations.steps.filters import TRACK_METADATA_COLUMNS
from jobs.recommendations.steps.track_vectors import CONTENT_MODALITIES

DIMS = {"audio": 200, "lyrics": 384, "tags": 384}  # of the default encoders
HIDDEN_DIM, N_STYLES, TRACKS_PER_ARTIST = 16, 2_000, 20
ARTIST_SD, OWN_SD, NOISE_SD = 0.7, 0.5, 0.15
NO_LYRICS_RATIO, ONLY_TAGS_RATIO = 0.10, 0.05
CHUNK_TRACKS = 10_000
SEED = 11
IDENTITY = {"encoder_id": "benchmark", "weights_sha256": "w", "preprocessing_id": "p"}
FILES = ("tracks", "encoders", "audio", "lyrics", "tags")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive tracks.

    Attributes:
        first: number of the first track.
        vectors: by modality, float32 (tracks, dim).
        has: by modality, whether a track has it.
    """

    first: int
    vectors: dict[str, np.ndarray]
    has: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.has["tags"])

    @property
    def track_ids(self) -> list[str]:
        return [f"track-{number:09}" for number in range(self.first, self.first + len(self))]


@dataclass(frozen=True, slots=True)
class SyntheticCatalogue:
    """Vectors of `n_tracks` tracks, drawn chunk by chunk: each chunk is the same whenever it is drawn."""

    n_tracks: int
    _maps: dict[str, np.ndarray] = field(init=False, default_factory=dict)
    _styles: dict[str, np.ndarray] = field(init=False, default_factory=dict)
    _artists: dict[str, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Draw the maps, styles and artists."""
        rng = np.random.default_rng(SEED)
        n_artists = max(1, self.n_tracks // TRACKS_PER_ARTIST)
        for modality, dim in DIMS.items():
            scale = np.float32(HIDDEN_DIM**-0.5)
            self._maps[modality] = scale * _normal(rng, HIDDEN_DIM, dim)
            self._styles[modality] = _normal(rng, N_STYLES, HIDDEN_DIM)
            self._artists[modality] = np.float32(ARTIST_SD) * _normal(rng, n_artists, HIDDEN_DIM)

    def chunks(self) -> Iterator[Chunk]:
        """All tracks, CHUNK_TRACKS at a time."""
        for first in range(0, self.n_tracks, CHUNK_TRACKS):
            yield self.chunk(first, min(CHUNK_TRACKS, self.n_tracks - first))

    def chunk(self, first: int, n_tracks: int) -> Chunk:
        """The tracks from number `first` on."""
        rng = np.random.default_rng([SEED, first])
        artist = rng.integers(0, len(self._artists["tags"]), n_tracks)
        style = artist * 2_654_435_761 % N_STYLES  # an artist has one style
        vectors = {}
        for modality, dim in DIMS.items():
            own = np.float32(OWN_SD) * _normal(rng, n_tracks, HIDDEN_DIM)
            hidden = self._styles[modality][style] + self._artists[modality][artist] + own
            noise = np.float32(NOISE_SD) * _normal(rng, n_tracks, dim)
            vectors[modality] = hidden @ self._maps[modality] + noise
        share = rng.random(n_tracks)
        has = {
            "audio": share >= ONLY_TAGS_RATIO,
            "lyrics": share >= ONLY_TAGS_RATIO + NO_LYRICS_RATIO,
            "tags": np.ones(n_tracks, bool),
        }
        return Chunk(first, vectors, has)


def _normal(rng: np.random.Generator, n_rows: int, dim: int) -> np.ndarray:
    return rng.standard_normal((n_rows, dim), dtype=np.float32)


def means_of(catalogue: SyntheticCatalogue) -> dict[str, np.ndarray]:
    """Mean vector of each modality, float64."""
    sums, counts = dict.fromkeys(CONTENT_MODALITIES, 0.0), dict.fromkeys(CONTENT_MODALITIES, 0)
    for chunk in catalogue.chunks():
        for modality, vectors in chunk.vectors.items():
            sums[modality] += vectors[chunk.has[modality]].astype(np.float64).sum(axis=0)
            counts[modality] += int(chunk.has[modality].sum())
    return {modality: sums[modality] / counts[modality] for modality in CONTENT_MODALITIES}


def unit_rows(chunk: Chunk, means: dict[str, np.ndarray]) -> np.ndarray:
    """All modalities side by side, float32 (tracks, 968): unit vectors, zeros where there is none."""
    parts = []
    for modality in CONTENT_MODALITIES:
        centred = chunk.vectors[modality] - means[modality].astype(np.float32)
        length = np.linalg.norm(centred.astype(np.float64), axis=1, keepdims=True)
        parts.append(np.where(chunk.has[modality][:, None], centred / length, 0))
    return np.hstack(parts).astype(np.float32)


def write_files(catalogue: SyntheticCatalogue, folder: Path) -> None:
    """Write the columns that the job reads, one Parquet file for each of FILES."""
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        for chunk in catalogue.chunks():
            for name, rows in _tables(chunk).items():
                if name not in writers:
                    file = folder / f"{name}.parquet"
                    writers[name] = pq.ParquetWriter(
                        file, rows.schema, compression="none", use_dictionary=False
                    )
                writers[name].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()
    tables = [{"feature_table": table, **IDENTITY} for table in ("feat_audio", "feat_lyrics")]
    pq.write_table(pa.Table.from_pylist(tables), folder / "encoders.parquet")


def _tables(chunk: Chunk) -> dict[str, pa.Table]:
    ids = pa.array(chunk.track_ids)
    contents = {
        modality: pa.table(
            {
                "track_id": ids,
                "vector": pa.FixedSizeListArray.from_arrays(
                    pa.array(chunk.vectors[modality].ravel()), DIMS[modality]
                ).cast(pa.list_(pa.float32())),
            }
        ).filter(pa.array(chunk.has[modality]))
        for modality in CONTENT_MODALITIES
    }
    encoded = {
        modality: rows.rename_columns(["content_hash", f"{modality}_embedding"])
        for modality, rows in contents.items()
        if modality != "tags"
    }
    for modality, rows in encoded.items():
        for name, value in IDENTITY.items():
            rows = rows.append_column(name, pa.array([value] * len(rows)))  # noqa: PLW2901  Arrow tables are immutable
        encoded[modality] = rows
    hashes = {
        f"{modality}_hash": pa.array(np.array(chunk.track_ids, object), mask=~chunk.has[modality])
        for modality in encoded
    }
    metadata = {name: pa.array([name] * len(ids)) for name in TRACK_METADATA_COLUMNS}
    available = {"is_available": pa.array([True] * len(ids))}
    return {
        **encoded,
        "tags": contents["tags"].rename_columns(["track_id", "mean_tag_embedding"]),
        "tracks": pa.table({"track_id": ids, **hashes, **metadata, **available}),
    }

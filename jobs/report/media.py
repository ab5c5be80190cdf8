"""Covers and audio excerpts that the page embeds, each file once however often it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.tables.core import CORE_TRACKS
from jobs.report.excerpts import UndecodableFile, audio_excerpt, cover_thumbnail

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage
    from jobs.report.lake import RunView

MAX_COVERS = 200  # of about 6 kB each
MAX_EXCERPTS = 72  # of about 60 kB each: together with the covers under 5 MB


@dataclass(frozen=True, slots=True)
class EmbeddedFiles:
    """Data URIs by key, and the key of each track that has one.

    Attributes:
        unusable_paths: path by track id of a file that cannot be read or decoded.
    """

    uris: Mapping[str, str]
    keys: Mapping[str, str]
    unusable_paths: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """All files that the page embeds."""

    covers: EmbeddedFiles
    excerpts: EmbeddedFiles


def read_media(view: RunView, covers: Sequence[str], excerpts: Sequence[str]) -> Media:
    """Thumbnails and excerpts for track ids in order of priority; an id may occur twice."""
    tracks = view.rows(
        CORE_TRACKS, ["track_id", "audio_hash", "audio_uri", "cover_hash", "cover_uri"]
    )
    storage = open_storage(view.lake)
    return Media(
        covers=_embed(
            storage, _files(tracks, "cover", covers), MAX_COVERS, cover_thumbnail, prefix="c"
        ),
        excerpts=_embed(
            storage, _files(tracks, "audio", excerpts), MAX_EXCERPTS, audio_excerpt, prefix="e"
        ),
    )


def _files(tracks: pl.DataFrame, kind: str, track_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """(track_id, content hash, path) of the tracks that have a file, in the order of the ids."""
    order = pl.DataFrame(
        {"track_id": list(dict.fromkeys(track_ids))}, schema={"track_id": pl.String}
    )
    with_file = order.join(tracks, on="track_id", how="inner", maintain_order="left").filter(
        pl.col(f"{kind}_hash").is_not_null() & pl.col(f"{kind}_uri").is_not_null()
    )
    return with_file.select("track_id", f"{kind}_hash", f"{kind}_uri").rows()


def _embed(
    storage: Storage,
    files: list[tuple[str, str, str]],
    limit: int,
    to_data_uri: Callable[[bytes], str],
    *,
    prefix: str,
) -> EmbeddedFiles:
    uris: dict[str, str] = {}
    key_by_hash: dict[str, str] = {}
    keys: dict[str, str] = {}
    unusable_paths: dict[str, str] = {}
    for track_id, content_hash, path in files:
        if content_hash not in key_by_hash:
            if len(uris) == limit:
                continue
            try:
                uri = to_data_uri(storage.read(path))
            except (UndecodableFile, StorageError):
                # The page shows a placeholder with the file's path.
                unusable_paths[track_id] = path
                continue
            key_by_hash[content_hash] = f"{prefix}{len(uris)}"
            uris[key_by_hash[content_hash]] = uri
        keys[track_id] = key_by_hash[content_hash]
    return EmbeddedFiles(uris, keys, unusable_paths)

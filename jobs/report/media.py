"""Covers and excerpts of the tracks that the page shows, each embedded once however often shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.lake.storage import StorageError, open_storage
from feature_store.tables.core import CORE_TRACKS
from jobs.report.excerpts import ContentUnusable, audio_excerpt, cover_thumbnail

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage
    from jobs.report.lake import RunView

MAX_COVERS = 160  # of about 6 kB each
MAX_EXCERPTS = 36  # of about 60 kB each: together with the covers well under 5 MB


@dataclass(frozen=True, slots=True)
class Shelf:
    """Data URIs by key, and the key of each track that has one.

    Attributes:
        unusable: why, by track, where the track has a file that cannot be shown.
    """

    uris: Mapping[str, str]
    keys: Mapping[str, str]
    unusable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """Everything the page embeds."""

    covers: Shelf
    excerpts: Shelf


def media_of(view: RunView, covers: Sequence[str], excerpts: Sequence[str]) -> Media:
    """Thumbnails and excerpts of tracks, most wanted first; a track may be named twice."""
    tracks = view.rows(
        CORE_TRACKS, ["track_id", "audio_hash", "audio_uri", "cover_hash", "cover_uri"]
    )
    storage = open_storage(view.lake)
    return Media(
        covers=_shelf(
            storage, _files(tracks, "cover", covers), MAX_COVERS, cover_thumbnail, prefix="c"
        ),
        excerpts=_shelf(
            storage, _files(tracks, "audio", excerpts), MAX_EXCERPTS, audio_excerpt, prefix="e"
        ),
    )


def _files(tracks: pl.DataFrame, kind: str, wanted: Sequence[str]) -> list[tuple[str, str, str]]:
    """(track_id, content hash, path) of wanted tracks that have a file, in the order asked for."""
    order = pl.DataFrame({"track_id": list(dict.fromkeys(wanted))}, schema={"track_id": pl.String})
    having = order.join(tracks, on="track_id", how="inner", maintain_order="left").filter(
        pl.col(f"{kind}_hash").is_not_null() & pl.col(f"{kind}_uri").is_not_null()
    )
    return having.select("track_id", f"{kind}_hash", f"{kind}_uri").rows()


def _shelf(
    storage: Storage,
    files: list[tuple[str, str, str]],
    most: int,
    embed: Callable[[bytes], str],
    *,
    prefix: str,
) -> Shelf:
    uris: dict[str, str] = {}
    key_of_content: dict[str, str] = {}
    keys: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for track_id, content_hash, path in files:
        if content_hash not in key_of_content:
            if len(uris) == most:
                continue
            try:
                uri = embed(storage.read(path))
            except (ContentUnusable, StorageError):
                # The page shows the place where it would be, with the file's name.
                unusable[track_id] = path
                continue
            key_of_content[content_hash] = f"{prefix}{len(uris)}"
            uris[key_of_content[content_hash]] = uri
        keys[track_id] = key_of_content[content_hash]
    return Shelf(uris, keys, unusable)

"""The tags of one audio file, as the music folder lands them, and as they pass between processes.

They are read in a process of their own (tag_process.py) and come back as two arrays of bytes: JSON,
and the embedded cover.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.sources.cover_file import CoverFile

Parts = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class AudioTags:
    """Tags of one audio file; None for a tag that the file lacks.

    Attributes:
        artist: all artists, as they are written.
        lead_artist: the first of them.
        album_artist: the artist of the album; "Various Artists" of a compilation that names none.
        genres: every genre by itself.
        lyrics: plain words.
        failure: why the tags, or one of them, could not be read.
    """

    title: str | None = None
    artist: str | None = None
    lead_artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    genres: tuple[str, ...] = ()
    released_date: date | None = None
    duration_ms: int | None = None
    isrc: str | None = None
    recording_mbid: str | None = None
    lyrics: str | None = None
    cover: CoverFile | None = None
    failure: str | None = None


def to_parts(tags: AudioTags) -> Parts:
    """JSON of all but the cover, and the cover's bytes."""
    texts = asdict(replace(tags, cover=None))
    texts["cover"] = tags.cover.extension if tags.cover else None
    texts["released_date"] = tags.released_date.isoformat() if tags.released_date else None
    return _bytes(json.dumps(texts).encode()), _bytes(tags.cover.content if tags.cover else b"")


def from_parts(parts: Parts) -> AudioTags:
    """The tags of `to_parts`."""
    told, cover = parts[0].tobytes(), parts[1].tobytes()
    texts: dict[str, Any] = json.loads(told)
    released, extension = texts["released_date"], texts["cover"]
    return AudioTags(
        **texts
        | {
            "genres": tuple(texts["genres"]),
            "released_date": date.fromisoformat(released) if released else None,
            "cover": CoverFile(extension, cover) if extension else None,
        }
    )


def _bytes(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)

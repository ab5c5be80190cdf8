"""Why a track was found: what is true of it and of the query, by the night's tables.

The cosine is the model's; these are facts beside it, and a track may have none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.lake.arrow_io import exists, read_rows_of_keys
from feature_store.lake.encoder_rows import identity_of
from feature_store.tables.features import FEAT_AUDIO, FEAT_ENCODERS, FEAT_TRACK_EMOTION
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG

if TYPE_CHECKING:
    from jobs.search.catalogue import Catalogue

TEMPO_TOLERANCE = 0.04
"""Ratio by which tempi that count as equal differ at most (Gouyon et al. 2006, accuracy 1)."""

MOOD_TOLERANCE = 0.1
"""Difference of valence, and of arousal, up to which moods are near; each is in [-1, 1]."""

_MAX_TAGS = 5  # that a reason names
_MOOD_SOURCES = {"audio": "sound", "lyrics": "lyrics"}  # the first that both tracks have counts
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Traits:
    """What reasons compare; unknown values are None or empty, and equal no other.

    Attributes:
        tags: those with most givers first.
        mood: valence and arousal by source, each in [-1, 1].
    """

    artist_id: str | None = None
    artist_name: str | None = None
    album_id: str | None = None
    album_title: str | None = None
    audio_hash: str | None = None
    tags: tuple[str, ...] = ()
    tempo_bpm: float | None = None
    mood: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_traits(catalogue: Catalogue, track_ids: Iterable[str]) -> dict[str, Traits]:
    """The traits of tracks by their ids, as of the catalogue's night."""
    view, ids = catalogue.view, list(track_ids)
    is_asked_for = ds.field("track_id").isin(pa.array(ids, pa.string()))
    tagged = view.rows_where(GRAPH_TRACK_HAS_TAG, is_asked_for)
    by_givers = tagged.sort(["track_id", "tagger_count", "tag"], descending=[False, True, False])
    tags = {
        str(track_id): tuple(rows["tag"])
        for (track_id,), rows in by_givers.group_by("track_id", maintain_order=True)
    }
    moods: dict[str, dict[str, tuple[float, float]]] = {}
    for row in view.rows_where(FEAT_TRACK_EMOTION, is_asked_for).iter_rows(named=True):
        of_track = moods.setdefault(row["track_id"], {})
        of_track[row["emotion_source"]] = (row["valence"], row["arousal"])
    rows = catalogue.tracks.filter(pl.col("track_id").is_in(ids)).to_dicts()
    tempi = _tempi(catalogue, {row["audio_hash"] for row in rows if row["audio_hash"]})
    return {
        row["track_id"]: Traits(
            artist_id=row["artist_id"],
            artist_name=row["artist_name"],
            album_id=row["album_id"],
            album_title=row["album_title"],
            audio_hash=row["audio_hash"],
            tags=tags.get(row["track_id"], ()),
            tempo_bpm=tempi.get(row["audio_hash"]),
            mood=moods.get(row["track_id"], {}),
        )
        for row in rows
    }


def reasons(query: Traits, found: Traits) -> list[str]:
    """What a track or a recording has in common with a track that was found."""
    return list(_reasons(query, found))


def reasons_of_sentence(sentence: str, found: Traits) -> list[str]:
    """The tags of a track that a sentence names word for word, whatever their case."""
    words = _words(sentence)
    named = [tag for tag in found.tags if _holds(words, _words(tag))]
    return [_tags(named)] if named else []


def _reasons(query: Traits, found: Traits) -> Iterator[str]:
    if query.audio_hash is not None and query.audio_hash == found.audio_hash:
        yield "same recording"
    if query.artist_id is not None and query.artist_id == found.artist_id:
        yield f"same artist: {found.artist_name}"
    if query.album_id is not None and query.album_id == found.album_id:
        yield f"same album: {found.album_title or found.album_id}"
    if both := [tag for tag in query.tags if tag in set(found.tags)]:
        yield _tags(both)
    if query.tempo_bpm and found.tempo_bpm:
        slower, faster = sorted((query.tempo_bpm, found.tempo_bpm))
        if faster <= slower * (1 + TEMPO_TOLERANCE):
            yield f"tempo near: {query.tempo_bpm:.0f} and {found.tempo_bpm:.0f} bpm"
    yield from _mood(query, found)


def _mood(query: Traits, found: Traits) -> Iterator[str]:
    """A reason where valence and arousal by the same source differ little."""
    source = next((one for one in _MOOD_SOURCES if one in query.mood and one in found.mood), None)
    if source is None:
        return
    (valence, arousal), (its_valence, its_arousal) = query.mood[source], found.mood[source]
    if max(abs(valence - its_valence), abs(arousal - its_arousal)) <= MOOD_TOLERANCE:
        yield (
            f"mood near by {_MOOD_SOURCES[source]}: valence {valence:+.2f} and {its_valence:+.2f}, "
            f"arousal {arousal:+.2f} and {its_arousal:+.2f}"
        )


def _tempi(catalogue: Catalogue, hashes: set[str]) -> dict[str | None, float]:
    """Tempo by content hash, by the encoder that the night reads."""
    identity = identity_of(catalogue.view.rows(FEAT_ENCODERS).to_arrow(), FEAT_AUDIO)
    if identity is None or not exists(catalogue.view.lake, FEAT_AUDIO):
        return {}
    batches = read_rows_of_keys(
        catalogue.view.lake,
        FEAT_AUDIO,
        key_column="content_hash",
        keys=hashes,
        columns=["content_hash", "tempo_bpm"],
        where=asdict(identity),
    )
    rows = [row for batch in batches for row in batch.to_pylist()]
    return {row["content_hash"]: row["tempo_bpm"] for row in rows if row["tempo_bpm"] is not None}


def _tags(tags: list[str]) -> str:
    return f"{'tag' if len(tags) == 1 else 'tags'} {', '.join(tags[:_MAX_TAGS])}"


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _holds(words: list[str], phrase: list[str]) -> bool:
    """Whether the words of a phrase stand one behind the other among others."""
    n = len(phrase)
    return bool(phrase) and any(
        words[start : start + n] == phrase for start in range(len(words) - n + 1)
    )

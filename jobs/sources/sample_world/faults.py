"""Deliberately bad rows and files, so that every night meets what a real night meets.

| fault | where | what the pipeline says |
|---|---|---|
| unreadable audio file | each so many-th track, from AUDIO_AT | no audio features, with a reason |
| truncated picture | from COVER_AT | no cover features, with a reason |
| lyrics in Latin-1 | from LYRICS_AT | rejected: not UTF-8 |
| listen of an unknown track | each so many-th day | waits for the track, then rejected |
| negative duration | likewise | rejected |
| listen in the future | likewise | rejected |
| the same listen twice | likewise, in a file of its own | counted once |
| listen without a person | likewise | rejected |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.landing_tables import ListenRow
from jobs.sources.sample_world.options import SampleWorld

AUDIO_AT = 5
COVER_AT = 11
LYRICS_AT = 14
UNKNOWN_TRACK_ID = "track-nobody-announced"
_FUTURE = timedelta(days=30)


def is_hit(world: SampleWorld, track: Track, at: int) -> bool:
    """Whether a track's content of one kind is broken; `at` is AUDIO_AT, COVER_AT or LYRICS_AT."""
    every = world.faulty_content_every
    return world.has_faults and track.position % every == at % every


def unreadable(content: bytes) -> bytes:
    """The right length and no header: no decoder knows what this is."""
    return bytes(len(content))


def truncated(content: bytes) -> bytes:
    """The first third of a picture: its header is fine and its pixels end too early."""
    return content[: len(content) // 3]


def in_latin_1(text: str) -> bytes:
    """The words with an accent, as an old tool would have saved them; not valid UTF-8."""
    return f"Café Noël\n{text}".encode("latin-1")


def faulty_listens(
    world: SampleWorld, day_number: int, good: Sequence[ListenRow]
) -> list[ListenRow]:
    """One listen of each fault, made from the day's first; none on most days."""
    is_due = world.has_faults and day_number % world.faulty_listens_every_days == 0
    if not is_due or not good:
        return []
    first = good[0]
    return [
        first,
        first._replace(track_id=UNKNOWN_TRACK_ID),
        first._replace(duration_ms=-first.duration_ms),
        first._replace(listened_at_utc=first.listened_at_utc + _FUTURE),
        first._replace(user_id=None),
    ]

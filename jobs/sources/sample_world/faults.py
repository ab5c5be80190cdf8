"""Bad rows and files that the sample world lands on purpose, as real sources do.

| fault | where | effect |
|---|---|---|
| unreadable audio file | every nth track, from AUDIO_OFFSET | no audio features, with a reason |
| truncated cover | every nth track, from COVER_OFFSET | no cover features, with a reason |
| lyrics in Latin-1 | every nth track, from LYRICS_OFFSET | rejected: not UTF-8 |
| listen of an unknown track | every nth day | waits for the track, then rejected |
| negative duration | every nth day | rejected |
| listen in the future | every nth day | rejected |
| the same listen twice | every nth day, in a file of its own | counted once |
| listen without a user | every nth day | rejected |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.landing_tables import ListenRow
from jobs.sources.sample_world.options import SampleWorld

AUDIO_OFFSET = 5
COVER_OFFSET = 11
LYRICS_OFFSET = 14
UNKNOWN_TRACK_ID = "track-nobody-announced"
_FUTURE = timedelta(days=30)


def is_faulty(world: SampleWorld, track: Track, offset: int) -> bool:
    """Whether one kind of a track's content is broken.

    Args:
        world: its options.
        track: any track of the world.
        offset: AUDIO_OFFSET, COVER_OFFSET or LYRICS_OFFSET.
    """
    every = world.faulty_content_every
    return world.has_faults and track.position % every == offset % every


def make_unreadable(content: bytes) -> bytes:
    """Zeros of the same length, which no decoder recognises."""
    return bytes(len(content))


def truncate(content: bytes) -> bytes:
    """The first third of an image file: its header is valid and its pixels end too early."""
    return content[: len(content) // 3]


def encode_latin_1(text: str) -> bytes:
    """The lyrics after a line with accents, in Latin-1; not valid UTF-8."""
    return f"Café Noël\n{text}".encode("latin-1")


def faulty_listens(
    world: SampleWorld, day_number: int, valid: Sequence[ListenRow]
) -> list[ListenRow]:
    """One listen of each fault, made from the day's first listen; empty on most days."""
    is_due = world.has_faults and day_number % world.faulty_listens_every_days == 0
    if not is_due or not valid:
        return []
    first = valid[0]
    return [
        first,
        first._replace(track_id=UNKNOWN_TRACK_ID),
        first._replace(duration_ms=-first.duration_ms),
        first._replace(listened_at_utc=first.listened_at_utc + _FUTURE),
        first._replace(user_id=None),
    ]

"""Rows of the sample world in the shape in which they land."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple

import pyarrow as pa

from feature_store.tables.raw import (
    RAW_FEEDBACK,
    RAW_FOLLOWS,
    RAW_IMPRESSIONS,
    RAW_LISTENS,
    RAW_TAGS,
    RAW_TRACKS,
    RAW_USERS,
)
from jobs.sources.landed import landing_rows, landing_schema
from jobs.sources.sample_world.behaviour.impressions import Impression
from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.people import Follow, Person
from jobs.sources.sample_world.behaviour.reactions import Button, TagGiven, catalogue_tags
from jobs.sources.sample_world.catalogue import Track


class ListenRow(NamedTuple):
    """A listen as a player sends it; a faulty one may lack the person."""

    user_id: str | None
    track_id: str
    listened_at_utc: datetime
    played_ms: int
    duration_ms: int
    is_organic: bool


def listen_row(listen: Listen) -> ListenRow:
    """A good listen."""
    return ListenRow(
        listen.person.user_id,
        listen.track.track_id,
        listen.listened_at_utc,
        listen.played_ms,
        listen.track.duration_ms,
        listen.is_organic,
    )


def listens_table(rows: Sequence[ListenRow]) -> pa.Table:
    """Listens, good or bad."""
    return landing_rows(landing_schema(RAW_LISTENS), rows)


def users_table(people: Iterable[Person]) -> pa.Table:
    """People as they register."""
    rows = [
        (person.user_id, person.registered_date, person.is_opted_out, person.is_named_to_others)
        for person in people
    ]
    return landing_rows(landing_schema(RAW_USERS), rows)


def tracks_table(announced: Iterable[Track], withdrawn: Iterable[Track]) -> pa.Table:
    """Catalogue rows: tracks that come, and tracks that go."""
    rows = [_track_row(track, is_available=True) for track in announced]
    rows += [_track_row(track, is_available=False) for track in withdrawn]
    return landing_rows(landing_schema(RAW_TRACKS), rows)


def follows_table(begun: Iterable[Follow], ended: Iterable[Follow]) -> pa.Table:
    """Follows that begin, and follows that are taken back."""
    rows = [_follow_row(follow, is_active=True) for follow in begun]
    rows += [_follow_row(follow, is_active=False) for follow in ended]
    return landing_rows(landing_schema(RAW_FOLLOWS), rows)


def tags_table(announced: Iterable[Track], given: Iterable[TagGiven], day: date) -> pa.Table:
    """The catalogue's tags of new tracks (without a person), then the tags that people gave."""
    rows: list[tuple[object, ...]] = [
        (track.track_id, tag, None, day) for track in announced for tag in catalogue_tags(track)
    ]
    rows += [(tag.track.track_id, tag.tag, tag.person.user_id, day) for tag in given]
    return landing_rows(landing_schema(RAW_TAGS), rows)


def feedback_table(buttons: Iterable[Button]) -> pa.Table:
    """Likes, hides and their undoing."""
    rows = [
        (button.person.user_id, button.track.track_id, button.action, button.given_at_utc)
        for button in buttons
    ]
    return landing_rows(landing_schema(RAW_FEEDBACK), rows)


def impressions_table(shown: Iterable[Impression]) -> pa.Table:
    """What stood on people's start pages."""
    rows = [(one.person.user_id, one.track.track_id, one.shown_at_utc) for one in shown]
    return landing_rows(landing_schema(RAW_IMPRESSIONS), rows)


def _track_row(track: Track, *, is_available: bool) -> tuple[object, ...]:
    return (
        track.track_id,
        track.title,
        track.artist.artist_id,
        track.artist.name,
        track.album_id,
        track.album_title,
        track.released_date,
        track.duration_ms,
        # ZZ is a country code that will never be given away, so no real recording has this one.
        f"ZZEVE{track.released_date:%y}{track.position:05d}",
        None,
        is_available,
    )


def _follow_row(follow: Follow, *, is_active: bool) -> tuple[object, ...]:
    return (follow.follower.user_id, follow.followed.user_id, follow.from_date, is_active)

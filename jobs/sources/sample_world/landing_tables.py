"""Landing tables of the sample world, in Arrow."""

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
from jobs.sources.emotion_text_rows import emotion_texts_table
from jobs.sources.landing_rows import landing_schema, landing_table
from jobs.sources.sample_world.behaviour.impressions import Impression
from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.reactions import Feedback, TagAssignment, catalogue_tags
from jobs.sources.sample_world.behaviour.users import Follow, User
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.emotion_texts.ratings import LabelledText


class ListenRow(NamedTuple):
    """A listen as a player sends it; a faulty one may lack the user."""

    user_id: str | None
    track_id: str
    listened_at_utc: datetime
    played_ms: int
    duration_ms: int
    is_organic: bool


def listen_row(listen: Listen) -> ListenRow:
    """The row of a valid listen."""
    return ListenRow(
        listen.user.user_id,
        listen.track.track_id,
        listen.listened_at_utc,
        listen.played_ms,
        listen.track.duration_ms,
        listen.is_organic,
    )


def listens_table(rows: Sequence[ListenRow]) -> pa.Table:
    """Listens, valid or faulty."""
    return landing_table(landing_schema(RAW_LISTENS), rows)


def users_table(users: Iterable[User]) -> pa.Table:
    """Users as they register."""
    rows = [
        (user.user_id, user.registered_date, user.is_opted_out, user.is_named_to_others)
        for user in users
    ]
    return landing_table(landing_schema(RAW_USERS), rows)


def tracks_table(added: Iterable[Track], withdrawn: Iterable[Track]) -> pa.Table:
    """Catalogue rows of added and withdrawn tracks."""
    rows = [_track_row(track, is_available=True) for track in added]
    rows += [_track_row(track, is_available=False) for track in withdrawn]
    return landing_table(landing_schema(RAW_TRACKS), rows)


def follows_table(begun: Iterable[Follow], ended: Iterable[Follow]) -> pa.Table:
    """Follows that begin, then follows that end."""
    rows = [_follow_row(follow, is_active=True) for follow in begun]
    rows += [_follow_row(follow, is_active=False) for follow in ended]
    return landing_table(landing_schema(RAW_FOLLOWS), rows)


def tags_table(added: Iterable[Track], assigned: Iterable[TagAssignment], day: date) -> pa.Table:
    """Catalogue tags of the added tracks (without a user), then the tags of users."""
    rows: list[tuple[object, ...]] = [
        (track.track_id, tag, None, day) for track in added for tag in catalogue_tags(track)
    ]
    rows += [(each.track.track_id, each.tag, each.user.user_id, day) for each in assigned]
    return landing_table(landing_schema(RAW_TAGS), rows)


def feedback_table(feedback: Iterable[Feedback]) -> pa.Table:
    """Likes, hides, unlikes and unhides."""
    rows = [
        (event.user.user_id, event.track.track_id, event.action, event.given_at_utc)
        for event in feedback
    ]
    return landing_table(landing_schema(RAW_FEEDBACK), rows)


def impressions_table(impressions: Iterable[Impression]) -> pa.Table:
    """Tracks that start pages showed."""
    rows = [(each.user.user_id, each.track.track_id, each.shown_at_utc) for each in impressions]
    return landing_table(landing_schema(RAW_IMPRESSIONS), rows)


def labelled_texts_table(texts: Iterable[LabelledText]) -> pa.Table:
    """Sentences with ratings, a row for each perspective."""
    return emotion_texts_table([row for text in texts for row in text.rows])


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
        # ISO 3166 assigns ZZ to no country, so no real recording has this ISRC.
        f"ZZEVE{track.released_date:%y}{track.position:05d}",
        None,
        is_available,
    )


def _follow_row(follow: Follow, *, is_active: bool) -> tuple[object, ...]:
    return (follow.follower.user_id, follow.followed.user_id, follow.from_date, is_active)

"""sample-world: writes the landing files of a sample world, day by day.

A day depends only on the options and on earlier days: writing 45 days and then the 46th gives the
same files as writing 46 days at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import structlog

from feature_store.lake.storage import Storage
from jobs.inputs import Slice
from jobs.landing.layout import FILE_SOURCES, ROW_SOURCES
from jobs.landing.writer import LandingWriter
from jobs.sources.ingest_result import IngestResult
from jobs.sources.landing_rows import LYRICS_SCHEMA, landing_table
from jobs.sources.landing_tally import result_of
from jobs.sources.sample_world import faults, landing_tables
from jobs.sources.sample_world.behaviour.impressions import make_impressions
from jobs.sources.sample_world.behaviour.listening import Listen, listens_by_day
from jobs.sources.sample_world.behaviour.reactions import make_reactions
from jobs.sources.sample_world.behaviour.users import Follow, User, make_follows, make_users
from jobs.sources.sample_world.catalogue import Track, make_artists, make_tracks, withdrawn_on
from jobs.sources.sample_world.content.audio import synthesise
from jobs.sources.sample_world.content.codecs import encode_audio
from jobs.sources.sample_world.content.covers import draw_cover
from jobs.sources.sample_world.content.lyrics import write_lyrics
from jobs.sources.sample_world.emotion_texts.ratings import make_labelled_texts
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError

ProgressCallback = Callable[[int, int], None]
"""(done, total) in tracks; called after each track's audio and cover are written."""


@dataclass(frozen=True, slots=True)
class _Entities:
    """Tracks, users and follows up to the last requested day."""

    tracks: list[Track]
    users: list[User]
    follows: list[Follow]


def write_sample_world(
    world: SampleWorld,
    storage: Storage,
    *,
    days: Slice | None = None,
    progress: ProgressCallback | None = None,
    n_threads: int = 2,
) -> IngestResult:
    """Write the landing files of `days`.

    Args:
        world: its options.
        storage: the lake.
        days: None for all days of the world. They may lie after the world's last day, as the day
            of a second night does.
        progress: called after each track.
        n_threads: threads that synthesise audio and draw covers; they change no file.

    Raises:
        SampleWorldError: `days` begins before the world does.
    """
    days = days or world.days
    if days.first < world.first_day:
        raise SampleWorldError(
            f"sample world: days begin on {days.first}; must be {world.first_day} or later"
        )
    entities = _build_entities(world, days.end - timedelta(days=1))
    writer = LandingWriter(storage)
    added = [track for track in entities.tracks if days.first <= track.available_from < days.end]
    _write_content(world, added, writer, progress, n_threads)
    all_days = Slice(world.first_day, days.end)
    listens_of_days = listens_by_day(
        world, entities.tracks, entities.users, entities.follows, all_days
    )
    for day, listens in zip(all_days, listens_of_days, strict=True):
        if day >= days.first:
            _write_rows(world, entities, listens, writer, day)
    result = result_of(writer, _sources_of(writer))
    structlog.get_logger().info("landed", source="sample-world", **result.counts)
    return result


def _build_entities(world: SampleWorld, last_day: date) -> _Entities:
    day_number = world.day_number(last_day)
    users = make_users(world, world.n_users_by(day_number))
    tracks = make_tracks(world, make_artists(world), world.n_tracks_by(day_number))
    return _Entities(tracks, users, make_follows(world, users))


def _write_content(
    world: SampleWorld,
    tracks: Sequence[Track],
    writer: LandingWriter,
    progress: ProgressCallback | None,
    n_threads: int,
) -> None:
    """Write the audio and the cover of each track."""

    def write(track: Track) -> None:
        _write_audio(world, track, writer)
        _write_cover(world, track, writer)

    with ThreadPoolExecutor(n_threads) as pool:
        for done, _ in enumerate(pool.map(write, tracks), start=1):
            if progress:
                progress(done, len(tracks))


def _write_audio(world: SampleWorld, track: Track, writer: LandingWriter) -> None:
    """Write one file or none."""
    if not track.has_audio:
        return
    samples = synthesise(
        track, seed=world.seed, clip_s=world.clip_s, sample_rate_hz=world.sample_rate_hz
    )
    content = encode_audio(samples, codec=track.codec, sample_rate_hz=world.sample_rate_hz)
    if faults.is_faulty(world, track, faults.AUDIO_OFFSET):
        content = faults.make_unreadable(content)
    writer.write_file("audio", track.available_from, track.track_id, track.codec, content)


def _write_cover(world: SampleWorld, track: Track, writer: LandingWriter) -> None:
    """Write one file or none."""
    if not track.has_cover:
        return
    cover = draw_cover(track, seed=world.seed, side_px=world.cover_px)
    content = cover.content
    if faults.is_faulty(world, track, faults.COVER_OFFSET):
        content = faults.truncate(content)
    writer.write_file("covers", track.available_from, track.track_id, cover.extension, content)


def _write_rows(
    world: SampleWorld,
    entities: _Entities,
    listens: Sequence[Listen],
    writer: LandingWriter,
    day: date,
) -> None:
    """Write the row files of one day; a source without rows gets no file."""
    added = [track for track in entities.tracks if track.available_from == day]
    position = withdrawn_on(world, world.day_number(day))
    withdrawn = [] if position is None else [entities.tracks[position]]
    reactions = make_reactions(world, listens, day)
    impressions = make_impressions(world, listens, day)
    valid = [landing_tables.listen_row(listen) for listen in listens]
    faulty = faults.faulty_listens(world, world.day_number(day), valid)
    users = _users_landing_on(world, entities.users, day)
    labelled = make_labelled_texts(world) if day == world.first_day else []
    parts = [
        ("users", "part-0", landing_tables.users_table(users)),
        ("tracks", "part-0", landing_tables.tracks_table(added, withdrawn)),
        ("lyrics", "part-0", _lyrics_table(world, added)),
        ("follows", "part-0", _follows_table(world, entities.follows, day)),
        ("tags", "part-0", landing_tables.tags_table(added, reactions.tags, day)),
        ("feedback", "part-0", landing_tables.feedback_table(reactions.feedback)),
        ("impressions", "part-0", landing_tables.impressions_table(impressions)),
        ("listens", "part-0", landing_tables.listens_table(valid)),
        ("listens", "part-1", landing_tables.listens_table(faulty)),
        ("emotion_texts", "part-0", landing_tables.labelled_texts_table(labelled)),
    ]
    for source, part, rows in parts:
        if rows.num_rows:
            writer.write_rows(source, day, rows, part)


def _sources_of(writer: LandingWriter) -> list[str]:
    """The landing sources that the writer wrote, in a fixed order: threads mix them."""
    written = {landed.source for landed in writer.landed}
    return [source for source in (*FILE_SOURCES, *ROW_SOURCES) if source in written]


def _users_landing_on(world: SampleWorld, users: Sequence[User], day: date) -> list[User]:
    """Users whose row lands on a day; on the first day, all users registered by then."""
    return [user for user in users if max(user.registered_date, world.first_day) == day]


def _follows_table(world: SampleWorld, follows: Sequence[Follow], day: date) -> pa.Table:
    begun = [follow for follow in follows if max(follow.from_date, world.first_day) == day]
    ended = [follow for follow in follows if follow.until_date == day]
    return landing_tables.follows_table(begun, ended)


def _lyrics_table(world: SampleWorld, added: Sequence[Track]) -> pa.Table:
    rows = []
    for track in added:
        if track.has_lyrics:
            text = write_lyrics(track, world.seed)
            is_faulty = faults.is_faulty(world, track, faults.LYRICS_OFFSET)
            content = faults.encode_latin_1(text) if is_faulty else text.encode()
            rows.append((track.track_id, content))
    return landing_table(LYRICS_SCHEMA, rows)

"""sample-world: a seeded little music service as landing files dated by day.

A day depends on the options and on earlier days only: writing the first 45 days and then the 46th
gives the same files as writing 46 days at once.
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
from jobs.landing.manifests import LandingWriter
from jobs.sources.landed import LYRICS_SCHEMA, Landed, landing_rows
from jobs.sources.sample_world import faults, landing_tables
from jobs.sources.sample_world.behaviour.impressions import start_page
from jobs.sources.sample_world.behaviour.listening import Listen, listens_by_day
from jobs.sources.sample_world.behaviour.people import Follow, Person, make_follows, make_people
from jobs.sources.sample_world.behaviour.reactions import react
from jobs.sources.sample_world.catalogue import Track, make_artists, make_tracks, withdrawn_on
from jobs.sources.sample_world.content.audio import synthesise
from jobs.sources.sample_world.content.codecs import encode
from jobs.sources.sample_world.content.covers import paint_cover
from jobs.sources.sample_world.content.lyrics import write_lyrics
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError

Progress = Callable[[int, int], None]
"""Called with (done, total), counted in tracks, as each track's content has been written."""


@dataclass(frozen=True, slots=True)
class _Service:
    """Everything there is up to the last day that is asked for."""

    tracks: list[Track]
    people: list[Person]
    follows: list[Follow]


def write_sample_world(
    world: SampleWorld,
    storage: Storage,
    *,
    days: Slice | None = None,
    progress: Progress | None = None,
    n_threads: int = 2,
) -> Landed:
    """Write the landing files of `days` (all days of the world when None); returns the counts.

    `days` may lie beyond the world's own: `Slice(last_day + 1 day, last_day + 2 days)` is the day
    that a second night covers. `n_threads` make sound and pictures; the files do not depend on it.

    Raises:
        SampleWorldError: `days` begins before the world does.
    """
    days = days or world.days
    if days.first < world.first_day:
        raise SampleWorldError(
            f"sample world: days begin on {days.first}; must be {world.first_day} or later"
        )
    service = _build_service(world, days.end - timedelta(days=1))
    writer = LandingWriter(storage)
    announced = [track for track in service.tracks if days.first <= track.announced_day < days.end]
    landed = _write_content(world, announced, writer, progress, n_threads)
    all_days = Slice(world.first_day, days.end)
    listens_of_days = listens_by_day(
        world, service.tracks, service.people, service.follows, all_days
    )
    for day, listens in zip(all_days, listens_of_days, strict=True):
        if day >= days.first:
            landed += _write_rows(world, service, listens, writer, day)
    structlog.get_logger().info("landed", source="sample-world", **landed.counts)
    return landed


def _build_service(world: SampleWorld, last_day: date) -> _Service:
    day_number = world.day_number(last_day)
    people = make_people(world, world.n_users_by(day_number))
    tracks = make_tracks(world, make_artists(world), world.n_tracks_by(day_number))
    return _Service(tracks, people, make_follows(world, people))


def _write_content(
    world: SampleWorld,
    tracks: Sequence[Track],
    writer: LandingWriter,
    progress: Progress | None,
    n_threads: int,
) -> Landed:
    """Audio and cover of each track."""

    def write(track: Track) -> Landed:
        n_audio, n_covers = _write_audio(world, track, writer), _write_cover(world, track, writer)
        return Landed({"audio": n_audio, "covers": n_covers})

    landed = Landed()
    with ThreadPoolExecutor(n_threads) as pool:
        for done, written in enumerate(pool.map(write, tracks), start=1):
            landed += written
            if progress:
                progress(done, len(tracks))
    return landed


def _write_audio(world: SampleWorld, track: Track, writer: LandingWriter) -> int:
    """Files written: one, or none."""
    if not track.has_audio:
        return 0
    samples = synthesise(
        track, seed=world.seed, clip_s=world.clip_s, sample_rate_hz=world.sample_rate_hz
    )
    content = encode(samples, codec=track.codec, sample_rate_hz=world.sample_rate_hz)
    if faults.is_hit(world, track, faults.AUDIO_AT):
        content = faults.unreadable(content)
    writer.file("audio", track.announced_day, track.track_id, track.codec, content)
    return 1


def _write_cover(world: SampleWorld, track: Track, writer: LandingWriter) -> int:
    """Files written: one, or none."""
    if not track.has_cover:
        return 0
    cover = paint_cover(track, seed=world.seed, side_px=world.cover_px)
    content = cover.content
    if faults.is_hit(world, track, faults.COVER_AT):
        content = faults.truncated(content)
    writer.file("covers", track.announced_day, track.track_id, cover.ending, content)
    return 1


def _write_rows(
    world: SampleWorld,
    service: _Service,
    listens: Sequence[Listen],
    writer: LandingWriter,
    day: date,
) -> Landed:
    """All row files of one day; a source without rows gets no file."""
    announced = [track for track in service.tracks if track.announced_day == day]
    withdrawn = withdrawn_on(world, world.day_number(day))
    leaving = [] if withdrawn is None else [service.tracks[withdrawn]]
    reactions = react(world, listens, day)
    shown = start_page(world, listens, day)
    good = [landing_tables.listen_row(listen) for listen in listens]
    bad = faults.faulty_listens(world, world.day_number(day), good)
    parts = [
        ("users", "part-0", landing_tables.users_table(_arriving(world, service.people, day))),
        ("tracks", "part-0", landing_tables.tracks_table(announced, leaving)),
        ("lyrics", "part-0", _lyrics_table(world, announced)),
        ("follows", "part-0", _follows_table(world, service.follows, day)),
        ("tags", "part-0", landing_tables.tags_table(announced, reactions.tags, day)),
        ("feedback", "part-0", landing_tables.feedback_table(reactions.buttons)),
        ("impressions", "part-0", landing_tables.impressions_table(shown)),
        ("listens", "part-0", landing_tables.listens_table(good)),
        ("listens", "part-1", landing_tables.listens_table(bad)),
    ]
    landed = Landed()
    for source, part, rows in parts:
        if rows.num_rows:
            writer.rows(source, day, rows, part)
            landed += Landed({source: rows.num_rows})
    return landed


def _arriving(world: SampleWorld, people: Sequence[Person], day: date) -> list[Person]:
    """People whose row lands on a day: on the first, everybody registered by then."""
    return [person for person in people if max(person.registered_date, world.first_day) == day]


def _follows_table(world: SampleWorld, follows: Sequence[Follow], day: date) -> pa.Table:
    begun = [follow for follow in follows if max(follow.from_date, world.first_day) == day]
    ended = [follow for follow in follows if follow.until_date == day]
    return landing_tables.follows_table(begun, ended)


def _lyrics_table(world: SampleWorld, announced: Sequence[Track]) -> pa.Table:
    rows = []
    for track in announced:
        if track.has_lyrics:
            text = write_lyrics(track, world.seed)
            is_broken = faults.is_hit(world, track, faults.LYRICS_AT)
            rows.append((track.track_id, faults.in_latin_1(text) if is_broken else text.encode()))
    return landing_rows(LYRICS_SCHEMA, rows)

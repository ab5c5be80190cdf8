"""A toy data set in landing whose right recommendations are known.

Two tastes: rock (r1 to r6) and jazz (j1 to j6), with two artists each. Every day each listener plays
every track of one taste but one; a recommender must rank that withheld track first. Every track has
five listeners, so popularity cannot find it.
"""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import soundfile
from PIL import Image

from feature_store.lake.storage import Storage
from jobs.landing.writer import LandingWriter

FIRST_DAY = date(2026, 2, 16)
LAST_DAY = date(2026, 3, 1)
NEXT_DAY = date(2026, 3, 2)
N_DAYS = 14

TASTES = {"rock": "r", "jazz": "j"}
TRACKS = [f"{letter}{number}" for letter in TASTES.values() for number in range(1, 7)]
LISTENERS = [f"{taste}-{number}" for taste in TASTES for number in range(1, 7)]

WITHDRAWN = "r6"  # on the last day
HIDER = "rock-1"  # hid r1, which is also this listener's withheld track
OPTED_OUT = "rock-5"
FOLLOWER = "newcomer"  # follows rock-2 and rock-3, has no listen
COLD_START_USER = "stranger"  # has no follow and no listen
NAMED = "rock-2"  # agreed to be named to others; every table that can name people names this one
FAN = "fan"  # follows NAMED only, has no listen
SILENT_TRACKS = ("r3", "j3")  # no audio
BROKEN_AUDIO, BROKEN_COVER = "r4", "j4"
NEW_RELEASE = "r7"  # lands with its content on NEXT_DAY

N_LISTENS = 12 * 5 * N_DAYS
REJECTS = {
    "unknown_track": 1,
    "negative_duration": 2,
    "future_time": 1,
    "missing_value": 1,
    "not_utf8": 1,
    "unreadable_file": 1,
}

LISTS = {"EVENSONG_LISTS__LENGTH": "3"}
"""Variables of a night over this data set: two tastes of six tracks fill no longer list."""

_SAMPLE_RATE_HZ = 22_050
_LYRICS = {
    "r": "loud fire burning bright\nwe are happy tonight\n",
    "j": "slow rain on the window\n",
}


def withheld_track(user_id: str) -> str:
    """The one track of the listener's taste that the listener never plays."""
    taste, number = user_id.split("-")
    return f"{TASTES[taste]}{number}"


def land_toy_dataset(storage: Storage) -> None:
    """Land all files up to LAST_DAY; rejects and an unreadable file name NAMED too."""
    writer = LandingWriter(storage)
    writer.write_rows("tracks", FIRST_DAY, pa.Table.from_pylist([_track(name) for name in TRACKS]))
    withdrawn = _track(WITHDRAWN) | {"is_available": False}
    writer.write_rows("tracks", LAST_DAY, pa.Table.from_pylist([withdrawn]))
    writer.write_rows("users", FIRST_DAY, pa.Table.from_pylist(_users()))
    writer.write_rows("follows", FIRST_DAY, pa.Table.from_pylist(_follows()))
    writer.write_rows("tags", FIRST_DAY, pa.Table.from_pylist(_tags(TRACKS)))
    loud = {"track_id": "r1", "tag": "loud", "user_id": NAMED, "tagged_date": LAST_DAY}
    writer.write_rows("tags", LAST_DAY, pa.Table.from_pylist([loud]))
    hidden = [hide_event(HIDER, withheld_track(HIDER)), hide_event(NAMED, "j1")]
    writer.write_rows("feedback", LAST_DAY, pa.Table.from_pylist(hidden))
    shown_at_utc = datetime.combine(LAST_DAY, time(8), UTC)
    shown = {"user_id": NAMED, "track_id": "j1", "shown_at_utc": shown_at_utc}
    writer.write_rows("impressions", LAST_DAY, pa.Table.from_pylist([shown]))
    _write_content(writer, FIRST_DAY, TRACKS)
    for offset in range(N_DAYS):
        day = FIRST_DAY + timedelta(days=offset)
        writer.write_rows("listens", day, pa.Table.from_pylist(listens_on(day)))
    writer.write_rows("listens", LAST_DAY, pa.Table.from_pylist(_faulty_listens()), part="part-1")
    unreadable = f"not Parquet, {NAMED}".encode()
    storage.write(f"landing/listens/{LAST_DAY}/part-2.parquet", unreadable)


def land_next_day(storage: Storage) -> None:
    """Land NEXT_DAY: a release and the usual listens; rock-2 also plays the withheld track."""
    writer = LandingWriter(storage)
    writer.write_rows("tracks", NEXT_DAY, pa.Table.from_pylist([_track(NEW_RELEASE)]))
    _write_content(writer, NEXT_DAY, [NEW_RELEASE])
    listens = [*listens_on(NEXT_DAY), listen("rock-2", withheld_track("rock-2"), NEXT_DAY, 20)]
    writer.write_rows("listens", NEXT_DAY, pa.Table.from_pylist(listens))


def listens_on(day: date) -> list[dict[str, object]]:
    """Rows of the usual listens of a day."""
    return [
        listen(user, track, day, hour=10)
        for user in LISTENERS
        for track in TRACKS
        if track[0] == withheld_track(user)[0] and track != withheld_track(user)
    ]


def listen(user_id: str, track_id: str, day: date, hour: int) -> dict[str, object]:
    """A row of one whole listen."""
    minute = 5 * int(track_id[1])
    return {
        "user_id": user_id,
        "track_id": track_id,
        "listened_at_utc": datetime.combine(day, time(hour, minute), UTC),
        "played_ms": 200_000,
        "duration_ms": 200_000,
        "is_organic": True,
    }


def hide_event(user_id: str, track_id: str) -> dict[str, object]:
    """A row of feedback: the user hides the track on LAST_DAY."""
    return {
        "user_id": user_id,
        "track_id": track_id,
        "feedback_action": "hide",
        "given_at_utc": datetime.combine(LAST_DAY, time(9), UTC),
    }


def _track(track_id: str) -> dict[str, object]:
    artist = f"{track_id[0]}-artist-{'a' if int(track_id[1]) <= 3 else 'b'}"
    return {
        "track_id": track_id,
        "title": f"Title {track_id}",
        "artist_id": artist,
        "artist_name": artist.title(),
        "released_date": FIRST_DAY - timedelta(days=400),
        "track_duration_ms": 200_000,
        "is_available": True,
    }


def _users() -> list[dict[str, object]]:
    return [
        {
            "user_id": user,
            "registered_date": FIRST_DAY,
            "is_opted_out": user == OPTED_OUT,
            "is_named_to_others": user == NAMED,
        }
        for user in [*LISTENERS, FOLLOWER, FAN, COLD_START_USER]
    ]


def _follows() -> list[dict[str, object]]:
    return [
        {
            "user_id": follower,
            "followed_user_id": followed,
            "followed_from_date": FIRST_DAY,
            "is_active": True,
        }
        for follower, followed in ((FOLLOWER, NAMED), (FOLLOWER, "rock-3"), (FAN, NAMED))
    ]


def _tags(tracks: list[str]) -> list[dict[str, object]]:
    names = {letter: taste for taste, letter in TASTES.items()}
    return [
        {"track_id": track, "tag": names[track[0]], "tagged_date": FIRST_DAY} for track in tracks
    ]


def _faulty_listens() -> list[dict[str, object]]:
    good = listen("jazz-1", "j2", LAST_DAY, 10)
    return [
        good,  # sent twice: once here, once in part-0
        good | {"track_id": "nobody-knows-it"},
        good | {"played_ms": -5, "listened_at_utc": datetime.combine(LAST_DAY, time(11), UTC)},
        good | {"listened_at_utc": datetime.combine(NEXT_DAY, time(0), UTC)},
        good | {"user_id": None},
        listen(NAMED, "r1", LAST_DAY, 12) | {"played_ms": -1},
    ]


def _write_content(writer: LandingWriter, day: date, tracks: list[str]) -> None:
    lyrics = [
        {"track_id": track, "lyrics_bytes": (_LYRICS[track[0]] + f"and number {track}").encode()}
        for track in tracks
    ]
    if "r5" in tracks:
        lyrics = [row for row in lyrics if row["track_id"] != "r5"]
        lyrics.append({"track_id": "r5", "lyrics_bytes": "déjà vu".encode("latin-1")})
    writer.write_rows("lyrics", day, pa.Table.from_pylist(lyrics))
    for track in tracks:
        if track not in SILENT_TRACKS:
            audio = b"no audio at all" if track == BROKEN_AUDIO else _tone(track)
            writer.write_file("audio", day, track, "flac", audio)
        cover = _cover(track)
        writer.write_file(
            "covers", day, track, "png", cover[:60] if track == BROKEN_COVER else cover
        )


def _tone(track_id: str) -> bytes:
    """Four seconds of audio: rock is a square wave with beats, jazz a sine wave."""
    at_s = np.arange(4 * _SAMPLE_RATE_HZ) / _SAMPLE_RATE_HZ
    pitch_hz = 110.0 * (1 + int(track_id[1]) / 12)
    wave = np.sin(2 * np.pi * pitch_hz * at_s)
    if track_id[0] == "r":
        wave = np.sign(wave) * (0.3 + 0.7 * (at_s % 0.5 < 0.1))
    sink = io.BytesIO()
    soundfile.write(sink, 0.3 * wave, _SAMPLE_RATE_HZ, format="FLAC")
    return sink.getvalue()


def _cover(track_id: str) -> bytes:
    colour = (
        (200, 20 * int(track_id[1]), 0) if track_id[0] == "r" else (0, 20 * int(track_id[1]), 200)
    )
    sink = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(sink, "PNG")
    return sink.getvalue()

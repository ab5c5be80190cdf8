"""A lake with everything that training reads, written without Spark: 14 listeners of two tastes, 16 tracks, 20 days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from feature_store.contract import Table, Time
from feature_store.lake.arrow_io import append, write_slice
from feature_store.lake.storage import sha256_of
from feature_store.mood_plane import cells_of
from feature_store.settings import Night
from feature_store.tables import core, features, graph, raw
from feature_store.track_text import text_sha256
from training.data.spectrograms import N_FRAMES, N_MELS

FIRST_DAY = date(2026, 2, 10)
TRACKS = [f"t{number:02}" for number in range(16)]
USERS = [f"u{number:02}" for number in range(14)]
WITHDRAWN = "t15"
WITHOUT_MOOD = 7  # number of a track
EMBEDDINGS = {
    features.FEAT_AUDIO: ("audio_embedding", 4),
    features.FEAT_LYRICS: ("lyrics_embedding", 3),
    features.FEAT_COVER: ("cover_embedding", 2),
}


def competing(night: Night, family: str, *challengers: str) -> Night:
    """The night with `family` as the champion in the settings, and these challengers."""
    training = night.settings.training.model_copy(
        update={
            "families": {"ranking": family},
            "challengers": {"ranking": challengers},
            "challenger_seeds": 1,
        }
    )
    return replace(night, settings=night.settings.model_copy(update={"training": training}))


def fill(
    lake: str, as_of: date, *, late: Collection[int] = (), without: Collection[str] = ()
) -> None:
    """Write core_, feat_ and graph_ tables as of a day, as if the users `without` had never been.

    `late` tracks are left for deliver_tracks().
    """
    deliver_tracks(lake, FIRST_DAY, [number for number in range(len(TRACKS)) if number not in late])
    listens = [row for row in _listens(as_of) if row["user_id"] not in without]
    _write(lake, core.CORE_DAILY_LISTENS, as_of, listens)
    _write(lake, core.CORE_LISTEN_COUNTS, as_of, [])
    _write(lake, core.CORE_TAGS, as_of, [])
    for table, (column, n_columns) in EMBEDDINGS.items():
        rows = [vector(table, column, number, n_columns) for number in range(len(TRACKS))]
        _write(lake, table, as_of, rows)
    _write(lake, features.FEAT_MEL, as_of, [spectrogram(number) for number in range(len(TRACKS))])
    _write(lake, features.FEAT_TRACK_TEXTS, as_of, [_text(number) for number in range(len(TRACKS))])
    pairs = [row for row in _pairs(as_of) if row["user_id"] not in without]
    _write(lake, core.CORE_TRACK_PAIRS, as_of, pairs)
    encoded = (*EMBEDDINGS, features.FEAT_TAGS, features.FEAT_MEL)
    name_encoders(lake, as_of, {table: table.name for table in encoded})
    _write(lake, features.FEAT_TAGS, as_of, [])
    _write(lake, features.FEAT_TRACK_EMOTION, as_of, [])
    _write(lake, core.CORE_EMOTION_TEXTS, as_of, emotion_texts())
    moods = [track_mood(number) for number in range(len(TRACKS)) if number != WITHOUT_MOOD]
    _write(lake, features.FEAT_TRACK_MOOD, as_of, moods)
    _write(lake, features.FEAT_LISTEN_MOOD, as_of, [listen_mood(row) for row in listens])
    _write(lake, raw.RAW_LYRICS, as_of, [lyrics(number) for number in range(1, len(TRACKS))])
    users = [user for user in USERS if user not in without]
    nodes = [("user", users), ("track", TRACKS), ("artist", ["x"]), ("tag", []), ("album", ["m"])]
    _write(
        lake,
        graph.GRAPH_NODES,
        as_of,
        [
            {"node_kind": kind, "node_id": name, "node_index": index}
            for kind, names in nodes
            for index, name in enumerate(names, start=1)
        ],
    )
    follow = {"user_id": "u00", "followed_user_id": "u02"}
    follows = [] if {*follow.values()} & {*without} else [follow]
    _write(lake, graph.GRAPH_USER_FOLLOWS_USER, as_of, follows)
    _write(
        lake,
        graph.GRAPH_TRACK_BY_ARTIST,
        as_of,
        [{"track_id": name, "artist_id": "x"} for name in TRACKS],
    )
    liked = {"user_id": "u01", "track_id": "t03", "liked_date": FIRST_DAY}
    _write(
        lake, graph.GRAPH_USER_LIKED_TRACK, as_of, [] if liked["user_id"] in without else [liked]
    )
    on_album = [{"track_id": name, "album_id": "m"} for name in TRACKS[:3]]
    _write(lake, graph.GRAPH_TRACK_ON_ALBUM, as_of, on_album)
    _write(lake, graph.GRAPH_TRACK_HAS_TAG, as_of, [])


def emotion_texts(n_texts: int = 60) -> list[dict[str, object]]:
    """Rows of core_emotion_texts: bright texts are happy, days are excited; the source has no split."""
    rows = []
    for number in range(n_texts):
        is_bright, is_day = number % 2, number // 2 % 2
        text = f"{'bright' if is_bright else 'dark'} {'day' if is_day else 'night'} {'a ' * (number // 4)}"
        rows.append(
            {
                "text_id": f"s{number:02}",
                "perspective": "combined",
                "emotion_text": text,
                "valence": 0.3 * (2 * is_bright - 1) + 0.01 * (number % 3),
                "arousal": 0.2 * (2 * is_day - 1) + 0.01 * (number % 5),
                "content_hash": sha256_of(text.encode()),
                "known_from_date": FIRST_DAY,
            }
        )
    return rows


def track_mood(number: int) -> dict[str, object]:
    """A row of feat_track_mood: later tracks are happier; even ones are calm, odd ones excited."""
    positions = [(number + 0.5) / len(TRACKS), 0.25 + 0.5 * (number % 2)]
    valence, arousal = cells_of(positions).tolist()
    return {
        "track_id": TRACKS[number],
        "valence_position": positions[0],
        "arousal_position": positions[1],
        "valence_cell": valence,
        "arousal_cell": arousal,
        "emotion_sources": "audio",
    }


def listen_mood(listen: dict[str, object]) -> dict[str, object]:
    """A row of feat_listen_mood: each track was heard after one that is nearly as happy."""
    mood = track_mood(TRACKS.index(str(listen["track_id"])))
    return {
        "user_id": listen["user_id"],
        "track_id": listen["track_id"],
        "listened_date": listen["listened_date"],
        "context_valence": max(0.0, float(str(mood["valence_position"])) - 0.1),
        "context_arousal": mood["arousal_position"],
        "context_track_count": 1,
        "listen_count": 1,
        "organic_count": 1,
    }


def lyrics(number: int) -> dict[str, object]:
    """A row of raw_lyrics: odd tracks are bright, even ones dark."""
    return {
        "track_id": TRACKS[number],
        "lyrics_text": f"{'bright' if number % 2 else 'dark'} night\n" * (number + 1),
        "content_hash": f"content-{number}",
        "source_file": "landing/lyrics/lyrics.parquet",
        "source_row": number,
        "arrival_date": FIRST_DAY,
    }


def deliver_tracks(lake: str, day: date, numbers: Iterable[int]) -> None:
    """The catalogue sends these tracks, for the first time or once more."""
    rows = [track(number) | {"known_from_date": day} for number in numbers]
    _write(lake, core.CORE_TRACKS, day, rows)


def _listens(as_of: date) -> list[dict[str, object]]:
    """Even listeners hear even tracks, odd ones odd tracks: two a day, further on each day, none of them u13."""
    n_days = (as_of - FIRST_DAY).days + 1
    return [
        {
            "user_id": user,
            "track_id": TRACKS[(2 * ((number + day * step) % 8) + number % 2)],
            "listened_date": FIRST_DAY + timedelta(days=day),
            "listen_count": 1,
            "completion_permille": 900,
            "organic_count": 1,
            "known_from_date": FIRST_DAY + timedelta(days=day),
        }
        for number, user in enumerate(USERS[:-1])
        for day in range(0, n_days, 3)
        for step in (1,)
    ]


def _pairs(as_of: date) -> list[dict[str, object]]:
    """Each day ten listeners go on from a track to another one of their taste, other ones every four days."""
    rows = []
    for day in range((as_of - FIRST_DAY).days + 1):
        for number, user in enumerate(USERS[:10]):
            trigger, step = 2 * ((number + day) % 8) + number % 2, 2 + 2 * (day // 4)
            rows.append(
                {
                    "listen_id": f"pair-{day:02}-{number}",
                    "user_id": user,
                    "trigger_track_id": TRACKS[trigger],
                    "track_id": TRACKS[(trigger + step) % len(TRACKS)],
                    "listened_date": FIRST_DAY + timedelta(days=day),
                    "known_from_date": FIRST_DAY + timedelta(days=day),
                }
            )
    return rows


def spectrogram(number: int) -> dict[str, object]:
    """A row of feat_mel, of noise that is louder for odd tracks."""
    frames = np.random.default_rng(number).normal(number % 2, 1, (N_FRAMES, N_MELS)).astype("<f2")
    return {
        "content_hash": f"content-{number}",
        "encoder_id": features.FEAT_MEL.name,
        "weights_sha256": "w",
        "preprocessing_id": "p",
        "log_mel": frames.tobytes(),
        "mel_frame_count": N_FRAMES,
    }


def _text(number: int) -> dict[str, object]:
    text = f"{'dark' if number % 2 else 'bright'} {'night' if number % 3 else 'day'}"
    return {
        "track_id": TRACKS[number],
        "track_text": text,
        "text_sha256": text_sha256(text),
    }


def track(number: int) -> dict[str, object]:
    """A row of core_tracks, without its day."""
    name = TRACKS[number]
    return {
        "track_id": name,
        "title": name,
        "artist_id": "x",
        "artist_name": "x",
        "artist_match_key": "x",
        "title_match_key": name,
        "is_available": name != WITHDRAWN,
        "track_duration_ms": 200_000,
        "audio_hash": f"content-{number}",
        "lyrics_hash": f"content-{number}" if number else None,
        "cover_hash": f"content-{number}",
    }


def name_encoders(lake: str, as_of: date, encoder_ids: Mapping[Table, str]) -> None:
    """The night reads these encoders' rows, with weights `w` and preprocessing `p`."""
    rows = [
        {
            "feature_table": table.name,
            "encoder_id": encoder_id,
            "weights_sha256": "w",
            "preprocessing_id": "p",
        }
        for table, encoder_id in encoder_ids.items()
    ]
    _write(lake, features.FEAT_ENCODERS, as_of, rows)


def vector(table: Table, column: str, number: int, n_columns: int) -> dict[str, object]:
    """Even and odd tracks lie on different sides."""
    side = 1.0 if number % 2 else -1.0
    return {
        "content_hash": f"content-{number}",
        "encoder_id": table.name,
        "weights_sha256": "w",
        "preprocessing_id": "p",
        "sentiment_compound": 0.0,
        "emotional_load_ratio": 0.0,
        column: [side * (index + 1) + 0.1 * number for index in range(n_columns)],
    }


def _write(lake: str, table: Table, as_of: date, rows: list[dict[str, object]]) -> None:
    if table.time is Time.AS_OF:
        rows = [{"as_of_date": as_of, **row} for row in rows]
    frame = pa.Table.from_pylist(rows, schema=table.arrow_schema)
    if table.time is Time.AS_OF:
        write_slice(lake, table, frame, as_of=as_of)
    else:
        append(lake, table, frame)

"""A lake whose lyrics ridge has read, with a plane, lists for moods and listeners.

The sample lake of training: odd tracks have bright lyrics, and labels say that bright is happy; t07
has no mood, t15 is withdrawn. Four tracks an artist. Positions of sentences are by hand: the
lyrics' map is a straight line from -0.8 to 0.8.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from feature_store.lake.storage import open_storage
from feature_store.mood_plane import N_KNOTS
from feature_store.privacy.suppression import suppress
from feature_store.settings import Night
from tests.jobs.report.sample_lake import append_rows
from tests.jobs.report.sample_media import flac_tone
from tests.training import lake as sample
from tests.training.tasks import worlds
from training.predict import predict
from training.train import train

TASK = "text_emotion"
LYRICS_RANGE = 0.8  # of values: -0.8 has position 0, 0.8 position 1
LISTENER, NEW, AWAY, OPTED_OUT, ERASED = "u00", "u13", "u12", "u01", "u02"
HIDDEN_BY_NEW = "t03"
ESCAPE = "Esc\x1b[31m"  # title of t08
LAST_LISTEN_OF_AWAY = date(2025, 12, 24)


def fill(night: Night) -> Night:
    """Train and read lyrics; returns the night with the settings for it."""
    training = night.settings.training.model_copy(
        update={"n_threads": 1, "tasks": (TASK,), "families": {TASK: "ridge"}}
    )
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))
    worlds.fill(night.settings.lake, night.as_of)
    train(night, TASK)
    predict(night, TASK)
    _write_catalogue(night)
    _write_listeners(night)
    _write_plane(night)
    append_rows(night, "rec_mood", *(_listed(cell) for cell in range(25)))
    suppress(night.settings, ERASED)
    return night


def track_of_cell(valence_cell: int, arousal_cell: int) -> str:
    """The first track of LISTENER's list of a cell: another one for each of 14 cells."""
    return sample.TRACKS[(5 * valence_cell + arousal_cell) % 14]


def _listed(cell: int) -> dict[str, object]:
    valence_cell, arousal_cell = divmod(cell, 5)
    track_id = track_of_cell(valence_cell, arousal_cell)
    return {
        "as_of_date": date(2026, 3, 1), "run_id": "r", "user_id": LISTENER,
        "valence_cell": valence_cell, "arousal_cell": arousal_cell, "rank": 1,
        "track_id": track_id, "title": f"Title {track_id}", "artist_id": "x",
        "artist_name": "Ines", "artist_match_key": "i", "title_match_key": "t", "score": 1.0,
        "reason_text": f"Reason {valence_cell} {arousal_cell}", "model_version": "mood-v1",
    }  # fmt: skip


def _write_catalogue(night: Night) -> None:
    """Titles, four tracks an artist, and recordings that can be played."""
    storage, path = open_storage(night.settings.lake), "landing/audio/2026-02-10/a.flac"
    storage.write(path, flac_tone(12.0))
    for number, name in enumerate(sample.TRACKS):
        append_rows(
            night,
            "core_tracks",
            {
                **sample.track(number),
                "title": ESCAPE if name == "t08" else f"Title {name}",
                "artist_id": f"a{number // 4}",
                "artist_name": f"Artist {number // 4}",
                "audio_uri": path,
                "known_from_date": night.as_of,
            },
        )


def _write_listeners(night: Night) -> None:
    day = {"known_from_date": sample.FIRST_DAY, "is_named_to_others": True}
    for user in (LISTENER, NEW, AWAY, ERASED):
        append_rows(night, "core_users", {"user_id": user, "is_opted_out": False, **day})
    # The listener of 1 March wants what the same one did not want before.
    append_rows(night, "core_users", {"user_id": OPTED_OUT, "is_opted_out": False, **day})
    append_rows(
        night,
        "core_users",
        {"user_id": OPTED_OUT, "is_opted_out": True, **day, "known_from_date": night.as_of},
    )
    for hour, action in ((1, "hide"), (2, "unhide"), (3, "hide")):
        append_rows(night, "core_feedback", _feedback(HIDDEN_BY_NEW, action, hour))
    for hour, action in ((1, "hide"), (2, "unhide")):
        append_rows(night, "core_feedback", _feedback("t04", action, hour))
    for user, last in ((LISTENER, night.as_of), (AWAY, LAST_LISTEN_OF_AWAY)):
        heard = {"user_id": user, "track_id": "t00", "listen_count": 1, "edge_weight": 1.0}
        append_rows(
            night,
            "graph_user_listened_track",
            {
                **heard,
                "as_of_date": night.as_of,
                "last_listened_date": last,
                "completion_permille": 900,
            },
        )


def _feedback(track_id: str, action: str, hour: int) -> dict[str, object]:
    return {
        "user_id": NEW,
        "track_id": track_id,
        "feedback_action": action,
        "given_at_utc": datetime(2026, 2, 20, hour, tzinfo=UTC),
        "known_from_date": date(2026, 2, 20) if hour < 3 else date(2026, 2, 21),
    }


def _write_plane(night: Night) -> None:
    straight = {"both": (0.0, 1.0), "audio": (-1.0, 1.0), "lyrics": (-LYRICS_RANGE, LYRICS_RANGE)}
    append_rows(
        night,
        "feat_mood_plane",
        *(
            {
                "as_of_date": night.as_of,
                "emotion_source": source,
                "dimension": dimension,
                "knots": np.linspace(*ends, N_KNOTS).tolist(),
                "is_fitted": True,
                "track_count": 30,
            }
            for source, ends in straight.items()
            for dimension in ("valence", "arousal")
        ),
    )

"""A small hand-written lake for the report: three listeners, four tracks, one night."""

from datetime import UTC, date, datetime

import pyarrow as pa
from deltalake import write_deltalake

from feature_store.lake.delta_tables import ensure_table
from feature_store.lake.storage import open_storage
from feature_store.settings import Night
from feature_store.tables import table_called
from tests.jobs.report.sample_media import flac_tone, png_picture

AS_OF = date(2026, 3, 1)
AT_NIGHT = datetime(2026, 3, 2, 2, 10, tzinfo=UTC)
HOSTILE_TITLE = "<script>alert('song')</script>"


def append_rows(night: Night, table_name: str, *rows: dict) -> int:
    """Append rows, with null in columns that are not given; returns the table's version."""
    table = table_called(table_name)
    full = [{name: row.get(name) for name in table.column_names} for row in rows]
    opened = ensure_table(night.settings.lake, table)
    write_deltalake(opened, pa.Table.from_pylist(full, schema=table.arrow_schema), mode="append")
    return opened.version()


def write_catalogue(night: Night) -> None:
    """Four available tracks and a withdrawn one; audio of `a` is good, of `b` broken, of `c` not encoded; `d` has none."""
    storage = open_storage(night.settings.lake)
    storage.write("landing/audio/2026-03-01/a.flac", flac_tone(12.0))
    storage.write("landing/audio/2026-03-01/b.flac", b"no audio at all")
    storage.write("landing/covers/2026-03-01/a.png", png_picture(30, 20))
    audio = {"a": "a.flac", "b": "b.flac", "c": "b.flac"}
    titles = {"a": HOSTILE_TITLE, "b": "Low Tide", "c": "Night Bus", "d": "Paper Moon", "x": "Gone"}
    append_rows(
        night,
        "core_tracks",
        *(
            {
                "track_id": track_id,
                "title": title,
                "artist_id": "ar1" if track_id in "ab" else "ar2",
                "artist_name": "Ines & Co",
                "artist_match_key": "inesco",
                "title_match_key": "t",
                "is_available": track_id != "x",
                "audio_hash": f"audio-{track_id}" if track_id in audio else None,
                "audio_uri": f"landing/audio/2026-03-01/{audio[track_id]}"
                if track_id in audio
                else None,
                "cover_hash": "cover-a" if track_id == "a" else None,
                "cover_uri": "landing/covers/2026-03-01/a.png" if track_id == "a" else None,
                "known_from_date": AS_OF,
            }
            for track_id, title in titles.items()
        ),
    )
    identity = {
        "encoder_id": "encoder-of-the-run",  # the settings may name another one by now
        "weights_sha256": "w",
        "preprocessing_id": "p",
    }
    append_rows(
        night,
        "feat_encoders",
        {**identity, "as_of_date": AS_OF, "feature_table": "feat_audio"},
    )
    append_rows(
        night,
        "feat_audio",
        {**identity, "content_hash": "audio-a", "tempo_bpm": 120.0, "loudness_lufs": -12.0},
        {**identity, "content_hash": "audio-b", "failure_reason": "unreadable"},
        # Another encoder has a row for `c`; the encoder of the run has none.
        {**identity, "content_hash": "audio-c", "encoder_id": "other", "tempo_bpm": 60.0},
    )
    tagged = [("a", "rock"), ("b", "1980"), ("x", "rock")]
    day = {"as_of_date": AS_OF, "tagger_count": 1}
    append_rows(
        night, "graph_track_has_tag", *({**day, "track_id": t, "tag": tag} for t, tag in tagged)
    )
    vector = {**day, **identity, "mean_tag_embedding": [1.0]}
    append_rows(night, "feat_track_tags", *({**vector, "track_id": track_id} for track_id in "ax"))


def write_users(night: Night) -> None:
    """Ada has 3 + 1 listens on two tracks, Ben 2 on one; Cy has none and follows Ada."""
    known = {"known_from_date": AS_OF}
    append_rows(
        night,
        "core_users",
        *(
            {"user_id": name, "is_opted_out": False, "is_named_to_others": True, **known}
            for name in ("ada", "ben", "cy", "dora")
        ),
    )
    append_rows(
        night,
        "core_listens",
        *(
            {
                "listen_id": f"l{number}",
                "user_id": user_id,
                "track_id": track_id,
                "listened_at_utc": datetime(2026, *moment, tzinfo=UTC),
                "played_ms": 1000,
                "duration_ms": 1000,
                "completion_ratio": 1.0,
                "is_organic": True,
                "session_id": "s",
                **known,
            }
            for number, (user_id, track_id, moment) in enumerate(
                [
                    ("ada", "a", (3, 1, 9)),
                    ("ada", "b", (3, 1, 21)),
                    ("ada", "a", (2, 27, 8)),
                    ("ben", "b", (3, 1, 9)),
                ]
            )
        ),
    )
    day = {"as_of_date": AS_OF}
    append_rows(
        night,
        "graph_user_listened_track",
        *(
            {
                **day,
                "user_id": user,
                "track_id": track,
                "listen_count": count,
                "completion_permille": 1,
                "edge_weight": 1.0,
            }
            for user, track, count in (("ada", "a", 3), ("ada", "b", 1), ("ben", "b", 2))
        ),
    )
    likes = [{**day, "user_id": user, "track_id": "a", "liked_date": AS_OF} for user in ("ada", "ben")]  # fmt: skip
    append_rows(night, "graph_user_liked_track", *likes)
    append_rows(
        night, "graph_user_follows_user", {**day, "user_id": "cy", "followed_user_id": "ada"}
    )
    append_rows(night, "graph_track_on_album", {**day, "track_id": "a", "album_id": "al1"})
    nodes = [
        ("user", "ada"),
        ("user", "ben"),
        ("user", "cy"),
        ("track", "a"),
        ("track", "b"),
        ("artist", "ar1"),
        ("album", "al1"),
    ]
    append_rows(
        night,
        "graph_nodes",
        *(
            {**day, "node_kind": k, "node_id": n, "node_index": i}
            for i, (k, n) in enumerate(nodes, 1)
        ),
    )


def write_lists(night: Night) -> dict[str, int]:
    """Ada's list is mostly personal, Cy's half social, Ben's popular; returns versions by table."""
    entries = [
        ("ada", 1, "a", "personal"), ("ada", 2, "b", "personal"), ("ada", 3, "c", "popular"),
        ("ben", 1, "c", "popular"),
        ("cy", 1, "a", "social"), ("cy", 2, "c", "popular"),
    ]  # fmt: skip
    track = {
        "artist_id": "ar1",
        "artist_name": "Ines & Co",
        "artist_match_key": "i",
        "title_match_key": "t",
    }
    titles = {"a": HOSTILE_TITLE, "b": "Low Tide", "c": "Night Bus", "d": "Paper Moon"}
    of_run = {"as_of_date": AS_OF, "run_id": night.run_id}
    topk = append_rows(
        night,
        "rec_topk",
        *(
            {**of_run, **track, "user_id": user, "rank": rank, "track_id": track_id, "title": titles[track_id],
             "score": 1.0, "tier": tier, "reason_kind": "popular", "reason_text": f"Because of {tier}"}
            for user, rank, track_id, tier in entries
        ),
    )  # fmt: skip
    similar = append_rows(
        night,
        "rec_similar_tracks",
        {
            **of_run,
            **track,
            "track_id": "b",
            "rank": 1,
            "similar_track_id": "a",
            "title": HOSTILE_TITLE,
            "score": 0.75,
            "modalities": ["audio"],
        },
        {
            **of_run,
            **track,
            "track_id": "d",
            "rank": 1,
            "similar_track_id": "b",
            "title": "Low Tide",
            "score": 0.5,
            "modalities": ["audio", "cover"],
        },
        {
            **of_run,
            **track,
            "track_id": "d",
            "rank": 2,
            "similar_track_id": "a",
            "title": HOSTILE_TITLE,
            "score": 0.25,
            "modalities": ["trained"],
        },
    )
    compared = {"compared_as_of_date": date(2026, 2, 28), "compared_run_id": "run-before"}
    changes = append_rows(
        night,
        "rec_changes",
        {
            **of_run,
            **compared,
            "user_id": "ada",
            "track_id": "a",
            "change": "entered",
            "to_rank": 1,
        },
        {**of_run, **compared, "user_id": "cy", "track_id": "a", "change": "entered", "to_rank": 1},
        {**of_run, **compared, "user_id": "cy", "track_id": "c", "change": "entered", "to_rank": 1},
        {
            **of_run,
            **compared,
            "user_id": "ada",
            "track_id": "c",
            "change": "entered",
            "to_rank": 1,
        },
        {**of_run, **compared, "user_id": "ben", "track_id": "a", "change": "left", "from_rank": 1},
        {**of_run, **compared, "user_id": "ben", "track_id": "d", "change": "left", "from_rank": 2},
        {
            **of_run,
            **compared,
            "user_id": "ada",
            "track_id": "b",
            "change": "moved",
            "from_rank": 1,
            "to_rank": 2,
        },
    )
    return {"rec_topk": topk, "rec_similar_tracks": similar, "rec_changes": changes}

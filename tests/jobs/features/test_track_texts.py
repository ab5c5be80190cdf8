"""feat_track_texts: a row per track, whatever is known of it, by the night's encoder and settings."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from feature_store.lake.storage import sha256_of
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_LYRICS, FEAT_TRACK_TEXTS
from feature_store.tables.raw import RAW_LYRICS
from jobs.encoders import registry
from jobs.features import track_texts
from tests.jobs.features.worlds import encoders, frame, tracks

ENGLISH, HEBREW, RESENT = "I love\nthis day", "שלום עולם", "la la"
LONG, BOOK = "love " * 10_000, "wonderful " * 10_000
IN_UTF_16, NOTES = ENGLISH.encode("utf-16-le").decode(), "♪ ♪"


def hash_of(text):
    return sha256_of(text.encode())


def arrival(night, row, text):
    return {
        "track_id": f"t{row}", "lyrics_text": text, "content_hash": hash_of(text),
        "source_file": "landing/lyrics/part-0.parquet", "source_row": row, "arrival_date": night.as_of,
    }  # fmt: skip


def tag_event(night, track, tag, user):
    return {
        "tag_event_id": f"{track}-{tag}-{user}", "track_id": track, "tag": tag, "user_id": user,
        "known_from_date": night.as_of,
    }  # fmt: skip


def built(spark, night, catalogue, *, tags=(), lyrics=(), languages=(), asked=None):
    """Rows by track of core_tags (track, tag, tagger), texts that arrived and feat_lyrics (text, language).

    `asked` is the night whose settings count, when it is not `night`.
    """
    identity = registry.lyrics_identity(night.settings.encoders)
    described = [
        {"content_hash": hash_of(text), "language": language, **asdict(identity)}
        for text, language in languages
    ]
    older = [
        {**row, "language": "eo", **asdict(replace(identity, weights_sha256="older"))}
        for row in described
    ]
    rows = track_texts.build(
        tracks(spark, night, *catalogue),
        frame(spark, CORE_TAGS, [tag_event(night, *one) for one in tags]),
        encoders(spark, night, {FEAT_LYRICS: identity}),
        frame(spark, FEAT_LYRICS, [*described, *older]),
        frame(spark, RAW_LYRICS, [arrival(night, row, text) for row, text in enumerate(lyrics)]),
        night=asked or night,
    ).collect()
    found = {row.track_id: row for row in rows}
    assert len(found) == len(rows)
    assert {row.as_of_date for row in rows} == {night.as_of}
    return found


def with_settings(night, **groups):
    changed = {
        name: getattr(night.settings, name).model_copy(update=values)
        for name, values in groups.items()
    }
    return replace(night, settings=night.settings.model_copy(update=changed))


def test_a_text_holds_title_artist_tags_language_and_lyrics(spark, night):
    """Three tracks: all of it; a withdrawn one of which nothing but its name is known; another's words again."""
    found = built(
        spark,
        night,
        [
            {"title": "Day", "artist_name": "Ann", "lyrics_hash": hash_of(ENGLISH)},
            {"title": "Gone", "artist_name": "Bo", "is_available": False},
            {"title": "Day (Live)", "artist_name": "Cy", "lyrics_hash": hash_of(ENGLISH)},
        ],
        tags=[("t0", "slow", "ann"), ("t0", "rock", "ann"), ("t0", "rock", None)],
        lyrics=[ENGLISH, ENGLISH],
        languages=[(ENGLISH, "en")],
    )

    assert list(found["t0"].asDict()) == FEAT_TRACK_TEXTS.column_names
    assert tuple(found["t0"])[2:] == (
        "en",
        "I love this day",
        "Day. Ann. rock, slow. English. I love this day",
        hash_of("Day. Ann. rock, slow. English. I love this day"),
    )
    assert tuple(found["t1"])[2:] == (None, None, "Gone. Bo", hash_of("Gone. Bo"))
    assert found["t2"].track_text == "Day (Live). Cy. English. I love this day"


def test_lyrics_that_cannot_be_read_give_no_excerpt(spark, night):
    """A book, UTF-16, notes, and a text that never arrived; 10,000 short words and Hebrew are read.

    60 x 5 - 1 = 299 characters. feat_lyrics has no language for Hebrew here.
    """
    arrived = [LONG, HEBREW, BOOK, IN_UTF_16, NOTES]
    hashes = [hash_of(text) for text in (*arrived, "never arrived")]

    found = built(spark, night, [{"lyrics_hash": one} for one in hashes], lyrics=arrived)

    excerpts = [found[f"t{number}"].lyrics_excerpt for number in range(6)]
    assert excerpts == [" ".join(["love"] * 60), HEBREW, None, None, None, None]
    assert found["t1"].track_text == f"Title. Artist. {HEBREW}"
    assert {found[f"t{number}"].track_text for number in (2, 3, 4, 5)} == {"Title. Artist"}
    assert {row.language for row in found.values()} == {None}


def test_a_text_that_is_sent_again_gives_one_row(spark, night):
    found = built(
        spark, night, [{"lyrics_hash": hash_of(RESENT)}], lyrics=[RESENT, RESENT, ENGLISH]
    )

    assert found["t0"].lyrics_excerpt == RESENT


def test_tags_follow_the_rule_of_feat_track_tags(spark, night):
    """With two givers needed, rock stays: a listener and the catalogue. Tags of unknown tracks do not count.

    Who gave a tag does not count either: no table of listeners is read, opted out or not.
    """
    tags = [
        ("t0", "rock", "ann"), ("t0", "rock", None), ("t0", "slow", "ann"),
        ("t0", "sad", "bo"), ("t0", "sad", "cy"), ("t0", "sad", "dee"),
        ("t9", "rock", "ann"), ("t9", "rock", "bo"),
    ]  # fmt: skip
    strict = with_settings(night, graph={"min_tagger_count": 2})

    all_tags = built(spark, night, [{}, {}], tags=tags)
    frequent = built(spark, night, [{}, {}], tags=tags, asked=strict)

    assert all_tags["t0"].track_text == "Title. Artist. sad, rock, slow"
    assert frequent["t0"].track_text == "Title. Artist. sad, rock"
    assert all_tags["t1"].track_text == "Title. Artist"
    assert all_tags.keys() == {"t0", "t1"}


@pytest.mark.parametrize(
    ("fields", "text", "without"),
    [(("title", "language"), "Title. Hebrew", "Title"), (("lyrics",), HEBREW, None)],
)
def test_the_settings_name_the_parts(spark, night, fields, text, without):
    """Language and excerpt are columns of their own all the same; no part is no text and no hash."""
    found = built(
        spark,
        night,
        [{"lyrics_hash": hash_of(HEBREW)}, {}],
        lyrics=[HEBREW],
        languages=[(HEBREW, "he")],
        asked=with_settings(night, encoders={"text_fields": fields}),
    )

    assert tuple(found["t0"])[2:] == ("he", HEBREW, text, hash_of(text))
    assert tuple(found["t1"])[2:] == (None, None, without, without and hash_of(without))


@pytest.mark.parametrize(
    "title", ['Say "Hi", it\'s \\n', "Two\nlines", "\u202eשיר\u202c", "\u200b"]
)
def test_an_odd_title_makes_one_row(spark, night, title):
    """Quotes, a line end, right to left, and a character of no width, which raw_ rejects."""
    found = built(spark, night, [{"title": title}])

    expected = {"Two\nlines": "Two lines. Artist", "\u200b": "Artist"}
    assert found["t0"].track_text == expected.get(title, f"{title}. Artist")

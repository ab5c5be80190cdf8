"""Reasons: their order, and who and what each of them names.

Every case is the reason for track t of artist a in the list of a reader. All are computed at once,
with ids of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pytest

from feature_store.settings import Night, load_settings
from feature_store.tables.recommendations import NEUTRAL_REASONS
from jobs.recommendations.steps.reasons import with_reasons

AS_OF, LONG_AGO = date(2026, 3, 1), date(2020, 1, 1)


@dataclass(frozen=True)
class Case:
    """What is known of a reader and a track.

    Attributes:
        reason: the expected kind, subject and text.
        followed: users that the reader follows; all of them play t.
        consenting: those of them who may be named.
        played: track, its artist, and how often the reader played it.
        tags: track, tag, and how many have tagged it so.
    """

    reason: tuple[str, str | None, str]
    followed: tuple[str, ...] = ()
    consenting: tuple[str, ...] = ()
    played: tuple[tuple[str, str, int], ...] = ()
    tags: tuple[tuple[str, str, int], ...] = ()
    released: date = LONG_AGO
    tier: str = "social"


ANN = ("followed_listen", "ann", "ann, whom you follow, plays this")
TWO = ("followed_listen", None, "2 people you follow play this")
ROCK = ("listened_tag", "rock", "More of what you play: rock")
POPULAR = ("popular", None, "Many listeners play this")
PLAYS_ROCK = (("x", "z", 1),), (("t", "rock", 1), ("x", "rock", 1))
SIX_TAGS = tuple(("t", tag, count) for tag, count in zip("abcdef", range(9, 3, -1), strict=True))

CASES: Mapping[str, Case] = {
    "a followed user with consent is named": Case(ANN, ("ann",), ("ann",)),
    "the listener could guess a single followed user without consent": Case(POPULAR, ("ann",)),
    "two followed users are counted": Case(TWO, ("ann", "bob")),
    "two are counted although one consents": Case(TWO, ("ann", "bob"), ("ann",)),
    "an artist that the reader plays comes before followed users": Case(
        ("listened_artist", "a", "You play Artist"), ("ann", "bob"), played=(("x", "a", 1),)
    ),
    "followed users come before a tag": Case(TWO, ("ann", "bob"), (), *PLAYS_ROCK),
    "a tag comes before a new release": Case(ROCK, (), (), *PLAYS_ROCK, date(2026, 2, 28)),
    "a release is new within two weeks": Case(
        ("new_release", "a", "New from Artist"), released=date(2026, 2, 16)
    ),
    "a release of two weeks ago is not new": Case(POPULAR, released=date(2026, 2, 15)),
    "the sixth tag of a track says nothing, however much it is played": Case(
        ("listened_tag", "b", "More of what you play: b"),
        played=(("x", "z", 100), ("y", "z", 1)),
        tags=(*SIX_TAGS, ("x", "f", 1), ("y", "b", 1)),
    ),
    "of tags the one played most, and of equals the first": Case(
        ROCK,
        played=(("x", "z", 1), ("y", "z", 3), ("v", "z", 3)),
        tags=(
            *(("t", tag, 1) for tag in ("jazz", "rock", "soul")),
            ("x", "jazz", 1), ("y", "soul", 1), ("v", "rock", 1),
        ),
    ),
    **{
        f"without a reason the tier {tier} gives a neutral one": Case((kind, None, text), tier=tier)
        for tier, (kind, text) in NEUTRAL_REASONS.items()
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def reasons(spark):
    """The reason of each case, its ids as the case gives them."""
    users, lists, tracks, listened, follows, tags = [], [], [], [], [], []
    for name, case in CASES.items():

        def own(known, case_name=name):
            return f"{case_name}/{known}"

        reader = own("reader")
        users += [(reader, False), *((own(one), one in case.consenting) for one in case.followed)]
        lists += [(reader, own("t"), own("a"), "Artist", case.released, case.tier)]
        tracks += [(own("t"), own("a")), *((own(track), own(by)) for track, by, _ in case.played)]
        listened += [(own(one), own("t"), 1) for one in case.followed]
        listened += [(reader, own(track), count) for track, _, count in case.played]
        follows += [(reader, own(one)) for one in case.followed]
        tags += [(own(track), tag, count) for track, tag, count in case.tags]
    found = with_reasons(
        spark.createDataFrame(lists, "user_id STRING, track_id STRING, artist_id STRING, artist_name STRING, released_date DATE, tier STRING"),
        spark.createDataFrame(users, "user_id STRING, is_named_to_others BOOLEAN"),
        spark.createDataFrame(tracks, "track_id STRING, artist_id STRING"),
        spark.createDataFrame(listened, "user_id STRING, track_id STRING, listen_count BIGINT"),
        spark.createDataFrame(follows, "user_id STRING, followed_user_id STRING"),
        spark.createDataFrame(tags, "track_id STRING, tag STRING, tagger_count BIGINT"),
        Night(AS_OF, "reasons", load_settings()),
    ).collect()  # fmt: skip
    return {row.user_id.removesuffix("/reader"): row for row in found}


@pytest.mark.parametrize("name", CASES)
def test_the_reason_is_the_first_that_holds(name, reasons):
    row = reasons[name]

    found = (row.reason_kind, row.reason_subject, row.reason_text)
    assert tuple(part and part.replace(f"{name}/", "") for part in found) == CASES[name].reason


def test_every_row_has_one_reason(reasons):
    assert reasons.keys() == CASES.keys()

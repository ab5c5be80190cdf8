"""Columns are found by their names, however these are spelt, and tell in which folder a file belongs."""

from __future__ import annotations

import pytest

from jobs.landing.parquet_file import UnreadableFile
from jobs.raw.steps.column_names import column_positions
from jobs.raw.steps.rules import SOURCE_CONTRACTS


@pytest.mark.parametrize(
    "spelling",
    [
        "is_opted_out",
        "IS_OPTED_OUT",
        "is_opted_out ",
        "\tis_opted_out",
        "is-opted-out",
        "is.opted.out",
        "is opted out",
        "isOptedOut",
        "IsOptedOut",
        "\ufeffis_opted_out",
        "\u200bis_opted_out\u00a0",
        '"is_opted_out"',
    ],
)
def test_an_opt_out_is_found_under_any_spelling(spelling):
    """Not found, it would be null, which leaves a listener opted in without a word."""
    assert column_positions(["plan", "user_id", spelling], "users") == {
        "user_id": 1,
        "is_opted_out": 2,
    }


@pytest.mark.parametrize("name", ["opted_out", "is_opted_out_2", "is_opted", "", "plan", "выход"])
def test_another_name_does_not_count(name):
    assert column_positions(["user_id", name], "users") == {"user_id": 0}


@pytest.mark.parametrize("twin", ["User_Id", "userId", "user-id"])
def test_two_spellings_of_one_column_are_not_guessed_at(twin):
    with pytest.raises(UnreadableFile, match=f"'user_id' and '{twin}' have one name, user_id"):
        column_positions(["user_id", twin], "users")


LISTENS = ["user_id", "track_id", "listened_at_utc", "played_ms"]


@pytest.mark.parametrize(
    ("names", "source", "belongs_in"),
    [
        (LISTENS, "users", "listens"),
        (["userId", "trackId", "listenedAtUtc"], "users", "listens"),
        (LISTENS, "tracks", "listens"),
        (["track_id", "lyrics_bytes"], "tracks", "lyrics"),
        (["track_id", "tag"], "tracks", "tags"),
        (["track_id", "tag", "user_id", "tagged_date"], "tracks", "tags"),
        (["user_id", "followed_user_id"], "users", "follows"),
        (["user_id", "track_id", "feedback_action", "given_at_utc"], "users", "feedback"),
        (["user_id", "track_id", "shown_at_utc"], "users", "impressions"),
        (["user_id", "track_id", "listen_count"], "users", "listen_counts"),
        (["user_id", "is_opted_out"], "listens", "users"),
        (["track_id", "title", "artist_id"], "tags", "tracks"),
        (["text_id", "emotion_text", "valence", "arousal"], "lyrics", "emotion_texts"),
    ],
)
def test_a_file_of_another_source_names_the_folder_that_it_belongs_in(names, source, belongs_in):
    """Its rows would name known listeners or tracks and change nothing."""
    with pytest.raises(UnreadableFile, match=f"land it in landing/{belongs_in}/"):
        column_positions(names, source)

    assert len(column_positions(names, belongs_in)) == len(names)


@pytest.mark.parametrize(
    ("names", "source"),
    [
        (["user_id"], "users"),
        (["user_id", "is_active", "track_id"], "users"),
        (["user_id", "track_id", "listened_at_utc", "is_opted_out"], "users"),
        (["track_id", "duration_ms", "listen_count"], "tracks"),
        (["track_id", "tag", "title"], "tracks"),
        (["track_id", "tag", "lyrics_bytes"], "lyrics"),
        *[([column.name for column in one.columns], source) for source, one in SOURCE_CONTRACTS.items()],
    ],
)  # fmt: skip
def test_a_file_with_something_of_its_source_or_too_little_of_another_is_read(names, source):
    columns = {column.name for column in SOURCE_CONTRACTS[source].columns}

    assert column_positions(names, source).keys() == columns & set(names)

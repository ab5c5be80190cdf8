"""Erasure from landing files: other people's rows stay, and the files still fit their manifests."""

from __future__ import annotations

import io
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import open_storage
from feature_store.privacy import suppression
from feature_store.privacy.person_filter import Person, redact
from feature_store.privacy.personal_data import has_personal_data
from feature_store.tables.core import CORE_EMOTION_TEXTS
from feature_store.tables.raw import RAW_EMOTION_TEXTS
from jobs.landing import closing
from jobs.landing.closing import close_landing
from jobs.landing.erasure import correct_manifests, erase_from_landing, remove_suppressed
from jobs.landing.layout import LandingError, row_file_path
from jobs.landing.manifests import arrived_files, close_days, closed_days, read_manifest
from jobs.landing.writer import LandingWriter

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
ADA = Person("ada")


@pytest.fixture
def storage(settings):
    return open_storage(settings.lake)


def land(storage, source, rows, part="part-0"):
    """Write as any program may, which knows no manifest and writes over what is there."""
    path, sink = row_file_path(source, MARCH_1, part), io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    storage.write(path, sink.getvalue())
    return path


def read(storage, path):
    return pq.read_table(io.BytesIO(storage.read(path))).to_pylist()


def test_rows_go_whichever_column_names_the_person(storage):
    """As follower, as followed, in a list, and in a column that is in no contract."""
    follows = [{"user_id": "ada", "followed_user_id": "ben"}, {"user_id": "ben", "followed_user_id": "ada"}, {"user_id": "ben", "followed_user_id": "cy"}]  # fmt: skip
    path = land(storage, "follows", follows)
    odd = land(storage, "feedback", [{"user_id": "ben", "sent_by": "ada"}, {"user_id": "ben", "sent_by": "cy"}])  # fmt: skip
    listed = land(storage, "users", [{"user_id": ["ada", "ben"]}, {"user_id": ["cy"]}])
    track = land(storage, "tracks", [{"track_id": "t", "title": "ada"}])

    erasure = erase_from_landing(storage, ADA)

    assert (erasure.rows, erasure.files) == (4, 3)
    assert read(storage, path) == follows[2:]
    assert read(storage, odd) == [{"user_id": "ben", "sent_by": "cy"}]
    assert read(storage, listed) == [{"user_id": ["cy"]}]
    assert read(storage, track) == [{"track_id": "t", "title": "ada"}]


def test_a_labelled_text_is_about_nobody(storage):
    """A text that reads as an id stays, a column of users in its file is searched as everywhere."""
    label = {"text_id": "ada", "perspective": "reader", "emotion_text": "ada", "valence": 0.5, "arousal": 0.0}  # fmt: skip
    path = land(storage, "emotion_texts", [label | {"sent_by_user": "ada"}, label | {"sent_by_user": "cy"}])  # fmt: skip

    erase_from_landing(storage, ADA)

    assert read(storage, path) == [label | {"sent_by_user": "cy"}]
    assert not has_personal_data(RAW_EMOTION_TEXTS)
    assert not has_personal_data(CORE_EMOTION_TEXTS)


def test_numeric_ids_match(storage):
    path = land(storage, "listen_counts", [{"user_id": 7, "listen_count": 1}, {"user_id": 8, "listen_count": 7}])  # fmt: skip

    erase_from_landing(storage, Person("7"))

    assert read(storage, path) == [{"user_id": 8, "listen_count": 7}]


@pytest.mark.parametrize(
    ("source", "rows", "left"),
    [
        ("listens", [{"User_Id": 7}, {"User_Id": 8}], [{"User_Id": 8}]),
        ("listens", [{"USER_ID": "7"}, {"USER_ID": "8"}], [{"USER_ID": "8"}]),
        ("follows", [{"Followed_User_ID": 7.0}, {"Followed_User_ID": None}], [{"Followed_User_ID": None}]),
        ("listens", [{"user_id": Decimal("7.00")}, {"user_id": Decimal("8.00")}], [{"user_id": Decimal("8.00")}]),
        ("tags", [{"Tag": "7", "user_id": "8"}], [{"Tag": "7", "user_id": "8"}]),
        ("tracks", [{"TITLE": "7", "Track_Id": "7"}], [{"TITLE": "7", "Track_Id": "7"}]),
        ("listens", [{"userId": 8, "trackId": "7"}, {"userId": 7, "trackId": "8"}], [{"userId": 8, "trackId": "7"}]),
    ],
)  # fmt: skip
def test_column_names_count_in_any_spelling(storage, source, rows, left):
    """A track called as the person stays, however its column is spelt."""
    path = land(storage, source, rows)

    erase_from_landing(storage, Person("7"))

    assert read(storage, path) == left


def test_a_category_of_pandas_is_searched_like_text(storage):
    sent_by = pa.array(["ada", "cy"]).dictionary_encode()
    rows = pa.table({"user_id": ["ben", "ben"], "sent_by": sent_by})
    path = LandingWriter(storage).write_rows("feedback", MARCH_1, rows, "part-0")

    erase_from_landing(storage, ADA)

    assert read(storage, path) == [{"user_id": "ben", "sent_by": "cy"}]


def test_a_map_is_searched_in_its_keys_and_values(storage):
    maps = [[("ada", "x")], [("x", "ada")], [("x", "ben")]]
    path = row_file_path("users", MARCH_1, "part-0")
    rows = pa.table({"seen_by": pa.array(maps, pa.map_(pa.string(), pa.string()))})
    pq.write_table(rows, sink := io.BytesIO())
    storage.write(path, sink.getvalue())

    assert erase_from_landing(storage, ADA).rows == 2

    assert read(storage, path) == [{"seen_by": [("x", "ben")]}]


@pytest.mark.parametrize("user_id", ["spotify:user:ann", "O'Neil", "a,b", "ann lee"])
def test_an_unreadable_file_that_names_an_erased_person_of_any_id_is_emptied_by_the_night(
    settings, storage, night, user_id
):
    """The night knows the person only by the hash."""
    suppression.suppress(settings, user_id)
    land(storage, "users", [{"user_id": "ben"}])
    storage.write("landing/listens/2026-03-01/a.parquet", f"broken \0\5{user_id}\0".encode())

    close_landing(night)

    assert storage.read("landing/listens/2026-03-01/a.parquet") == b""


def test_a_file_that_is_called_as_the_person_gets_another_name_in_its_manifest_too(
    settings, storage, night
):
    """The same file, landed again, gets the same name, so that it counts for the same day."""
    rows = [{"user_id": "ada"}, {"user_id": "ben"}] * 50
    path = land(storage, "users", rows, part="of_ada")
    close_days(storage, MARCH_1)
    ada = suppression.suppress(settings, "ada")
    renamed = path.replace("of_ada", f"of_{ada.file_alias}")

    assert erase_from_landing(storage, ada).renamed == 1

    def check_arrived():
        assert not storage.exists(path)
        [(day, file)] = arrived_files(storage, "users", [MARCH_1])
        assert (day, file.path) == (MARCH_1, renamed)
        assert read(storage, renamed) == [{"user_id": "ben"}] * 50

    check_arrived()
    land(storage, "users", rows, part="of_ada")
    close_landing(night)
    check_arrived()


def test_a_renaming_replaces_no_other_file(settings, storage, night):
    """A listed file has the name already, and two names hold one id: every row of others stays."""
    others = [{"user_id": "bob"}, {"user_id": "cy"}]
    listed = land(storage, "users", [*others, {"user_id": "ada"}], part="of_ada")
    close_days(storage, MARCH_1)
    ada = suppression.suppress(settings, "ada")
    erase_from_landing(storage, ada)
    later = land(storage, "users", [{"user_id": "dee"}], part="of_ada")
    again = land(storage, "users", [{"user_id": "eve"}], part="of_%61da")

    _, sizes = remove_suppressed(storage, suppression.load_suppression_list(settings))

    first = listed.replace("of_ada", f"of_{ada.file_alias}")
    found = {path: read(storage, path) for path in sizes if path.endswith(".parquet")}
    assert found[first] == others
    rows = [row["user_id"] for path, rows in found.items() if path != first for row in rows]
    assert sorted(rows) == ["dee", "eve"]
    assert not storage.exists(later)
    assert not storage.exists(again)
    assert [file.path for _, file in arrived_files(storage, "users", [MARCH_1])] == [first]


def test_a_person_may_be_called_as_the_placeholder(settings, storage):
    """Neither the placeholder of others nor an alias is the person."""
    ann, erased = (suppression.suppress(settings, name) for name in ("ann", "erased"))
    people = suppression.load_suppression_list(settings)

    renamed = people.rename("landing/users/2026-03-01/ann.parquet")

    assert renamed == f"landing/users/2026-03-01/{ann.file_alias}.parquet"
    assert people.rename("x/erased.parquet") == f"x/{erased.file_alias}.parquet"
    assert erased.rename(renamed) == renamed
    assert people.rename(renamed) == renamed
    assert not erased.matches_text("row of ‹erased›")
    assert redact("row of ‹erased› and erased", erased) == "row of ‹erased› and ‹erased›"


def test_a_renaming_that_was_killed_is_completed_by_the_next_try(storage):
    """Killed before the old file went: the manifest has the new name already."""
    path = land(storage, "users", [{"user_id": "ben"}], part="ada")
    close_days(storage, MARCH_1)
    content = storage.read(path)
    erase_from_landing(storage, ADA)
    storage.write(path, content)

    erase_from_landing(storage, ADA)

    assert [file.path for _, file in arrived_files(storage, "users", [MARCH_1])] == [
        "landing/users/2026-03-01/erased.parquet"
    ]
    assert not storage.exists(path)


def test_manifests_get_the_new_size_and_closed_days_can_still_be_read(storage):
    land(storage, "users", [{"user_id": "ada"}, {"user_id": "ben"}] * 50)
    close_days(storage, MARCH_1)

    erase_from_landing(storage, ADA)

    assert len(arrived_files(storage, "users", [MARCH_1])) == 1


def test_an_erasure_killed_between_file_and_manifest_is_completed_by_the_next_try(storage):
    """The mark in the file tells that an erasure changed its size."""
    path = land(storage, "users", [{"user_id": "ada"}, {"user_id": "ben"}] * 50)
    close_days(storage, MARCH_1)
    manifest = storage.read("landing/_manifests/2026-03-01.json")
    erase_from_landing(storage, ADA)
    storage.write("landing/_manifests/2026-03-01.json", manifest)
    with pytest.raises(LandingError, match="bytes now"):
        arrived_files(storage, "users", [MARCH_1])

    assert erase_from_landing(storage, ADA).files == 0

    assert [file.path for _, file in arrived_files(storage, "users", [MARCH_1])] == [path]


def test_a_file_that_another_program_changed_is_still_refused(storage):
    land(storage, "users", [{"user_id": "ben"}])
    close_days(storage, MARCH_1)
    land(storage, "users", [{"user_id": "ben"}] * 50)

    correct_manifests(storage, [MARCH_1])

    with pytest.raises(LandingError, match="restore the file"):
        arrived_files(storage, "users", [MARCH_1])


def test_an_unreadable_file_that_names_the_person_is_emptied_and_others_stay(storage):
    storage.write("landing/listens/2026-03-01/a.parquet", b"broken \x00ada\x00")
    storage.write("landing/listens/2026-03-01/b.parquet", b"broken \x00adalbert\x00")

    assert erase_from_landing(storage, ADA).files == 1

    assert storage.read("landing/listens/2026-03-01/a.parquet") == b""
    assert storage.read("landing/listens/2026-03-01/b.parquet") == b"broken \x00adalbert\x00"


def test_int96_times_stay_int96(storage):
    """Rewritten as plain timestamps they would have nanoseconds, which Spark does not read."""
    rows = pa.table({"user_id": ["ada", "ben"], "listened_at_utc": [datetime(2026, 3, 1)] * 2})  # noqa: DTZ001
    sink = io.BytesIO()
    pq.write_table(rows, sink, use_deprecated_int96_timestamps=True)
    storage.write("landing/listens/2026-03-01/a.parquet", sink.getvalue())

    erase_from_landing(storage, ADA)

    left = pq.ParquetFile(io.BytesIO(storage.read("landing/listens/2026-03-01/a.parquet")))
    assert left.schema.column(1).physical_type == "INT96"
    assert left.read()["user_id"].to_pylist() == ["ben"]


def test_the_same_file_landed_again_loses_the_person_and_fits_its_manifest(
    settings, storage, night
):
    """A night removes the rows before it reads the file; equal rows give equal bytes."""
    rows = [{"user_id": "ada"}, {"user_id": "ben"}] * 50
    path = land(storage, "users", rows)
    close_days(storage, MARCH_1)
    suppression.suppress(settings, "ada")
    erase_from_landing(storage, ADA)
    without_ada = storage.read(path)

    land(storage, "users", rows)
    assert storage.read(path) != without_ada
    close_landing(night)

    assert storage.read(path) == without_ada
    assert len(arrived_files(storage, "users", [MARCH_1])) == 1


def test_new_files_lose_suppressed_people_before_their_day_is_closed(settings, storage, night):
    suppression.suppress(settings, "ada")
    path = land(storage, "users", [{"user_id": "ada"}, {"user_id": "ben"}])

    close_landing(night)

    assert read(storage, path) == [{"user_id": "ben"}]
    assert len(arrived_files(storage, "users", [MARCH_1])) == 1


def test_a_night_that_searched_with_an_older_list_closes_no_day(
    settings, storage, night, monkeypatch
):
    """Ada is erased while the night writes a file again without Ben, with her row in it."""
    suppression.suppress(settings, "ben")
    path = land(storage, "users", [{"user_id": "ada"}, {"user_id": "ben"}, {"user_id": "cy"}])

    def overtaken(*args):
        suppression.suppress(settings, "ada")
        return remove_suppressed(*args)

    with monkeypatch.context() as patched:
        patched.setattr(closing, "remove_suppressed", overtaken)
        with pytest.raises(suppression.ErasedDuringRun):
            close_landing(night)
    assert closed_days(storage) == ()
    assert read(storage, path) == [{"user_id": "ada"}, {"user_id": "cy"}]

    close_landing(night)

    assert closed_days(storage) == (MARCH_1,)
    assert read(storage, path) == [{"user_id": "cy"}]


def test_a_night_without_the_key_of_the_list_stops_before_it_reads(settings, storage, night):
    land(storage, "users", [{"user_id": "ada"}])
    suppression.suppress(settings, "ada")
    (settings.state / "privacy.key").unlink()

    with pytest.raises(suppression.PrivacyKeyMissing, match="EVENSONG_PRIVACY_KEY"):
        close_landing(night)


def test_files_that_land_or_change_after_the_scan_wait_for_the_next_closing(settings, storage):
    """The night has not searched them for suppressed people, so its manifest must not list them."""
    suppression.suppress(settings, "ada")
    early = land(storage, "users", [{"user_id": "ben"}])
    changed = land(storage, "tags", [{"user_id": "ben"}])
    _, scanned_sizes = remove_suppressed(storage, suppression.load_suppression_list(settings))
    late = land(storage, "listens", [{"user_id": "ada"}])
    land(storage, "tags", [{"user_id": "ada"}, {"user_id": "ben"}] * 50)

    close_days(storage, MARCH_1, scanned_sizes)

    assert [file.path for file in read_manifest(storage, MARCH_1).files] == [early]
    _, scanned_sizes = remove_suppressed(storage, suppression.load_suppression_list(settings))
    close_days(storage, MARCH_2, scanned_sizes)
    assert {file.path for file in read_manifest(storage, MARCH_2).files} == {late, changed}
    assert read(storage, late) == []

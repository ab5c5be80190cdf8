"""Manifests: which files count as arrived on which day."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from PIL import Image

from feature_store.lake.storage import FolderStorage
from feature_store.lake.stored_file import StorageError
from jobs.encoders.image.image_file import FORMATS
from jobs.landing.file_kinds import CONTENT_ENDINGS
from jobs.landing.layout import LandingError, track_id_in
from jobs.landing.manifests import (
    arrived_files,
    close_days,
    closed_days,
    first_arrival_day,
    first_closed_day,
    read_manifest,
)
from jobs.landing.status import files_of_day
from jobs.landing.unfinished import unfinished_files
from jobs.landing.withdrawal import withdraw
from jobs.landing.writer import LandingWriter
from jobs.sources.music_files.folder_walk import AUDIO_ENDINGS
from tests.support.log_capture import captured_log

FEB_27, FEB_28, FEB_29, MAR_1 = (
    date(2024, 2, 27),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
)
ONE_ROW = pa.table({"user_id": ["ada"]})


@pytest.fixture
def storage(tmp_path):
    return FolderStorage(tmp_path / "lake")


def land(storage, day, part="part-0"):
    return LandingWriter(storage).write_rows("users", day, ONE_ROW, part)


def listed(storage, day):
    return [file.path for file in read_manifest(storage, day).files]


def test_every_day_from_the_first_folder_to_as_of_is_closed_the_leap_day_too(storage):
    """27 February to 1 March 2024 are four days; the two without files get empty manifests."""
    first, last = land(storage, FEB_27), land(storage, FEB_29)

    assert close_days(storage, MAR_1) == (FEB_27, FEB_28, FEB_29, MAR_1)

    assert [listed(storage, day) for day in (FEB_27, FEB_28, FEB_29, MAR_1)] == [
        [first],
        [],
        [last],
        [],
    ]
    assert first_closed_day(str(storage.root)) == FEB_27


def test_the_first_arrival_of_a_source_is_its_own(storage):
    """Users come on 27 February and listens two days later; lyrics never."""
    land(storage, FEB_27)
    LandingWriter(storage).write_rows("listens", FEB_29, ONE_ROW)
    close_days(storage, MAR_1)

    assert first_arrival_day(storage, "users") == FEB_27
    assert first_arrival_day(storage, "listens") == FEB_29
    assert first_arrival_day(storage, "lyrics") is None


def test_a_day_after_as_of_stays_open(storage):
    """A backfill for 28 February does not see the 29th."""
    land(storage, FEB_27)
    land(storage, FEB_29)

    close_days(storage, FEB_28)

    assert closed_days(storage) == (FEB_27, FEB_28)


def test_a_late_file_counts_for_the_next_day_that_is_closed(storage):
    """It lands in the folder of the 27th after the night of the 28th: the 29th lists it, once."""
    land(storage, FEB_27)
    close_days(storage, FEB_28)
    late = land(storage, FEB_27, "late")
    earliest = land(storage, date(2024, 2, 1))

    assert close_days(storage, MAR_1) == (FEB_29, MAR_1)

    assert listed(storage, FEB_29) == [earliest, late]
    assert listed(storage, MAR_1) == []
    assert late not in listed(storage, FEB_27)


def test_closing_again_changes_nothing(storage):
    """A night that runs twice, or a backfill, finds the manifests as they were."""
    land(storage, FEB_27)
    close_days(storage, FEB_28)
    before = storage.read("landing/_manifests/2024-02-27.json")
    land(storage, FEB_27, "late")

    assert close_days(storage, FEB_28) == ()
    assert close_days(storage, FEB_27) == ()

    assert storage.read("landing/_manifests/2024-02-27.json") == before


def test_a_manifest_that_another_night_wrote_first_is_the_days_manifest(storage, monkeypatch):
    """Two nights race for the 27th: the loser reads the winner's list and gives its own file to the 28th."""
    path = land(storage, FEB_27)
    winners = b'{"arrival_date": "2024-02-27", "files": []}'
    put = FolderStorage.put_if_absent

    def lose_the_27th(self, name, content):
        if name.endswith("2024-02-27.json"):
            put(self, name, winners)
        return put(self, name, content)

    monkeypatch.setattr(FolderStorage, "put_if_absent", lose_the_27th)

    close_days(storage, FEB_28)

    assert (listed(storage, FEB_27), listed(storage, FEB_28)) == ([], [path])


def test_an_empty_landing_folder_is_an_error_that_names_the_next_step(storage):
    """The message names the folder and the ingest command."""
    with pytest.raises(LandingError, match=r"no file in .*lake/landing up to .*evensong ingest"):
        close_days(storage, FEB_27)


def test_files_of_later_days_do_not_make_an_empty_landing_valid(storage):
    """As of the 27th nothing had arrived, even after the 28th is closed."""
    land(storage, FEB_28)

    with pytest.raises(LandingError, match="up to 2024-02-27"):
        close_days(storage, FEB_27)

    close_days(storage, FEB_28)
    land(storage, FEB_27)
    with pytest.raises(LandingError, match="up to 2024-02-27"):
        close_days(storage, FEB_27)


def test_deleted_files_of_closed_days_do_not_make_the_landing_empty(storage):
    """A closed day proves an arrival, so the next day closes as usual with an empty manifest."""
    path = land(storage, FEB_27)
    close_days(storage, FEB_27)
    storage.delete(path)

    assert close_days(storage, FEB_28) == (FEB_28,)


def test_no_manifest_is_an_error_that_names_the_next_step(storage):
    with pytest.raises(LandingError, match=r"no manifest in .*evensong night"):
        first_closed_day(str(storage.root))


MISPLACED = (
    "landing/listenz/2024-02-27/part-0.parquet",
    "landing/listens/2024-2-27/part-0.parquet",
    "landing/listens/20240227/part-0.parquet",
    "landing/listens/part-0.parquet",
    "landing/listens/2024-02-27/more/part-0.parquet",
    "landing/read me.txt",
)


def test_files_outside_the_layout_stop_nothing_and_are_named(storage):
    """The manifest of as_of says why, and no other day's."""
    path = land(storage, FEB_27)
    for misplaced in MISPLACED:
        storage.write(misplaced, b"x")

    close_days(storage, FEB_28)

    assert listed(storage, FEB_27) == [path]
    not_taken = read_manifest(storage, FEB_28).not_taken
    assert sorted(one.path for one in not_taken) == sorted(MISPLACED)
    assert {one.reason.split(" with ")[0] for one in not_taken} == {
        "not landing/<source>/<YYYY-MM-DD>/<file>"
    }
    assert read_manifest(storage, FEB_27).not_taken == ()


def test_a_name_that_is_no_utf_8_stops_nothing_and_is_named(storage):
    path = land(storage, FEB_27)
    for folder in ("users", "audio"):
        raw = storage.root / "landing" / folder / "2024-02-27" / os.fsdecode(b"caf\xe9.parquet")
        raw.parent.mkdir(parents=True, exist_ok=True)
        raw.write_bytes(b"x")

    close_days(storage, FEB_27)

    assert listed(storage, FEB_27) == [path]
    not_taken = read_manifest(storage, FEB_27).not_taken
    assert {one.path for one in not_taken} == {
        "landing/audio/2024-02-27/caf\\xe9.parquet",
        "landing/users/2024-02-27/caf\\xe9.parquet",
    }
    assert {one.reason for one in not_taken} == {"its name is no UTF-8: rename it"}


@pytest.mark.parametrize(
    "track_id", ["_Yhyp-_hX2s", "_", ".dotted", "..", "a/b", " x", "%", "тест", "_%5F"]
)
def test_the_file_of_any_track_id_counts_as_that_track_s(storage, track_id):
    """YouTube's ids begin with an underscore; ours mark temporary files so."""
    path = LandingWriter(storage).write_file("audio", FEB_27, track_id, "flac", b"x")

    close_days(storage, FEB_27)

    assert listed(storage, FEB_27) == [path]
    assert track_id_in(path) == track_id


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("%00.flac", "its name gives no track id"),
        ("a%00b.flac", "its name gives no track id"),
        ("%20.flac", "its name gives no track id"),
        ("%E2%80%8B.flac", "its name gives no track id"),
        ("%ff.flac", "its name gives no track id"),
        ("_temporary.flac", "its name begins with _"),
    ],
)
def test_a_name_without_a_track_id_is_named(storage, name, reason):
    path = land(storage, FEB_27)
    storage.write(f"landing/audio/2024-02-27/{name}", b"x")

    close_days(storage, FEB_27)

    assert listed(storage, FEB_27) == [path]
    [one] = read_manifest(storage, FEB_27).not_taken
    assert (one.path.rsplit("/", 1)[1], one.reason.startswith(reason)) == (name, True)


def test_a_link_stops_nothing_and_is_named(storage, tmp_path):
    """One that leads out of the lake, one that leads nowhere, one for a whole folder."""
    path = land(storage, FEB_27)
    folder = storage.root / "landing" / "users" / "2024-02-27"
    (tmp_path / "outside.parquet").write_bytes(b"x")
    (folder / "out.parquet").symlink_to(tmp_path / "outside.parquet")
    (folder / "gone.parquet").symlink_to(tmp_path / "nothing")
    (storage.root / "landing" / "users" / "2024-02-26").symlink_to(folder, target_is_directory=True)

    close_days(storage, FEB_27)

    assert [file.path for _, file in arrived_files(storage, "users", [FEB_27])] == [path]
    not_taken = read_manifest(storage, FEB_27).not_taken
    assert {one.path.rsplit("/", 1)[1] for one in not_taken} == {
        "out.parquet", "gone.parquet", "2024-02-26",
    }  # fmt: skip
    assert all(one.reason.startswith("a link: the lake holds no links") for one in not_taken)


def test_a_withdrawn_file_counts_no_more_and_is_kept_with_its_reason(storage):
    """A file that is gone stops every job of its day; withdrawn, it stops none, and stays listed."""
    good, gone = land(storage, FEB_27), land(storage, FEB_27, "gone")
    close_days(storage, FEB_27)
    storage.delete(gone)
    assert [row["status"] for row in files_of_day(storage, FEB_27)] == ["gone", "listed"]
    now = datetime(2024, 2, 28, 9, tzinfo=UTC)

    day = withdraw(storage, gone, reason="sent twice", actor="ann", now=now)

    assert day == FEB_27
    assert [file.path for _, file in arrived_files(storage, "users", [FEB_27])] == [good]
    [row, _] = files_of_day(storage, FEB_27)
    assert row == {
        "path": gone, "status": "withdrawn", "byte_count": None,
        "reason": "sent twice (ann, 2024-02-28 09:00:00 UTC)",
    }  # fmt: skip
    storage.write(gone, b"back")
    close_days(storage, FEB_28)
    assert listed(storage, FEB_28) == []
    with pytest.raises(LandingError, match="withdrawn already: sent twice"):
        withdraw(storage, gone, reason="again", actor="ann", now=now)
    with pytest.raises(LandingError, match="no closed day lists 'landing/x'"):
        withdraw(storage, "landing/x", reason="why", actor="ann", now=now)
    with pytest.raises(LandingError, match="needs a reason"):
        withdraw(storage, good, reason=" ", actor="ann", now=now)


def test_a_file_that_is_being_written_waits_for_the_next_closing(storage):
    """Only young files without an end wait; an old one is read, and becomes a reject.

    A recording has no end mark: with its first bytes it may be half of what it will be. One that is
    dated years ahead is not young for ever.
    """
    whole = land(storage, FEB_27)
    growing, settled, ahead = (
        LandingWriter(storage).write_file("audio", FEB_27, name, "flac", b"sound")
        for name in ("growing", "settled", "ahead")
    )
    half, old = "landing/users/2024-02-27/half.parquet", "landing/users/2024-02-27/old.parquet"
    empty = "landing/audio/2024-02-27/hymn.flac"
    for path, content in ((half, b"PAR1 and"), (old, b"PAR1 and"), (empty, b"")):
        storage.write(path, content)
    now = datetime.now(UTC)
    for path, age_s in ((old, 601), (settled, 601), (ahead, -2e9), (growing, -1)):
        os.utime(storage.root / path, 2 * (now.timestamp() - age_s,))

    left_open = unfinished_files(storage, now, settle_s=600)
    close_days(storage, FEB_27, left_open=left_open)

    waiting = {half, empty, growing}
    assert set(left_open) == waiting
    assert listed(storage, FEB_27) == [ahead, settled, old, whole]
    assert {one.path for one in read_manifest(storage, FEB_27).not_taken} == waiting
    assert unfinished_files(storage, now, settle_s=0) == {}


PARQUET_COPIES = (
    "part-0.parquet.tmp",
    "part-0.parquet.part",
    "part-0.parquet._COPYING_",
    "part-0.parquet.crdownload",
    "part-0.PARQUET.filepart",
    "part-0.parquet_.gstmp",
    "part-0.parquet.6eF3aB12",  # the AWS command line
    "part-0.parquet~",
    "part-0.parquet.bak",
    "part-0.tmp",
    ".part-0.parquet.Xa81bc",  # rsync
    ".part-0.parquet.swp",
    "_part-0.parquet",
    ".hidden.parquet",
)
CONTENT_COPIES = (
    "hymn.flac.part",
    "hymn.FLAC.6eF3aB12",
    "hymn.mp3.tmp",
    "hymn.wav~",
    "hymn.flac_0002.partial",
    ".hymn.flac.Xa81bc",
)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        *[("users", name) for name in PARQUET_COPIES],
        *[("audio", name) for name in CONTENT_COPIES],
    ],
)
def test_a_name_of_a_copying_program_waits_and_is_named(storage, source, name):
    """Listed under it, a file would be gone when its program renames it, and stop the night."""
    other = land(storage, FEB_27)
    path, whole = (f"landing/{source}/2024-02-27/{each}" for each in (name, "whole.flac"))
    storage.write(path, b"fLaC\0 and more")

    close_days(storage, FEB_27)
    storage.write(whole, storage.read(path))
    storage.delete(path)
    close_days(storage, FEB_28)

    assert listed(storage, FEB_27) == [other]
    [one] = read_manifest(storage, FEB_27).not_taken
    assert (one.path, "rename it or remove it" in one.reason) == (path, True)
    assert listed(storage, FEB_28) == [whole]
    assert read_manifest(storage, FEB_28).not_taken == ()


@pytest.mark.parametrize(
    "name",
    ["part.parquet", "tmp.parquet", "a.part.parquet", "x.parquet_0002.parquet", "rows.PARQUET"],
)
def test_a_name_with_a_word_of_copying_programs_before_its_ending_counts(storage, name):
    path = f"landing/users/2024-02-27/{name}"
    storage.write(path, b"PAR1")

    close_days(storage, FEB_27)

    assert listed(storage, FEB_27) == [path]


BOOKKEEPING = ("_SUCCESS", "_metadata", ".part-0.parquet.crc", ".DS_Store", ".writing-1")


def test_bookkeeping_is_neither_listed_nor_named(storage):
    path = land(storage, FEB_27)
    for name in BOOKKEEPING:
        storage.write(f"landing/users/2024-02-27/{name}", b"x")

    close_days(storage, FEB_27)

    assert (listed(storage, FEB_27), read_manifest(storage, FEB_27).not_taken) == ([path], ())


PICTURE, SOUND = b"\x89PNG\r\n\x1a\n\0\0", b"fLaC\0\0\0\x22\x10\0"
NO_CONTENT = {
    "audio/Thumbs.db": b"\xd0\xcf\x11\xe0",
    "audio/hymn.md5": b"d41d8cd98f00b204e9800998ecf8427e",
    "audio/hymn.txt": "Hymn".encode("utf-16"),  # begins as a frame of MPEG does
    "audio/hymn.png": PICTURE,
    "audio/hymn.mp4": b"\0\0\0\x20ftypisom\0\0",  # a film of the track
    "covers/desktop.ini": b"[.ShellClassInfo]",
    "covers/hymn.txt": b"BMW advertisement, page 1",
    "covers/hymn.pdf": b"%PDF-1.7",
    "covers/hymn.flac": SOUND,
    "covers/hymn": b"",
}
CONTENT = {
    "audio/hymn.flac": b"damaged: its encoder says so",
    "audio/b.MP3": b"x",
    "audio/c.wav_0002": b"x",
    "audio/d": SOUND,
    "audio/e.bin": b"ID3\3\0",
    "audio/f.mpeg": b"\xff\xfb\x90\x64",
    "covers/hymn.jpeg": b"damaged",
    "covers/b.TIF": b"x",
    "covers/c": PICTURE,
    "covers/d.img": b"\xff\xd8\xff\xe0",
}


def test_files_beside_content_are_named_and_are_no_content(storage):
    """A note beside a recording had its track's name and was written later: it took its place."""
    for name, content in {**CONTENT, **NO_CONTENT}.items():
        folder, file = name.split("/")
        storage.write(f"landing/{folder}/2024-02-27/{file}", content)

    close_days(storage, FEB_27)

    def short(paths):
        return {path.removeprefix("landing/").replace("2024-02-27/", "") for path in paths}

    assert short(listed(storage, FEB_27)) == set(CONTENT)
    not_taken = read_manifest(storage, FEB_27).not_taken
    assert short(one.path for one in not_taken) == set(NO_CONTENT)
    assert all("neither its ending nor its first bytes are of" in one.reason for one in not_taken)


def test_a_file_of_no_known_ending_that_cannot_be_read_is_named(storage, monkeypatch):
    path, unread = land(storage, FEB_27), "landing/audio/2024-02-27/hymn"
    storage.write(unread, SOUND)

    def refuse(*_):
        raise StorageError("storage: permission denied")

    monkeypatch.setattr(FolderStorage, "local_copy", refuse)

    close_days(storage, FEB_27)

    assert listed(storage, FEB_27) == [path]
    [one] = read_manifest(storage, FEB_27).not_taken
    assert (one.path, "cannot be read: storage: permission denied" in one.reason) == (unread, True)


def test_every_ending_that_music_folders_bring_is_one_of_content():
    """Covers land with an ending of a format that the decoder of pictures opens."""
    opened = {ending for ending, name in Image.registered_extensions().items() if name in FORMATS}

    assert CONTENT_ENDINGS["audio"] >= AUDIO_ENDINGS
    assert CONTENT_ENDINGS["covers"] == opened


def test_files_of_a_source_come_with_the_day_that_lists_them(storage):
    """Only users, and only of the given days."""
    land(storage, FEB_27)
    of_the_day = land(storage, FEB_28)
    LandingWriter(storage).write_file("audio", FEB_28, "a/b", "flac", b"sound")
    close_days(storage, MAR_1)

    assert [
        (day, file.path) for day, file in arrived_files(storage, "users", [FEB_28, FEB_29])
    ] == [(FEB_28, of_the_day)]
    [(_, audio)] = arrived_files(storage, "audio", [FEB_28])
    assert (audio.path, audio.byte_count) == ("landing/audio/2024-02-28/a%2Fb.flac", 5)


def test_a_listed_file_that_changed_or_vanished_is_an_error(storage):
    """The message names the file, the manifest and both sizes."""
    rows = land(storage, FEB_27)
    sound = LandingWriter(storage).write_file("audio", FEB_27, "hymn", "flac", b"sound")
    close_days(storage, FEB_27)

    storage.write(rows, b"noise and more")
    with pytest.raises(LandingError, match=rf"{rows} has 14 bytes now.*says \d+ bytes"):
        arrived_files(storage, "users", [FEB_27])

    for path, source in ((rows, "users"), (sound, "audio")):
        storage.delete(path)
        with pytest.raises(LandingError, match=f"{path} is gone.*restore the file"):
            arrived_files(storage, source, [FEB_27])


def arrived(storage, day):
    return [(file.path, file.byte_count) for _, file in arrived_files(storage, "audio", [day])]


def test_content_that_grew_after_its_day_was_closed_stops_no_night_and_arrives_again(
    storage, monkeypatch
):
    """Half a copy was listed; the whole one counts for the next day, once, and its past has neither."""
    logs = captured_log(monkeypatch, "jobs.landing.manifests.LOG")
    writer = LandingWriter(storage)
    grown, other = (writer.write_file("audio", FEB_27, one, "flac", b"so") for one in ("a", "b"))
    close_days(storage, FEB_27)
    assert arrived(storage, FEB_27) == [(grown, 2), (other, 2)]
    storage.write(grown, b"sound")

    close_days(storage, FEB_28)
    close_days(storage, FEB_29)

    assert [arrived(storage, day) for day in (FEB_27, FEB_28, FEB_29)] == [
        [(other, 2)],
        [(grown, 5)],
        [],
    ]
    [warning] = logs
    assert warning["path"] == grown
    assert f"{grown} has 5 bytes now, its manifest" in warning["reason"]
    assert [row["status"] for row in files_of_day(storage, FEB_27)] == ["changed", "listed"]


def test_content_that_is_young_again_waits_and_withdrawn_content_stays_out(storage):
    writer = LandingWriter(storage)
    grown, wrong = (writer.write_file("audio", FEB_27, one, "flac", b"so") for one in ("a", "b"))
    close_days(storage, FEB_27)
    now = datetime(2024, 2, 28, 9, tzinfo=UTC)
    withdraw(storage, wrong, reason="another song", actor="ann", now=now)
    for path in (grown, wrong):
        storage.write(path, b"sound")

    close_days(storage, FEB_28, left_open={grown: "young"})
    close_days(storage, FEB_29)

    assert [one.path for one in read_manifest(storage, FEB_28).not_taken] == [grown]
    assert [listed(storage, day) for day in (FEB_28, FEB_29)] == [[], [grown]]


def test_an_open_day_cannot_be_read(storage):
    land(storage, FEB_27)

    with pytest.raises(StorageError, match=r"2024-02-27\.json"):
        arrived_files(storage, "users", [FEB_27])


def test_a_folder_of_a_day_that_cannot_be_meant_is_named_and_makes_no_manifests(storage):
    """A folder of 1970 would make a manifest of each day since; one of 2062 would wait unseen."""
    early, good, ahead = (
        land(storage, date(1970, 1, 1)),
        land(storage, FEB_29),
        land(storage, date(2062, 1, 1)),
    )

    assert close_days(storage, MAR_1, first=date(1990, 1, 1), last=date(2024, 3, 2)) == (
        FEB_29,
        MAR_1,
    )

    assert listed(storage, FEB_29) == [good]
    not_taken = {one.path: one.reason for one in read_manifest(storage, MAR_1).not_taken}
    assert set(not_taken) == {early, ahead}
    assert "earlier than landing.earliest_date = 1990-01-01" in not_taken[early]
    assert "later than 2024-03-02" in not_taken[ahead]


def test_files_of_impossible_days_alone_are_no_landing(storage):
    land(storage, date(1970, 1, 1))

    with pytest.raises(LandingError, match="no file in"):
        close_days(storage, MAR_1, first=date(1990, 1, 1))


def test_a_landing_in_which_every_file_waits_says_which_and_why(storage):
    """Else a first night would say that nothing is there, of a folder that is full."""
    path = "landing/users/2024-02-27/part-0.parquet.part"
    storage.write(path, b"PAR1")

    with pytest.raises(LandingError, match=f"do not count: 1, such as {path}: its name is of a"):
        close_days(storage, FEB_27)

"""A log that others append to loses the person's id, and none of their lines."""

from __future__ import annotations

import gzip
from pathlib import Path
from threading import Event, Thread

import pytest

from feature_store.privacy import log_files
from feature_store.privacy.log_files import LogChanged, redact_log
from feature_store.privacy.person_filter import Person, redact


def lines(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("user_id", ["a", "ada-l", "twelve-bytes", "ada.lovelace@mail.example.org"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_ids_shorter_and_longer_than_the_placeholder_are_replaced(tmp_path, user_id, end):
    log = tmp_path / "task.log"
    log.write_text(f"first\nrow of {user_id}, of ben\n{user_id}\nlast{end}")

    assert redact_log(log, Person(user_id))

    assert sorted(lines(log.read_text())) == ["first", "last", "row of ‹erased›, of ben", "‹erased›"]  # fmt: skip
    assert not redact_log(log, Person(user_id))


@pytest.mark.parametrize(
    ("user_id", "is_longer_without"), [("ada-l", True), ("ada.lovelace@mail.example.org", False)]
)
def test_what_a_server_appends_while_its_log_is_rewritten_is_kept(
    tmp_path, user_id, is_longer_without
):
    """It appends all the time; 4 MB take long enough to write.

    Lines that came before the search are searched ones: a longer text moves them to the end.
    """
    log, is_done = tmp_path / "server.log", Event()
    log.write_text(f"row of {user_id} of {'x' * 80}\n" * 40_000)
    appended = []

    def serve():
        with log.open("a", buffering=1) as held:
            while not is_done.is_set():
                appended.append(f"line {len(appended)}")
                held.write(appended[-1] + "\n")

    server = Thread(target=serve)
    server.start()
    try:
        assert redact_log(log, Person(user_id))
    finally:
        is_done.set()
        server.join()

    found = lines(log.read_text())
    assert len(appended) > 100
    served = [line for line in found if line.startswith("line ")]
    assert sorted(served) == sorted(appended)
    assert is_longer_without or served == appended
    assert found.count(f"row of ‹erased› of {'x' * 80}") == 40_000
    assert len(found) == 40_000 + len(appended)


@pytest.mark.parametrize("user_id", ["ada", "ada.lovelace@mail.example.org"])
def test_a_line_that_is_half_written_is_completed_by_its_server(tmp_path, user_id):
    log = tmp_path / "server.log"
    with log.open("a") as held:
        held.write(f"row of {user_id}\nhalf of ")
        held.flush()
        redact_log(log, Person(user_id))
        held.write("a line\n")

    assert lines(log.read_text()) == ["row of ‹erased›", "half of a line"]


def test_a_log_that_is_rotated_while_it_is_searched_is_not_written_over(tmp_path, monkeypatch):
    """The new log holds other lines: those of the old one are no part of it."""
    log = tmp_path / "server.log"
    log.write_text("row of ada\n")

    def rotated_meanwhile(text, person):
        log.rename(tmp_path / "server.log.1")
        log.write_text("a new log of the server\n")
        return redact(text, person)

    monkeypatch.setattr(log_files, "redact", rotated_meanwhile)

    with pytest.raises(LogChanged, match=r"server.log: was rotated"):
        redact_log(log, Person("ada"))
    assert log.read_text() == "a new log of the server\n"


def test_a_packed_log_is_replaced_as_a_whole_and_a_killed_replacement_is_forgotten(
    tmp_path, monkeypatch
):
    log = tmp_path / "airflow.log.1.gz"
    log.write_bytes(gzip.compress(b"listener ada-lovelace\n" * 9))

    def killed(file, content):
        write_bytes(file, content[: len(content) // 2])
        raise KeyboardInterrupt

    write_bytes = Path.write_bytes
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            redact_log(log, Person("ada-lovelace"))

    named = [redact_log(file, Person("ada-lovelace")) for file in list(log_files.files_below(tmp_path))]  # fmt: skip

    assert named == [["ada-lovelace"], []]
    assert gzip.decompress(log.read_bytes()) == "listener ‹erased›\n".encode() * 9
    assert list(tmp_path.iterdir()) == [log]

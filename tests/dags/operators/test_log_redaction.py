"""Log redaction replaces a person's id in Airflow's logs and database and keeps the rest."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dags.operators.log_redaction import erase_logs
from dags.policy.airflow_homes import AIRFLOW_HOMES
from feature_store.privacy import requests
from feature_store.privacy.log_files import LogUnreadable
from feature_store.privacy.person_filter import Person
from feature_store.spark.local_folder import own_spill_folder
from jobs.privacy.reports import redact_lineage
from tests.support.id_search import files_containing_id

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(params=AIRFLOW_HOMES)
def airflow_home(request, settings, monkeypatch):
    """A home whose database has tables like Airflow's: text, JSON, a key and a number."""
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    home = settings.state / request.param
    (home / "logs" / "dag").mkdir(parents=True)
    with sqlite3.connect(home / "airflow.db") as database:
        database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, event VARCHAR(60), extra TEXT, n INTEGER)")  # fmt: skip
        database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, content JSON)")
        database.execute("INSERT INTO log VALUES (1, 'failed', 'row {\"user_id\":\"rock-2\"}', 7), (2, 'ok', 'rock-20 is fine', 7)")  # fmt: skip
        database.execute('INSERT INTO note VALUES (1, \'["rock-2", "rock-3"]\')')
    return home


def requested(settings, user_id):
    return requests.record_request(settings, user_id, actor="officer", now=NOON).request_id


def test_the_id_is_redacted_in_logs_text_columns_and_free_pages(settings, airflow_home):
    log = airflow_home / "logs" / "dag" / "task.log"
    log.write_text('GateFailed: for example {"user_id":"rock-2"}; rock-20 stays\n')

    assert erase_logs(settings, requested(settings, "rock-2")) == 3

    assert lines(log.read_text()) == [
        'GateFailed: for example {"user_id":"‹erased›"}; rock-20 stays'
    ]
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        rows = database.execute("SELECT extra, n FROM log ORDER BY id").fetchall()
        notes = database.execute("SELECT content FROM note").fetchall()
    assert rows == [('row {"user_id":"‹erased›"}', 7), ("rock-20 is fine", 7)]
    assert notes == [('["‹erased›", "rock-3"]',)]
    assert files_containing_id(airflow_home, '"rock-2"') == []


def lines(text):
    """Lines of a log without the blanks that fill the room of what was replaced."""
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def packed(name, text):
    return {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(
        Path(name).suffix, bytes
    )(text.encode())


def unpacked(file):
    return {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}.get(
        file.suffix, bytes
    )(file.read_bytes()).decode()


@pytest.mark.parametrize("folder", [".", "airflow/logs/dag", "server/logs", "server", "lineage"])
@pytest.mark.parametrize(
    "name", ["spark.log", "spark.log.1", "a.log.2.gz", "a.log.bz2", "a.log.xz", "a.log-20260301"]
)
@pytest.mark.parametrize("user_id", ["O'Neil", "spotify:user:ann"])
def test_every_log_and_every_rotated_one_is_redacted(settings, folder, name, user_id):
    file = settings.state / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packed(name, f"row of {user_id} of 7\n"))
    request_id = requested(settings, user_id)

    erase_logs(settings, request_id)
    redact_lineage(settings, Person(user_id))

    assert lines(unpacked(file)) == ["row of ‹erased› of 7"]


def test_a_server_that_holds_its_log_open_goes_on_writing_to_it(settings):
    log = settings.state / "server" / "logs" / "scheduler.log"
    log.parent.mkdir(parents=True)
    with log.open("a") as held:
        held.write("row of ada-l\n")
        held.flush()

        erase_logs(settings, requested(settings, "ada-l"))

        held.write("next line\n")
    assert lines(log.read_text()) == ["row of ‹erased›", "next line"]


def test_a_log_that_is_called_as_the_person_gets_another_name(settings):
    log = settings.state / "airflow" / "logs" / "for_ada.log"
    log.parent.mkdir(parents=True)
    log.write_text("done\n")

    assert erase_logs(settings, requested(settings, "ada")) == 1

    assert [file.name for file in log.parent.iterdir()] == ["for_erased.log"]


def test_logs_that_are_called_as_two_people_keep_both_their_lines(settings):
    folder = settings.state / "airflow" / "logs"
    folder.mkdir(parents=True)
    for name in ("ada", "ben"):
        (folder / f"{name}.log").write_text(f"the log of {len(name)} {name}\n")
        erase_logs(settings, requested(settings, name))

    assert {file.name for file in folder.iterdir()} == {"erased.log", "erased-2.log"}


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:20], lambda packed: packed[:10] + b"\xff" + packed[11:]]
)
def test_a_damaged_rotated_log_is_an_error_that_names_it(settings, damage):
    log = settings.state / "spark.log.1.gz"
    log.parent.mkdir(parents=True)
    log.write_bytes(damage(gzip.compress(b"row of ada" * 100)))

    with pytest.raises(LogUnreadable, match=r"spark.log.1.gz: .*; delete it, then continue"):
        erase_logs(settings, requested(settings, "ada"))


def test_what_killed_spark_jobs_left_is_deleted_and_what_a_living_one_uses_stays(settings):
    """A killed process holds no lock any more; this process stands for a living one."""
    own = own_spill_folder(settings.state)
    (own / "shuffle.data").write_bytes(b"packed rows")
    script = "import os, signal, sys; from pathlib import Path; from feature_store.spark.local_folder import own_spill_folder; f = own_spill_folder(Path(sys.argv[1])); (f / 'shuffle.data').write_bytes(b'ada-l'); os.kill(os.getpid(), signal.SIGKILL)"
    subprocess.run([sys.executable, "-c", script, str(settings.state)], check=False)
    earlier = settings.state / "spark-local" / "blockmgr-1"
    earlier.mkdir()
    (earlier / "shuffle.data").write_bytes(b"ada-l")
    assert len(files_containing_id(settings.state, "ada-l")) == 2

    erase_logs(settings, requested(settings, "ada-l"))

    assert files_containing_id(settings.state, "ada-l") == []
    assert (own / "shuffle.data").exists()


@pytest.mark.parametrize(
    ("user_id", "in_database"),
    [("r2d", "‹erased›"), ("r2", "r2"), ("1234567", "1234567"), ("123456x", "‹erased›")],
)
def test_the_database_is_redacted_of_ids_of_three_characters_that_are_not_all_digits(
    settings, airflow_home, user_id, in_database
):
    """Shorter ids and numbers are everyday values of a database; log files are redacted of every id."""
    log = airflow_home / "logs" / "dag" / "task.log"
    log.write_text(f"row of {user_id}\n")
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        database.execute("INSERT INTO log VALUES (3, 'failed', ?, 7)", (f"row of {user_id}",))

    n_redacted = erase_logs(settings, requested(settings, user_id))

    assert lines(log.read_text()) == ["row of ‹erased›"]
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        [(extra,)] = database.execute("SELECT extra FROM log WHERE id = 3")
    assert extra == f"row of {in_database}"
    assert n_redacted == (1 if in_database == user_id else 2)


def test_an_id_of_digits_is_not_redacted_in_the_database(settings, airflow_home):
    """`7` is in every second row, and no such row is about a person."""
    before = (airflow_home / "airflow.db").read_bytes()

    erase_logs(settings, requested(settings, "7"))

    assert (airflow_home / "airflow.db").read_bytes() == before


def test_an_id_of_digits_is_redacted_in_the_database_where_it_is_said_to_be_a_person(
    settings, airflow_home
):
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        database.execute("INSERT INTO log VALUES (7, 'failed', 'user_id=7 rows=7 try 7', 7)")

    erase_logs(settings, requested(settings, "7"))

    with sqlite3.connect(airflow_home / "airflow.db") as database:
        rows = database.execute("SELECT id, extra, n FROM log WHERE id = 7").fetchall()
    assert rows == [(7, "user_id=‹erased› rows=7 try 7", 7)]


def test_logs_and_databases_are_searched_for_several_people_at_once(settings, airflow_home):
    """More spellings than SQLite takes in one expression; each request counts what named its person.

    The text is longer without them, so that it is moved behind blanks.
    """
    log = airflow_home / "logs" / "dag" / "task.log"
    text = "rows of rock-2 and of rock-3; rock-20 stays"
    log.write_text(f"{text}\n")
    crowd = [f"O'N{number} & <x>" for number in range(150)]
    ids = [requested(settings, one) for one in ("rock-2", "rock-3", *crowd)]

    assert erase_logs(settings, *ids) == 3

    blanks = " " * len(text)
    assert log.read_text() == f"{blanks}\nrows of ‹erased› and of ‹erased›; rock-20 stays\n"
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        assert database.execute("SELECT content FROM note").fetchall() == [('["‹erased›", "‹erased›"]',)]  # fmt: skip
    counts = [requests.load_request(settings, one).removed.get("airflow", 0) for one in ids[:3]]
    assert counts == [3, 2, 0]


def test_without_an_airflow_home_nothing_is_redacted(settings):
    assert erase_logs(settings, requested(settings, "rock-2")) == 0

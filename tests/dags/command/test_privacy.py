"""`evensong erase` and `evensong export`: output, errors, and no user id in erasure output."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from feature_store.lake import arrow_io
from feature_store.privacy import requests
from feature_store.tables.core import CORE_USERS
from feature_store.tables.runs import RUN_ERASURES
from tests.support.id_search import files_containing_id

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
EVENSONG = Path(sys.executable).with_name("evensong")


@pytest.fixture
def evensong(settings):
    """The command over a lake with the users ada-l and ben and no published run."""
    plain = {"registered_date": None, "is_opted_out": False, "is_named_to_others": False, "known_from_date": date(2026, 3, 1)}  # fmt: skip
    rows = [plain | {"user_id": user} for user in ("ada-l", "ben")]
    arrow_io.append(settings.lake, CORE_USERS, pa.Table.from_pylist(rows, schema=CORE_USERS.arrow_schema))  # fmt: skip
    places = {"EVENSONG_LAKE": settings.lake, "EVENSONG_STATE": str(settings.state), "EVENSONG_PRIVACY__READER_GRACE_S": "0"}  # fmt: skip

    def run(*arguments, stdin=""):
        return subprocess.run([EVENSONG, *arguments], input=stdin, capture_output=True, text=True,
                              check=False, timeout=200, env=os.environ | places)  # fmt: skip

    return run


def test_erase_prints_the_request_id_and_status_prints_finished(evensong, settings):
    """The user id comes from standard input; no output and no file has it afterwards."""
    done = evensong("erase", "-", stdin="ada-l\n")

    assert done.returncode == 0, done.stderr
    request_id = done.stdout.splitlines()[0]
    assert evensong("erase", "--status", request_id).stdout == "finished\n"
    assert "ada-l" not in done.stdout + done.stderr
    assert files_containing_id(settings.lake, "ada-l") == []
    assert arrow_io.read_table(settings.lake, CORE_USERS)["user_id"].to_pylist() == ["ben"]


def test_an_id_from_standard_input_is_all_of_it(evensong):
    """Only the first line would erase another person."""
    done = evensong("erase", "-", stdin="ada-l\nben\n")

    assert done.returncode == 1
    assert "--even-unknown" in done.stderr


@pytest.mark.parametrize("stdin", ["", "\udce5"])
def test_an_id_that_is_no_text_is_refused(settings, stdin):
    done = subprocess.run(
        [EVENSONG, "erase", "-" if stdin else b"bl\xe5"],
        input=stdin.encode(errors="surrogateescape"),
        capture_output=True,
        check=False,
        env=os.environ | {"EVENSONG_LAKE": settings.lake, "EVENSONG_STATE": str(settings.state)},
    )

    assert done.returncode == 2
    assert "UTF-8" in done.stderr.decode()


def test_export_writes_json_that_only_its_owner_may_read(evensong, tmp_path):
    done = evensong("export", "person", "ada-l", "--output", str(tmp_path / "ada.json"))

    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((tmp_path / "ada.json").stat().st_mode) == 0o600
    sections = json.loads((tmp_path / "ada.json").read_text())
    assert [row["user_id"] for row in sections["core_users"]] == ["ada-l"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("erase",), 2, "--status REQUEST"),
        (("erase", "ada-l", "--status", "00"), 2, "--status REQUEST"),
        (("erase", "--resume", "--later"), 2, "--later needs a person's id"),
        (("erase", "no-such-user"), 1, "--even-unknown"),
        (("erase", "--status", "0123456789abcdef"), 1, "no unfinished request"),
        (("export", "person", "no-such-user"), 1, "check the id"),
        (("erase", "ada-l", "--actor", "for ada-l"), 1, "--actor another name"),
    ],
)
def test_a_refused_command_names_the_next_step(evensong, arguments, status, message):
    refused = evensong(*arguments)

    assert refused.returncode == status
    assert message in " ".join(refused.stderr.split())


def test_requests_for_later_are_recorded_and_erased_in_one_batch(evensong, settings):
    made = [evensong("erase", user, "--later") for user in ("ada-l", "ben")]
    assert [done.returncode for done in made] == [0, 0]
    assert arrow_io.read_table(settings.lake, CORE_USERS).num_rows == 2

    resumed = evensong("erase", "--resume")

    assert resumed.returncode == 0, resumed.stderr
    ids = {done.stdout.splitlines()[0] for done in made}
    assert len(ids) == 2
    assert ids <= set(resumed.stdout.splitlines())
    assert arrow_io.read_table(settings.lake, CORE_USERS).num_rows == 0
    assert arrow_io.read_table(settings.lake, RUN_ERASURES).num_rows == 2
    assert "no request is pending" in evensong("erase", "--resume").stderr


def test_unfinished_requests_are_listed_without_the_person_and_resumed_together(evensong, settings):
    made = [
        requests.record_request(settings, user, actor="[officer]", now=NOON).request_id
        for user in ("ada-l", "ben")
    ]
    Path(settings.lake, "privacy", "requests", f".{made[0]}.json-1").write_text("ada-l")

    listed = evensong("erase", "--pending")
    rows = json.loads(evensong("erase", "--pending", "--format", "json").stdout)

    assert "[officer]" in listed.stdout
    assert "ada-l" not in listed.stdout
    assert sorted(row["request_id"] for row in rows) == sorted(made)
    assert {row["actor"] for row in rows} == {"[officer]"}

    resumed = evensong("erase", "--resume")

    assert resumed.returncode == 0, resumed.stderr
    assert set(made) <= set(resumed.stdout.splitlines())
    assert arrow_io.read_table(settings.lake, CORE_USERS).num_rows == 0
    assert json.loads(evensong("erase", "--pending", "--format", "json").stdout) == []
    assert files_containing_id(settings.lake, "ada-l") == []

"""`evensong erase` and `evensong export`: what they print, and whom they never name."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from feature_store.lake import arrow_io
from feature_store.tables.core import CORE_USERS
from tests.support.id_search import traces

EVENSONG = Path(sys.executable).with_name("evensong")


@pytest.fixture
def evensong(settings):
    """The command over a lake that knows ada-l and ben, where nothing is published yet."""
    plain = {"registered_date": None, "is_opted_out": False, "is_named_to_others": False, "known_from_date": date(2026, 3, 1)}  # fmt: skip
    rows = [plain | {"user_id": user} for user in ("ada-l", "ben")]
    arrow_io.append(settings.lake, CORE_USERS, pa.Table.from_pylist(rows, schema=CORE_USERS.arrow_schema))  # fmt: skip
    places = {"EVENSONG_LAKE": settings.lake, "EVENSONG_STATE": str(settings.state), "EVENSONG_PRIVACY__READER_GRACE_S": "0"}  # fmt: skip

    def run(*arguments, stdin=""):
        return subprocess.run([EVENSONG, *arguments], input=stdin, capture_output=True, text=True,
                              check=False, timeout=200, env=os.environ | places)  # fmt: skip

    return run


def test_erase_prints_the_requests_id_and_status_says_finished(evensong, settings):
    """The id comes by standard input; nothing that is printed or kept has it."""
    said = evensong("erase", "-", stdin="ada-l\n")

    assert said.returncode == 0, said.stderr
    request_id = said.stdout.splitlines()[0]
    assert evensong("erase", "--status", request_id).stdout == "finished\n"
    assert "ada-l" not in said.stdout + said.stderr
    assert traces(settings.lake, "ada-l") == []
    assert arrow_io.read_table(settings.lake, CORE_USERS)["user_id"].to_pylist() == ["ben"]


def test_export_writes_json_that_only_its_owner_reads(evensong, tmp_path):
    said = evensong("export", "ada-l", "--output", str(tmp_path / "ada.json"))

    assert said.returncode == 0, said.stderr
    assert stat.S_IMODE((tmp_path / "ada.json").stat().st_mode) == 0o600
    sections = json.loads((tmp_path / "ada.json").read_text())
    assert [row["user_id"] for row in sections["core_users"]] == ["ada-l"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("erase",), 2, "--status REQUEST"),
        (("erase", "ada-l", "--status", "00"), 2, "--status REQUEST"),
        (("erase", "nobody"), 1, "--even-unknown"),
        (("erase", "--status", "0123456789abcdef"), 1, "no unfinished request"),
        (("export", "nobody"), 1, "check the id"),
        (("erase", "ada-l", "--actor", "for ada-l"), 1, "--actor another name"),
    ],
)
def test_what_cannot_be_done_says_what_can(evensong, arguments, status, message):
    said = evensong(*arguments)

    assert said.returncode == status
    assert message in " ".join(said.stderr.split())

"""The `evensong` command: output, exit status and error messages."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from tests.support import toy_dataset

EVENSONG = Path(sys.executable).with_name("evensong")


def evensong(*arguments, lake="nowhere", **variables):
    return subprocess.run(
        [EVENSONG, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": "state"} | variables,
    )


def test_an_error_is_one_message_with_status_1_and_no_traceback():
    failed = evensong("read", "rec_topk")

    assert failed.returncode == 1
    assert failed.stderr.startswith("error NothingPublished: published_runs: nothing is published")
    assert "EVENSONG_LAKE" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_debug_shows_the_traceback():
    assert "Traceback" in evensong("read", "rec_topk", "--debug").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("night",),
        ("night", "--as-of", "1 March"),
        ("night", "--as-of", "2026-03-01", "--publish", "now"),
        ("read", "rec_topk", "--format", "xml"),
        ("ingest", "spotify", ".", "--arrival-date", "2026-03-01"),
        ("sing",),
    ],
)
def test_wrong_usage_has_status_2(arguments):
    assert evensong(*arguments).returncode == 2


def test_a_misspelt_setting_stops_any_command():
    failed = evensong("published", EVENSONG_LIST__LENGTH="3")

    assert failed.returncode == 1
    assert "EVENSONG_LIST__LENGTH names no setting" in failed.stderr


def test_an_empty_landing_folder_says_what_to_do_next(tmp_path):
    """And the night has a database of its own: the servers' scheduler would start its tasks again."""
    (tmp_path / "night.toml").write_text("seed = 3\n")
    variables = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://unused@127.0.0.1:1/no",
        "EVENSONG_CONFIG": str(tmp_path / "night.toml"),
    }

    failed = evensong("night", "--as-of", "2026-03-01", lake=tmp_path / "lake", **variables)

    assert failed.returncode == 1
    assert "landing: no file in" in failed.stderr
    assert "evensong ingest" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert f"settings file: {tmp_path / 'night.toml'}" in failed.stdout


def test_settings_show_their_value_and_what_sets_it():
    shown = json.loads(evensong("settings", "--format", "json", EVENSONG_SEED="5").stdout)
    table = evensong("settings", "--changed", EVENSONG_SEED="5").stdout

    assert {"name": "seed", "value": 5, "origin": "EVENSONG_SEED"} in shown
    assert len(shown) > 60
    assert "file: none" in table
    assert "EVENSONG_SEED" in table
    assert "late_track_days" not in table


def test_the_version_and_debug_are_listed_and_the_version_is_printed():
    assert evensong("--version").stdout == f"evensong {version('evensong')}\n"
    listed = evensong("--help").stdout
    assert "--version" in listed
    assert "--debug" in listed


def test_the_graph_of_the_published_night_is_exported(nights, tmp_path):
    file = tmp_path / "graph.pt"

    done = evensong("export", "graph", "--output", file, lake=nights.lake)

    assert done.returncode == 0, done.stderr
    assert f"graph of {toy_dataset.NEXT_DAY}: {file}" in done.stdout
    graph = torch.load(file, weights_only=False)
    people = [
        *toy_dataset.LISTENERS,
        toy_dataset.FOLLOWER,
        toy_dataset.FAN,
        toy_dataset.COLD_START_USER,
    ]
    assert graph["user"].num_nodes == len(people)
    assert graph["track"].num_nodes == len(toy_dataset.TRACKS) + 1
    assert file.with_name("graph.pt.nodes.parquet").is_file()


def test_rows_print_as_json_csv_and_table_and_for_one_user(nights):
    as_json = evensong(
        "read", "rec_topk", "--format", "json", "--user", toy_dataset.FOLLOWER, lake=nights.lake
    )
    as_csv = evensong("read", "rec_topk", "--format", "csv", "--limit", "4", lake=nights.lake)
    as_table = evensong("read", "rec_similar_tracks", "--limit", "1", lake=nights.lake)

    rows = json.loads(as_json.stdout)
    assert [(row["user_id"], row["rank"]) for row in rows] == [
        (toy_dataset.FOLLOWER, n) for n in (1, 2, 3)
    ]
    assert len(list(csv.DictReader(io.StringIO(as_csv.stdout)))) == 4
    assert "track_id" in as_table.stdout


def test_a_table_that_is_not_published_is_refused_by_name(nights):
    failed = evensong("read", "core_listens", lake=nights.lake)

    assert failed.returncode == 1
    assert "core_listens is not among the tables of event" in failed.stderr


def test_the_current_event_is_marked(nights):
    found = json.loads(evensong("published", "--format", "json", lake=nights.lake).stdout)

    assert [event["action"] for event in found] == ["publish", "publish", "stage_only"]
    assert [event["is_current"] for event in found] == [False, True, False]


def test_a_rollback_to_an_unknown_run_lists_the_published_runs(nights):
    failed = evensong("rollback", "last-week", lake=nights.lake)

    assert failed.returncode == 1
    assert f"published: {nights.first['run_id']}, {nights.second['run_id']}" in failed.stderr


def test_rollback_shows_readers_the_earlier_run_again(nights, tmp_path):
    """One event makes the first night current again; on a copy, because other tests read the lake."""
    import shutil

    lake = shutil.copytree(nights.lake, tmp_path / "lake")

    done = evensong("rollback", nights.first["run_id"], "--reason", "too jazzy", lake=lake)

    assert done.returncode == 0
    current = [
        event
        for event in json.loads(evensong("published", "--format", "json", lake=lake).stdout)
        if event["is_current"]
    ]
    assert [(event["action"], event["run_id"]) for event in current] == [
        ("rollback", nights.first["run_id"])
    ]
    rows = json.loads(evensong("read", "rec_topk", "--format", "json", lake=lake).stdout)
    assert {row["as_of_date"] for row in rows} == {str(toy_dataset.LAST_DAY)}


def test_doctor_finds_java_and_a_writable_lake(tmp_path):
    done = evensong("doctor", lake=tmp_path / "lake")

    marks = {line.split()[1]: line[0] for line in done.stdout.splitlines() if line[0] in "✓✗"}
    # The machine that runs the tests may be short of disk: then the doctor is right to say so.
    has_disk = marks.pop("disk") == "✓"
    encoders = ("encoders.audio", "encoders.lyrics", "encoders.cover", "encoders.semantics")
    training = ("training.tasks", "training.families", "training.challengers")
    assert marks == dict.fromkeys(("Python", "Java", "lake", *encoders, *training), "✓")
    assert "one of two writers wins" in done.stdout
    assert done.returncode == (0 if has_disk else 1)


def test_an_unknown_user_is_an_error_and_a_user_without_rows_is_not(nights):
    unknown = evensong("read", "rec_topk", "--user", "no-such-user", lake=nights.lake)
    known = evensong("read", "rec_changes", "--user", "stranger", lake=nights.lake)

    assert unknown.returncode == 1
    assert "rec_topk: no user is called 'no-such-user'" in unknown.stderr
    assert known.returncode == 0


def test_rows_print_for_one_track(nights):
    """An id that the catalogue lacks is an error, as that of a user is."""
    found = evensong("read", "rec_similar_tracks", "--format", "json", lake=nights.lake)
    track = json.loads(found.stdout)[-1]["track_id"]

    of_track = evensong(
        "read", "rec_similar_tracks", "--format", "json", "--track", track, lake=nights.lake
    )
    unknown = evensong("read", "rec_similar_tracks", "--track", "no-such-track", lake=nights.lake)

    assert {row["track_id"] for row in json.loads(of_track.stdout)} == {track}
    assert unknown.returncode == 1
    assert "no track is called 'no-such-track'" in unknown.stderr
    assert "core_tracks" in unknown.stderr


def test_an_export_is_private_even_when_the_file_existed(nights, tmp_path):
    file = tmp_path / "person.json"
    file.touch(mode=0o644)

    done = evensong("export", "person", "jazz-1", "--output", file, lake=nights.lake)

    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600

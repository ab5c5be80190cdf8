"""`evensong ingest`: the printed summary and its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from feature_store.lake.storage import FolderStorage
from jobs.landing.manifests import close_days
from tests.jobs.sources.music_files.recordings import draw

EVENSONG = Path(sys.executable).with_name("evensong")
DAY = date(2026, 3, 1)


@pytest.fixture
def music(tmp_path):
    draw(tmp_path / "music/song.wav")
    return tmp_path / "music"


@pytest.fixture
def ingest(music, tmp_path):
    def run(*options):
        done = subprocess.run(
            [EVENSONG, "ingest", "music-folder", music, *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"EVENSONG_LAKE": str(tmp_path / "lake"), "EVENSONG_STATE": "state"},
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "2062-01-01", "9999-12-31"])
def test_a_day_that_no_night_takes_is_refused_before_anything_lands(music, tmp_path, day):
    done = subprocess.run(
        [EVENSONG, "ingest", "music-folder", music, "--arrival-date", day],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"EVENSONG_LAKE": str(tmp_path / "lake"), "COLUMNS": "300"},
    )

    assert done.returncode == 2
    assert f"{day} is not between landing.earliest_date = 1990-01-01 and tomorrow" in done.stderr
    assert not (tmp_path / "lake" / "landing").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "music-folder", ""),
        ("ingest", "hetrec", " "),
        ("ingest", "emobank", ""),
        ("ingest", "sample-world", ""),
        ("export", "graph", "--output", ""),
        ("export", "person", "ada", "--output", ""),
    ],
)
def test_an_empty_path_is_refused_and_not_the_current_folder(music, tmp_path, command):
    """`evensong ingest music-folder "$MUSIC"` with an unset variable."""
    done = subprocess.run(
        [EVENSONG, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=music,
        env=os.environ | {"EVENSONG_LAKE": str(tmp_path / "lake"), "COLUMNS": "300"},
    )

    assert done.returncode == 2
    assert "is empty: is a variable unset? Write . for the current folder" in done.stderr
    assert not (tmp_path / "lake").exists()


def test_without_a_day_files_land_on_the_last_day_that_is_over(ingest, tmp_path):
    """The night of yesterday can run at once, and the summary names that command."""
    before = datetime.now(UTC).date()
    printed = ingest().stdout
    yesterdays = {before - timedelta(days=1), datetime.now(UTC).date() - timedelta(days=1)}

    [folder] = (tmp_path / "lake/landing/tracks").iterdir()
    assert date.fromisoformat(folder.name) in yesterdays
    assert f"Landed for {folder.name}" in printed
    assert f"next: evensong night --as-of {folder.name}" in printed
    assert "tracks                    1 rows" in printed
    assert "not taken" not in printed


def test_ten_files_that_were_not_taken_are_printed_and_json_names_all(ingest, music):
    """Names are printed as they are: markup is no markup, and control characters are escaped."""
    odd = ["[red]a.mp3", "b\x1b[0m.mp3", os.fsdecode(b"caf\xe9.mp3")]
    for name in [*odd, *(f"x{number}.mp3" for number in range(9))]:
        (music / name).write_bytes(b"")

    printed = ingest(f"--arrival-date={DAY}").stdout
    result = json.loads(ingest(f"--arrival-date={DAY}", "--json").stdout.splitlines()[-1])

    assert "not taken: 12" in printed
    for name in ("[red]a.mp3", r"b\x1b[0m.mp3", r"caf\xe9.mp3"):
        assert f"  {name}: holds no byte" in printed
    assert "x6.mp3" in printed
    assert "x7.mp3" not in printed
    assert "and 2 more; --json names all" in printed
    assert len(result["not_taken"]) == 12
    assert {"file": r"caf\xe9.mp3", "reason": "holds no byte"} in result["not_taken"]
    assert result["landed"]["tracks"] == 0
    assert result["already_landed"]["tracks"] == 1


def test_an_ingest_for_a_closed_day_says_which_night_takes_it(ingest, music, tmp_path):
    ingest(f"--arrival-date={DAY}")
    close_days(FolderStorage(tmp_path / "lake"), DAY)
    draw(music / "second.wav", seed=1)

    printed = ingest(f"--arrival-date={DAY}").stdout

    assert "tracks                    1 rows  (1 more had landed before)" in printed
    assert "2026-03-01 is closed: what landed for it now counts for the next night" in printed
    assert "next: evensong night --as-of 2026-03-02" in printed


def test_a_file_that_landed_with_a_fault_is_named(ingest, music):
    (music / "broken.mp3").write_bytes(b"\x01" * 500)

    printed = ingest(f"--arrival-date={DAY}").stdout

    assert "taken, with a remark: 1" in printed
    assert "  broken.mp3: tags: " in printed

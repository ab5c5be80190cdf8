"""A night killed anywhere: readers keep the earlier set, and the re-run ends as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feature_store.snapshot import events, open_snapshot
from tests import worlds
from tests.nights import LISTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

EVENSONG = Path(sys.executable).with_name("evensong")
REC_TABLES = ("rec_topk", "rec_similar_tracks", "rec_changes")

# In which task the process dies, and how long after its start.
WINDOWS = {
    "during features": ("feat_audio", 1.0),
    "during training": ("mm_gnn", 2.0),
    "between staging and the switch": ("published_runs", 0.5),
}


@pytest.fixture(scope="module")
def undisturbed(nights):
    """The night of NEXT_DAY as it ends when nobody disturbs it."""
    return nights.second["tables"]


@pytest.fixture
def lake_after_one_night(nights, tmp_path):
    """LAST_DAY published, NEXT_DAY landed and not yet run; in a lake of its own."""
    return shutil.copytree(nights.before_next_day, tmp_path / "lake")


@pytest.mark.parametrize("window", WINDOWS)
def test_a_killed_night_changes_nothing_for_readers_and_its_re_run_ends_as_if_undisturbed(
    window, lake_after_one_night, undisturbed
):
    lake = lake_after_one_night
    seen_before = _everything_readers_see(lake)
    task, seconds_more = WINDOWS[window]

    _killed_in(task, seconds_more, lake)

    assert _everything_readers_see(lake) == seen_before
    assert [event.action for event in events(str(lake))] == ["publish"]

    again = _night(lake).communicate(timeout=600)[0]

    published = open_snapshot(str(lake)).event
    assert published.action == "publish", again
    hashes = {pin.table_name: pin.content_sha256 for pin in published.tables}
    assert hashes == {name: undisturbed[name]["content_sha256"] for name in REC_TABLES}


def _everything_readers_see(lake):
    snapshot = open_snapshot(str(lake))
    return {name: snapshot.read(name).to_pylist() for name in REC_TABLES}


def _night(lake):
    return subprocess.Popen(
        [EVENSONG, "night", "--as-of", f"{worlds.NEXT_DAY}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ
        | LISTS
        | {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": f"{lake}-state", "PYTHONUNBUFFERED": "1"},
    )


def _killed_in(task, seconds_more, lake):
    """SIGKILL the whole process group some time after the task began."""
    running = _night(lake)
    said = []
    for line in running.stdout:
        said.append(line)
        if f"· {task}\n" in line:
            time.sleep(seconds_more)
            assert running.poll() is None, "the night had ended before it could be killed"
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return
    pytest.fail("the night ended before the window: " + "".join(said[-20:]))

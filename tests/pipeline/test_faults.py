"""A killed night changes nothing for readers, and its re-run gives the rows of an undisturbed night."""

from __future__ import annotations

import shutil

import pytest

from feature_store.contract import Time
from feature_store.tables import TABLES
from tests.support import toy_dataset
from tests.support.kill_windows import STAGED, WINDOWS, kill_in_window
from tests.support.lake_contents import (
    event_actions,
    published_hashes,
    published_rows,
    table_contents,
)
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = pytest.mark.timeout(1800)  # the first test waits for four nights

KILL_WINDOWS = {
    window.name: window
    for window in WINDOWS
    if window.name in {"features", "training", STAGED.name}
}


def test_a_killed_night_changes_nothing_for_readers_and_its_re_run_gives_the_undisturbed_rows(
    nights,
):
    """A night of an older date, killed when it has staged everything; the first run is undisturbed."""
    killed = nights.killed

    assert killed.rows_after == killed.rows_before
    assert killed.actions == ["publish", "publish"]
    states = [table.name for table in TABLES.values() if table.time is Time.AS_OF]
    compared = [name for name in states if name in nights.first["tables"]]
    assert len(compared) > 12
    assert {name: nights.again["tables"][name] for name in compared} == {
        name: nights.first["tables"][name] for name in compared
    }


@pytest.fixture(scope="module")
def undisturbed(nights):
    """Contents and published tables of the lake after an undisturbed night of NEXT_DAY."""
    return table_contents(nights.lake_after_second, toy_dataset.NEXT_DAY), nights.second["tables"]


@pytest.fixture
def lake_after_one_night(nights, tmp_path):
    """A lake with LAST_DAY published and NEXT_DAY landed but not run."""
    return str(shutil.copytree(nights.before_next_day, tmp_path / "lake"))


@pytest.mark.faults
@pytest.mark.parametrize("window", KILL_WINDOWS)
def test_the_re_run_of_a_night_killed_anywhere_publishes_the_undisturbed_rows(
    window, lake_after_one_night, undisturbed, tmp_path
):
    lake = lake_after_one_night
    before = published_rows(lake)

    kill_in_window(
        KILL_WINDOWS[window], start_night(lake, tmp_path / "state", toy_dataset.NEXT_DAY), lake
    )

    assert published_rows(lake) == before
    assert event_actions(lake) == ["publish"]

    wait_for_summary(start_night(lake, tmp_path / "state", toy_dataset.NEXT_DAY))

    assert event_actions(lake) == ["publish", "publish"]
    expected_contents, published = undisturbed
    assert table_contents(lake, toy_dataset.NEXT_DAY) == expected_contents
    assert published_hashes(lake) == {
        name: published[name]["content_sha256"] for name in published_hashes(lake)
    }

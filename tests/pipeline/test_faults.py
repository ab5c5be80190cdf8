"""A killed night changes nothing for readers, and its re-run gives the rows of an undisturbed night."""

from __future__ import annotations

import shutil

import pytest

from feature_store.publishing.snapshot import open_snapshot
from tests.support import toy_dataset
from tests.support.kill_windows import WINDOWS, kill_in_window
from tests.support.lake_contents import event_actions, published_hashes, table_contents
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = pytest.mark.timeout(900)

DEFAULT_WINDOW = "between staging and read-back"  # the other windows run with -m faults
KILL_WINDOWS = {
    window.name: window
    for window in WINDOWS
    if window.name in {"features", "training", DEFAULT_WINDOW}
}


@pytest.fixture(scope="module")
def undisturbed(nights):
    """Contents and published tables of the lake after an undisturbed night of NEXT_DAY."""
    return table_contents(nights.lake_after_second, toy_dataset.NEXT_DAY), nights.second["tables"]


@pytest.fixture
def lake_after_one_night(nights, tmp_path):
    """A lake with LAST_DAY published and NEXT_DAY landed but not run."""
    return str(shutil.copytree(nights.before_next_day, tmp_path / "lake"))


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(name, marks=() if name == DEFAULT_WINDOW else pytest.mark.faults)
        for name in KILL_WINDOWS
    ],
)
def test_a_killed_night_changes_nothing_for_readers_and_its_re_run_gives_the_undisturbed_rows(
    window, lake_after_one_night, undisturbed, tmp_path
):
    lake = lake_after_one_night
    before = _published_rows(lake)

    kill_in_window(
        KILL_WINDOWS[window], start_night(lake, tmp_path / "state", toy_dataset.NEXT_DAY), lake
    )

    assert _published_rows(lake) == before
    assert event_actions(lake) == ["publish"]

    wait_for_summary(start_night(lake, tmp_path / "state", toy_dataset.NEXT_DAY))

    assert event_actions(lake) == ["publish", "publish"]
    expected_contents, published = undisturbed
    assert table_contents(lake, toy_dataset.NEXT_DAY) == expected_contents
    assert published_hashes(lake) == {
        name: published[name]["content_sha256"] for name in published_hashes(lake)
    }


def _published_rows(lake):
    snapshot = open_snapshot(lake)
    return {
        pin.table_name: snapshot.read(pin.table_name).to_pylist() for pin in snapshot.event.tables
    }

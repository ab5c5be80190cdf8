"""A night killed anywhere: readers keep the earlier set, and the re-run ends as if nothing had happened."""

from __future__ import annotations

import shutil

import pytest

from feature_store.publishing.snapshot import open_snapshot
from tests.support import worlds
from tests.support.kills import (
    WINDOWS,
    actions,
    contents,
    finished,
    hashes_readers_see,
    kill_in,
    start_night,
)

pytestmark = pytest.mark.timeout(900)

MOST_AT_STAKE = (
    "between staging and read-back"  # killed whenever the tests run; the others by -m faults
)
KILLED = {
    window.name: window
    for window in WINDOWS
    if window.name in {"features", "training", MOST_AT_STAKE}
}


@pytest.fixture(scope="module")
def undisturbed(nights):
    """What the lake holds when nobody disturbs the night of NEXT_DAY, and what readers then see."""
    return contents(nights.lake_after_second, worlds.NEXT_DAY), nights.second["tables"]


@pytest.fixture
def lake_after_one_night(nights, tmp_path):
    """LAST_DAY published, NEXT_DAY landed and not yet run; in a lake of its own."""
    return str(shutil.copytree(nights.before_next_day, tmp_path / "lake"))


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(name, marks=() if name == MOST_AT_STAKE else pytest.mark.faults)
        for name in KILLED
    ],
)
def test_a_killed_night_changes_nothing_for_readers_and_its_re_run_ends_as_if_undisturbed(
    window, lake_after_one_night, undisturbed, tmp_path
):
    lake = lake_after_one_night
    seen_before = _everything_readers_see(lake)

    kill_in(KILLED[window], start_night(lake, tmp_path / "state", worlds.NEXT_DAY), lake)

    assert _everything_readers_see(lake) == seen_before
    assert actions(lake) == ["publish"]

    finished(start_night(lake, tmp_path / "state", worlds.NEXT_DAY))

    assert actions(lake) == ["publish", "publish"]
    in_the_lake, published = undisturbed
    assert contents(lake, worlds.NEXT_DAY) == in_the_lake
    assert hashes_readers_see(lake) == {
        name: published[name]["content_sha256"] for name in hashes_readers_see(lake)
    }


def _everything_readers_see(lake):
    snapshot = open_snapshot(lake)
    return {
        pin.table_name: snapshot.read(pin.table_name).to_pylist() for pin in snapshot.event.tables
    }

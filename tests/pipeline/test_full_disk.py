"""A lake whose disk fills up in the middle of a night: said plainly, nothing lost, and mended by room."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from feature_store.publishing.snapshot import open_snapshot
from tests.support import worlds
from tests.support.kills import actions, contents, finished, start_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOM_LEFT_KB = 250
PAGE = 4096  # the least that a file takes
ENOUGH = "64m"


@pytest.fixture
def small_disk(nights, tmp_path):
    """A disk with the lake of one published night, the next day landed, and hardly any room."""
    files = [file for file in Path(nights.before_next_day).rglob("*") if file.is_file()]
    used_kb = sum(-(-file.stat().st_size // PAGE) * PAGE // 1024 for file in files)
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={used_kb + ROOM_LEFT_KB}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield Path(shutil.copytree(nights.before_next_day, folder / "lake"))
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_stops_the_night_with_its_name_and_readers_see_what_they_saw(
    small_disk, nights, tmp_path
):
    lake, state = str(small_disk), tmp_path / "state"
    seen = open_snapshot(lake).event

    with pytest.raises(RuntimeError, match="No space left on device") as failed:
        finished(start_night(lake, state, worlds.NEXT_DAY))

    assert "Traceback" not in str(failed.value)
    assert "make room" in str(failed.value)
    assert open_snapshot(lake).event == seen

    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", small_disk.parent], check=True)
    finished(start_night(lake, state, worlds.NEXT_DAY))
    assert actions(lake) == ["publish", "publish"]
    assert contents(lake, worlds.NEXT_DAY) == contents(nights.lake_after_second, worlds.NEXT_DAY)

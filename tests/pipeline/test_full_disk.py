"""A disk that fills up during a night fails the night with a clear error and loses nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from feature_store.publishing.snapshot import open_snapshot
from tests.support import toy_dataset
from tests.support.lake_contents import event_actions, table_contents
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

FREE_KB = 250
PAGE_BYTES = 4096  # the smallest size that a file takes on the disk
LARGER_SIZE = "64m"


@pytest.fixture
def small_disk(nights, tmp_path):
    """A nearly full disk with the lake of one published night and the next day landed."""
    files = [file for file in Path(nights.before_next_day).rglob("*") if file.is_file()]
    used_kb = sum(-(-file.stat().st_size // PAGE_BYTES) * PAGE_BYTES // 1024 for file in files)
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={used_kb + FREE_KB}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield Path(shutil.copytree(nights.before_next_day, folder / "lake"))
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_fails_the_night_by_name_and_readers_keep_the_published_snapshot(
    small_disk, nights, tmp_path
):
    lake, state = str(small_disk), tmp_path / "state"
    before = open_snapshot(lake).event

    with pytest.raises(RuntimeError, match="No space left on device") as failed:
        wait_for_summary(start_night(lake, state, toy_dataset.NEXT_DAY))

    assert "Traceback" not in str(failed.value)
    assert "make room" in str(failed.value)
    assert open_snapshot(lake).event == before

    subprocess.run(["mount", "-o", f"remount,size={LARGER_SIZE}", small_disk.parent], check=True)
    wait_for_summary(start_night(lake, state, toy_dataset.NEXT_DAY))
    assert event_actions(lake) == ["publish", "publish"]
    assert table_contents(lake, toy_dataset.NEXT_DAY) == table_contents(
        nights.lake_after_second, toy_dataset.NEXT_DAY
    )

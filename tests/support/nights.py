"""Nights that run the whole DAG in this process, each in its own lake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from feature_store.lake.storage import open_storage
from feature_store.settings import Night, Settings, load_settings
from tests.support import toy_dataset
from tests.support.kill_windows import STAGED, kill_in_window
from tests.support.lake_contents import event_actions, published_rows
from tests.support.night_processes import start_night


@dataclass(frozen=True)
class KilledNight:
    """What readers saw before and after a night was killed, and the events after it."""

    rows_before: dict[str, Any]
    rows_after: dict[str, Any]
    actions: list[str]


@dataclass
class Nights:
    """Nights that several test files read; each runs when a test first asks for it.

    Attributes:
        root: folder of the lakes.
        run: runs one night; see `run_night`.
    """

    root: Path
    run: Callable[..., dict[str, Any]]

    @cached_property
    def first(self) -> dict[str, Any]:
        """Summary of the night of LAST_DAY."""
        toy_dataset.land_toy_dataset(open_storage(str(self._lake)))
        ran = self.run(self._lake, toy_dataset.LAST_DAY)
        toy_dataset.land_next_day(open_storage(str(self._lake)))
        shutil.copytree(self._lake, self.root / "before-next-day")
        return ran

    @cached_property
    def second(self) -> dict[str, Any]:
        """Summary of the night of NEXT_DAY in the same lake."""
        assert self.first
        return self.run(self._lake, toy_dataset.NEXT_DAY)

    @cached_property
    def killed(self) -> KilledNight:
        """A second run for LAST_DAY, after NEXT_DAY, killed when all its tables are staged."""
        assert self.second
        lake = str(self._lake)
        before = published_rows(lake)
        night = start_night(lake, self.root / "killed-state", toy_dataset.LAST_DAY)
        kill_in_window(STAGED, night, lake)
        return KilledNight(before, published_rows(lake), event_actions(lake))

    @cached_property
    def again(self) -> dict[str, Any]:
        """Summary of the run for LAST_DAY after the killed one."""
        assert self.killed
        return self.run(self._lake, toy_dataset.LAST_DAY)

    @cached_property
    def elsewhere(self) -> dict[str, Any]:
        """Summary of the night of LAST_DAY in a second lake."""
        lake = self.root / "elsewhere" / "lake"
        toy_dataset.land_toy_dataset(open_storage(str(lake)))
        ran = self.run(lake, toy_dataset.LAST_DAY)
        shutil.copytree(lake, self.root / "copy-of-elsewhere")
        return ran

    @property
    def lake(self) -> str:
        """The lake after first, second and again."""
        assert self.again
        return str(self._lake)

    @property
    def lake_after_second(self) -> str:
        """The lake after first and second; `again` may have run there for LAST_DAY."""
        assert self.second
        return str(self._lake)

    @property
    def before_next_day(self) -> str:
        """A copy of the lake after first: NEXT_DAY has landed and has not run."""
        assert self.first
        return str(self.root / "before-next-day")

    @property
    def copy_of_elsewhere(self) -> str:
        """A copy of the second lake after `elsewhere`."""
        assert self.elsewhere
        return str(self.root / "copy-of-elsewhere")

    @property
    def lake_to_erase_from(self) -> Path:
        """The second lake after `elsewhere`, for the one file that erases in it; its state lies beside it.

        A copy would not do: MLflow's records name the folder in which they were made.
        """
        assert self.elsewhere
        return self.root / "elsewhere" / "lake"

    @property
    def _lake(self) -> Path:
        return self.root / "lake"


@pytest.fixture(scope="session")
def run_night(session_settings: Settings, spark: object) -> Callable[..., dict[str, Any]]:
    """Function that runs the DAG for one date and returns the summary of `--json`."""
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)

    def run(lake: Path, as_of: object, **variables: str) -> dict[str, Any]:
        from rich.console import Console

        from dags.command.nights.local_airflow import run_night as run_dag
        from dags.command.nights.progress import NightProgress
        from dags.command.nights.summary import summarise_night

        settings = (
            toy_dataset.LISTS
            | variables
            | {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": f"{lake}-state"}
        )
        outer = {name: value for name, value in os.environ.items() if name.startswith("EVENSONG_")}
        os.environ.update(settings)
        try:
            with NightProgress(Console(quiet=True)) as progress:
                ran = run_dag(as_of, {"publish": "auto", "retrain": "auto"}, progress)
            return summarise_night(Night(as_of, ran.run_id, load_settings()), ran.report).as_json()
        finally:
            for name in settings:
                os.environ.pop(name)
            os.environ.update(outer)

    return run


@pytest.fixture(scope="session")
def nights(
    tmp_path_factory: pytest.TempPathFactory, run_night: Callable[..., dict[str, Any]]
) -> Nights:
    return Nights(tmp_path_factory.mktemp("nights"), run_night)

"""Nights through the real DAG, in this process, into lakes of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from feature_store.settings import Night, Settings, load_settings
from feature_store.storage import open_storage
from tests import worlds

LISTS = {"EVENSONG_LISTS__LENGTH": "3"}


@dataclass(frozen=True)
class Nights:
    """What the module's tests look at.

    Attributes:
        lake: where the night of LAST_DAY ran, then that of NEXT_DAY, then LAST_DAY again.
        before_next_day: a copy of it after that first night, NEXT_DAY landed and not yet run.
        first, second, again: what those runs recorded.
        elsewhere, elsewhere_lake: the night of LAST_DAY in a lake of its own.
    """

    lake: str
    before_next_day: str
    first: dict[str, Any]
    second: dict[str, Any]
    again: dict[str, Any]
    elsewhere: dict[str, Any]
    elsewhere_lake: str


@pytest.fixture(scope="session")
def run_night(session_settings: Settings, spark: object) -> Callable[..., dict[str, Any]]:
    """Run the DAG for one date into a lake; gives what `--json` would print."""
    from dags.airflow_here import prepare

    prepare(session_settings)

    def run(lake: Path, as_of: object, **variables: str) -> dict[str, Any]:
        from rich.console import Console

        from dags.airflow_here import run_night as through_the_dag
        from dags.progress import NightProgress
        from dags.summary import summary_of

        wanted = LISTS | variables | {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": f"{lake}-state"}
        kept = {name: value for name, value in os.environ.items() if name.startswith("EVENSONG_")}
        os.environ.update(wanted)
        try:
            with NightProgress(Console(quiet=True)) as progress:
                ran = through_the_dag(as_of, {"publish": "auto", "retrain": "auto"}, progress)
            return summary_of(Night(as_of, ran.run_id, load_settings()), ran.report).as_json()
        finally:
            for name in wanted:
                os.environ.pop(name)
            os.environ.update(kept)

    return run


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory, run_night: Callable[..., Any]) -> Nights:
    root = tmp_path_factory.mktemp("nights")
    lake, elsewhere = root / "lake", root / "elsewhere"
    worlds.write_tiny_world(open_storage(str(lake)))
    shutil.copytree(lake, elsewhere)
    first = run_night(lake, worlds.LAST_DAY)
    worlds.write_next_day(open_storage(str(lake)))
    return Nights(
        lake=str(lake),
        before_next_day=str(shutil.copytree(lake, root / "before-next-day")),
        first=first,
        second=run_night(lake, worlds.NEXT_DAY),
        again=run_night(lake, worlds.LAST_DAY),
        elsewhere=run_night(elsewhere, worlds.LAST_DAY),
        elsewhere_lake=str(elsewhere),
    )

"""What all tests share: one Spark session, and a lake of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from feature_store.settings import Night, Settings, load_settings
from feature_store.spark_session import make_spark
from tests.cluster import spark_cluster
from tests.nights import nights, run_night
from tests.object_store import bucket, object_store

__all__ = ["bucket", "nights", "object_store", "run_night", "spark_cluster"]

MARCH_1 = date(2026, 3, 1)
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure where the real data are there: nothing else may skip."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and SHARED_DATA.is_dir() and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A developer's own lake is never touched.

    No EVENSONG_ variable and no evensong.toml reaches a test.
    """
    for variable in [name for name in os.environ if name.startswith("EVENSONG_")]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def session_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("session")
    return load_settings(lake=str(root / "lake"), state=root / "state")


@pytest.fixture(scope="session")
def spark(session_settings: Settings) -> Iterator[SparkSession]:
    session = make_spark(session_settings)
    yield session
    session.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a fresh, empty lake."""
    return load_settings(lake=str(tmp_path / "lake"), state=tmp_path / "state")


@pytest.fixture
def night(settings: Settings) -> Night:
    """A run for 1 March 2026 into a fresh lake."""
    return Night(as_of=MARCH_1, run_id="test-run", settings=settings)

"""What all tests share: one Spark session, and a lake of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from feature_store.settings import Night, Settings, load_settings
from feature_store.spark.session import make_spark
from tests.support.cluster import spark_cluster
from tests.support.nights import nights, run_night
from tests.support.object_store import bucket, object_store

__all__ = ["bucket", "nights", "object_store", "run_night", "spark_cluster"]

MARCH_1 = date(2026, 3, 1)
SHARED_NIGHTS = {
    f"tests/{file}.py"
    for file in (
        "dags/command/test_cli",
        "infra/test_runbook",
        "pipeline/test_cluster",
        "pipeline/test_faults",
        "pipeline/test_full_disk",
        "pipeline/test_nights",
        "pipeline/test_object_storage",
        "test_readme",
    )
}
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure where the real data are there: nothing else may skip."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of -n: the process that started it counts for all
        return
    if os.environ.get("CI") and SHARED_DATA.is_dir() and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several workers (-n) none shall be left with whole nights when the others have ended.

    Raises:
        pytest.UsageError: a file looks at the shared nights that another worker may be given.
    """
    looking = {item.nodeid.partition("::")[0] for item in items if "nights" in item.fixturenames}
    if not looking <= SHARED_NIGHTS:
        raise pytest.UsageError(f"conftest.py: add {looking - SHARED_NIGHTS} to SHARED_NIGHTS")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: "pipeline" not in item.path.parts)


class ByFile(LoadScopeScheduling):
    """A worker takes all tests of a file, and one takes every file that looks at the same nights."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "nights" if file in SHARED_NIGHTS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """How -n divides the tests."""
    return ByFile(config, log)


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

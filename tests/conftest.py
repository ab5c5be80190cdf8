"""Fixtures of all tests: one Spark session, and a fresh lake for each test."""

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
from tests.support.nights import nights, run_night
from tests.support.object_store import bucket, object_store
from tests.support.spark_cluster import spark_cluster

__all__ = ["bucket", "nights", "object_store", "run_night", "spark_cluster"]

MARCH_1 = date(2026, 3, 1)
FILES_WITH_NIGHTS = {
    f"tests/{file}.py"
    for file in (
        "dags/command/test_cli",
        "infra/test_runbook",
        "pipeline/test_cluster",
        "pipeline/test_erasure",
        "pipeline/test_faults",
        "pipeline/test_full_disk",
        "pipeline/test_nights",
        "pipeline/test_object_storage",
        "pipeline/test_preprocessings",
        "pipeline/test_publication_gates",
        "test_readme",
    )
}
# The workers of -n share the cores with Java's compilers: its second one would compile code that is
# gone before it pays off. With one compiler Java reserves 48 MB for code, and sweeps it all the time.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m")
# Processes that tests start import this checkout, wherever the environment was installed from.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
)
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a skipped test fails the run if the shared data are present; nothing else may skip."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of -n; the controller counts the tests of all workers
        return
    if os.environ.get("CI") and SHARED_DATA.is_dir() and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several workers (-n), run pipeline tests first: whole nights must not be what runs last.

    Raises:
        pytest.UsageError: a file uses `nights` and is missing in FILES_WITH_NIGHTS.
    """
    using = {item.nodeid.partition("::")[0] for item in items if "nights" in item.fixturenames}
    if not using <= FILES_WITH_NIGHTS:
        raise pytest.UsageError(
            f"conftest.py: add {using - FILES_WITH_NIGHTS} to FILES_WITH_NIGHTS"
        )
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: "pipeline" not in item.path.parts)


class FileScheduling(LoadScopeScheduling):
    """Gives all tests of a file to one worker, and all files that use `nights` to the same worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "nights" if file in FILES_WITH_NIGHTS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Divide the tests of -n by file."""
    return FileScheduling(config, log)


@pytest.fixture(autouse=True)
def isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep EVENSONG_ variables and evensong.toml from tests, so that no test touches a real lake."""
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

"""A lake for the tests that only read; tests that write use the fixture `night`."""

import pytest

from feature_store.settings import Night, load_settings
from jobs.report.collect import ReportContent, collect
from tests.jobs.report import sample_lake, sample_run


@pytest.fixture(scope="module")
def sample_night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """One lake for the tests that only read; tests that write use the fixture `night`."""
    root = tmp_path_factory.mktemp("sample")
    settings = load_settings(lake=str(root / "lake"), state=root / "state")
    night = Night(as_of=sample_lake.AS_OF, run_id="test-run", settings=settings)
    sample_run.write_all(night)
    return night


@pytest.fixture(scope="module")
def content(sample_night: Night) -> ReportContent:
    return collect(sample_night)

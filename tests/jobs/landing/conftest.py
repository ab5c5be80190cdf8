"""Fixtures of the landing zone's tests."""

from __future__ import annotations

import pytest

from jobs.landing import parquet_file


@pytest.fixture
def deadly_footers(monkeypatch):
    """A file whose metadata holds "deadly footer" ends the process that reads it first."""
    monkeypatch.setattr(parquet_file, "_PROGRAM", "tests.jobs.landing.check_that_dies")
    parquet_file._checker_of.cache_clear()
    yield
    parquet_file._checker_of.cache_clear()

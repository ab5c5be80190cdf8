"""Fixtures of the tests of publication."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from feature_store.settings import Settings
from tests.feature_store.publishing.staging import staged_run


@pytest.fixture
def lake(settings: Settings) -> str:
    return settings.lake


@pytest.fixture
def run_of(settings: Settings) -> Callable[..., Any]:
    """Stages a list of one track as a run of a day; returns the night and its pins."""
    return partial(staged_run, settings)

"""Erasure requests: files that only their owner can read, deleted with the request."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.privacy import requests

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_only_its_owner_can_read_a_request_and_deleting_removes_it(settings):
    request = requests.record_request(settings, "ada", actor="officer", now=NOON)
    [file] = Path(settings.lake, "privacy", "requests").iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "ada" not in file.name
    assert "ada" not in repr(request)
    assert requests.load_request(settings, request.request_id) == request

    requests.delete_request(settings, request.request_id)

    with pytest.raises(requests.UnknownRequest, match="evensong erase --status"):
        requests.load_request(settings, request.request_id)


@pytest.mark.parametrize(("user_id", "actor"), [(" ", "officer"), ("ada", "for ada")])
def test_a_request_that_would_not_erase_is_refused(user_id, actor, settings):
    """A blank id, and an actor whose name contains the id and would stay in run_erasures."""
    with pytest.raises(ValueError, match="erase: the"):
        requests.record_request(settings, user_id, actor=actor, now=NOON)

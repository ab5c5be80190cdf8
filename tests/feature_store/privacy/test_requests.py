"""Erasure requests: files that only their owner can read, deleted with the request."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_store.privacy import requests
from feature_store.privacy.batch import load_batch

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


def test_counts_do_not_bring_back_a_request_that_another_process_finishes(settings, monkeypatch):
    """It deletes the file between the reading and the writing of one that adds a count."""
    ids = [requests.record_request(settings, one, actor="officer", now=NOON).request_id for one in ("ada", "ben")]  # fmt: skip
    batch = load_batch(settings, tuple(ids))
    finishing = threading.Thread(target=requests.delete_request, args=(settings, ids[0]))
    save = requests.save_request

    def overtaken(settings, request):
        finishing.start()
        finishing.join(0.3)
        save(settings, request)

    with monkeypatch.context() as patched:
        patched.setattr(requests, "save_request", overtaken)
        batch.add("models", {"ada": 1})
    finishing.join(30)
    batch.add("mlflow", {"ada": 1, "ben": 2})  # hers is finished
    batch.add_to_all({"fits": 3})

    [left] = requests.pending_requests(settings)
    assert (left.user_id, left.removed) == ("ben", {"fits": 3, "mlflow": 2})

"""Requests to erase a person: the one place that knows whom a request is about, until it ends.

A request's id is random and says nothing; logs, parameters and evidence have it, never the person.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from feature_store.lake.storage import FolderStorage, Storage, open_storage

if TYPE_CHECKING:
    from pathlib import Path

    from feature_store.settings import Settings

_REQUESTS = "privacy/requests"
_PRIVATE = 0o600


class UnknownRequest(LookupError):
    """No erasure of that id was asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One erasure that is not finished.

    Attributes:
        removed: what the erasure has removed so far, by table or kind of file.
        event_number: the event that re-pinned the published tables.
    """

    request_id: str
    user_id: str = field(repr=False)
    actor: str
    requested_at_utc: datetime
    removed: dict[str, int] = field(default_factory=dict)
    rewritten_tables: tuple[str, ...] = ()
    event_number: int | None = None


def record_request(settings: Settings, user_id: str, *, actor: str, now: datetime) -> Request:
    """Write the request down, readable by its owner alone; returns it with its random id.

    Raises:
        ValueError: the id is blank, or the actor's name holds it, which would stay for ever.
    """
    if not user_id.strip():
        raise ValueError("erase: the person's id is blank; give it as the tables hold it")
    if user_id in actor:
        raise ValueError(
            "erase: the actor's name holds the person's id and would stay in the evidence; give "
            "--actor another name"
        )
    request = Request(secrets.token_hex(8), user_id, actor, now)
    save_request(settings, request)
    return request


def save_request(settings: Settings, request: Request) -> None:
    """Write a request with what was done so far."""
    content = json.dumps(asdict(request), default=str).encode()
    _write_private(open_storage(settings.lake), _request_path(request.request_id), content)


def request_called(settings: Settings, request_id: str) -> Request:
    """An unfinished request.

    Raises:
        UnknownRequest: it does not exist, or is finished.
    """
    storage, path = open_storage(settings.lake), _request_path(request_id)
    if not re.fullmatch(r"[0-9a-f]+", request_id) or not storage.exists(path):
        raise UnknownRequest(
            f"{_REQUESTS}: no unfinished request {request_id!r}; `evensong erase --status "
            f"{request_id}` says whether it is finished, `evensong erase USER` makes one"
        )
    stored = json.loads(storage.read(path))
    requested = datetime.fromisoformat(stored.pop("requested_at_utc"))
    tables = tuple(stored.pop("rewritten_tables"))
    return Request(**stored, requested_at_utc=requested, rewritten_tables=tables)


def add_removed(settings: Settings, request_id: str, removed: dict[str, int]) -> None:
    """Note what a part of the erasure removed; a part that runs again adds to what it had."""
    request = request_called(settings, request_id)
    together = {
        name: request.removed.get(name, 0) + removed.get(name, 0)
        for name in sorted({*request.removed, *removed})
    }
    save_request(settings, replace(request, removed=together))


def forget_request(settings: Settings, request_id: str) -> None:
    """Remove the request's file, the last place that knows whom it was about.

    And a half-written one that a killed process left beside it.
    """
    storage, path = open_storage(settings.lake), _request_path(request_id)
    if isinstance(storage, FolderStorage):
        _beside(storage.root / path).unlink(missing_ok=True)
    storage.delete(path)


def create_private(path: Path, content: bytes) -> None:
    """Make a file that nobody but its owner may read.

    Raises:
        FileExistsError: it is there already.
    """
    opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _request_path(request_id: str) -> str:
    return f"{_REQUESTS}/{request_id}.json"


def _write_private(storage: Storage, path: str, content: bytes) -> None:
    """On a bucket its policy decides who reads; in a folder nobody but the owner, ever."""
    if not isinstance(storage, FolderStorage):
        storage.write(path, content)
        return
    target = storage.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(target)
    beside.unlink(missing_ok=True)  # of a process that was killed
    create_private(beside, content)
    beside.replace(target)


def _beside(target: Path) -> Path:
    """Where a request is written before it takes its place."""
    return target.with_name(f".{target.name}")

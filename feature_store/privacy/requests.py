"""Erasure requests: until an erasure ends, the request's file alone maps its id to the person.

A request's id is random. Logs, parameters and run_erasures hold that id and never the person's.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.lake.lease import writer_lease
from feature_store.lake.private_files import write_private_file
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.tables.runs import RUN_ERASURES

if TYPE_CHECKING:
    from feature_store.settings import Settings

REQUESTS = "privacy/requests"
"""The folder of the lake that holds the requests' files."""

_LEASE = "erasure_requests"


class UnknownRequest(LookupError):
    """No unfinished erasure request has this id."""


@dataclass(frozen=True, slots=True)
class Request:
    """One unfinished erasure.

    Attributes:
        removed: how many rows or files the erasure has removed so far, by table or kind of file. A
            row about two people counts for both of their requests; abandoned files, whose people
            nobody knows, count for every request of the batch.
        event_number: the event that pinned the published tables at their new versions.
    """

    request_id: str
    user_id: str = field(repr=False)
    actor: str
    requested_at_utc: datetime
    removed: dict[str, int] = field(default_factory=dict)
    rewritten_tables: tuple[str, ...] = ()
    event_number: int | None = None


def record_request(settings: Settings, user_id: str, *, actor: str, now: datetime) -> Request:
    """Store a request in a file that only its owner may read; returns it with its random id.

    Raises:
        ValueError: the id is blank, or the actor's name contains it and would stay for ever.
    """
    if not user_id.strip():
        raise ValueError("erase: the person's id is blank; give it as the tables hold it")
    if user_id in actor:
        raise ValueError(
            "erase: the actor's name holds the person's id and would stay in run_erasures; give "
            "--actor another name"
        )
    request = Request(secrets.token_hex(8), user_id, actor, now)
    save_request(settings, request)
    return request


def save_request(settings: Settings, request: Request) -> None:
    """Store the request with its progress; on a bucket the bucket's policy restricts readers."""
    storage, path = open_storage(settings.lake), _request_path(request.request_id)
    content = json.dumps(asdict(request), default=str)
    if isinstance(storage, FolderStorage):
        write_private_file(storage.root / path, content)
    else:
        storage.write(path, content.encode())


def load_request(settings: Settings, request_id: str) -> Request:
    """An unfinished request.

    Raises:
        UnknownRequest: the request does not exist, or is finished.
    """
    storage, path = open_storage(settings.lake), _request_path(request_id)
    if not re.fullmatch(r"[0-9a-f]+", request_id) or not storage.exists(path):
        raise UnknownRequest(
            f"{REQUESTS}: no unfinished request {request_id!r}; `evensong erase --status "
            f"{request_id}` says whether it is finished, `evensong erase USER` makes one"
        )
    stored = json.loads(storage.read(path))
    requested = datetime.fromisoformat(stored.pop("requested_at_utc"))
    tables = tuple(stored.pop("rewritten_tables"))
    return Request(**stored, requested_at_utc=requested, rewritten_tables=tables)


def pending_requests(settings: Settings) -> list[Request]:
    """Every unfinished request, the oldest first."""
    names = [file.path.rpartition("/")[2] for file in open_storage(settings.lake).list(REQUESTS)]
    found = []
    for name in names:
        if name.startswith(".") or not name.endswith(".json"):  # half-written, or no request
            continue
        with suppress(UnknownRequest):  # finished meanwhile
            found.append(load_request(settings, name.removesuffix(".json")))
    return sorted(found, key=lambda request: (request.requested_at_utc, request.request_id))


def load_requests(settings: Settings, request_ids: Sequence[str]) -> tuple[Request, ...]:
    """The unfinished requests of a batch, each once, in the given order.

    Of several, one that was finished meanwhile is left out: another process may have ended it.

    Raises:
        UnknownRequest: one of them does not exist, or all are finished.
    """
    found, refusals = [], dict[str, UnknownRequest]()
    for request_id in dict.fromkeys(request_ids):
        try:
            found.append(load_request(settings, request_id))
        except UnknownRequest as error:
            refusals[request_id] = error
    unknown = refusals.keys() - finished_among(settings.lake, refusals) if found else refusals
    for request_id in unknown:
        raise refusals[request_id]
    return tuple(found)


def finished_among(lake: str, request_ids: Collection[str]) -> set[str]:
    """Those of the requests that have their row in run_erasures."""
    if not request_ids or not exists(lake, RUN_ERASURES):
        return set()
    finished = read_table(lake, RUN_ERASURES, columns=["request_id"])["request_id"].to_pylist()
    return set(finished) & set(request_ids)


@contextmanager
def exclusive_change(settings: Settings) -> Iterator[None]:
    """Hold the lease of all requests' files, for moments.

    Two processes may erase the same person. A count that one of them adds must not write a file
    again that the other one has deleted, as it would hold the person for ever.
    """
    with writer_lease(settings.lake, _LEASE):
        yield


def add_progress(
    settings: Settings, request_id: str, removed: Mapping[str, int], *, rewritten: str | None = None
) -> None:
    """Add the counts of one part of the erasure, and the name of a table that it rewrote.

    A part that runs again adds to its counts. The caller holds `exclusive_change`.

    Raises:
        UnknownRequest: it does not exist, or is finished.
    """
    request = load_request(settings, request_id)
    total = {
        name: request.removed.get(name, 0) + removed.get(name, 0)
        for name in sorted({*request.removed, *removed})
    }
    names = {*request.rewritten_tables, *([rewritten] if rewritten else [])}
    changed = replace(request, removed=total, rewritten_tables=tuple(sorted(names)))
    if changed != request:
        save_request(settings, changed)


def delete_request(settings: Settings, request_id: str) -> None:
    """Delete the request's file, the last place that holds the person's id.

    Partial files of a killed process go as well.
    """
    storage, path = open_storage(settings.lake), _request_path(request_id)
    with exclusive_change(settings):
        if isinstance(storage, FolderStorage):
            target = storage.root / path
            for partial in target.parent.glob(f".{target.name}*"):
                partial.unlink(missing_ok=True)
        storage.delete(path)


def _request_path(request_id: str) -> str:
    return f"{REQUESTS}/{request_id}.json"

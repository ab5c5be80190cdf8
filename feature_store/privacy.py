"""Who was erased: requests, and the suppression list that keeps a person from coming back.

The list holds keyed hashes (HMAC-SHA256), so that whoever reads the lake cannot try ids out on it.
A person's id is written down in one place only, the request's file, which goes when the erasure is
finished.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feature_store.lease import writer_lease
from feature_store.storage import FolderStorage, Storage, open_storage

if TYPE_CHECKING:
    from feature_store.settings import Settings

LEASE = "privacy"
"""Held while an erasure rewrites the lake; whoever computes waits for it before reading."""

_LIST = "privacy/suppressed"
_REQUESTS = "privacy/requests"
_KEY_FILE = "privacy.key"
_KEY_CHARACTERS = 32
_PRIVATE = 0o600
_WORD = re.compile(r"[^\s,;:()\[\]{}'\"=\x00-\x1f]+")


class PrivacyKeyMissing(LookupError):
    """There is a suppression list, and not the key that it was made with."""


class UnknownRequest(LookupError):
    """No erasure of that id was asked for."""


class ErasedMeanwhile(RuntimeError):
    """Somebody was erased after this run had read its inputs."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Everybody who was erased, as keyed hashes."""

    digests: frozenset[str]
    key: bytes = field(repr=False)

    def __bool__(self) -> bool:
        """Whether anybody was."""
        return bool(self.digests)

    def is_meant(self, user_id: str) -> bool:
        """Whether the person was erased."""
        return digest_of(self.key, user_id) in self.digests

    def is_in_text(self, text: str) -> bool:
        """Whether a word of the text is the id of somebody erased."""
        return any(self.is_meant(word) for word in set(_WORD.findall(text)))


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


def digest_of(key: bytes, user_id: str) -> str:
    """The keyed hash under which a person is suppressed."""
    return hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()


def suppressed(settings: Settings) -> Suppression:
    """The suppression list.

    Raises:
        PrivacyKeyMissing: there are entries, and no key or another than theirs.
    """
    digests = suppressed_digests(settings.lake)
    if not digests:
        return Suppression(digests, b"")
    key = _key(settings)
    if key is None:
        raise PrivacyKeyMissing(
            f"{_LIST}: {len(digests)} people are suppressed and this installation has no key; set "
            f"EVENSONG_PRIVACY_KEY, or copy {_KEY_FILE} into EVENSONG_STATE from where they were "
            "erased"
        )
    _refuse_other_key(open_storage(settings.lake), key)
    return Suppression(digests, key)


def readers_suppression(settings: Settings) -> Suppression:
    """As `suppressed`; nobody where a reader has no key, see Decisions."""
    if _key(settings) is None:
        return Suppression(frozenset(), b"")
    return suppressed(settings)


def suppressed_digests(lake: str) -> frozenset[str]:
    """The list's entries; without a key nobody can tell whose they are."""
    return frozenset(file.path.rsplit("/", 1)[1] for file in open_storage(lake).list(_LIST))


def suppress(settings: Settings, user_id: str) -> None:
    """Put a person on the list; the first time this also draws the key.

    Raises:
        PrivacyKeyMissing: the list was made with another key.
    """
    storage = open_storage(settings.lake)
    key = _key(settings) or _new_key(settings)
    storage.put_if_absent(_fingerprint_path(), _fingerprint(key))
    _refuse_other_key(storage, key)
    storage.put_if_absent(f"{_LIST}/{digest_of(key, user_id)}", b"")


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
    """Remove the request's file, the last place that knows whom it was about."""
    open_storage(settings.lake).delete(_request_path(request_id))


def unchanged_people(lake: str) -> Callable[[], None]:
    """Wait for an erasure that is at work; returns what a run calls just before it writes.

    Whoever read before a person was erased must not write afterwards. The caller asks while it
    holds the table's lease, so an erasure that comes later finds the rows and removes them.
    """
    with writer_lease(lake, LEASE):
        before = suppressed_digests(lake)

    def refuse_old_people() -> None:
        if suppressed_digests(lake) != before:
            raise ErasedMeanwhile(
                "privacy: somebody was erased while this task was computing, so its rows may hold "
                "that person; nothing was written; clear the task, it reads the inputs anew"
            )

    return refuse_old_people


def _key(settings: Settings) -> bytes | None:
    if settings.privacy_key is not None:
        return _long_enough(settings.privacy_key.get_secret_value())
    file = settings.state / _KEY_FILE
    return _long_enough(file.read_text().strip()) if file.is_file() else None


def _long_enough(key: str) -> bytes:
    if len(key) < _KEY_CHARACTERS:
        raise PrivacyKeyMissing(
            f"privacy: the key has {len(key)} characters and needs {_KEY_CHARACTERS}; make one with"
            ' `python -c "import secrets; print(secrets.token_hex(32))"`'
        )
    return key.encode()


def _new_key(settings: Settings) -> bytes:
    if suppressed_digests(settings.lake):
        suppressed(settings)  # says that the key is missing
    key = secrets.token_hex(32)
    settings.state.mkdir(parents=True, exist_ok=True)
    _create_private(settings.state / _KEY_FILE, key.encode())
    return key.encode()


def _refuse_other_key(storage: Storage, key: bytes) -> None:
    if storage.read(_fingerprint_path()) != _fingerprint(key):
        raise PrivacyKeyMissing(
            f"{_LIST}: made with another key than this installation's; set EVENSONG_PRIVACY_KEY to "
            f"that key, or copy {_KEY_FILE} from where the people were erased"
        )


def _fingerprint(key: bytes) -> bytes:
    """Tells keys apart and gives nothing away: a hash under the key of a fixed text."""
    return digest_of(key, "evensong suppression list").encode()


def _fingerprint_path() -> str:
    return "privacy/key_fingerprint"


def _request_path(request_id: str) -> str:
    return f"{_REQUESTS}/{request_id}.json"


def _write_private(storage: Storage, path: str, content: bytes) -> None:
    """On a bucket its policy decides who reads; in a folder nobody but the owner, ever."""
    if not isinstance(storage, FolderStorage):
        storage.write(path, content)
        return
    target = storage.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{secrets.token_hex(8)}")
    _create_private(beside, content)
    beside.replace(target)


def _create_private(path: Path, content: bytes) -> None:
    opened = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
    with os.fdopen(opened, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

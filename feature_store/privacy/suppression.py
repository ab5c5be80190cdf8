"""The suppression list: keyed hashes of erased people, which keep a person from coming back.

The hashes are HMAC-SHA256, so a reader of the lake without the key cannot test ids against them.
`erasure_guard` stops a run from writing rows that it read before an erasure.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feature_store.lake.lease import writer_lease
from feature_store.lake.private_files import OWNER_ONLY
from feature_store.lake.storage import Storage, open_storage
from feature_store.settings import check_privacy_key

if TYPE_CHECKING:
    from pathlib import Path

    from feature_store.settings import Settings

LEASE = "privacy"
"""Name of the lease that an erasure holds; every run waits for it before reading its inputs."""

_LIST = "privacy/suppressed"
_REWRITE_MARKS = "privacy/rewritten"
_KEY_FILE = "privacy.key"
_WORD = re.compile(r"[^\s,;:()\[\]{}'\"=\x00-\x1f]+")


class PrivacyKeyMissing(LookupError):
    """The suppression list has entries, and this installation lacks their key."""


class ErasedDuringRun(RuntimeError):
    """An erasure removed a person after this run had read its inputs."""


@dataclass(frozen=True, slots=True)
class SuppressionList:
    """A filter for every erased person, as keyed hashes."""

    digests: frozenset[str]
    key: bytes = field(repr=False)

    def __bool__(self) -> bool:
        """Whether the list has an entry."""
        return bool(self.digests)

    def matches(self, user_id: str) -> bool:
        """Whether the person was erased."""
        return digest_of(self.key, user_id) in self.digests

    def matches_text(self, text: str) -> bool:
        """Whether a word of the text is the id of an erased person."""
        return any(self.matches(word) for word in set(_WORD.findall(text)))


def digest_of(key: bytes, user_id: str) -> str:
    """The keyed hash of a person's id."""
    return hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()


def load_suppression_list(settings: Settings) -> SuppressionList:
    """The suppression list with this installation's key.

    Raises:
        PrivacyKeyMissing: the list has entries, and the key is missing or another one.
    """
    digests = suppression_digests(settings.lake)
    if not digests:
        return SuppressionList(digests, b"")
    key = _key(settings)
    if key is None:
        raise PrivacyKeyMissing(
            f"{_LIST}: {len(digests)} people are suppressed and this installation has no key; set "
            f"EVENSONG_PRIVACY_KEY, or copy {_KEY_FILE} into EVENSONG_STATE from where they were "
            "erased"
        )
    _check_key(open_storage(settings.lake), key)
    return SuppressionList(digests, key)


def reader_suppression_list(settings: Settings) -> SuppressionList:
    """As `load_suppression_list`, but empty for a reader without a key; feature_store/DECISIONS."""
    if _key(settings) is None:
        return SuppressionList(frozenset(), b"")
    return load_suppression_list(settings)


def suppression_digests(lake: str) -> frozenset[str]:
    """The entries of the list; only the key connects them with people."""
    return frozenset(file.path.rsplit("/", 1)[1] for file in open_storage(lake).list(_LIST))


def suppress(settings: Settings, user_id: str) -> None:
    """Add a person to the list; the first call also generates the key.

    Raises:
        PrivacyKeyMissing: the list was made with another key.
    """
    storage = open_storage(settings.lake)
    key = _key(settings) or _generate_key(settings)
    storage.put_if_absent(_fingerprint_path(), _fingerprint(key))
    _check_key(storage, key)
    storage.put_if_absent(f"{_LIST}/{digest_of(key, user_id)}", b"")


def mark_rewritten(lake: str) -> None:
    """Record that an erasure rewrote tables, so that runs with older inputs do not write.

    The list alone is not enough: an erasure that failed half-way had already added its person, so
    the second attempt changes nothing that a run could compare. A mark's name is random.
    """
    open_storage(lake).put_if_absent(f"{_REWRITE_MARKS}/{secrets.token_hex(16)}", b"")


def erasure_guard(lake: str) -> Callable[[], None]:
    """Wait for an erasure in progress; returns the check that a run calls just before it writes.

    A run that read its inputs before an erasure must not write afterwards. The caller checks while
    it holds the table's lease, so a later erasure finds the rows and removes them.
    """
    with writer_lease(lake, LEASE):
        before = _erasure_marks(lake)

    def check_no_erasure() -> None:
        if _erasure_marks(lake) != before:
            raise ErasedDuringRun(
                "privacy: a person was erased while this task was computing, so its rows may hold "
                "that person; nothing was written; clear the task, it reads its inputs again"
            )

    return check_no_erasure


def _erasure_marks(lake: str) -> frozenset[str]:
    """Every file that an erasure adds: list entries when it begins, marks after each rewrite."""
    storage = open_storage(lake)
    return frozenset(
        file.path for folder in (_LIST, _REWRITE_MARKS) for file in storage.list(folder)
    )


def _key(settings: Settings) -> bytes | None:
    if settings.privacy_key is not None:
        return settings.privacy_key.get_secret_value().encode()
    file = settings.state / _KEY_FILE
    if not file.is_file():
        return None
    key = file.read_text().strip()
    try:
        check_privacy_key(key)
    except ValueError as error:
        raise PrivacyKeyMissing(f"privacy: {file}: {error}") from error
    return key.encode()


def _generate_key(settings: Settings) -> bytes:
    if suppression_digests(settings.lake):
        load_suppression_list(settings)  # raises: the key of these entries is missing
    key = secrets.token_hex(32).encode()
    settings.state.mkdir(parents=True, exist_ok=True)
    _create_key_file(settings.state / _KEY_FILE, key)
    return key


def _create_key_file(path: Path, key: bytes) -> None:
    """Exclusive, so that of two processes that generate a key at once the second one fails."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


def _check_key(storage: Storage, key: bytes) -> None:
    if storage.read(_fingerprint_path()) != _fingerprint(key):
        raise PrivacyKeyMissing(
            f"{_LIST}: made with another key than this installation's; set EVENSONG_PRIVACY_KEY to "
            f"that key, or copy {_KEY_FILE} from where the people were erased"
        )


def _fingerprint(key: bytes) -> bytes:
    """The hash of a fixed text under the key: identifies the key without revealing it."""
    return digest_of(key, "evensong suppression list").encode()


def _fingerprint_path() -> str:
    return "privacy/key_fingerprint"

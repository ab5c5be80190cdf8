"""Who was erased: the suppression list that keeps a person from coming back.

It holds keyed hashes (HMAC-SHA256), so that whoever reads the lake cannot try ids out on it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import Storage, open_storage
from feature_store.privacy.requests import create_private

if TYPE_CHECKING:
    from feature_store.settings import Settings

LEASE = "privacy"
"""Held while an erasure rewrites the lake; whoever computes waits for it before reading."""

_LIST = "privacy/suppressed"
_MARKS = "privacy/rewritten"
_KEY_FILE = "privacy.key"
_KEY_CHARACTERS = 32
_WORD = re.compile(r"[^\s,;:()\[\]{}'\"=\x00-\x1f]+")


class PrivacyKeyMissing(LookupError):
    """There is a suppression list, and not the key that it was made with."""


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


def mark_rewritten(lake: str) -> None:
    """Leave word that tables were rewritten: who read them before must not write afterwards.

    An erasure that failed half-way had suppressed its person already, so the list alone would not
    tell whoever read between its two attempts. The mark's name is random and says nothing.
    """
    open_storage(lake).put_if_absent(f"{_MARKS}/{secrets.token_hex(16)}", b"")


def unchanged_people(lake: str) -> Callable[[], None]:
    """Wait for an erasure that is at work; returns what a run calls just before it writes.

    Whoever read before a person was erased must not write afterwards. The caller asks while it
    holds the table's lease, so an erasure that comes later finds the rows and removes them.
    """
    with writer_lease(lake, LEASE):
        before = _told_of_erasures(lake)

    def refuse_old_people() -> None:
        if _told_of_erasures(lake) != before:
            raise ErasedMeanwhile(
                "privacy: somebody was erased while this task was computing, so its rows may hold "
                "that person; nothing was written; clear the task, it reads the inputs anew"
            )

    return refuse_old_people


def _told_of_erasures(lake: str) -> frozenset[str]:
    """Everything that an erasure leaves as it begins and as its tables are rewritten."""
    storage = open_storage(lake)
    return frozenset(file.path for place in (_LIST, _MARKS) for file in storage.list(place))


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
    create_private(settings.state / _KEY_FILE, key.encode())
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

"""The suppression list: keyed hashes of erased people, which keep a person from coming back.

The hashes are HMAC-SHA256, so a reader of the lake without the key cannot test ids against them.
`erasure_guard` stops a run from writing rows that it read before an erasure.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from feature_store.lake.lease import writer_lease
from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.private_files import OWNER_ONLY, make_private_folder
from feature_store.lake.storage import Storage, open_storage
from feature_store.privacy.file_names import nameable_part_and_ending
from feature_store.privacy.id_spellings import (
    decoded,
    is_an_id,
    possible_ids,
    possible_ids_of_file_name,
)
from feature_store.privacy.person_filter import Person, is_placeholder
from feature_store.settings import check_privacy_key

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from feature_store.settings import Settings

LEASE = "privacy"
"""Name of the lease that an erasure holds while it commits; every run waits for it before reading
its inputs."""

ERASURES_LEASE = "erasures"
"""Name of the lease that one batch of erasures holds against another; no night asks for it."""

_LIST = "privacy/suppressed"
_REWRITE_MARKS = "privacy/rewritten"
_KEY_FILE = "privacy.key"


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

    def matched_among(self, ids: pa.ChunkedArray) -> Collection[str]:
        """The ids of erased people in a column; each distinct id is hashed once."""
        distinct = (each for each in ids.unique().to_pylist() if each is not None)
        return [each for each in distinct if self.matches(each)]

    def known_in_text(self, text: str) -> Sequence[str]:  # noqa: ARG002  hashes know no id
        """Nobody: the list holds hashes."""
        return ()

    def known_in_path(self, path: str) -> Sequence[str]:  # noqa: ARG002  hashes know no id
        """Nobody: the list holds hashes."""
        return ()

    def matches_text(self, text: str) -> bool:
        """Whether a part of the text is the id of an erased person, whatever signs the id has."""
        tested: dict[str, bool] = {}
        for reading in decoded(text):
            for start, end, part in possible_ids(reading):
                if part not in tested:
                    tested[part] = self.matches(part)
                if tested[part] and is_an_id(reading, start, end):
                    return True
        return False

    def rename(self, path: str) -> str:
        """The path of a file without the ids of erased people in its name."""
        folder, slash, name = path.rpartition("/")
        stem, ending = nameable_part_and_ending(name)
        return folder + slash + self._without_ids(stem) + ending

    def _without_ids(self, name: str) -> str:
        for start, end, part in possible_ids_of_file_name(name):
            is_theirs = self.matches(part) and is_an_id(name, start, end)
            if is_theirs and not is_placeholder(name, start, end):
                alias = file_alias(digest_of(self.key, part))
                # The alias is no part of a name any more: it may hold another erased id.
                return self._without_ids(name[:start]) + alias + self._without_ids(name[end:])
        return name


def digest_of(key: bytes, user_id: str) -> str:
    """The keyed hash of a person's id."""
    # A lone surrogate, as Python has for a byte that is no UTF-8, is no reason to stop.
    return hmac.digest(key, user_id.encode(errors="surrogatepass"), "sha256").hex()


def file_alias(digest: str) -> str:
    """What takes an erased person's id's place in names of files."""
    return f"erased-{digest[:12]}"


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


def person_of(settings: Settings, user_id: str) -> Person:
    """The filter of a person's erasure, with the alias that takes the id's place in file names.

    Raises:
        PrivacyKeyMissing: the list was made with another key, or there is none for it.
    """
    return Person(user_id, file_alias(digest_of(_checked_key(settings), user_id)))


def suppress(settings: Settings, user_id: str) -> Person:
    """Add a person to the list; returns the filter of the erasure.

    Raises:
        PrivacyKeyMissing: the list was made with another key, or there is none for it.
    """
    digest = digest_of(_checked_key(settings), user_id)
    open_storage(settings.lake).put_if_absent(f"{_LIST}/{digest}", b"")
    return Person(user_id, file_alias(digest))


def _checked_key(settings: Settings) -> bytes:
    """The key that the list was made with, or will be made with from now on."""
    storage = open_storage(settings.lake)
    key = ensure_key(settings)
    storage.put_if_absent(_fingerprint_path(), _fingerprint(key))
    _check_key(storage, key)
    return key


def ensure_key(settings: Settings) -> bytes:
    """The key of the suppression list; the first call generates one for a lake in a folder.

    Machines that share a lake on S3 share no folder, so a key that one of them generated would be
    missing on the others, and lost with the machine.

    Raises:
        PrivacyKeyMissing: the key is missing, and the list has entries or the lake is on S3.
    """
    key = _key(settings)
    if key is not None:
        return key
    if suppression_digests(settings.lake):
        load_suppression_list(settings)  # raises: the key of these entries is missing
    if isinstance(open_storage(settings.lake), ObjectStorage):
        raise PrivacyKeyMissing(
            f"privacy: the lake {settings.lake} is on S3 and EVENSONG_PRIVACY_KEY is not set; no "
            "key is generated into a local folder, which other machines lack: make one with "
            '`python -c "import secrets; print(secrets.token_hex(32))"`, keep it where your other '
            "secrets are, and set the variable on every machine that runs nights or erasures"
        )
    return _generate_key(settings)


def mark_rewritten(lake: str) -> None:
    """Record that an erasure rewrites tables, so that runs with older inputs do not write.

    The list alone is not enough: an erasure that failed half-way had already added its person, so
    the second attempt changes nothing that a run could compare. A mark's name is random.
    """
    open_storage(lake).put_if_absent(f"{_REWRITE_MARKS}/{secrets.token_hex(16)}", b"")


def erasure_guard(lake: str) -> Callable[[], None]:
    """Wait for the commits of an erasure; returns the check that a run calls before it writes.

    A run that read its inputs before an erasure must not write afterwards. The caller checks while
    it holds the table's lease, so a later erasure finds the rows and removes them. An erasure holds
    the lease that is waited for here while it commits, and neither while it searches nor while it
    waits for a writer (jobs/privacy/row_pass.py says why that is enough).
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
    key = secrets.token_hex(32).encode()
    make_private_folder(settings.state)
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

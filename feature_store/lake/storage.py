"""Storage of files in a local folder or on S3, through one small interface.

Paths inside the lake are relative and use "/". `put_if_absent` is exclusive on both kinds of
storage; leases and manifests rely on that.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.stored_file import BLOCK_BYTES, StorageError, StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


TEMPORARY = ".writing-"
"""Beginning of the name of a file that is being written; a killed writer leaves it."""


class Storage(Protocol):
    """Interface of a folder and of an object store."""

    def uri(self, path: str) -> str:
        """Absolute address of `path`, as Spark and delta-rs take it."""

    def list(
        self, prefix: str, on_link: Callable[[str], None] | None = None
    ) -> Iterator[StoredFile]:
        """Every file below the folder `prefix`, in path order; none when the folder is missing.

        Args:
            prefix: the folder.
            on_link: is called with the path of each link, which is left out; without it a link
                raises StorageError.
        """

    def exists(self, path: str) -> bool:
        """Whether `path` is a file (not a folder)."""

    def read(self, path: str) -> bytes:
        """All bytes. Raises StorageError naming the address."""

    def local_copy(self, path: str) -> AbstractContextManager[Path]:
        """A file on this machine with the bytes of `path`, which may be large; for reading only.

        Raises:
            StorageError: names the address.
        """

    def read_blocks(self, path: str) -> Iterator[bytes]:
        """The bytes in blocks of at most `BLOCK_BYTES`, for files that may not fit into memory.

        Raises StorageError naming the address.
        """

    def write(self, path: str, content: bytes) -> None:
        """Replace `path` atomically: a reader sees the old bytes or the new ones."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Create `path` unless it exists; of several writers exactly one gets True."""

    def delete(self, path: str) -> None:
        """Delete a file; does nothing when it is missing."""


def open_storage(address: str) -> Storage:
    """The storage at a folder or an s3:// address.

    Raises:
        StorageError: the address has another scheme.
    """
    if address.startswith("s3://"):
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        return ObjectStorage(bucket, prefix.strip("/"))
    if "://" in address:
        raise StorageError(
            f"storage {address}: neither a folder nor s3://; set EVENSONG_LAKE to one of these"
        )
    return FolderStorage(Path(address).resolve())


def sha256_of(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class FolderStorage:
    """A local folder, in which links are refused.

    A link would show a file of another place as one of the lake, and an erasure would leave the
    file that it leads to.
    """

    root: Path

    def uri(self, path: str) -> str:
        return str(self.root / path)

    def list(
        self, prefix: str, on_link: Callable[[str], None] | None = None
    ) -> Iterator[StoredFile]:
        entries = sorted(self._locate(prefix).rglob("*"))
        for link in (entry for entry in entries if entry.is_symlink()):
            if on_link is None:
                raise self._refusal(link)
            on_link(link.relative_to(self.root).as_posix())
        for file in (entry for entry in entries if entry.is_file() and not entry.is_symlink()):
            try:
                found = file.stat()
            except FileNotFoundError:
                continue  # deleted meanwhile, for example after a commit that lost a race
            yield StoredFile(
                file.relative_to(self.root).as_posix(),
                found.st_size,
                datetime.fromtimestamp(found.st_mtime, UTC),
            )

    def exists(self, path: str) -> bool:
        return self._locate(path).is_file()

    def read(self, path: str) -> bytes:
        target = self._locate(path)
        try:
            return target.read_bytes()
        except OSError as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot be read: {error.strerror}"
            ) from error

    @contextmanager
    def local_copy(self, path: str) -> Iterator[Path]:
        file = self._locate(path)
        try:
            file.open("rb").close()
        except OSError as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot be read: {error.strerror}"
            ) from error
        yield file

    def read_blocks(self, path: str) -> Iterator[bytes]:
        target = self._locate(path)
        try:
            with target.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        except OSError as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot be read: {error.strerror}"
            ) from error

    def write(self, path: str, content: bytes) -> None:
        self._write_temporary(path, content).replace(self._locate(path))

    def put_if_absent(self, path: str, content: bytes) -> bool:
        # A hard link is atomic, so readers never see a half-written manifest.
        temporary = self._write_temporary(path, content)
        try:
            (self.root / path).hardlink_to(temporary)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def delete(self, path: str) -> None:
        self._locate(path).unlink(missing_ok=True)

    def _locate(self, path: str) -> Path:
        """Where the file is.

        Raises:
            StorageError: the path leads through a link, or out of the folder.
        """
        target = self.root / path
        if target.resolve() != self.root.resolve() / path.strip("/"):
            raise self._refusal(target)
        return target

    def _refusal(self, refused: Path) -> StorageError:
        above = [each for each in (refused, *refused.parents) if each.is_relative_to(self.root)]
        links = [each for each in above if each.is_symlink() and each != self.root]
        found = f"{links[-1]} is a link to {links[-1].resolve()}" if links else "it leads elsewhere"
        return StorageError(
            f"storage {refused}: {found} (rule: no links in a lake); put the file itself there, or "
            "mount the other folder in its place"
        )

    def _write_temporary(self, path: str, content: bytes) -> Path:
        """A new file in the target's folder; umask permissions, because other teams read it."""
        target = self._locate(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return temporary

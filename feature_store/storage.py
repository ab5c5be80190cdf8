"""Files and objects by URI: a local folder or an s3:// address, through one small interface.

Paths inside the lake are relative and use "/". `put_if_absent` is exclusive on both kinds: it is
what leases and manifests rest on.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class StorageError(OSError):
    """A file or object cannot be read or written."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's path inside the storage, its size, and when it was last written (UTC)."""

    path: str
    byte_count: int
    written_at_utc: datetime


class Storage(Protocol):
    """What the rest of the project asks of a place that holds files."""

    def uri(self, path: str) -> str:
        """Absolute address of `path`, as Spark and delta-rs take it."""

    def list(self, prefix: str) -> Iterator[StoredFile]:
        """Every file below the folder `prefix`, in path order.

        Nothing when the folder is not there.
        """

    def exists(self, path: str) -> bool:
        """Whether a file (not a folder) is there."""

    def read(self, path: str) -> bytes:
        """All bytes. Raises StorageError naming the address."""

    def write(self, path: str, content: bytes) -> None:
        """Replace `path` in one step: a reader sees the old bytes or the new."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Create `path` unless it is there; of several writers exactly one gets True."""

    def delete(self, path: str) -> None:
        """Remove a file; nothing happens when it is not there."""


_NOT_FOUND = 404
_WAS_NOT_FIRST = {404, 409, 412}  # it is gone, is being written, or has another tag


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
    """A local folder."""

    root: Path

    def uri(self, path: str) -> str:
        return str(self.root / path)

    def list(self, prefix: str) -> Iterator[StoredFile]:
        folder = self.root / prefix
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            found = file.stat()
            yield StoredFile(
                file.relative_to(self.root).as_posix(),
                found.st_size,
                datetime.fromtimestamp(found.st_mtime, UTC),
            )

    def exists(self, path: str) -> bool:
        return (self.root / path).is_file()

    def read(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot be read: {error.strerror}"
            ) from error

    def write(self, path: str, content: bytes) -> None:
        self._written_beside(path, content).replace(self.root / path)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        # A hard link is created whole or not at all, so nobody ever reads a half-written manifest.
        beside = self._written_beside(path, content)
        try:
            (self.root / path).hardlink_to(beside)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
        return True

    def delete(self, path: str) -> None:
        (self.root / path).unlink(missing_ok=True)

    def _written_beside(self, path: str, content: bytes) -> Path:
        """A new file in the target's folder, with the umask's rights: other teams read it."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".writing-{uuid.uuid4().hex}")
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return beside


@dataclass(frozen=True)
class ObjectStorage:
    """A bucket, or a prefix in one.

    Endpoint and credentials come from the AWS_ variables, as boto3 reads them.
    """

    bucket: str
    prefix: str

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("s3")

    def uri(self, path: str) -> str:
        return f"s3://{self.bucket}/{self._key(path)}"

    def list(self, prefix: str) -> Iterator[StoredFile]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._key(prefix).rstrip("/") + "/"
        )
        for page in pages:
            for item in page.get("Contents", ()):
                path = item["Key"].removeprefix(f"{self.prefix}/" if self.prefix else "")
                yield StoredFile(path, item["Size"], item["LastModified"])

    def exists(self, path: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self._client.head_object(Bucket=self.bucket, Key=self._key(path))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _NOT_FOUND:
                return False
            raise
        return True

    def read(self, path: str) -> bytes:
        from botocore.exceptions import ClientError

        try:
            return bytes(
                self._client.get_object(Bucket=self.bucket, Key=self._key(path))["Body"].read()
            )
        except ClientError as error:
            raise StorageError(f"storage {self.uri(path)}: cannot be read: {error}") from error

    def write(self, path: str, content: bytes) -> None:
        self._client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        return self.put_if_tag(path, content, None) is not None

    def put_if_tag(self, path: str, content: bytes, tag: str | None) -> str | None:
        """Replace `path` if it still has `tag` (None: if it is absent).

        Gives the new tag; None when somebody else was first.
        """
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            written = self._client.put_object(
                Bucket=self.bucket, Key=self._key(path), Body=content, **condition
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in _WAS_NOT_FIRST:
                return None
            raise
        return str(written["ETag"])

    def read_tagged(self, path: str) -> tuple[bytes, str] | None:
        """The object and the tag of this very state of it; None while it is absent."""
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(Bucket=self.bucket, Key=self._key(path))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == _NOT_FOUND:
                return None
            raise
        return bytes(found["Body"].read()), str(found["ETag"])

    def delete(self, path: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=self._key(path))

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}".strip("/") if self.prefix else path.strip("/")

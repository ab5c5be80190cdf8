"""Files and objects by URI: a local folder or an s3:// address, through one small interface.

Paths inside the lake are relative and use "/". `put_if_absent` is exclusive on both kinds: it is
what leases and manifests rest on.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


_NOT_FOUND = frozenset({404})
_WAS_NOT_FIRST = frozenset({404, 409, 412})  # it is gone, is being written, or has another tag


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
            try:
                found = file.stat()
            except FileNotFoundError:
                continue  # its writer removed it meanwhile, as after a commit that lost a race
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
        with self._explaining(prefix, "be listed"):
            for page in pages:
                for item in page.get("Contents", ()):
                    path = item["Key"].removeprefix(f"{self.prefix}/" if self.prefix else "")
                    yield StoredFile(path, item["Size"], item["LastModified"])

    def exists(self, path: str) -> bool:
        with self._explaining(path, "be looked up"):
            return self._unless(_NOT_FOUND, self._client.head_object, path) is not None

    def read(self, path: str) -> bytes:
        with self._explaining(path, "be read"):
            found = self._client.get_object(Bucket=self.bucket, Key=self._key(path))
            return bytes(found["Body"].read())

    def write(self, path: str, content: bytes) -> None:
        with self._explaining(path, "be written"):
            self._client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        return self.put_if_tag(path, content, None) is not None

    def put_if_tag(self, path: str, content: bytes, tag: str | None) -> str | None:
        """Replace `path` if it still has `tag` (None: if it is absent).

        Gives the new tag; None when somebody else was first.
        """
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with self._explaining(path, "be written"):
            written = self._unless(
                _WAS_NOT_FIRST, self._client.put_object, path, Body=content, **condition
            )
        return str(written["ETag"]) if written is not None else None

    def read_tagged(self, path: str) -> tuple[bytes, str] | None:
        """The object and the tag of this very state of it; None while it is absent."""
        with self._explaining(path, "be read"):
            found = self._unless(_NOT_FOUND, self._client.get_object, path)
            return (bytes(found["Body"].read()), str(found["ETag"])) if found is not None else None

    def delete(self, path: str) -> None:
        with self._explaining(path, "be deleted"):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(path))

    def noncurrent_count(self) -> int:
        """Versions below the prefix that are not the newest of their object, and delete marks."""
        with self._explaining("", "be asked for its versions"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=self._key("")
            )
            return sum(
                sum(not one["IsLatest"] for one in page.get("Versions", ()))
                + len(page.get("DeleteMarkers", ()))
                for page in pages
            )

    def versioning(self) -> str:
        """Whether the bucket keeps noncurrent versions: Enabled, Suspended or Off."""
        with self._explaining("", "be asked for its versioning"):
            return str(
                self._client.get_bucket_versioning(Bucket=self.bucket).get("Status") or "Off"
            )

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}".strip("/") if self.prefix else path.strip("/")

    def _unless(
        self, statuses: frozenset[int], call: Callable[..., Any], path: str, **options: object
    ) -> Any:
        """What the call answers about an object; None when it fails with one of the statuses."""
        from botocore.exceptions import ClientError

        try:
            return call(Bucket=self.bucket, Key=self._key(path), **options)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in statuses:
                return None
            raise

    @contextmanager
    def _explaining(self, path: str, what: str) -> Iterator[None]:
        """Turn the client's errors, which name neither address nor next step, into ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot {what}: {error}; check EVENSONG_LAKE, "
                "AWS_ENDPOINT_URL, the AWS_ credentials and the bucket's rights with "
                "`evensong doctor`"
            ) from error

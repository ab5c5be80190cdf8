"""Storage of files in a bucket on S3, or in what speaks its protocol."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from feature_store.lake.stored_file import BLOCK_BYTES, StorageError, StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ATTEMPTS = 6
"""Of each request, within about 15 s. Whoever needs longer is retried by Airflow."""

_CONNECT_S, _ANSWER_S = 10, 20
"""boto3 waits a minute by default: one heartbeat without an answer would cost the lease."""

_WRITE_ID = "evensong-write-id"
_NOT_FOUND = frozenset({404})
_CONDITION_FAILED = frozenset({409, 412})  # being written, or with another ETag


@dataclass(frozen=True)
class ObjectStorage:
    """A bucket, or a prefix in a bucket.

    boto3 reads endpoint and credentials from the AWS_ variables. It repeats a request that the
    store is too busy for, or whose connection broke.
    """

    bucket: str
    prefix: str

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            connect_timeout=_CONNECT_S,
            read_timeout=_ANSWER_S,
        )
        return boto3.client("s3", config=config)

    def uri(self, path: str) -> str:
        return f"s3://{self.bucket}/{self._key(path)}"

    def list(
        self,
        prefix: str,
        on_link: Callable[[str], None] | None = None,  # noqa: ARG002  no links
    ) -> Iterator[StoredFile]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self._key(prefix).rstrip("/") + "/"
        )
        with self._translate_errors(prefix, "be listed"):
            for page in pages:
                for item in page.get("Contents", ()):
                    path = item["Key"].removeprefix(f"{self.prefix}/" if self.prefix else "")
                    yield StoredFile(path, item["Size"], item["LastModified"])

    def exists(self, path: str) -> bool:
        with self._translate_errors(path, "be looked up"):
            return self._none_on(_NOT_FOUND, self._client.head_object, path) is not None

    def read(self, path: str) -> bytes:
        content = BytesIO()
        self._download(path, content)
        return content.getvalue()

    @contextmanager
    def local_copy(self, path: str) -> Iterator[Path]:
        with NamedTemporaryFile(prefix="evensong-") as copy:
            self._download(path, copy)
            copy.flush()
            yield Path(copy.name)

    def read_blocks(self, path: str) -> Iterator[bytes]:
        with self.local_copy(path) as copy, copy.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block

    def write(self, path: str, content: bytes) -> None:
        with self._translate_errors(path, "be written"):
            self._client.put_object(Bucket=self.bucket, Key=self._key(path), Body=content)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        return self.put_if_match(path, content, None) is not None

    def put_if_match(self, path: str, content: bytes, etag: str | None) -> str | None:
        """Replace `path` if its ETag is still `etag` (None: if it is absent).

        Returns the new ETag; None when another writer was first.

        When the answer to a put is lost, boto3 puts again, and the store refuses: it has taken the
        first one. So each put has an id, by which it is known as this writer's own.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        # What shall be absent is not missed: then there is no bucket, which is an error.
        refused = _CONDITION_FAILED if etag is None else _CONDITION_FAILED | _NOT_FOUND
        own = {_WRITE_ID: uuid.uuid4().hex}
        with self._translate_errors(path, "be written"):
            put = self._client.put_object
            written = self._none_on(refused, put, path, Body=content, Metadata=own, **condition)
            if written is None:
                written = self._none_on(_NOT_FOUND, self._client.head_object, path)
                if written is not None and written["Metadata"] != own:
                    return None
        return str(written["ETag"]) if written is not None else None

    def read_with_etag(self, path: str) -> tuple[bytes, str] | None:
        """The object's bytes and its ETag; None while it is absent."""
        with self._translate_errors(path, "be read"):
            found = self._none_on(_NOT_FOUND, self._client.get_object, path)
            return (bytes(found["Body"].read()), str(found["ETag"])) if found is not None else None

    def delete(self, path: str) -> None:
        with self._translate_errors(path, "be deleted"):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(path))

    def noncurrent_count(self) -> int:
        """Number of noncurrent object versions and delete markers below the prefix."""
        with self._translate_errors("", "be asked for its versions"):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=self._key("")
            )
            return sum(
                sum(not one["IsLatest"] for one in page.get("Versions", ()))
                + len(page.get("DeleteMarkers", ()))
                for page in pages
            )

    def versioning(self) -> str:
        """Versioning of the bucket: Enabled, Suspended or Off."""
        with self._translate_errors("", "be asked for its versioning"):
            return str(
                self._client.get_bucket_versioning(Bucket=self.bucket).get("Status") or "Off"
            )

    def _download(self, path: str, target: Any) -> None:
        """Write the bytes of `path` to a binary file; a connection that breaks is opened again."""
        with self._translate_errors(path, "be read"):
            self._client.download_fileobj(self.bucket, self._key(path), target)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}".strip("/") if self.prefix else path.strip("/")

    def _none_on(
        self, statuses: frozenset[int], call: Callable[..., Any], path: str, **options: object
    ) -> Any:
        """The result of an S3 call; None when it fails with one of the HTTP statuses."""
        from botocore.exceptions import ClientError

        try:
            return call(Bucket=self.bucket, Key=self._key(path), **options)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in statuses:
                return None
            raise

    @contextmanager
    def _translate_errors(self, path: str, action: str) -> Iterator[None]:
        """Raise StorageError with address and next step, which boto3's errors lack."""
        from boto3.s3.transfer import S3TransferRetriesExceededError
        from botocore.exceptions import BotoCoreError, ClientError
        from s3transfer.exceptions import S3DownloadFailedError

        failures = (
            S3TransferRetriesExceededError,
            S3DownloadFailedError,  # a large object was replaced while it was read
            BotoCoreError,
            ClientError,
        )
        try:
            yield
        except failures as error:
            raise StorageError(
                f"storage {self.uri(path)}: cannot {action}: {error}; check EVENSONG_LAKE, "
                "AWS_ENDPOINT_URL, the AWS_ credentials and the bucket's rights with "
                "`evensong doctor`"
            ) from error

"""What a landing file is by its name and its first bytes: whole, still being copied, or no content.

Programs that copy files write under another name first, and folders of people hold files that are
no content (Thumbs.db, checksums, notes). Each is named when a day closes, and waits: the next
closing looks at it again.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from feature_store.lake.storage import FolderStorage
from feature_store.lake.stored_file import StorageError

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage

# What music folders take, and what libsndfile reads besides.
_AUDIO_ENDINGS = frozenset(
    {".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
    | {".aifc", ".au", ".caf", ".mp2", ".mpga", ".rf64", ".snd", ".voc", ".w64", ".wave"}
)
# Of the formats that jobs/encoders/image/image_file.py opens.
_COVER_ENDINGS = frozenset(
    {".apng", ".avif", ".avifs", ".bmp", ".gif", ".ico", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc"}
    | {".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".psd", ".qoi", ".tif", ".tiff", ".webp"}
)
CONTENT_ENDINGS = {"audio": _AUDIO_ENDINGS, "covers": _COVER_ENDINGS}

_HEAD_BYTES = 16
# Strict, unlike a reader of the format: text in UTF-16 begins with the bits of an MPEG frame, and a
# note about BMW with the first bytes of a bitmap. A film of the track is no recording.
_CONTENT_HEADS = {
    "audio": re.compile(
        rb"fLaC[\0\x80]|OggS\0|ID3[\2-\4]|(?:RIFF|RF64|BW64).{4}WAVE|FORM.{4}AIF[FC]|.{4}ftypM4A"
        rb"|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|caff\0|\.snd\0",
        re.DOTALL,
    ),
    "covers": re.compile(
        rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|BM.{4}\0{4}|II\*\0|MM\0\*"
        rb"|.{4}ftypavif|.{4}jP  |8BPS\0|qoif",
        re.DOTALL,
    ),
}

_COPYING = re.compile(
    r"\.(?:tmp|temp|part|partial|filepart|crdownload|download|opdownload|aria2|swp|bak|orig)$"
    r"|\._copying_$|_\.gstmp$|~$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"_\d{4,}$")
_BEHIND_PARQUET = re.compile(r"\.parquet[^a-z0-9](?!.*\.parquet$)", re.IGNORECASE)
_WAITS = (
    "when the program that writes it gives it its own name, it counts for the next day that is "
    "closed; if none does, rename it or remove it"
)
_COPIED = f"its name is of a file that is still being copied, or of another's copy: {_WAITS}"
_HIDDEN = f"its name begins with . or _, as names of temporary files do: {_WAITS}"


def why_unfinished(name: str, source: str) -> str:
    """Why a file's name says that it is not whole, or another file's copy; else empty."""
    is_behind = (
        _ending_within(name, source)
        if source in CONTENT_ENDINGS
        else _BEHIND_PARQUET.search(name) is not None
    )
    return _COPIED if is_behind or _COPYING.search(name) else ""


def why_hidden(name: str, source: str) -> str:
    """What to say of a file whose name begins with a mark: empty of bookkeeping (`_SUCCESS`)."""
    if name.endswith(".crc"):  # Hadoop's checksum of the file beside it
        return ""
    endings = CONTENT_ENDINGS.get(source, frozenset({".parquet"}))
    is_of_data = PurePosixPath(name).suffix.lower() in endings
    return _HIDDEN if is_of_data or why_unfinished(name, source) else ""


def why_no_content(storage: Storage, path: str, source: str) -> str:
    """Why a file of a file source is neither audio nor a picture; empty for one that is.

    Its ending says so; where it says nothing, the first bytes do.
    """
    if _ending(path) in CONTENT_ENDINGS[source]:
        return ""
    try:
        head = _head(storage, path)
    except StorageError as error:
        return f"its ending is none of {source}, and its first bytes cannot be read: {error}"
    if _CONTENT_HEADS[source].match(head):
        return ""
    return (
        f"neither its ending nor its first bytes are of {source}: remove it, or give it the right "
        f"ending ({', '.join(sorted(CONTENT_ENDINGS[source]))})"
    )


def _ending(name: str) -> str:
    """The ending in lower case, without the number that jobs/landing/layout.py puts behind it."""
    return _NUMBER.sub("", PurePosixPath(name).suffix.lower())


def _ending_within(name: str, source: str) -> bool:
    """Whether another ending stands behind one of content: `t3.flac.6eF3aB12`."""
    endings = CONTENT_ENDINGS[source]
    return _ending(name) not in endings and _ending(PurePosixPath(name).stem) in endings


def _head(storage: Storage, path: str) -> bytes:
    if isinstance(storage, FolderStorage):
        with storage.local_copy(path) as file, file.open("rb") as opened:
            return opened.read(_HEAD_BYTES)
    return next(storage.read_blocks(path), b"")

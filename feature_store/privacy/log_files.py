"""Redaction of people's ids in text files: logs and lineage, rotated ones included.

A server holds its log open and goes on appending to it, at any moment. A log is therefore rewritten
in place: a new file under the old name would get none of the server's later lines. What it appends
meanwhile keeps its place in the file: no byte behind the searched ones is moved, or cut off.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from io import RawIOBase
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from feature_store.privacy.person_filter import redact

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import People, Person


_PARTIAL = ".rewriting"


class LogUnreadable(ValueError):
    """A rotated log cannot be unpacked, so nobody knows whether it names the person."""


class LogChanged(RuntimeError):
    """A log was rotated while it was searched."""


class _Packing(NamedTuple):
    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes], bytes]


_PACKINGS = {
    ".gz": _Packing(gzip.compress, gzip.decompress),
    ".bz2": _Packing(bz2.compress, bz2.decompress),
    ".xz": _Packing(lzma.compress, lzma.decompress),
}


def files_below(folder: Path) -> Iterator[Path]:
    """Every file of a local folder."""
    return (file for file in sorted(folder.rglob("*")) if is_own_file(file))


def is_own_file(file: Path) -> bool:
    """Whether it is a file and no link: Airflow keeps one to its latest log."""
    return file.is_file() and not file.is_symlink()


def redact_log(file: Path, people: Person | People) -> Sequence[str]:
    """Redact the people's ids in a local log and in its name; returns the ids that were there.

    Bytes that are not UTF-8 stay as they are, and so does what is appended meanwhile.

    Raises:
        LogUnreadable: it is packed and damaged.
        LogChanged: it was rotated meanwhile.
    """
    if file.suffix == _PARTIAL:  # of a killed erasure; its log is still there
        file.unlink(missing_ok=True)
        return []
    packing = _PACKINGS.get(file.suffix)
    content = file.read_bytes()
    plain = _unpack(file, content, packing) if packing else content
    named, redacted = _redact(plain, people)
    if redacted != plain and packing:
        _replace(file, packing.pack(redacted))
    elif redacted != plain:
        _write_in_place(file, plain, redacted)
    renamed = people.rename(file.name)
    if renamed != file.name:
        named = {*named, *people.known_in_path(file.name)}
        file.rename(_free_name(file.with_name(renamed)))
    return sorted(named)


def _free_name(file: Path) -> Path:
    """The path, or with the first number that no file has: two logs may be named after people."""
    names = (file.with_name(f"{file.stem}-{number}{file.suffix}") for number in count(2))
    return next(name for name in chain([file], names) if not name.exists())


def redact_stored(storage: Storage, folder: str, people: Person | People) -> Counter[str]:
    """Redact the people's ids in every file below a folder of the lake; returns the files by id."""
    changed: Counter[str] = Counter()
    for file in list(storage.list(folder)):
        content = storage.read(file.path)
        named, redacted = _redact(content, people)
        if redacted != content:
            storage.write(file.path, redacted)
            changed.update(named)
    return changed


def _redact(content: bytes, people: Person | People) -> tuple[set[str], bytes]:
    """The ids in a file, and the file without them."""
    text = content.decode(errors="surrogateescape")
    named = set(people.known_in_text(text))
    redacted = redact(text, people) if named else text
    return named, redacted.encode(errors="surrogateescape")


def _unpack(file: Path, content: bytes, packing: _Packing) -> bytes:
    try:
        return packing.unpack(content)
    except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise LogUnreadable(
            f"{file}: a rotated log that cannot be unpacked, so it may name the erased person; "
            "delete it, then continue the request with `evensong erase --request`"
        ) from error


def _replace(file: Path, content: bytes) -> None:
    """Replace a packed log, to which nobody appends, at once: half of it could not be unpacked."""
    partial = file.with_name(file.name + _PARTIAL)
    partial.write_bytes(content)
    shutil.copymode(file, partial)
    partial.replace(file)


def _write_in_place(file: Path, found: bytes, redacted: bytes) -> None:
    """Replace what was found at the start of a log that others append to, and lose none of it.

    Blanks fill the room that a shorter text leaves. The last lines of a longer one are appended
    first: killed before the rest, this leaves lines twice, and the next try redacts them.
    """
    room = len(found)
    is_longer = len(redacted) > room
    kept = redacted[: redacted.rfind(b"\n", 0, room) + 1] if is_longer else redacted
    with file.open("r+b", buffering=0) as opened, file.open("ab") as end:
        if opened.read(room) != found or not os.path.sameopenfile(opened.fileno(), end.fileno()):
            raise LogChanged(
                f"{file}: was rotated or cut while it was searched for the erased person; continue "
                "the request with `evensong erase --request`"
            )
        end.write(redacted[len(kept) :])
        end.flush()
        os.fsync(end.fileno())
        opened.seek(0)
        _write_all(opened, _filled(kept, room))
        os.fsync(opened.fileno())


def _write_all(opened: RawIOBase, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[opened.write(remaining) or 0 :]


def _filled(text: bytes, length: int) -> bytes:
    """The text with blanks in front of its last line's end, `length` bytes.

    A last line without an end may be half of one, which its server completes.
    """
    if len(text) == length:
        return text
    if not text:
        return b" " * (length - 1) + b"\n"
    end = max(0, text.rfind(b"\n"))
    return text[:end] + b" " * (length - len(text)) + text[end:]

"""Corrects lengths in the headers of audio files that libsndfile believes though they are false.

A stream that was never finished (a pipe, a crash) says 0 or the largest number where its length
belongs, and an edited file keeps the length of the original. libsndfile then reads nothing, or a
part, or refuses the file. The length is counted here: to the end of the bytes, or to a next chunk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from jobs.encoders.audio.decoding.id3_length import audio_start, behind_id3
from jobs.encoders.audio.decoding.mpeg_frames import with_true_frame_count

_UNKNOWN = 0xFFFF_FFFF
_WITHOUT_ID3 = frozenset({b"fLaC", b"OggS", b"RIFF", b"RF64", b"FORM", b"caff", b".snd"})
_RIFF_HEADER, _CAF_HEADER = 12, 8


def with_true_length(content: bytes) -> bytes:
    """The same bytes when their header is true or of another format, otherwise a corrected copy.

    The copy has no ID3 tag before a format of which libsndfile does not expect one.
    """
    start = audio_start(content)
    mark = content[start : start + 4]
    is_skipped = mark == b"fLaC" and start == behind_id3(content)  # by libsndfile: no copy
    if start and mark in _WITHOUT_ID3 and not is_skipped:
        content = content[start:]
    correct = _CORRECTIONS.get(content[:4], with_true_frame_count)
    try:
        return correct(content)
    except struct.error:  # the header ends where its length should stand: libsndfile judges it
        return content


def _riff(content: bytes) -> bytes:
    """WAV: a chunk `data` that ends neither at the end nor at a next chunk goes to the end."""
    data = _chunk(content, b"data", _RIFF_HEADER, "<4sI")
    if data is None or content[8:12] != b"WAVE":
        return content
    start, length = data
    if length == _UNKNOWN or _ends_at_chunk(content, start + length):
        return content
    return _patched(content, start - 4, struct.pack("<I", min(len(content) - start, _UNKNOWN)))


def _rf64(content: bytes) -> bytes:
    """RF64, WAV above 4 GiB: the same, but the length stands in the chunk `ds64`."""
    sizes = _chunk(content, b"ds64", _RIFF_HEADER, "<4sI")
    data = _chunk(content, b"data", _RIFF_HEADER, "<4sI")
    if sizes is None or data is None or sizes[1] < struct.calcsize("<QQ"):
        return content
    [length] = struct.unpack_from("<Q", content, sizes[0] + 8)
    if data[1] != _UNKNOWN or _ends_at_chunk(content, data[0] + length):
        return content
    lengths = struct.pack("<QQ", len(content) - 8, len(content) - data[0])
    return _patched(content, sizes[0], lengths)


def _au(content: bytes) -> bytes:
    """AU: nothing follows the samples."""
    if len(content) < struct.calcsize(">III"):
        return content
    _, start, length = struct.unpack_from(">III", content)
    if length == _UNKNOWN or start + length == len(content):
        return content
    return _patched(content, 8, struct.pack(">I", _UNKNOWN))


def _caf(content: bytes) -> bytes:
    """CAF: a length of -1 is legal and means to the end; libsndfile refuses it."""
    data = _chunk(content, b"data", _CAF_HEADER, ">4sq")
    if data is None:
        return content
    start, length = data
    if length > 0 and _ends_at_chunk(content, start + length):
        return content
    return _patched(content, start - 8, struct.pack(">q", len(content) - start))


_CORRECTIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"RIFF": _riff,
    b"RF64": _rf64,
    b".snd": _au,
    b"caff": _caf,
}


def _chunk(content: bytes, chunk_id: bytes, at: int, header: str) -> tuple[int, int] | None:
    """Start and stated length of a chunk's body; None when the file has no such chunk.

    The first chunk begins at `at`; `header` is struct's format of a chunk's id and length.
    """
    header_bytes = struct.calcsize(header)
    while at + header_bytes <= len(content):
        found, length = struct.unpack_from(header, content, at)
        if found == chunk_id:
            return at + header_bytes, length
        if length < 0:
            return None
        at += header_bytes + length + (length % 2 if header_bytes == struct.calcsize("4sI") else 0)
    return None


def _ends_at_chunk(content: bytes, end: int) -> bool:
    """Whether the bytes end at `end`, or a chunk follows there or after a padding byte."""
    return end in {len(content), len(content) - 1} or any(
        len(name := content[at : at + 4]) == len(b"LIST") and name.isascii() and name.isalnum()
        for at in (end, end + 1)
    )


def _patched(content: bytes, at: int, correct: bytes) -> bytes:
    return b"".join((content[:at], correct, content[at + len(correct) :]))

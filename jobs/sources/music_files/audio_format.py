"""The kind of an audio file, by its content: people give files endings of other kinds."""

from __future__ import annotations

_OGG_ENDINGS = (".ogg", ".oga", ".opus")
ID3_HEADER_BYTES = 10
_SIGNATURE_BYTES = 12
_MPEG_SYNC = 0xFFE0
_MPEG_LAYER = 0x0006  # 0 in the frames of AAC, which begin like those of MP3


def ending_by_content(content: bytes, ending: str) -> str:
    """The file ending, such as ".flac", that fits the content; `ending` when it tells nothing.

    Args:
        content: the whole file.
        ending: its ending in lower case, with the dot.
    """
    has_id3 = content.startswith(b"ID3")
    start = ID3_HEADER_BYTES + id3_byte_count(content) if has_id3 else 0
    found = _ending(content[start : start + _SIGNATURE_BYTES])
    return ending if found is None or (found == ".ogg" and ending in _OGG_ENDINGS) else found


def _ending(content: bytes) -> str | None:
    """The ending that fits the first bytes of a stream; None for an unknown one."""
    kind = content[8:12]
    if content.startswith(b"fLaC"):
        return ".flac"
    if content.startswith(b"OggS"):
        return ".ogg"
    if content.startswith((b"RIFF", b"RF64", b"BW64")) and kind == b"WAVE":
        return ".wav"
    if content.startswith(b"FORM") and kind in {b"AIFF", b"AIFC"}:
        return ".aiff"
    if content[4:8] == b"ftyp":
        return ".m4a"
    start = int.from_bytes(content[:2])
    is_mpeg_frame = start & _MPEG_SYNC == _MPEG_SYNC and start & _MPEG_LAYER
    return ".mp3" if is_mpeg_frame else None


def id3_byte_count(content: bytes) -> int:
    """Bytes of the ID3v2 tag with which content begins, without its header: 4 numbers of 7 bits."""
    count = 0
    for byte in content[6:ID3_HEADER_BYTES]:
        count = count << 7 | byte & 0x7F
    return count

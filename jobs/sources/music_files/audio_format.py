"""The kind of an audio file, by its content: people give files endings of other kinds."""

from __future__ import annotations

_OGG_ENDINGS = (".ogg", ".oga", ".opus")
_ID3_HEADER_BYTES = 10
_MPEG_SYNC = 0xFFE0
_MPEG_LAYER = 0x0006  # 0 in the frames of AAC, which begin like those of MP3


def ending_by_content(content: bytes, ending: str) -> str:
    """The file ending, such as ".flac", that fits the content; `ending` when it tells nothing.

    Args:
        content: the whole file.
        ending: its ending in lower case, with the dot.
    """
    if content.startswith(b"ID3"):
        content = content[_ID3_HEADER_BYTES + _id3_byte_count(content) :]
        return _ending(content) or ending
    return (ending if ending in _OGG_ENDINGS and content.startswith(b"OggS") else None) or (
        _ending(content) or ending
    )


def _ending(content: bytes) -> str | None:
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


def _id3_byte_count(content: bytes) -> int:
    """Bytes of the tag after its header: four numbers of 7 bits."""
    count = 0
    for byte in content[6:_ID3_HEADER_BYTES]:
        count = count << 7 | byte & 0x7F
    return count

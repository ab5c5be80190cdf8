"""Where ID3v2 tags end that stand before the sound of an audio file, of any format.

Format: ID3v2.4, 3.1 and 3.4.
"""

from __future__ import annotations

ID3_HEADER_BYTES = 10
_VERSIONS = (2, 3, 4)
_HAS_FOOTER, _FOOTER_BYTES = 0x10, 10


def behind_id3(content: bytes, at: int = 0) -> int | None:
    """Where the tag that begins at a place ends; None where no tag begins."""
    header = content[at : at + ID3_HEADER_BYTES]
    if len(header) < ID3_HEADER_BYTES or header[:3] != b"ID3" or header[3] not in _VERSIONS:
        return None
    length = 0
    for byte in header[6:]:  # 7 bits each
        length = length << 7 | byte & 0x7F
    footer = _FOOTER_BYTES if header[5] & _HAS_FOOTER else 0
    return at + len(header) + length + footer


def audio_start(content: bytes) -> int:
    """Where the sound is expected: behind the tags with which the content begins."""
    at = 0
    while behind := behind_id3(content, at):
        at = behind
    return at

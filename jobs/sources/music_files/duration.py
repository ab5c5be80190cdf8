"""The duration that an audio file states, checked against what its bytes can hold."""

from __future__ import annotations

import math
from typing import Any

DAY_MS = 86_400_000

_TOLERANCE = 1.01  # headers and padding
_MP3_BYTES_PER_S = 1_000  # its lowest rate is 8 kbit/s
_AIFF_COMPRESSION = 6  # AIFF-C states the rate before compression, which is 6:1 at most (MACE)


class ImpossibleDuration(ValueError):
    """The stated duration cannot be true."""


def duration_ms(info: Any, kind: str, byte_count: int) -> int | None:
    """The duration in milliseconds; None where the file states none.

    Args:
        info: mutagen's description of the stream.
        kind: the format, as mediafile names it.
        byte_count: size of the file.

    Raises:
        ImpossibleDuration: it is negative, 0 or no number, over a day, or longer than the bytes
            can hold: recorders that write to a pipe state the largest size that there is.
    """
    length_s: float | None = getattr(info, "length", None)
    if length_s is None:
        return None
    if not math.isfinite(length_s) or not 1 <= round(length_s * 1000) <= DAY_MS:
        raise ImpossibleDuration(f"{length_s:g} s must lie above 0 s and be at most 24 h; left out")
    bytes_per_s = _least_bytes_per_s(info, kind)
    if length_s * bytes_per_s > byte_count * _TOLERANCE:
        raise ImpossibleDuration(
            f"{length_s:g} s would take {length_s * bytes_per_s:,.0f} bytes, the file has "
            f"{byte_count:,}; left out"
        )
    return round(length_s * 1000)


def _least_bytes_per_s(info: Any, kind: str) -> float:
    """Bytes that a second takes at least; 0 where silence takes next to none, as in FLAC."""
    pcm_bytes_per_s = float(getattr(info, "bitrate", 0)) / 8
    least = {
        "wav": pcm_bytes_per_s,
        "aiff": pcm_bytes_per_s / _AIFF_COMPRESSION,
        "mp3": _MP3_BYTES_PER_S,
    }
    return least.get(kind, 0)

"""Audio files of the sample world: the same samples always give the same bytes."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from mutagen.ogg import OggPage
from numpy.typing import NDArray

_FORMATS = {
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def encode(samples: NDArray[np.float32], *, codec: str, sample_rate_hz: int) -> bytes:
    """A file of one of "flac", "ogg", "mp3" with mono samples in [-1, 1]."""
    container, subtype = _FORMATS[codec]
    sink = io.BytesIO()
    soundfile.write(sink, samples, sample_rate_hz, format=container, subtype=subtype)
    encoded = sink.getvalue()
    return _with_fixed_serial(encoded) if codec == "ogg" else encoded


def _with_fixed_serial(ogg: bytes) -> bytes:
    """The same stream under serial number 1.

    The encoder draws the number from the clock, and it stands in every page: two encodings of the
    same samples would differ, and with them the content hash.
    """
    source = io.BytesIO(ogg)
    pages = []
    while source.tell() < len(ogg):
        page = OggPage(source)  # type: ignore[no-untyped-call]  # mutagen has no types
        page.serial = 1
        # Writing renews the checksum of the page.
        pages.append(page.write())  # type: ignore[no-untyped-call]  # mutagen has no types
    return b"".join(pages)

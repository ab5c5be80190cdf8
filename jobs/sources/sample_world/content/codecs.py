"""Encodes samples as audio files; equal samples give equal bytes."""

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


def encode_audio(samples: NDArray[np.float32], *, codec: str, sample_rate_hz: int) -> bytes:
    """An audio file of mono samples in [-1, 1]; `codec` is "flac", "ogg" or "mp3"."""
    container, subtype = _FORMATS[codec]
    sink = io.BytesIO()
    soundfile.write(sink, samples, sample_rate_hz, format=container, subtype=subtype)
    encoded = sink.getvalue()
    return _with_fixed_serial(encoded) if codec == "ogg" else encoded


def _with_fixed_serial(ogg: bytes) -> bytes:
    """The same OGG stream with serial number 1.

    libsndfile draws the serial number of every page from the clock, so two encodings of the same
    samples would have different content hashes.
    """
    source = io.BytesIO(ogg)
    pages = []
    while source.tell() < len(ogg):
        page = OggPage(source)  # type: ignore[no-untyped-call]  # mutagen has no types
        page.serial = 1
        # write() recomputes the page's checksum.
        pages.append(page.write())  # type: ignore[no-untyped-call]  # mutagen has no types
    return b"".join(pages)

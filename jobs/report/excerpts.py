"""Audio excerpts and cover thumbnails as data URIs that are small enough to embed.

They are decoded as for the encoders: apart, with limits, and by the same rules.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from jobs.decoding.failure_reasons import ContentFailure
from jobs.encoders.content_decoding import decode_apart

EXCERPT_S = 8.0
EXCERPT_HZ = 24_000  # half the bytes of 48 kHz; consonants stay clear
THUMBNAIL_PX = 144

_FADE_S = 0.25
_MP3_COMPRESSION = 0.5  # about 40 kbit/s mono by libsndfile's scale, on which 1 is smallest
_WEBP_QUALITY = 72


class UndecodableFile(ValueError):
    """An audio file or a cover cannot be decoded."""


def audio_excerpt(content: bytes) -> str:
    """Encode the middle `EXCERPT_S` seconds as a mono MP3 data URI, faded in and out.

    A shorter recording is taken whole.

    Raises:
        UndecodableFile: the bytes are no audio that an encoder would take.
    """
    try:
        mono = decode_apart("audio", content, EXCERPT_S, EXCERPT_HZ)
    except ContentFailure as error:
        raise UndecodableFile(f"audio excerpt: {error}") from error
    sink = io.BytesIO()
    soundfile.write(
        sink,
        _fade(np.clip(mono, -1, 1)),
        EXCERPT_HZ,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=_MP3_COMPRESSION,
    )
    return _data_uri("audio/mpeg", sink.getvalue())


def cover_thumbnail(content: bytes) -> str:
    """Encode the middle square of a picture as a WebP data URI, `THUMBNAIL_PX` wide.

    Raises:
        UndecodableFile: the bytes are no picture that an encoder would take.
    """
    try:
        square = decode_apart("square_image", content, THUMBNAIL_PX, THUMBNAIL_PX)
    except ContentFailure as error:
        raise UndecodableFile(f"cover thumbnail: {error}") from error
    sink = io.BytesIO()
    Image.fromarray(square).save(sink, format="WEBP", quality=_WEBP_QUALITY)
    return _data_uri("image/webp", sink.getvalue())


def _fade(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ramp both ends up and down for `_FADE_S` seconds: a cut inside a note would click."""
    length = min(int(_FADE_S * EXCERPT_HZ), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    envelope = np.ones(len(samples), dtype=np.float32)
    envelope[:length] = ramp
    envelope[len(samples) - length :] = ramp[::-1]
    return samples * envelope


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"

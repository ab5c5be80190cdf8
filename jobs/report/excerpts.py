"""Audio excerpts and cover thumbnails as data URIs that are small enough to embed."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

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
        UndecodableFile: libsndfile cannot read the bytes, or they hold no sample.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            n_frames = int(EXCERPT_S * file.samplerate)
            file.seek(max(0, (file.frames - n_frames) // 2))
            samples = file.read(n_frames, dtype="float32", always_2d=True)  # (frames, channels)
            rate_hz = file.samplerate
    except (soundfile.LibsndfileError, ValueError) as error:
        raise UndecodableFile(f"audio excerpt: {error}") from error
    if len(samples) == 0:
        raise UndecodableFile("audio excerpt: the file decodes to no sample")
    mono = soxr.resample(samples.mean(axis=1), rate_hz, EXCERPT_HZ)  # (frames,)
    sink = io.BytesIO()
    soundfile.write(
        sink,
        _fade(mono),
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
        UndecodableFile: the bytes are no picture, or the picture is truncated.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            square = _middle_square(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise UndecodableFile(f"cover thumbnail: {error}") from error
    small = square.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    small.save(sink, format="WEBP", quality=_WEBP_QUALITY)
    return _data_uri("image/webp", sink.getvalue())


def _fade(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ramp both ends up and down for `_FADE_S` seconds: a cut inside a note would click."""
    length = min(int(_FADE_S * EXCERPT_HZ), len(samples) // 2)
    ramp = np.linspace(0.0, 1.0, length, dtype=np.float32)
    envelope = np.ones(len(samples), dtype=np.float32)
    envelope[:length] = ramp
    envelope[len(samples) - length :] = ramp[::-1]
    return samples * envelope


def _middle_square(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"

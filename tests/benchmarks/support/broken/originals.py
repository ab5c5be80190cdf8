"""Small files of every format that a night decodes, drawn in code; mutations begin with them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

AUDIO_S = 3
RATE_HZ = 22_050
SIDE_PIXELS = 96
AUDIO_FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "PCM_U8"),
    ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("MP3", "MPEG_LAYER_III"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("AIFF", "PCM_16"),
    ("AU", "ULAW"),
    ("CAF", "ALAC_16"),
    ("W64", "PCM_16"),
    ("RF64", "PCM_16"),
)
PICTURE_FORMATS = (
    ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("PNG", "1"), ("JPEG", "RGB"),
    ("JPEG", "CMYK"), ("WEBP", "RGBA"), ("GIF", "P"), ("TIFF", "RGB"), ("TIFF", "F"), ("TIFF", "LAB"),
    ("JPEG2000", "RGB"), ("AVIF", "RGB"), ("BMP", "RGB"), ("ICO", "RGBA"), ("QOI", "RGB"), ("PPM", "L"),
)  # fmt: skip
LYRICS = """\ufeff[ar: Nobody]
I love this wonderful day, and the river runs home
Ça va, l'été? Grüße aus Köln — naïve façade
愛してる、夜の街で
\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 la la la ♪
السلام عليكم يا صديقي
"""
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-32-be", "utf-7")


def _audio(audio_format: str, subtype: str) -> bytes:
    """A falling tone on the left, a pulse on the right."""
    moments_s = np.arange(AUDIO_S * RATE_HZ) / RATE_HZ
    tone = 0.4 * np.sin(2 * np.pi * 440 * moments_s / (1 + moments_s / AUDIO_S))
    pulse = 0.4 * (moments_s % 0.5 < 0.05) * np.sin(2 * np.pi * 110 * moments_s)
    rate_hz = 48_000 if subtype == "OPUS" else RATE_HZ
    file = io.BytesIO()
    soundfile.write(
        file, np.stack([tone, pulse], axis=1), rate_hz, format=audio_format, subtype=subtype
    )
    return file.getvalue()


def _picture(image_format: str, mode: str) -> bytes:
    """A gradient with noise, with an EXIF orientation where the format has one."""
    noise = np.random.default_rng(5).integers(0, 64, (SIDE_PIXELS, SIDE_PIXELS, 3))
    ramp = np.linspace(0, 191, SIDE_PIXELS).astype(int)[:, None, None]
    image = Image.fromarray((noise + ramp).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if image_format in {"JPEG", "PNG", "WEBP", "AVIF"} else {}
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "LAB":
        image = Image.merge("LAB", image.split())
    else:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


AUDIO_FILES = [_audio(*chosen) for chosen in AUDIO_FORMATS]
PICTURES = [_picture(*chosen) for chosen in PICTURE_FORMATS]
TEXTS = [LYRICS.encode(encoding) for encoding in ENCODINGS] + [
    (LYRICS * 10).encode(),
    "\r\n".join(["la"] * 500).encode(),
    b"\x00\x01\x02\x1b[0m plain words",
]


def _parquet(**options: Any) -> bytes:
    """A hundred listens as Parquet."""
    times = [datetime(2026, 2, 28, 12, number % 60, tzinfo=UTC) for number in range(100)]
    table = pa.table(
        {
            "user_id": [f"user-{number % 7}" for number in range(100)],
            "track_id": [f"track-{number % 31}" for number in range(100)],
            "listened_at_utc": pa.array(times, pa.timestamp("us", "UTC")),
            "played_ms": [1000 * number for number in range(100)],
            "duration_ms": [200_000] * 100,
            "extra": [[number, None] for number in range(100)],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


PARQUET_FILES: tuple[bytes, ...] = (
    _parquet(),
    _parquet(compression="none", use_dictionary=False),
    _parquet(compression="none", write_page_checksum=True),
    _parquet(compression="zstd", row_group_size=13),
    _parquet(compression="gzip", data_page_version="2.0"),
    _parquet(
        compression="none", use_dictionary=False, column_encoding={"user_id": "DELTA_BYTE_ARRAY"}
    ),
    _parquet(compression="lz4", version="1.0", use_deprecated_int96_timestamps=True),
)

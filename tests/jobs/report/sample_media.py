"""Audio files and pictures that decode to known values."""

import io

import numpy as np
import soundfile
from PIL import Image


def flac_tone(seconds: float, rate_hz: int = 16_000) -> bytes:
    """A stereo FLAC of 440 Hz at half scale."""
    times_s = np.arange(int(seconds * rate_hz)) / rate_hz
    samples = 0.5 * np.sin(2 * np.pi * 440 * times_s)
    sink = io.BytesIO()
    soundfile.write(sink, np.column_stack([samples, samples]), rate_hz, format="FLAC")
    return sink.getvalue()


def png_picture(width: int, height: int) -> bytes:
    """A PNG whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    sink = io.BytesIO()
    image.save(sink, format="PNG")
    return sink.getvalue()

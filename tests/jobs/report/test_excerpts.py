import base64
import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from jobs.report.excerpts import (
    EXCERPT_HZ,
    EXCERPT_S,
    THUMBNAIL_PX,
    UndecodableFile,
    audio_excerpt,
    cover_thumbnail,
)
from tests.jobs.report.sample_media import flac_tone, png_picture


def _decoded(uri: str, media_type: str) -> io.BytesIO:
    head, _, body = uri.partition(",")
    assert head == f"data:{media_type};base64"
    return io.BytesIO(base64.b64decode(body))


def test_an_excerpt_decodes_to_eight_seconds_of_mono():
    samples, rate_hz = soundfile.read(_decoded(audio_excerpt(flac_tone(12.0)), "audio/mpeg"))

    assert (samples.ndim, rate_hz) == (1, EXCERPT_HZ)
    assert len(samples) / rate_hz == pytest.approx(EXCERPT_S, abs=0.15)  # MP3 pads to whole frames
    # A sine at half scale has a root mean square of .5 / √2 = .354.
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.354, abs=0.02)


def test_an_excerpt_fades_at_both_ends():
    samples, rate_hz = soundfile.read(_decoded(audio_excerpt(flac_tone(12.0)), "audio/mpeg"))

    twentieth = rate_hz // 20
    assert np.abs(samples[:twentieth]).max() < 0.25
    assert np.abs(samples[-twentieth:]).max() < 0.25


def test_a_recording_shorter_than_an_excerpt_is_taken_whole():
    samples, rate_hz = soundfile.read(_decoded(audio_excerpt(flac_tone(2.0)), "audio/mpeg"))

    assert len(samples) / rate_hz == pytest.approx(2.0, abs=0.15)


def test_bytes_that_are_no_audio_are_refused():
    with pytest.raises(UndecodableFile, match="audio excerpt"):
        audio_excerpt(b"certainly no audio")


def test_a_thumbnail_is_the_middle_square():
    """Of a 300 × 100 picture, red on the left and blue on the right, the middle keeps both halves."""
    image = Image.open(_decoded(cover_thumbnail(png_picture(300, 100)), "image/webp")).convert(
        "RGB"
    )

    assert image.size == (THUMBNAIL_PX, THUMBNAIL_PX)
    left, right = image.getpixel((10, 70)), image.getpixel((THUMBNAIL_PX - 10, 70))
    assert left[0] > left[2]
    assert right[2] > right[0]


def test_a_truncated_picture_is_refused():
    with pytest.raises(UndecodableFile, match="cover thumbnail"):
        cover_thumbnail(png_picture(300, 100)[:60])


def test_a_recording_that_decodes_to_gigabytes_is_refused():
    """8 channels at 655 kHz: 10 s of silence are 40 kB of FLAC and 210 MB of samples."""
    sink = io.BytesIO()
    soundfile.write(sink, np.zeros((1_000_000, 8)), 655_350, format="FLAC")
    with pytest.raises(UndecodableFile, match="too_large"):
        audio_excerpt(sink.getvalue())


def test_a_picture_that_no_parser_understands_is_refused():
    """Pillow raises more than OSError on damaged bytes: here a SyntaxError."""
    png = png_picture(300, 100)
    with pytest.raises(UndecodableFile, match="unreadable"):
        cover_thumbnail(png[:12] + b"XXXX" + png[16:])

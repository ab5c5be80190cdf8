"""Audio and pictures are decoded by a process that belongs to one worker and ends with it."""

from __future__ import annotations

import io
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jobs.decoding.failure_reasons import ContentFailure
from jobs.encoders import content_decoding
from jobs.encoders.content_decoding import decode_all_apart, decode_apart
from tests.jobs.encoders.audio.decoding.test_audio_file import encoded, sine


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("52463634ffffffff574156456461746104000000616263646473363410000000", "unreadable"),
        ("fff314c0" + 20 * "00" + "fff314c0" + 8 * "00" + "56425249" + 4 * "00", "too_short"),
    ],
    ids=["RF64 cut in ds64", "MP3 cut in VBRI"],
)
def test_a_header_that_is_cut_where_it_states_a_length_is_a_reason(content, reason):
    with pytest.raises(ContentFailure) as failed:
        decode_apart("audio", bytes.fromhex(content), 30.0)
    assert failed.value.reason == reason


def test_audio_is_decoded_apart_as_in_one_s_own_process():
    content = encoded(sine(440, 1.0))
    assert decode_apart("audio", content, 60) == pytest.approx(sine(440, 1.0), abs=0.01)


@pytest.mark.parametrize("n_channels", [6, 8])
def test_four_minutes_of_surround_fit_in_memory_at_the_rate_of_any_encoder(n_channels):
    """At the settings' defaults, for an encoder at 48 kHz, in a process with the limits of a night."""
    samples = np.zeros((240 * 48_000, n_channels), np.int16)
    samples[::48, :] = 8_000
    content = io.BytesIO()
    soundfile.write(content, samples, 48_000, format="FLAC")

    windows, lengths, encoder_windows, *_ = decode_all_apart(
        "recording", content.getvalue(), 48_000, 120.0, 60.0, 4
    )

    assert lengths.tolist() == [15 * 16_000] * 4
    assert (len(windows), len(encoder_windows)) == (60 * 16_000, 60 * 48_000)


def _own_decoder_id() -> int:
    process = content_decoding._decoder_of(os.getpid())._process
    assert process is not None
    return process.pid


def test_a_fork_has_a_decoder_of_its_own():
    """Spark forks its workers; two of them on one pipe would read each other's answers."""
    content = encoded(sine(440, 1.0))
    decode_apart("audio", content, 60)
    own = _own_decoder_id()
    reader, writer = os.pipe()
    worker = os.fork()
    if worker == 0:
        with suppress(BaseException):  # pytest must not go on in the fork
            decode_apart("audio", content, 60)
            os.write(writer, b"another" if _own_decoder_id() != own else b"the same")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 20) == b"another"
    os.waitpid(worker, 0)
    assert np.abs(decode_apart("audio", content, 60)).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"no image", "unreadable")])
def test_bytes_that_are_no_image_fail_with_a_reason(content, reason):
    with pytest.raises(ContentFailure) as raised:
        decode_apart("image", content)
    assert raised.value.reason == reason


def test_a_decoder_ends_with_its_worker():
    """No process is left when a worker is killed."""
    reader, writer = os.pipe()
    worker = os.fork()
    if worker == 0:
        decode_apart("audio", encoded(sine(440, 1.0)), 60)
        own = _own_decoder_id()
        os.write(writer, str(own).encode())
        os.kill(os.getpid(), 9)
    decoder_id = int(os.read(reader, 20))
    os.waitpid(worker, 0)
    deadline_s = time.monotonic() + 20
    while _runs(decoder_id) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not _runs(decoder_id)


def _runs(process: int) -> bool:
    """Whether a process lives; an orphan that has ended may stay as a zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False

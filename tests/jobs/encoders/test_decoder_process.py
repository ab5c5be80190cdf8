"""A decoder's process bounds memory and time; its death is the content's trouble, or is raised."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from jobs.encoders import decoder_process
from jobs.encoders.decoder_process import (
    DecoderFailed,
    DecoderKilled,
    DecoderProcess,
    decode_apart,
)
from jobs.encoders.failure_reasons import ContentFailure, FailureReason
from tests.jobs.encoders.audio.test_audio_file import encoded, sine

PROGRAM = "tests.jobs.encoders.hostile_decoders"


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess(PROGRAM, memory_mib=256, max_cpu_s=0.5)
    yield process
    process.stop()


def process_id(decoder: DecoderProcess) -> int:
    assert decoder._process is not None
    return decoder._process.pid


def test_one_process_decodes_file_after_file(decoder):
    """Starting one for each file would cost more than decoding."""
    assert bytes(decoder.decode("reverse", b"abc")) == b"cba"
    first = process_id(decoder)
    assert decoder.decode("reverse", b"").shape == (0,)
    assert bytes(decoder.decode("print_much", b"ab\n")) == b"\nba"
    assert len(decoder.decode("reverse", bytes(20_000_000))) == 20_000_000
    assert process_id(decoder) == first


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("refuse", b"abc", FailureReason.TOO_SHORT),
        ("fill_memory", b"10000000", FailureReason.TOO_LARGE),  # 1 GB
        ("never_end", b"", FailureReason.TOO_SLOW),
        ("crash", b"", FailureReason.CRASHED),
        ("crash", bytes(1_000_000), FailureReason.CRASHED),  # more than a pipe holds
    ],
)
def test_content_that_breaks_a_limit_gets_a_reason_and_the_next_is_decoded(
    decoder, name, content, reason
):
    with pytest.raises(ContentFailure) as raised:
        decoder.decode(name, content)
    assert raised.value.reason is reason
    assert bytes(decoder.decode("reverse", b"abc")) == b"cba"


def test_memory_below_the_limit_is_free(decoder):
    """100 MB after 100 MB: each is given back."""
    for _ in range(4):
        assert len(decoder.decode("fill_memory", b"1000000")) == 100_000_000


def test_one_crash_is_tried_again(decoder, tmp_path):
    """A machine's trouble passes, the content's comes again."""
    mark = tmp_path / "mark"
    assert decoder.decode("crash_once", str(mark).encode()).shape == (1,)
    assert mark.exists()


def test_a_decoder_that_is_killed_from_outside_says_nothing_about_the_content(decoder):
    """The kernel kills with signal 9 when a machine is out of memory: the task is tried again."""
    with pytest.raises(DecoderKilled, match="is the machine out of memory"):
        decoder.decode("be_killed", b"")


def test_a_fault_of_the_decoder_is_raised(decoder):
    with pytest.raises(DecoderFailed, match="AttributeError"):
        decoder.decode("misspelt", b"")


def test_bytes_that_make_no_sense_to_the_decoder_are_unreadable(decoder):
    """A header may name a size of zero, by which somebody divides."""
    with pytest.raises(ContentFailure, match="ZeroDivisionError") as failed:
        decoder.decode("divide", b"")
    assert failed.value.reason is FailureReason.UNREADABLE


@pytest.mark.parametrize(("program", "status"), [("no_such_program", 1), ("program_that_dies", -4)])
def test_a_program_that_does_not_run_is_no_reason_for_a_content(program, status):
    """A broken installation must not mark a whole catalogue as unreadable."""
    broken = DecoderProcess(f"tests.jobs.encoders.{program}", memory_mib=256, max_cpu_s=1)
    with pytest.raises(DecoderFailed, match=f"status {status} before the first content; run `"):
        broken.decode("reverse", b"")


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


def _decode_in_fork(content: bytes, own_decoder: int) -> bool:
    decode_apart("audio", content, 60)
    return process_id(decoder_process._decoder_of(os.getpid())) != own_decoder


def test_a_fork_has_a_decoder_of_its_own():
    """Spark forks its workers; two of them on one pipe would read each other's answers."""
    content = encoded(sine(440, 1.0))
    decode_apart("audio", content, 60)
    own = process_id(decoder_process._decoder_of(os.getpid()))
    with get_context("fork").Pool(1) as forks:
        assert forks.apply(_decode_in_fork, (content, own))
    assert np.abs(decode_apart("audio", content, 60)).max() == pytest.approx(0.5, abs=0.01)


def test_a_decoder_ends_with_its_worker():
    """No process is left when a worker is killed."""
    reader, writer = os.pipe()
    worker = os.fork()
    if worker == 0:
        decode_apart("audio", encoded(sine(440, 1.0)), 60)
        own = process_id(decoder_process._decoder_of(os.getpid()))
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

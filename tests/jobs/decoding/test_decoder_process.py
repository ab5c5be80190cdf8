"""A decoder's process bounds memory and time; its death is the content's trouble, or is raised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.decoding.decoder_process import (
    DecoderFailed,
    DecoderKilled,
    DecoderProcess,
)
from jobs.decoding.failure_reasons import ContentFailure, FailureReason

PROGRAM = "tests.jobs.decoding.hostile_decoders"


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
    broken = DecoderProcess(f"tests.jobs.decoding.{program}", memory_mib=256, max_cpu_s=1)
    with pytest.raises(DecoderFailed, match=f"status {status} before the first content; run `"):
        broken.decode("reverse", b"")

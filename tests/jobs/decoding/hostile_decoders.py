"""Decoders that do what damaged content makes real ones do; the program of a decoder's process."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.decoding.serving import serve


def reverse(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(content, np.uint8)[::-1]


def refuse(content: bytes) -> NDArray[np.uint8]:
    raise ContentFailure(FailureReason.TOO_SHORT, f"{len(content)} bytes")


def fill_memory(content: bytes) -> NDArray[np.uint8]:
    """A hundred times what the content says."""
    return np.ones(100 * int(content), np.uint8)


def never_end(_content: bytes) -> NDArray[np.uint8]:
    while True:
        pass


def crash(_content: bytes) -> NDArray[np.uint8]:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def crash_once(content: bytes) -> NDArray[np.uint8]:
    """Crashes unless the file that the content names is there."""
    mark = Path(content.decode())
    if not mark.exists():
        mark.touch()
        crash(content)
    return np.zeros(1, np.uint8)


def be_killed(_content: bytes) -> NDArray[np.uint8]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def divide(_content: bytes) -> NDArray[np.uint8]:
    raise ZeroDivisionError


def misspelt(content: bytes) -> NDArray[np.uint8]:
    return content.no_such_method()  # type: ignore[attr-defined, no-any-return]


def print_much(content: bytes) -> NDArray[np.uint8]:
    print("a line of a library", flush=True)
    return reverse(content)


DECODERS = (
    reverse,
    refuse,
    fill_memory,
    never_end,
    crash,
    crash_once,
    be_killed,
    divide,
    misspelt,
    print_much,
)

if __name__ == "__main__":
    named = {decoder.__name__: decoder for decoder in DECODERS}
    serve(named, int(sys.argv[1]), float(sys.argv[2]))

"""The loop of a decoder's process: reads requests, writes arrays or reasons.

A program calls `serve` with its decoders: jobs/encoders/decoder_table.py for audio and pictures,
jobs/landing/parquet_check.py for landing files.

A request is a line of JSON (decoder, byte_count, arguments) and the content's bytes. An answer is a
line of JSON: of arrays (for each its shape, dtype, byte_count) with their bytes behind it, of a
failure (reason, detail), or of a fault in the decoder's own code (fault).
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason

Decoder = Callable[..., NDArray[Any] | tuple[NDArray[Any], ...]]
"""From content and further arguments to an array, or several; raises ContentFailure."""

_OF_THE_CONTENT = (ValueError, LookupError, ArithmeticError, EOFError, struct.error)
"""What taking bytes apart raises when they make no sense; all else is a fault of the program."""

KEPT_MIB = 192  # what the process may keep after an answer


def serve(decoders: Mapping[str, Decoder], memory_mib: int, max_cpu_s: float) -> None:
    """Answer requests until standard input ends, or until memory is short."""
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    at_start = _address_space_bytes()
    if at_start is not None:
        limit = at_start + memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, even inside C code
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, whose end ends this
    _write(answers, {"ready": True})  # what ends the process before is no fault of a content
    while line := requests.readline():
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, max_cpu_s)
        _respond(request, decoders, requests, answers)
        signal.setitimer(signal.ITIMER_PROF, 0)
        now = _address_space_bytes()
        if at_start is not None and now is not None and now - at_start > KEPT_MIB * 2**20:
            return  # decoders leak when they fail; a fresh process has all of its memory


def _respond(
    request: Mapping[str, Any],
    decoders: Mapping[str, Decoder],
    requests: IO[bytes],
    answers: IO[bytes],
) -> None:
    """Answer one request."""
    try:
        content = requests.read(request["byte_count"])
        decoded = decoders[request["decoder"]](content, *request["arguments"])
    except ContentFailure as unusable:
        _write(answers, {"reason": unusable.reason, "detail": unusable.detail})
    except MemoryError:
        detail = "decoding needs more memory than a decoder may take"
        _write(answers, {"reason": FailureReason.TOO_LARGE, "detail": detail})
    except _OF_THE_CONTENT as error:
        detail = f"{type(error).__name__}: {error}"
        _write(answers, {"reason": FailureReason.UNREADABLE, "detail": detail})
    except Exception:  # noqa: BLE001  the worker raises it
        _write(answers, {"fault": traceback.format_exc()})
    else:
        _write_arrays(answers, decoded if isinstance(decoded, tuple) else (decoded,))


def _address_space_bytes() -> int | None:
    """Address space of this process; None where the system knows no limit of it."""
    if sys.platform != "linux":
        return None
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _write_arrays(answers: IO[bytes], arrays: tuple[NDArray[Any], ...]) -> None:
    headers = [
        {"shape": array.shape, "dtype": array.dtype.str, "byte_count": array.nbytes}
        for array in arrays
    ]
    _write(answers, {"arrays": headers}, *(np.ascontiguousarray(array).data for array in arrays))


def _write(answers: IO[bytes], header: Mapping[str, object], *bodies: memoryview) -> None:
    answers.write(json.dumps(header).encode() + b"\n")
    for body in bodies:
        answers.write(body)
    answers.flush()

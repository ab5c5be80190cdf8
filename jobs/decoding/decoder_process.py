"""Decodes content in a process of its own, because a decoder may be led to use any memory or time.

113 kB of FLAC can decode to 1.5 GB, and decoders written in C crash on damaged bytes; in Spark's
worker either would end the task, and the night. Each worker has one such process, which decodes
one file after the other. It has a limit on memory, and one on CPU time for each file; wall-clock
time would make the result depend on what else the machine does. Only Linux limits its memory.

The process is a fresh interpreter, not a fork: a worker holds locks of threads and, perhaps, CUDA.
It ends with its worker, when its standard input closes. Its program calls `serve` of serving.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from threading import Lock
from typing import IO, Any

import numpy as np
import structlog
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason

_ATTEMPTS = 2
_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})

LOG = structlog.get_logger()


class DecoderKilled(RuntimeError):
    """The decoder was killed from outside, which says nothing about the content."""


class DecoderFailed(RuntimeError):
    """The decoder raised an error that is no ContentFailure: a fault of its own."""


class DecoderProcess:
    """A process that decodes one content at a time; it starts with the first one.

    Args:
        program: a module that calls `serving.serve`.
        memory_mib: what decoding may take beyond the program itself.
        max_cpu_s: CPU time for each content.
    """

    def __init__(self, program: str, memory_mib: int, max_cpu_s: float) -> None:
        self._command = [sys.executable, "-m", program, str(memory_mib), str(max_cpu_s)]
        self._memory_mib, self._max_cpu_s = memory_mib, max_cpu_s
        self._process: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = Lock()

    def decode(self, decoder: str, content: bytes, *arguments: float) -> NDArray[Any]:
        """The one array that a decoder of the program makes of content.

        Raises:
            ContentFailure, DecoderKilled, DecoderFailed: as `decode_all`.
        """
        [array] = self.decode_all(decoder, content, *arguments)
        return array

    def decode_all(
        self, decoder: str, content: bytes, *arguments: float
    ) -> tuple[NDArray[Any], ...]:
        """The arrays that a decoder of the program makes of content.

        Raises:
            ContentFailure: the decoder raised it, ran into a limit, or crashed twice.
            DecoderKilled: somebody else ended the process twice, such as a machine without memory.
            DecoderFailed: the decoder has a fault, or its program does not run here.
        """
        with self._one_at_a_time:
            statuses: list[int] = []
            while len(statuses) < _ATTEMPTS:
                is_fresh = self._process is None
                try:
                    return self._answer(decoder, content, arguments)
                except (EOFError, BrokenPipeError):
                    status = self.stop()
                if status == 0 and not is_fresh:  # it left after its last answer
                    continue
                LOG.warning("decoder ended", decoder=decoder, bytes=len(content), status=status)
                if status == -signal.SIGPROF:
                    raise ContentFailure(
                        FailureReason.TOO_SLOW, f"not decoded in {self._max_cpu_s} s of CPU time"
                    )
                statuses.append(status)
        raise self._error_of(statuses[-1], decoder)

    def stop(self) -> int:
        """End the process; its exit status, negative for a signal, or 0 without a process."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):  # of bytes that were not written yet
                if pipe is not None:
                    pipe.close()
        return process.wait()

    def _error_of(self, status: int, decoder: str) -> Exception:
        ended = f"its process ended with status {status} on each of {_ATTEMPTS} attempts"
        if status in _FROM_OUTSIDE:
            return DecoderKilled(
                f"decoder {decoder}: {ended}, a signal from outside; is the machine out of memory? "
                f"The decoder of a worker may take {self._memory_mib} MiB: give the machine more, "
                "or Spark fewer cores, and run the task again"
            )
        if status >= 0:  # content makes a process die of a signal; this is an error of the program
            return DecoderFailed(f"decoder {decoder}: {ended}; run `{' '.join(self._command)}`")
        return ContentFailure(FailureReason.CRASHED, ended)

    def _answer(
        self, decoder: str, content: bytes, arguments: tuple[float, ...]
    ) -> tuple[NDArray[Any], ...]:
        process = self._process = self._process or self._started()
        if process.stdin is None or process.stdout is None:  # both are pipes
            raise AssertionError
        request = {"decoder": decoder, "byte_count": len(content), "arguments": arguments}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.write(content)
        process.stdin.flush()
        answer = json.loads(_line(process.stdout.readline()))
        if "fault" in answer:
            raise DecoderFailed(f"decoder {decoder}: {answer['fault']}")
        if "reason" in answer:
            raise ContentFailure(FailureReason(answer["reason"]), answer["detail"])
        return tuple(_array(process.stdout, header) for header in answer["arrays"])

    def _started(self) -> subprocess.Popen[bytes]:
        """A process that has said that it is ready.

        Raises:
            DecoderFailed: its program does not run on this machine.
        """
        process = self._launched()
        if process.stdout is None or not process.stdout.readline():
            status = process.wait()
            raise DecoderFailed(
                f"decoder: its program ended with status {status} before the first content; run "
                f"`{' '.join(self._command)}`"
            )
        return process

    def _launched(self) -> subprocess.Popen[bytes]:
        # Where Spark ships code to its workers, only their sys.path says where it lies.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        # Arrow's own allocator reserves a gibibyte of addresses at once, which would count as use.
        environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system"}
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # decoders print a line for each damaged frame
            env=environment,
        )


def _array(answers: IO[bytes], header: Mapping[str, Any]) -> NDArray[Any]:
    """The next array of an answer; the decoder ended when it is cut."""
    decoded = answers.read(header["byte_count"])
    if len(decoded) < header["byte_count"]:
        raise EOFError
    return np.frombuffer(decoded, header["dtype"]).reshape(header["shape"])


def _line(read: bytes) -> bytes:
    """A whole line; the decoder ended when it is none."""
    if not read.endswith(b"\n"):
        raise EOFError
    return read

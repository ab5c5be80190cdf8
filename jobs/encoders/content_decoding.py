"""Decodes audio and pictures in a process with limits on memory and CPU time.

The limits are part of every identity whose content is decoded here: a content that ran into one has
its failure reason for good, and nobody could tell it from one that ran into another limit.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from numpy.typing import NDArray

from jobs.decoding.decoder_process import DecoderProcess

PROGRAM = "jobs.encoders.decoder_table"
MEMORY_MIB = 768  # beyond what the interpreter and its libraries take: about 60 MiB resident
MAX_CPU_S = 60  # decoding a minute of audio takes .03 s, the largest picture about 2 s


def decode_apart(decoder: str, content: bytes, *arguments: float) -> NDArray[Any]:
    """The array that a decoder of `decoder_table.DECODERS` makes, in a process of its own.

    Raises:
        ContentFailure, DecoderKilled, DecoderFailed: as `DecoderProcess.decode_all`.
    """
    return _decoder_of(os.getpid()).decode(decoder, content, *arguments)


def decode_all_apart(decoder: str, content: bytes, *arguments: float) -> tuple[NDArray[Any], ...]:
    """The arrays that a decoder of `decoder_table.DECODERS` makes, in a process of its own.

    Raises:
        ContentFailure, DecoderKilled, DecoderFailed: as `DecoderProcess.decode_all`.
    """
    return _decoder_of(os.getpid()).decode_all(decoder, content, *arguments)


def limits() -> dict[str, object]:
    """Limits of the process, for the encoder's identity."""
    return {"memory_mib": MEMORY_MIB, "max_cpu_s": MAX_CPU_S}


@cache
def _decoder_of(_process_id: int) -> DecoderProcess:
    """The decoder of this process; a fork must not share its parent's."""
    return DecoderProcess(PROGRAM, MEMORY_MIB, MAX_CPU_S)

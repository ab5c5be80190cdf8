"""Reads tags in a process of its own: a compressed tag of 1 MB may take more than a gigabyte.

    python -m jobs.sources.audio_tags.tag_process MEMORY_MIB MAX_CPU_S

See jobs/decoding/serving.py for what it reads and answers; the content is the path of a file and
its ending, which `read_tags_apart` sends.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path

from jobs.decoding.decoder_process import DecoderProcess
from jobs.decoding.failure_reasons import ContentFailure
from jobs.decoding.serving import serve
from jobs.sources.audio_tags.reading import read_tags
from jobs.sources.audio_tags.tags import AudioTags, Parts, from_parts, to_parts

MEMORY_MIB = 768  # the largest ID3 tag has 256 MiB; a cover is copied a few times
MAX_CPU_S = 60

_PROGRAM = "jobs.sources.audio_tags.tag_process"
_TAGS = "tags"


def read_tags_apart(path: Path, ending: str) -> AudioTags:
    """As `read_tags`, with limits on memory and CPU time; who runs into one has no tags.

    Args:
        path: the audio file.
        ending: the file ending that fits its content.

    Raises:
        DecoderKilled, DecoderFailed: as `DecoderProcess.decode_all`.
    """
    request = json.dumps([os.fsencode(path.absolute()).hex(), ending]).encode()
    try:
        told, cover = _process_of(os.getpid()).decode_all(_TAGS, request)
    except ContentFailure as error:
        return AudioTags(failure=f"tags: {error.detail}")
    return from_parts((told, cover))


def _parts(request: bytes) -> Parts:
    path, ending = json.loads(request)
    try:
        with Path(os.fsdecode(bytes.fromhex(path))).open("rb") as file:
            return to_parts(read_tags(file, ending))
    except OSError as error:  # it was there a moment ago, for its hash
        return to_parts(AudioTags(failure=f"tags: cannot be read: {error.strerror}"))


@cache
def _process_of(_process_id: int) -> DecoderProcess:
    """The process of this one; a fork must not share its parent's."""
    return DecoderProcess(_PROGRAM, MEMORY_MIB, MAX_CPU_S)


if __name__ == "__main__":
    serve({_TAGS: _parts}, int(sys.argv[1]), float(sys.argv[2]))

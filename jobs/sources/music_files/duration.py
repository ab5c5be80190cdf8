"""The duration that an audio file states, checked against what its bytes hold."""

from __future__ import annotations

import io
import math
import re
import struct
from itertools import pairwise
from typing import Any, BinaryIO

import soundfile
from mutagen._riff import RiffFile
from mutagen.aiff import AIFFFile
from mutagen.mp4._atom import Atoms

from jobs.encoders.audio.decoding.mpeg_frames import FrameCount, count_frames
from jobs.encoders.audio.decoding.stream import holds_frames

DAY_MS = 86_400_000

_TOLERANCE = 1.01  # headers and padding
_MP3_BYTES_PER_S = 1_000  # its lowest rate is 8 kbit/s
_AIFF_COMPRESSION = 10  # AIFF-C states the rate before compression, which is 10:1 at most (GSM)
_MP4_BYTES_PER_S = 64  # a frame of AAC has at most 2048 samples and takes 3 bytes at least
_COUNTED_BYTES = 256 * 2**20
_FRAMES_APART = 3  # headers and cut frames at both ends
_MP4_HEADER, _MP4_TIMES = b"moov.trak.mdia.mdhd", b"moov.trak.mdia.minf.stbl.stts"
_OGG_PAGE = re.compile(rb"OggS\0([\0-\x07])")
_OGG_FIRST = 2  # the flag of a stream's first page
_SOUND = {"wav": (RiffFile, "data"), "aiff": (AIFFFile, "SSND")}
"""The chunk that holds the sound, by format."""
_WAV_PLAIN = frozenset({1, 3, 0xFFFE})


class ImpossibleDuration(ValueError):
    """The stated duration cannot be true."""


def duration_ms(file: BinaryIO, info: Any, kind: str) -> int | None:
    """The duration in milliseconds; None where the file states none.

    What a header states is not corrected but left out, as people are to look at such a file.

    Args:
        file: the audio file.
        info: mutagen's description of the stream.
        kind: the format, as mediafile names it.

    Raises:
        ImpossibleDuration: it is negative, 0 or no number, over a day, or longer than what the file
            holds: recorders that write to a pipe state the largest size that there is.
    """
    length_s: float | None = getattr(info, "length", None)
    if length_s is None:
        return None
    byte_count = file.seek(0, io.SEEK_END)
    _check_range(length_s)
    bytes_per_s = _least_bytes_per_s(info, kind)
    if length_s * bytes_per_s > byte_count * _TOLERANCE:
        raise ImpossibleDuration(
            f"{length_s:g} s would take {length_s * bytes_per_s:,.0f} bytes, the file has "
            f"{byte_count:,}; left out"
        )
    if kind == "mp3":
        length_s = _of_mp3(file, length_s, byte_count)
    elif kind in {"aac", "alac"}:
        _check_mp4(file, length_s)
    else:
        _check_chain(file)
        _check_chunk(file, kind, byte_count)
        length_s = _of_libsndfile(file, info, kind, length_s)
    _check_range(length_s)
    return round(length_s * 1000)


def _check_range(length_s: float) -> None:
    if not math.isfinite(length_s) or not 1 <= round(length_s * 1000) <= DAY_MS:
        raise ImpossibleDuration(f"{length_s:g} s must lie above 0 s and be at most 24 h; left out")


def _least_bytes_per_s(info: Any, kind: str) -> float:
    """Bytes that a second takes at least; 0 where silence takes next to none, as in FLAC."""
    pcm_bytes_per_s = float(getattr(info, "bitrate", 0)) / 8
    least = {
        "wav": pcm_bytes_per_s,
        "aiff": pcm_bytes_per_s / _AIFF_COMPRESSION,
        "mp3": _MP3_BYTES_PER_S,
        "aac": _MP4_BYTES_PER_S,
        "alac": _MP4_BYTES_PER_S,
    }
    return least.get(kind, 0)


def _of_mp3(file: BinaryIO, length_s: float, byte_count: int) -> float:
    """By its frames; as stated when it is too large to count them, or has none that is known."""
    if byte_count > _COUNTED_BYTES:
        return length_s
    file.seek(0)
    counted: FrameCount | None = count_frames(file.read())
    if counted is None:
        return length_s
    if not counted.has_one_rate:
        raise ImpossibleDuration(
            "its frames have several sample rates, of which the first is read; left out"
        )
    if counted.stated is not None:
        apart = abs(counted.stated - counted.frames)
        if apart > max(_FRAMES_APART, counted.frames * (_TOLERANCE - 1)):
            raise ImpossibleDuration(
                f"the file states {counted.stated:,} frames and holds {counted.frames:,}; left out"
            )
        return length_s
    return counted.frames * counted.frame_s


def _check_mp4(file: BinaryIO, length_s: float) -> None:
    """Against the table of samples of its first track; a file in fragments has an empty one.

    Format: ISO/IEC 14496-12, 8.4.2.2 (mdhd), 8.6.1.2 (stts).
    """
    boxes = Atoms(file)
    if _MP4_TIMES not in boxes or _MP4_HEADER not in boxes:
        return
    _, times = boxes[_MP4_TIMES].read(file)
    _, header = boxes[_MP4_HEADER].read(file)
    ticks_per_s = int.from_bytes(header[20:24] if header[0] else header[12:16])
    runs = struct.iter_unpack(">II", times[8 : len(times) // 8 * 8])
    ticks = sum(count * each for count, each in runs)
    if ticks and length_s * ticks_per_s > ticks * _TOLERANCE:
        raise ImpossibleDuration(
            f"the file states {length_s:g} s and lists {ticks / ticks_per_s:g} s; left out"
        )


def _check_chain(file: BinaryIO) -> None:
    """Of Ogg streams one behind the other, as radio recorders write them, only the first is read.

    Format: RFC 3533, 4 and 6: the first pages of all streams of a link precede its other pages.
    """
    file.seek(0)
    begins = [
        bool(page[1][0] & _OGG_FIRST) for page in _OGG_PAGE.finditer(file.read(_COUNTED_BYTES))
    ]
    n_links = sum(first and not before for before, first in pairwise([False, *begins]))
    if n_links > 1:
        raise ImpossibleDuration(
            f"{n_links} Ogg streams lie one behind the other, of which the first is read; left out"
        )


def _check_chunk(file: BinaryIO, kind: str, byte_count: int) -> None:
    """Against the chunk with the sound, of which libsndfile takes as much as is there."""
    if kind not in _SOUND:
        return
    open_chunks, name = _SOUND[kind]
    chunks: Any = open_chunks(file)  # type: ignore[no-untyped-call]  # mutagen has no types
    if name not in chunks:
        return
    sound = chunks[name]
    if sound.data_size > (byte_count - sound.data_offset) * _TOLERANCE:
        raise ImpossibleDuration(
            f"the file states {sound.data_size:,} bytes of sound and holds "
            f"{byte_count - sound.data_offset:,}; left out"
        )


def _of_libsndfile(file: BinaryIO, info: Any, kind: str, length_s: float) -> float:
    """As stated, when the last sample is there; of compressed WAV and AIFF what is decoded.

    mutagen takes the compressed samples of those for plain ones.
    """
    file.seek(8)
    is_compressed = file.read(4) == b"AIFC" or (
        kind == "wav" and getattr(info, "audio_format", 1) not in _WAV_PLAIN
    )
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as opened:
            if is_compressed:
                return float(opened.frames / opened.samplerate)
            stated = length_s * opened.samplerate
            is_there = stated <= opened.frames * _TOLERANCE and holds_frames(
                opened, max(1, min(opened.frames, round(stated)))
            )
    except soundfile.LibsndfileError as error:
        if not is_compressed:
            return length_s  # nothing to check it with; the feature stage names the file
        raise ImpossibleDuration(f"libsndfile: {error.error_string}; left out") from error
    if not is_there:
        raise ImpossibleDuration(f"the file states {length_s:g} s and ends before; left out")
    return length_s

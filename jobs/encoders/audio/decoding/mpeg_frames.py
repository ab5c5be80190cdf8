"""Counts the frames of an MP3 file, because libsndfile believes the count in its Xing header.

That count is false in files that were cut or joined, and a file of variable bit rate without it is
read as if its first bit rate were that of all frames. Format: ISO/IEC 11172-3, 2.4.2.3; the Xing,
Info and VBRI headers are conventions of encoders.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace

from jobs.encoders.audio.decoding.id3_length import audio_start, behind_id3

_SYNC = 0x7FF  # the first 11 bits of a frame
_LAYER_3 = 1
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates by version: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5."""
_MPEG_1 = 3
_KBIT_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBIT_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLES_MPEG_1, _SAMPLES_MPEG_2 = 1152, 576  # of a frame
_MONO = 3
_HEADER_BYTES = 4
_TOLERANCE = 1  # some encoders count the frame that holds the header, some do not
_XING_BITRATE_INDEX = 12  # its frame has room for the header in every version, at every rate
_SEARCHED_BYTES = 2**17  # where a first frame may lie behind bytes that belong to nothing
_FRAMES_IN_A_ROW = 3  # that tell a frame from bytes that look like the header of one
_MARKS = re.compile(rb"\xff|ID3")  # with which a frame or a tag may begin
_OTHER_FORMATS = (b"fLaC", b"OggS", b"FORM")


@dataclass(frozen=True, slots=True)
class FrameCount:
    """The frames of a file.

    Attributes:
        frames: how many there are, without one that only holds the header.
        stated: how many its header states; None without a header.
        frame_s: duration of one.
        has_one_rate: whether all have the sample rate of the first; a decoder stops where it
            changes, in files that were joined.
        is_variable: whether their bit rates differ.
    """

    frames: int
    stated: int | None
    frame_s: float
    has_one_rate: bool
    is_variable: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame's place, and what its header says."""

    at: int
    byte_count: int
    kbit: int
    side_info_bytes: int
    rate_hz: int
    n_samples: int

    @property
    def frame_s(self) -> float:
        return self.n_samples / self.rate_hz


def count_frames(content: bytes) -> FrameCount | None:
    """The frames of an MP3 file, and what its header states; None for other content."""
    first = _first_frame(content)
    if first is None:
        return None
    counted = _count(content, first)
    count_at = _count_position(content, first)
    if count_at is None:
        return counted
    [stated] = struct.unpack_from(">I", content, count_at)
    return replace(counted, frames=counted.frames - 1, stated=stated)


def with_true_frame_count(content: bytes) -> bytes:
    """The same bytes when they are no MP3 or their count is true, otherwise a corrected copy.

    Of a file with other bytes before its first frame the copy begins with that frame, because
    libsndfile does not know it by anything else.
    """
    first = _first_frame(content)
    if first is None:
        return content
    if first.at != audio_start(content):
        content, first = content[first.at :], replace(first, at=0)
    count_at = _count_position(content, first)
    if count_at is None:
        counted = _count(content, first)
        if not counted.is_variable:
            return content
        return _with_xing_frame(content, first, counted.frames)
    n_frames = _count(content, first).frames
    [stated] = struct.unpack_from(">I", content, count_at)
    if abs(stated - (n_frames - 1)) <= _TOLERANCE:
        return content
    correct = struct.pack(">I", n_frames - 1)  # the first frame holds the header alone
    return b"".join((content[:count_at], correct, content[count_at + len(correct) :]))


def _first_frame(content: bytes) -> _Frame | None:
    """The first of several frames in a row: where the tags end, or behind other bytes."""
    start = audio_start(content)
    if content[start : start + 4] in _OTHER_FORMATS:
        return None
    first = _frame(content, start)
    if first and _frame(content, first.at + first.byte_count):
        return first
    at, end = start, start + _SEARCHED_BYTES
    while mark := _MARKS.search(content, at, end):
        if mark[0] == b"ID3":
            behind_tag = behind_id3(content, mark.start())
            at, end = behind_tag or mark.end(), max(end, (behind_tag or 0) + _SEARCHED_BYTES)
        elif begins_a_row(content, mark.start()):
            return _frame(content, mark.start())
        else:
            at = mark.end()
    return None


def begins_a_row(content: bytes, at: int) -> bool:
    """Whether several frames of layer III follow each other from a place on."""
    for _ in range(_FRAMES_IN_A_ROW):
        frame = _frame(content, at)
        if frame is None:
            return False
        at += frame.byte_count
    return True


def _frame(content: bytes, at: int) -> _Frame | None:
    """The frame of layer III at a place; None when there is none."""
    if at + _HEADER_BYTES > len(content):
        return None
    [header] = struct.unpack_from(">I", content, at)
    version, layer = header >> 19 & 3, header >> 17 & 3
    bitrate_index, rate_index = header >> 12 & 15, header >> 10 & 3
    if header >> 21 != _SYNC or version not in _RATES_HZ or layer != _LAYER_3:
        return None
    rates_hz = _RATES_HZ[version]
    kbits = _KBIT_MPEG_1 if version == _MPEG_1 else _KBIT_MPEG_2
    if not 1 <= bitrate_index <= len(kbits) or rate_index >= len(rates_hz):
        return None
    kbit, is_mono = kbits[bitrate_index - 1], header >> 6 & 3 == _MONO
    slots = 144_000 if version == _MPEG_1 else 72_000
    rate_hz = rates_hz[rate_index]
    byte_count = slots * kbit // rate_hz + (header >> 9 & 1)
    if version == _MPEG_1:
        return _Frame(at, byte_count, kbit, 17 if is_mono else 32, rate_hz, _SAMPLES_MPEG_1)
    return _Frame(at, byte_count, kbit, 9 if is_mono else 17, rate_hz, _SAMPLES_MPEG_2)


def _count(content: bytes, first: _Frame) -> FrameCount:
    """The frames from the first one on, that of a header included.

    Bytes between frames are skipped, as a decoder does.
    """
    n_frames, at, kbits, has_one_rate = 0, first.at, set(), True
    while at >= 0:
        frame = _frame(content, at)
        if frame is None:
            at = content.find(b"\xff", at + 1)
            continue
        n_frames += 1
        if n_frames > 1:  # a header's frame may have a bit rate of its own
            kbits.add(frame.kbit)
        if has_one_rate and frame.rate_hz != first.rate_hz:  # of a row, not of bytes between
            has_one_rate = not begins_a_row(content, at)
        at += frame.byte_count
    return FrameCount(n_frames, None, first.frame_s, has_one_rate, len(kbits) > 1)


def _count_position(content: bytes, first: _Frame) -> int | None:
    """Where the first frame states the number of frames; None when it does not."""
    xing = first.at + _HEADER_BYTES + first.side_info_bytes
    if content[xing : xing + 4] in {b"Xing", b"Info"} and content[xing + 7 : xing + 8]:
        return xing + 8 if content[xing + 7] & 1 else None
    vbri = first.at + _HEADER_BYTES + 32
    return vbri + 14 if content[vbri : vbri + 4] == b"VBRI" else None


def _with_xing_frame(content: bytes, first: _Frame, n_frames: int) -> bytes:
    """The bytes with a frame before the first one that states the number of frames."""
    [header] = struct.unpack_from(">I", content, first.at)
    header = header & ~(15 << 12) & ~(1 << 9) | _XING_BITRATE_INDEX << 12 | 1 << 16
    stated = struct.pack(">I", header)
    frame = _frame(stated, 0)
    if frame is None:  # its bits are those of the first frame, with a valid bit rate
        raise AssertionError
    body = bytes(frame.side_info_bytes) + b"Xing" + struct.pack(">II", 1, n_frames)
    xing = (stated + body).ljust(frame.byte_count, b"\0")
    return b"".join((content[: first.at], xing, content[first.at :]))

"""Reads the parts of an audio file that are encoded, block by block, whatever its header says.

Headers lie: a stream that was never finished says 0 samples or the largest number, an edited MP3
keeps the count of the original. Such a file is decoded from its start, as far as it goes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio.decoding.header_lengths import with_true_length
from jobs.encoders.audio.decoding.spans import Excerpts, Span

MAX_CHANNELS = 32
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
MAX_SAMPLES_PER_S = 2_000_000  # 8 channels at 192 kHz have 1.5 million
BLOCK_SAMPLES = 2**20  # of all channels together: 4 MiB
MAX_CHECKED_SAMPLES = 2**29  # of a stream without a length, checked to its end: 1.5 h of CD
MAX_MEASURED_SAMPLES = 2**28  # 50 minutes of CD, which are measured in 15 s

Blocks = Iterator[NDArray[np.float32]]
"""Samples of shape (n_frames, n_channels), one block after the other."""


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file that is read onwards; soundfile seeks after each read of a seekable one.

    That seek fails at the end of a FLAC file whose header says another length.
    """

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Recording:
    """The parts of a file that are decoded, to be read once and in order.

    Attributes:
        n_channels: of each block.
        rate_hz: its sample rate.
        n_frames: of the whole file; None when it ends where reading ends.
        stretches: the first frame of each, and its blocks. Reading raises LibsndfileError where
            the decoder fails.
    """

    n_channels: int
    rate_hz: int
    n_frames: int | None
    stretches: Iterator[tuple[int, Blocks]]


def open_recording(content: bytes, excerpts: Excerpts) -> Recording:
    """The excerpts of a file; when its length is false, its start, of at most their length.

    Raises:
        ContentFailure: its header has channels or a rate that no recording has.
        LibsndfileError: it is no audio.
    """
    content = with_true_length(content)
    stream = _open(content)
    rate_hz, max_frames = stream.samplerate, excerpts.max_frames(stream.samplerate)
    spans = excerpts.spans(stream.frames, rate_hz)
    n_frames = None
    if not spans or spans == [Span(0, stream.frames)]:  # read on to wherever it truly ends
        stretches = iter([(0, _blocks(stream, max_frames))])
    elif holds_frames(stream, spans[-1].end):
        n_frames, stretches = stream.frames, _stretches(stream, spans)
    else:
        stream = _open(content)  # a stream is unusable after a failed seek
        stretches = iter([(0, _blocks_from_start(stream, max_frames))])
    return Recording(stream.channels, rate_hz, n_frames, stretches)


@dataclass(frozen=True, slots=True)
class WholeRecording:
    """A file from its first frame, to be read once.

    Attributes:
        n_channels: of each block.
        rate_hz: its sample rate.
        is_low_frequency_last: whether the channels are in the order of Vorbis and Opus.
        blocks: its first MAX_MEASURED_SAMPLES samples, as far as they can be decoded.
    """

    n_channels: int
    rate_hz: int
    is_low_frequency_last: bool
    blocks: Blocks


def open_whole(content: bytes) -> WholeRecording:
    """All of a file.

    Raises:
        ContentFailure, LibsndfileError: as `open_recording`.
    """
    stream = _open(with_true_length(content))
    blocks = _until_broken(_blocks(stream, MAX_MEASURED_SAMPLES // stream.channels))
    has_order_of_vorbis = stream.subtype in {"VORBIS", "OPUS"}  # FLAC in Ogg has that of WAV
    return WholeRecording(stream.channels, stream.samplerate, has_order_of_vorbis, blocks)


def holds_frames(stream: soundfile.SoundFile, n_frames: int) -> bool:
    """Whether so many frames can be decoded, whatever the header says; moves the stream."""
    try:
        stream.seek(n_frames - 1)
        return len(stream.read(1)) == 1
    except soundfile.LibsndfileError:
        return False  # reading from the start tells a false length from broken bytes


def limits() -> dict[str, object]:
    """Limits of this module, for the encoder's identity."""
    return {
        "channels": MAX_CHANNELS,
        "rate_hz": [MIN_RATE_HZ, MAX_RATE_HZ],
        "samples_per_s": MAX_SAMPLES_PER_S,
        "checked_samples": MAX_CHECKED_SAMPLES,
        "measured_samples": MAX_MEASURED_SAMPLES,
    }


def _open(content: bytes) -> _Stream:
    stream = _Stream(io.BytesIO(content))
    channels, rate_hz = stream.channels, stream.samplerate
    if channels > MAX_CHANNELS or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise ContentFailure(
            FailureReason.OUT_OF_RANGE,
            f"{channels} channels at {rate_hz} Hz; at most {MAX_CHANNELS} channels and "
            f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz are decoded",
        )
    if channels * rate_hz > MAX_SAMPLES_PER_S:
        raise ContentFailure(
            FailureReason.TOO_LARGE,
            f"{channels} channels at {rate_hz} Hz are {channels * rate_hz} samples a second, "
            f"at most {MAX_SAMPLES_PER_S} are decoded",
        )
    return stream


def _stretches(stream: _Stream, spans: Sequence[Span]) -> Iterator[tuple[int, Blocks]]:
    for span in spans:
        stream.seek(span.start)
        yield span.start, _blocks(stream, span.end - span.start, span.start)


def _blocks(stream: _Stream, n_frames: int, position: int = 0) -> Blocks:
    """The next `n_frames` of a stream that is at `position`, or as many as it has."""
    block_frames = BLOCK_SAMPLES // stream.channels
    stated_frames = max(0, stream.frames - position)
    while n_frames > 0:
        # What a tagger wrote behind the last frame must not spoil the block before it.
        length = min(n_frames, block_frames, stated_frames or n_frames)
        try:
            block = stream.read(length, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            if stream.frames and stated_frames == 0:  # all that the file says it has was read
                return
            raise
        if len(block) == 0:
            return
        yield block
        n_frames -= len(block)
        stated_frames = max(0, stated_frames - len(block))


def _until_broken(blocks: Blocks) -> Blocks:
    """The blocks before the first that cannot be decoded; the excerpts say whether the file can."""
    try:
        yield from blocks
    except soundfile.LibsndfileError:
        return


def _blocks_from_start(stream: _Stream, max_frames: int) -> Blocks:
    """The first frames; then the rest is decoded, too, because a broken file must not pass."""
    yield from _blocks(stream, max_frames)
    for _ in _blocks(stream, MAX_CHECKED_SAMPLES // stream.channels, max_frames):
        pass

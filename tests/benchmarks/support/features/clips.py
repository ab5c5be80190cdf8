"""Recordings that the benchmark of features encodes: clips of real music, and drawn ones in any number."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

CLIP_S = 30.0
DRAWN_S, DRAWN_HZ = 10.0, 16_000
MIN_CLIP_S = 5.0


class NoRecordings(FileNotFoundError):
    """The folder holds no recording of at least MIN_CLIP_S."""


def real_clips(folder: Path, offsets_s: Sequence[float] = (0.0,)) -> list[bytes]:
    """All recordings of a folder, cut into clips of at most CLIP_S, as FLAC at their own rate.

    With several offsets they are cut once from each, which gives more clips, none twice.

    Raises:
        NoRecordings: there is none.
    """
    clips = []
    for file in sorted(folder.glob("*.ogg")):
        samples, rate_hz = soundfile.read(file, dtype="int16")
        length = round(CLIP_S * rate_hz)
        firsts = [round(offset_s * rate_hz) for offset_s in offsets_s]
        for start in (at for first in firsts for at in range(first, len(samples), length)):
            clip = samples[start : start + length]
            if len(clip) >= MIN_CLIP_S * rate_hz:
                clips.append(_flac(clip, rate_hz))
    if not clips:
        raise NoRecordings(
            f"{folder}: no .ogg of {MIN_CLIP_S:g} s or more; --recordings names another"
        )
    return clips


def drawn_clip(seed: int) -> bytes:
    """DRAWN_S of a melody over noise, different for each seed."""
    rng = np.random.default_rng(seed)
    moments_s = np.arange(round(DRAWN_S * DRAWN_HZ)) / DRAWN_HZ
    notes_hz = 220 * 2 ** (rng.integers(0, 24, 20) / 12)
    pitch_hz = np.repeat(notes_hz, len(moments_s) // len(notes_hz))
    samples = 0.2 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / DRAWN_HZ)
    return _flac(samples + rng.normal(0, 0.01, len(samples)), DRAWN_HZ)


def seconds_of(clips: list[bytes]) -> float:
    """Length of all clips together."""
    return sum(soundfile.info(io.BytesIO(clip)).duration for clip in clips)


def _flac(samples: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()

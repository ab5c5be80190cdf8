"""Log-mel spectrogram of a recording's first two minutes, the input of HTCL's audio tower.

Pan et al. 2025, "Hierarchical two-stage contrastive learning" (arXiv:2505.23298): 128 bands, a
Hann window of 128 ms, a hop of 96 ms, 1,251 frames; a shorter clip is padded with its maximum less
80 dB, and each clip is standardised. Not published, and chosen here: 16 kHz, frames centred with
zeros beyond the ends, HTK's mel scale from 0 to 8 kHz with triangles of height 1, power in dB.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.audio import recording
from jobs.encoders.audio.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.identity import encoder_identity

ENCODER_ID = "htcl-log-mel-v1"
CLIP_S = 120.0
N_MELS = 128
FFT_SAMPLES = 2048  # 128 ms
HOP_SAMPLES = 1536  # 96 ms
N_FRAMES = 1251
RANGE_DB = 80.0
_FLOOR = 1e-10  # of powers, before the logarithm


def clip_features(samples: NDArray[np.float32]) -> tuple[bytes, int]:
    """The standardised frames as bytes, and how many of them hold audio; the rest is padding.

    The bytes are float16, little-endian, shape (N_FRAMES, N_MELS).

    Args:
        samples: mono at 16 kHz, shape (n_samples,); those after CLIP_S are left out.

    Raises:
        ContentFailure: there is no sample, because the beginning is silent.
    """
    if not len(samples):
        raise ContentFailure(FailureReason.SILENT, f"the first {CLIP_S:g} s hold no sound")
    frames = log_mel_db(samples[: round(CLIP_S * SAMPLE_RATE_HZ)])
    clip = np.full((N_FRAMES, N_MELS), frames.max() - RANGE_DB, dtype=np.float32)
    clip[: len(frames)] = frames
    deviation = clip.std(dtype=np.float64)
    standardised = (clip - clip.mean(dtype=np.float64)) / max(deviation, np.finfo(np.float32).eps)
    return standardised.astype("<f2").tobytes(), len(frames)


def log_mel_db(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel powers in dB, at most RANGE_DB below the highest, (1 + n_samples // HOP_SAMPLES, N_MELS).

    Args:
        samples: mono at 16 kHz, shape (n_samples,).
    """
    padded = np.pad(samples, FFT_SAMPLES // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * _hann(), axis=1)  # (n_frames, FFT_SAMPLES // 2 + 1)
    power = spectrum.real**2 + spectrum.imag**2
    level = 10 * np.log10(np.maximum(_FLOOR, power @ _filterbank().T))
    return np.asarray(np.maximum(level, level.max() - RANGE_DB), dtype=np.float32)


def identity() -> EncoderIdentity:
    """The identity of the rows of feat_mel; it has no weights."""
    steps = {
        "revision": 1,  # raise it when code of this module changes its output
        "recording": recording.preprocessing(),
        "clip_s": CLIP_S,
        "mel": [N_MELS, FFT_SAMPLES, HOP_SAMPLES, N_FRAMES, RANGE_DB, _FLOOR],
    }
    return encoder_identity(ENCODER_ID, (), steps)


@cache
def _hann() -> NDArray[np.float32]:
    """Periodic Hann window, shape (FFT_SAMPLES,)."""
    phase = 2 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES
    return (0.5 - 0.5 * np.cos(phase)).astype(np.float32)


@cache
def _filterbank() -> NDArray[np.float32]:
    """Triangles over the spectrum's bins on HTK's mel scale, (N_MELS, FFT_SAMPLES // 2 + 1).

    HTK's scale is 2595 log10(1 + hz / 700).
    """
    highest = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    corner_hz = 700 * (10 ** (np.linspace(0, highest, N_MELS + 2) / 2595) - 1)
    bin_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    low, centre, high = corner_hz[:-2, None], corner_hz[1:-1, None], corner_hz[2:, None]
    rising = (bin_hz - low) / (centre - low)
    falling = (high - bin_hz) / (high - centre)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), dtype=np.float32)

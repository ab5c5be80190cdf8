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
from jobs.encoders.audio.decoding import recording
from jobs.encoders.audio.decoding.audio_file import SAMPLE_RATE_HZ
from jobs.encoders.audio.spectrograms.mel_filters import (
    htk_corners_hz,
    periodic_hann,
    power_spectra,
    triangles,
)
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
        samples: mono at 16 kHz, shape (n_samples,), at least one; those after CLIP_S are left out.
    """
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
    power = power_spectra(padded, _hann(), HOP_SAMPLES)  # (n_frames, FFT_SAMPLES // 2 + 1)
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
    return periodic_hann(FFT_SAMPLES).astype(np.float32)


@cache
def _filterbank() -> NDArray[np.float32]:
    """Triangles of height 1 over the spectrum's bins, shape (N_MELS, FFT_SAMPLES // 2 + 1)."""
    corner_hz = htk_corners_hz(SAMPLE_RATE_HZ / 2, N_MELS)
    filters = triangles(corner_hz, SAMPLE_RATE_HZ, FFT_SAMPLES, has_unit_area=False)
    return filters.astype(np.float32)

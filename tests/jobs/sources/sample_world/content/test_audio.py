"""Audio carries arousal and genre, and encodes to equal bytes."""

import numpy as np

from jobs.sources.sample_world.content.audio import synthesise
from jobs.sources.sample_world.content.codecs import encode_audio

RATE_HZ = 16_000


def _clip(world, track) -> np.ndarray:
    return synthesise(track, seed=world.seed, clip_s=2.0, sample_rate_hz=RATE_HZ)


def test_loudness_correlates_with_arousal(world, tracks):
    sample = tracks[:40]
    loudness = [np.sqrt(np.mean(_clip(world, track) ** 2)) for track in sample]
    assert np.corrcoef(loudness, [track.arousal for track in sample])[0, 1] > 0.6


def test_genres_sound_different(world, tracks):
    """The spectral centroid (Hz) of metal lies far above that of ambient."""
    centroid_hz = {
        name: np.mean(
            [
                _centroid_hz(_clip(world, track))
                for track in tracks[:48]
                if track.artist.genre.name == name
            ]
        )
        for name in ("ambient", "metal")
    }
    assert centroid_hz["metal"] > 2 * centroid_hz["ambient"]


def _centroid_hz(samples: np.ndarray) -> float:
    magnitudes = np.abs(np.fft.rfft(samples))
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return float((hertz * magnitudes).sum() / magnitudes.sum())


def test_equal_samples_give_equal_ogg_bytes(world, tracks):
    """Libsndfile draws serial numbers from the clock; encode_audio replaces them."""
    samples = _clip(world, tracks[0])
    first, second = (encode_audio(samples, codec="ogg", sample_rate_hz=RATE_HZ) for _ in range(2))
    assert first == second

"""A mix is as loud as its channels, however they relate to each other."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.decoding.downmix import mix_down

SECOND_S = np.arange(16_000) / 16_000
LOW, HIGH = (np.sin(2 * np.pi * hz * SECOND_S).astype(np.float32) for hz in (220, 330))


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_one_channel_stays_as_it_is():
    assert (mix_down(LOW[:, None]) == LOW).all()


def test_equal_channels_are_their_mean():
    assert mix_down(np.stack([LOW, LOW], axis=1)) == pytest.approx(LOW, abs=1e-6)


@pytest.mark.parametrize(
    ("channels", "level"),
    [
        ([LOW, -LOW], 1.0),  # nothing is left of the mean
        ([LOW, -0.9 * LOW], np.sqrt((1 + 0.81) / 2)),
        ([LOW, HIGH], 1.0),  # the mean has half the energy
        ([LOW, 0.5 * LOW], np.sqrt((1 + 0.25) / 2)),
        ([0 * LOW, 0 * LOW, LOW, 0 * LOW, 0 * LOW, 0 * LOW], 1.0),  # a voice in 5.1
        ([LOW, HIGH, -LOW, -HIGH], 1.0),
        ([LOW + 0.5, -LOW - 0.5], 1.0),  # an offset carries no sound
    ],
    ids=["opposite", "nearly opposite", "unrelated", "unequal", "one of six", "pairs", "offset"],
)
def test_the_mix_has_the_mean_energy_of_the_channels_that_sound(channels, level):
    """A sine of peak 1 has a root mean square of .707."""
    mixed = mix_down(np.stack(channels, axis=1).astype(np.float32))
    assert rms(mixed - mixed.mean()) == pytest.approx(level / np.sqrt(2), rel=0.01)


def test_silence_stays_silence():
    assert (mix_down(np.zeros((16_000, 2), np.float32)) == 0).all()

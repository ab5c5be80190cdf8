"""Keys of chords whose key any musician would name."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders.audio.descriptors import tonality

RATE_HZ = 16_000
C4_HZ = 261.626


def chord(*semitones: int, seconds: float = 1.0, a4_hz: float = 440.0) -> np.ndarray:
    """Notes above C4 with three partials, tuned to `a4_hz`."""
    moments_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    notes_hz = [C4_HZ * a4_hz / 440 * 2 ** (semitone / 12) for semitone in semitones]
    partials = [np.sin(2 * np.pi * n * hz * moments_s) / n for hz in notes_hz for n in (1, 2, 3)]
    return np.sum(partials, axis=0).astype(np.float32) / 10


def cadence(tonic: int, mode: str, a4_hz: float = 440.0) -> np.ndarray:
    """I IV V I in major, i iv V i in minor."""
    third = 4 if mode == "major" else 3
    degrees = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    chords = [chord(*(tonic + note for note in notes), a4_hz=a4_hz) for notes in degrees]
    return np.concatenate(chords)


@pytest.mark.parametrize("mode", tonality.MODES)
@pytest.mark.parametrize("tonic", [0, 3, 6, 11])
def test_a_cadence_has_its_key(tonic, mode):
    found = tonality.find_key([cadence(tonic, mode)])
    assert found is not None
    assert (found.tonic, found.mode) == (tonality.PITCH_CLASSES[tonic], mode)
    assert 0 < found.confidence < 1


@pytest.mark.parametrize("a4_hz", [432.0, 452.0])
def test_another_tuning_is_the_same_key(a4_hz):
    """432 Hz is a third of a semitone low, 452 Hz almost half a semitone high."""
    found = tonality.find_key([cadence(2, "major", a4_hz)])
    assert found is not None
    assert (found.tonic, found.mode) == ("D", "major")


def test_all_windows_count():
    """Dominant and subdominant alone name another key than the whole cadence."""
    whole = cadence(0, "major")
    windows = np.split(whole, 4)
    found = tonality.find_key(windows)
    assert found is not None
    assert (found.tonic, found.mode) == ("C", "major")


def test_shares_of_a_note_are_those_of_its_partials():
    """An A: partials 1 and 2 are A, the third is an E; heights 1, 1/2 and 1/3."""
    shares = tonality.pitch_class_shares([chord(9, seconds=2)])
    assert shares is not None
    assert shares[9] == pytest.approx(1.5 / (1.5 + 1 / 3), abs=0.02)
    assert shares[4] == pytest.approx(1 / 3 / (1.5 + 1 / 3), abs=0.02)


def test_neither_silence_nor_all_twelve_notes_have_a_key():
    assert tonality.find_key([np.zeros(RATE_HZ, dtype=np.float32)]) is None
    assert tonality.find_key([chord(*range(12), seconds=2)]) is None

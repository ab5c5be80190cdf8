"""The benchmark of audio features: its clips, and the shares of one process."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from feature_store.settings import load_settings
from tests.benchmarks.features import SHARES, in_one_process
from tests.benchmarks.support.features.clips import (
    NoRecordings,
    drawn_clip,
    real_clips,
    seconds_of,
)


def ogg(seconds: float, rate_hz: int = 22_050) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(1).normal(0, 0.1, round(seconds * rate_hz))
    soundfile.write(file, noise, rate_hz, format="OGG", subtype="VORBIS")
    return file.getvalue()


def test_recordings_are_cut_into_clips_of_half_a_minute(tmp_path):
    """Of 64 s, two clips of 30 s; the last 4 s are too short, and so is the other recording."""
    (tmp_path / "a.ogg").write_bytes(ogg(64))
    (tmp_path / "b.ogg").write_bytes(ogg(2))
    clips = real_clips(tmp_path)
    assert [seconds_of([clip]) for clip in clips] == pytest.approx([30.0, 30.0])


def test_a_folder_without_recordings_is_named(tmp_path):
    with pytest.raises(NoRecordings, match=f"{tmp_path}: no .ogg of 5 s or more"):
        real_clips(tmp_path)


def test_drawn_clips_differ_and_repeat():
    assert drawn_clip(1) == drawn_clip(1) != drawn_clip(2)
    assert seconds_of([drawn_clip(1), drawn_clip(2)]) == pytest.approx(20.0)


def test_the_shares_of_one_process_are_times_of_its_own(tmp_path):
    settings = load_settings(lake=tmp_path, state=tmp_path / "state")
    spent = in_one_process(settings, [drawn_clip(1)])
    assert sorted(spent) == sorted(SHARES)
    assert all(seconds > 0 for seconds in spent.values())

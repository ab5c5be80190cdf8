"""Which spans of a recording are decoded."""

from __future__ import annotations

import pytest

from jobs.encoders.audio.decoding.spans import Excerpts, Span, merged


def spans(*edges: tuple[int, int]) -> list[Span]:
    return [Span(*edge) for edge in edges]


def test_windows_lie_in_the_middle_of_equal_parts():
    """100 s at 1 Hz in four parts of 25 s: windows of 5 s from 10, 35, 60 and 85 s."""
    windows = Excerpts(0, 20, 4).windows(100, 1)
    assert windows == spans((10, 15), (35, 40), (60, 65), (85, 90))


@pytest.mark.parametrize("n_frames", [1, 19, 20])
def test_a_recording_that_is_no_longer_is_one_window(n_frames):
    assert Excerpts(0, 20, 4).windows(n_frames, 1) == spans((0, n_frames))


def test_one_window_is_the_middle():
    assert Excerpts(0, 10, 1).windows(100, 1) == spans((45, 55))


@pytest.mark.parametrize("n_frames", [21, 22, 23, 29, 1_001])
def test_windows_never_overlap_or_leave_the_recording(n_frames):
    windows = Excerpts(0, 20, 4).windows(n_frames, 1)
    edges = [edge for window in windows for edge in (window.start, window.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= n_frames
    assert {window.end - window.start for window in windows} == {5}


def test_the_beginning_and_the_windows_are_decoded_once():
    """The first 40 s hold the window from 10 s, and half of that from 35 s on."""
    required = Excerpts(37, 20, 4)
    assert required.spans(100, 1) == spans((0, 40), (60, 65), (85, 90))


def test_a_short_recording_is_one_span():
    assert Excerpts(120, 60, 4).spans(90, 1) == spans((0, 90))


def test_spans_that_touch_are_one_and_empty_ones_none():
    assert merged(spans((5, 9), (0, 2), (2, 4), (7, 8), (3, 3))) == spans((0, 4), (5, 9))

"""Chooses the spans of a recording that are decoded: its beginning, and windows spread over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Frames `start` to `end` of a recording, `end` excluded."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Excerpts:
    """What is wanted of a recording.

    Attributes:
        first_s: seconds from its beginning; 0 for none.
        windows_s: seconds of all windows together; a shorter recording is one window.
        n_windows: windows of a longer one, each in the middle of an equal part of it.
    """

    first_s: float
    windows_s: float
    n_windows: int

    def first(self, n_frames: int, rate_hz: int) -> Span:
        """The beginning."""
        return Span(0, min(n_frames, round(self.first_s * rate_hz)))

    def windows(self, n_frames: int, rate_hz: int) -> list[Span]:
        """The windows in order; they do not overlap."""
        length = round(self.windows_s * rate_hz)
        if n_frames <= length:
            return [Span(0, n_frames)]
        length, part = length // self.n_windows, n_frames / self.n_windows
        starts = [round(number * part + (part - length) / 2) for number in range(self.n_windows)]
        return [Span(start, start + length) for start in starts]

    def spans(self, n_frames: int, rate_hz: int) -> list[Span]:
        """All frames that are wanted, each once."""
        return merged([self.first(n_frames, rate_hz), *self.windows(n_frames, rate_hz)])

    def max_frames(self, rate_hz: int) -> int:
        """Frames that are decoded at most, of a recording of any length."""
        return round((self.first_s + self.windows_s) * rate_hz)


def merged(spans: Sequence[Span]) -> list[Span]:
    """Spans in order that cover the same frames, each once; empty ones are left out."""
    covered: list[Span] = []
    for span in sorted(one for one in spans if one.start < one.end):
        if covered and span.start <= covered[-1].end:
            covered[-1] = Span(covered[-1].start, max(covered[-1].end, span.end))
        else:
            covered.append(span)
    return covered

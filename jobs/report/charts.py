"""Geometry of the charts: positions of bars, dots and lines, which charts.svg.j2 draws.

The origin is at the top left, as in SVG: y grows downwards, so larger values get smaller y.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH = 400.0
HEIGHT = 210.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 8.0, 10.0, 24.0  # room for the tick labels

_N_TICKS = 4
_NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LAYOUT_STEPS = 160
_COOLING = 0.97
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))  # spreads the points of a spiral evenly


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis, in the chart's coordinates."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """One bin: values in [low, high); the last bin includes its upper edge."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars over one pair of axes."""

    bars: tuple[HistogramBar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a scatter plot with its tooltip."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline: `points` in SVG syntax; (`x`, `y`) is the last point, `last` its value."""

    name: str
    points: str
    x: float
    y: float
    last: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines over one pair of axes."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class NetworkNode:
    """A user in the follow network, without an id: position, radius, and tier for the colour."""

    x: float
    y: float
    radius: float
    tier: str


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes and the straight edges between them, each edge as (x1, y1, x2, y2)."""

    nodes: tuple[NetworkNode, ...]
    edges: tuple[tuple[float, float, float, float], ...]


def histogram(values: Sequence[float], n_bins: int) -> Histogram:
    """Bins of equal width from the smallest to the largest value; `values` is not empty."""
    low, high = min(values), max(values)
    spread = high - low
    # A bin needs a width: one unit around values that are all equal.
    edges = np.linspace(low, high, n_bins + 1) if spread else np.array([low - 0.5, low + 0.5])
    counts, edges = np.histogram(np.asarray(values, dtype=float), bins=edges)
    y_ticks = _ticks(0.0, float(counts.max()), HEIGHT - BOTTOM, TOP)
    x_axis = _Axis(float(edges[0]), float(edges[-1]), LEFT, WIDTH - RIGHT)
    height = _Axis(0.0, float(counts.max()), 0.0, HEIGHT - BOTTOM - TOP)
    bars = tuple(
        HistogramBar(
            x=x_axis.at(left),
            y=HEIGHT - BOTTOM - height.at(count),
            width=x_axis.at(right) - x_axis.at(left),
            height=height.at(count),
            low=float(left),
            high=float(right),
            count=int(count),
        )
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    return Histogram(bars, _ticks(x_axis.low, x_axis.high, x_axis.start, x_axis.end), y_ticks)


def log_histogram(values: Sequence[int]) -> Histogram:
    """Counts of values in [1, 2), [2, 4), [4, 8) …; for degrees, which are heavy-tailed."""
    n_bins = max(int(max(values)).bit_length(), 1)
    counts = np.bincount([int(value).bit_length() - 1 for value in values], minlength=n_bins)
    step = (WIDTH - RIGHT - LEFT) / n_bins
    height = _Axis(0.0, float(counts.max()), 0.0, HEIGHT - BOTTOM - TOP)
    bars = tuple(
        HistogramBar(
            x=LEFT + index * step,
            y=HEIGHT - BOTTOM - height.at(count),
            width=step,
            height=height.at(count),
            low=2.0**index,
            high=2.0 ** (index + 1),
            count=int(count),
        )
        for index, count in enumerate(counts)
    )
    x_ticks = tuple(Tick(bar.x, f"{bar.low:,.0f}") for bar in bars)
    return Histogram(bars, x_ticks, _ticks(0.0, float(counts.max()), HEIGHT - BOTTOM, TOP))


def scatter(points: Sequence[tuple[float, float, str]], side: float) -> tuple[Dot, ...]:
    """Scatter plot of (x, y, tooltip) with x and y in [-1, 1]; `side` is the width in pixels."""
    x_axis, y_axis = _Axis(-1.0, 1.0, 0.0, side), _Axis(-1.0, 1.0, side, 0.0)
    return tuple(Dot(x_axis.at(x), y_axis.at(y), title) for x, y, title in points)


def line_chart(series: Mapping[str, Sequence[tuple[float, float]]]) -> LineChart:
    """One line of (x, y) points for each name; the axes fit all lines, and y includes 0."""
    all_points = [point for points in series.values() for point in points]
    xs, ys = [x for x, _ in all_points], [y for _, y in all_points]
    x_axis = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y_axis = _Axis(min(0.0, *ys), max(0.0, *ys), HEIGHT - BOTTOM, TOP)
    lines = tuple(
        Line(
            name=name,
            points=" ".join(f"{x_axis.at(x):.1f},{y_axis.at(y):.1f}" for x, y in points),
            x=x_axis.at(points[-1][0]),
            y=y_axis.at(points[-1][1]),
            last=points[-1][1],
        )
        for name, points in series.items()
    )
    return LineChart(
        lines,
        _ticks(x_axis.low, x_axis.high, x_axis.start, x_axis.end),
        _ticks(y_axis.low, y_axis.high, y_axis.start, y_axis.end),
    )


def area_path(counts: Sequence[int], width: float, height: float) -> str:
    """Smooth area chart over equally spaced counts, as the `d` of an SVG path."""
    highest = max(counts)
    xs = np.linspace(0.0, width, len(counts))
    ys = [height - height * value / highest if highest else height for value in counts]
    path = [f"M0,{height:.0f} L{xs[0]:.1f},{ys[0]:.1f}"]
    for left, right in zip(range(len(ys) - 1), range(1, len(ys)), strict=True):
        middle = (xs[left] + xs[right]) / 2
        path.append(f"C{middle:.1f},{ys[left]:.1f} {middle:.1f},{ys[right]:.1f}")
        path.append(f"{xs[right]:.1f},{ys[right]:.1f}")
    return " ".join([*path, f"L{width:.0f},{height:.0f} Z"])


def network(
    names: Sequence[str], edges: Sequence[tuple[str, str]], tiers: Mapping[str, str]
) -> Network:
    """Force-directed layout: connected nodes lie near each other (Fruchterman and Reingold 1991).

    The layout starts from a spiral in the order of `names` and uses no random number, so equal
    graphs give equal pictures. (From a circle the symmetric forces cannot part two crossing edges.)
    """
    index = {name: number for number, name in enumerate(names)}
    pairs = np.array([(index[one], index[other]) for one, other in edges], dtype=int).reshape(-1, 2)
    positions = _fit_to_box(_layout(len(names), pairs))  # (n_nodes, 2)
    degrees = np.bincount(pairs.ravel(), minlength=len(names))
    nodes = tuple(
        NetworkNode(float(x), float(y), 2.5 + float(np.sqrt(degree)), tiers.get(name, ""))
        for name, (x, y), degree in zip(names, positions, degrees, strict=True)
    )
    drawn = tuple(
        (
            float(positions[one][0]),
            float(positions[one][1]),
            float(positions[other][0]),
            float(positions[other][1]),
        )
        for one, other in pairs
    )
    return Network(nodes, drawn)


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps [low, high] to [start, end]; an empty range maps to the middle."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        fraction = (float(value) - self.low) / (self.high - self.low)
        return self.start + fraction * (self.end - self.start)


def _ticks(low: float, high: float, start: float, end: float) -> tuple[Tick, ...]:
    """Ticks at round values inside [low, high]."""
    axis = _Axis(low, high, start, end)
    if high == low:
        return (Tick(axis.at(low), _tick_label(low)),)
    rough = (high - low) / _N_TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(nice * power for nice in _NICE_STEPS if nice * power >= rough * 0.999)
    first = np.ceil(low / step - 1e-9)
    last = np.floor(high / step + 1e-9)
    values = [float(number * step) for number in np.arange(first, last + 1)]
    return tuple(Tick(axis.at(value), _tick_label(value)) for value in values)


def _tick_label(value: float) -> str:
    """Short label with U+2212 as minus; adding 0 turns -0.0 into 0."""
    return f"{round(value, 6) + 0.0:,g}".replace("-", "−")


def _layout(n_nodes: int, pairs: NDArray[np.int_]) -> NDArray[np.float64]:
    turns, radii = np.arange(n_nodes) * _GOLDEN_ANGLE, np.sqrt((np.arange(n_nodes) + 0.5) / n_nodes)
    positions = np.column_stack([radii * np.cos(turns), radii * np.sin(turns)])  # (n_nodes, 2)
    ideal = np.sqrt(4.0 / n_nodes)  # side of the area per node
    max_step = 0.2
    for _ in range(_LAYOUT_STEPS):
        offsets = positions[:, None, :] - positions[None, :, :]  # (n_nodes, n_nodes, 2)
        distances = np.maximum(np.linalg.norm(offsets, axis=2, keepdims=True), 1e-6)
        displacements = (offsets / distances * ideal**2 / distances).sum(axis=1)
        displacements -= positions * ideal  # weak gravity keeps loose parts in the picture
        lengths = np.linalg.norm(
            positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1, keepdims=True
        )
        attraction = (positions[pairs[:, 0]] - positions[pairs[:, 1]]) * lengths / ideal
        np.add.at(displacements, pairs[:, 0], -attraction)
        np.add.at(displacements, pairs[:, 1], attraction)
        norms = np.maximum(np.linalg.norm(displacements, axis=1, keepdims=True), 1e-9)
        positions = positions + displacements / norms * np.minimum(norms, max_step)
        max_step *= _COOLING
    return positions


def _fit_to_box(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale both axes by one factor into the chart's box, with a margin for the largest dot."""
    margin = 16.0
    low, high = positions.min(axis=0), positions.max(axis=0)
    scale = min(
        (WIDTH - 2 * margin) / max(high[0] - low[0], 1e-9),
        (1.5 * HEIGHT - 2 * margin) / max(high[1] - low[1], 1e-9),
    )
    middle = np.array([WIDTH / 2, 1.5 * HEIGHT / 2])
    fitted: NDArray[np.float64] = (positions - (low + high) / 2) * scale + middle
    return fitted

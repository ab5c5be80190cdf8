"""Charts as geometry: where bars, dots and lines lie; charts.svg.j2 draws them.

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
    """A labelled place on an axis, in the chart's coordinates."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """One bin: values in [low, high), the last one with its upper edge."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often values fall into bins of equal width."""

    bars: tuple[HistogramBar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a scatter, with what hovering tells."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline: `points` as SVG takes them; `x`, `y` is its last point."""

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
    """A person in the social picture, nameless: place, radius, and the tier that gives a colour."""

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
    """Bins of equal width from the smallest to the largest of `values`; at least one value."""
    low, high = min(values), max(values)
    spread = high - low
    # Values that are all equal get one unit around them: a bin needs a width.
    edges = np.linspace(low, high, n_bins + 1) if spread else np.array([low - 0.5, low + 0.5])
    counts, edges = np.histogram(np.asarray(values, dtype=float), bins=edges)
    y_ticks = _ticks(0.0, float(counts.max()), HEIGHT - BOTTOM, TOP)
    place = _Axis(float(edges[0]), float(edges[-1]), LEFT, WIDTH - RIGHT)
    height = _Axis(0.0, float(counts.max()), 0.0, HEIGHT - BOTTOM - TOP)
    bars = tuple(
        HistogramBar(
            x=place.at(left),
            y=HEIGHT - BOTTOM - height.at(count),
            width=place.at(right) - place.at(left),
            height=height.at(count),
            low=float(left),
            high=float(right),
            count=int(count),
        )
        for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    return Histogram(bars, _ticks(place.low, place.high, place.start, place.end), y_ticks)


def log_histogram(values: Sequence[int]) -> Histogram:
    """How many values lie in [1, 2), [2, 4), [4, 8) …; for degrees, which spread over powers."""
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


def plane(points: Sequence[tuple[float, float, str]], side: float) -> tuple[Dot, ...]:
    """Points of the square [-1, 1] × [-1, 1] in a picture of `side`; the second value points up."""
    across, up = _Axis(-1.0, 1.0, 0.0, side), _Axis(-1.0, 1.0, side, 0.0)
    return tuple(Dot(across.at(x), up.at(y), title) for x, y, title in points)


def line_chart(series: Mapping[str, Sequence[tuple[float, float]]]) -> LineChart:
    """Lines through (x, y) points, one for each name; axes fit all of them and y includes 0."""
    every = [point for points in series.values() for point in points]
    xs, ys = [x for x, _ in every], [y for _, y in every]
    across = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = _Axis(min(0.0, *ys), max(0.0, *ys), HEIGHT - BOTTOM, TOP)
    lines = tuple(
        Line(
            name=name,
            points=" ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in points),
            x=across.at(points[-1][0]),
            y=up.at(points[-1][1]),
            last=points[-1][1],
        )
        for name, points in series.items()
    )
    return LineChart(
        lines,
        _ticks(across.low, across.high, across.start, across.end),
        _ticks(up.low, up.high, up.start, up.end),
    )


def horizon(counts: Sequence[int], width: float, height: float) -> str:
    """A smooth outline over equally spaced counts, closed at the bottom: the `d` of an SVG path."""
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
    """Place nodes so that connected ones lie near each other (Fruchterman and Reingold 1991).

    Starts from a spiral in the order of `names` and draws no random number: equal graphs give equal
    pictures. (A circle is so symmetric that the forces cannot part two crossing ties.)
    """
    index = {name: place for place, name in enumerate(names)}
    pairs = np.array([(index[one], index[other]) for one, other in edges], dtype=int).reshape(-1, 2)
    places = _fitted(_laid_out(len(names), pairs))  # (n_nodes, 2)
    degrees = np.bincount(pairs.ravel(), minlength=len(names))
    nodes = tuple(
        NetworkNode(float(x), float(y), 2.5 + float(np.sqrt(degree)), tiers.get(name, ""))
        for name, (x, y), degree in zip(names, places, degrees, strict=True)
    )
    drawn = tuple(
        (
            float(places[one][0]),
            float(places[one][1]),
            float(places[other][0]),
            float(places[other][1]),
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
        share = (float(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _ticks(low: float, high: float, start: float, end: float) -> tuple[Tick, ...]:
    """At round values inside [low, high]."""
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
    """Short, with a true minus; adding 0 turns the -0.0 of rounding into 0."""
    return f"{round(value, 6) + 0.0:,g}".replace("-", "−")


def _laid_out(n_nodes: int, pairs: NDArray[np.int_]) -> NDArray[np.float64]:
    turns, radii = np.arange(n_nodes) * _GOLDEN_ANGLE, np.sqrt((np.arange(n_nodes) + 0.5) / n_nodes)
    places = np.column_stack([radii * np.cos(turns), radii * np.sin(turns)])  # (n_nodes, 2)
    ideal = np.sqrt(4.0 / n_nodes)  # side of the square that each node would have to itself
    longest_step = 0.2
    for _ in range(_LAYOUT_STEPS):
        apart = places[:, None, :] - places[None, :, :]  # (n_nodes, n_nodes, 2)
        distances = np.maximum(np.linalg.norm(apart, axis=2, keepdims=True), 1e-6)
        pushes = (apart / distances * ideal**2 / distances).sum(axis=1)
        pushes -= places * ideal  # a light pull to the middle keeps loose parts in the picture
        lengths = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1, keepdims=True)
        pulls = (places[pairs[:, 0]] - places[pairs[:, 1]]) * lengths / ideal
        np.add.at(pushes, pairs[:, 0], -pulls)
        np.add.at(pushes, pairs[:, 1], pulls)
        forces = np.maximum(np.linalg.norm(pushes, axis=1, keepdims=True), 1e-9)
        places = places + pushes / forces * np.minimum(forces, longest_step)
        longest_step *= _COOLING
    return places


def _fitted(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale both axes alike into the chart's box, with a margin for the largest dot."""
    margin = 16.0
    low, high = places.min(axis=0), places.max(axis=0)
    scale = min(
        (WIDTH - 2 * margin) / max(high[0] - low[0], 1e-9),
        (1.5 * HEIGHT - 2 * margin) / max(high[1] - low[1], 1e-9),
    )
    middle = np.array([WIDTH / 2, 1.5 * HEIGHT / 2])
    fitted: NDArray[np.float64] = (places - (low + high) / 2) * scale + middle
    return fitted

"""Covers of the sample world: the genre's palette and shapes, lit by the mood.

Tracks of an album share its picture, byte for byte, as on a real service; singles have their own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.rng import generator

_SUPERSAMPLING = 2  # drawn larger and scaled down, which smooths the edges

Colour = tuple[int, int, int]
Drawing = Callable[[ImageDraw.ImageDraw, int, list[Colour], np.random.Generator], None]


@dataclass(frozen=True, slots=True)
class Cover:
    """A picture file; `ending` is "jpg" or "png"."""

    ending: str
    content: bytes


def paint_cover(track: Track, *, seed: int, side_px: int) -> Cover:
    """A square picture."""
    subject = track.album_id or track.track_id
    chance = generator(seed, "cover", subject)
    is_jpeg = chance.random() < 0.5  # noqa: PLR2004  a fair coin
    colours = _lit(track, chance)
    picture = _gradient(colours[0], colours[1], side_px * _SUPERSAMPLING)
    _DRAWINGS[track.artist.genre.shape](ImageDraw.Draw(picture), picture.width, colours[2:], chance)
    sink = io.BytesIO()
    small = picture.reduce(_SUPERSAMPLING)
    small.save(sink, "JPEG", quality=88) if is_jpeg else small.save(sink, "PNG")
    return Cover("jpg" if is_jpeg else "png", sink.getvalue())


def _lit(track: Track, chance: np.random.Generator) -> list[Colour]:
    """The genre's palette: brighter for happy artists, shifted a little for each picture.

    The artist's valence and not the track's, because an album has one picture.
    """
    light = 1 + 0.25 * math.tanh(track.artist.valence)
    tint = 14 * chance.normal(size=3)
    return [
        _colour([light * channel + shift for channel, shift in zip(colour, tint, strict=True)])
        for colour in track.artist.genre.palette
    ]


def _colour(channels: list[float]) -> Colour:
    red, green, blue = (int(min(max(channel, 0), 255)) for channel in channels)
    return red, green, blue


def _gradient(top: Colour, bottom: Colour, side: int) -> Image.Image:
    blend = np.linspace(0, 1, side)[:, None, None]  # (side, 1, 1)
    rows = (1 - blend) * np.array(top) + blend * np.array(bottom)  # (side, 1, 3)
    return Image.fromarray(np.repeat(rows, side, axis=1).astype(np.uint8), "RGB")


def _rings(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    x, y = chance.uniform(0.3, 0.7, size=2) * side
    for ring in range(int(chance.integers(4, 9))):
        radius = side * (0.06 + 0.075 * ring)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, outline=colours[ring % 2], width=max(1, side // 90))


def _hills(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    sun_x, sun_y = chance.uniform(0.2, 0.8) * side, chance.uniform(0.15, 0.35) * side
    radius = chance.uniform(0.08, 0.15) * side
    draw.ellipse((sun_x - radius, sun_y - radius, sun_x + radius, sun_y + radius), fill=colours[0])
    x = np.linspace(0, 1, 60)
    for row in range(3):
        bumps, shift = chance.uniform(1, 3), chance.uniform(0, 1)
        height = 0.5 + 0.15 * row - 0.1 * np.sin(2 * np.pi * (bumps * x + shift))
        shade = _colour([channel * (1 - 0.22 * row) for channel in colours[1]])
        ridge = [(px * side, py * side) for px, py in zip(x, height, strict=True)]
        draw.polygon([*ridge, (side, side), (0, side)], fill=shade)


def _arcs(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    for arc in range(int(chance.integers(7, 13))):
        x, y = chance.uniform(0, 1, size=2) * side
        radius, start = chance.uniform(0.1, 0.35) * side, chance.uniform(0, 360)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.arc(box, start, start + 140, fill=colours[arc % 2], width=side // 24)


def _shards(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    centre = chance.uniform(0.35, 0.65, size=2)
    for shard in range(int(chance.integers(9, 16))):
        angle, width = chance.uniform(0, 2 * math.pi), chance.uniform(0.05, 0.2)
        reach = chance.uniform(0.3, 0.8)
        tips = [
            (centre + reach * np.array([math.cos(turn), math.sin(turn)])) * side
            for turn in (angle, angle + width)
        ]
        corners = [tuple(centre * side), *(tuple(tip) for tip in tips)]
        draw.polygon(corners, fill=colours[shard % 2])


def _grid(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    n_cells = int(chance.integers(6, 11))
    cell = side / n_cells
    for row, column in np.argwhere(chance.random((n_cells, n_cells)) < 0.45):  # noqa: PLR2004  a little under half lit
        inset = cell * chance.uniform(0.08, 0.38)
        left, top = column * cell, row * cell
        box = (left + inset, top + inset, left + cell - inset, top + cell - inset)
        draw.rectangle(box, fill=colours[int(chance.integers(2))])


def _blocks(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    left = 0.0
    while left < side:
        width, top = chance.uniform(0.08, 0.2) * side, chance.uniform(0.25, 0.8) * side
        draw.rectangle((left, top, left + width, side), fill=colours[0])
        for window_y in np.arange(top + side * 0.04, side, side * 0.08):
            box = (left + width * 0.3, window_y, left + width * 0.6, window_y + side * 0.03)
            draw.rectangle(box, fill=colours[1])
        left += width + side * 0.015


def _bubbles(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    for bubble in range(int(chance.integers(14, 26))):
        x, y = chance.uniform(0, 1, size=2) * side
        radius = chance.uniform(0.02, 0.14) * side
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours[bubble % 2])


def _waves(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], chance: np.random.Generator
) -> None:
    x = np.linspace(0, 1, 80)
    n_waves = int(chance.integers(5, 9))
    bumps = chance.uniform(1.5, 4)
    for wave in range(n_waves):
        y = (wave + 0.5) / n_waves + 0.04 * np.sin(2 * np.pi * (bumps * x + 0.15 * wave))
        crest = [(px * side, py * side) for px, py in zip(x, y, strict=True)]
        draw.line(crest, fill=colours[wave % 2], width=side // (3 * n_waves), joint="curve")


_DRAWINGS: dict[str, Drawing] = {
    "rings": _rings,
    "hills": _hills,
    "arcs": _arcs,
    "shards": _shards,
    "grid": _grid,
    "blocks": _blocks,
    "bubbles": _bubbles,
    "waves": _waves,
}

"""Covers of the sample world: the genre's palette and shapes, brighter for happy artists.

Tracks of an album share one cover file, as on a real service; each single has its own.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from jobs.sources.cover_file import CoverFile
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.rng import generator

_SUPERSAMPLING = 2  # drawing larger and scaling down smooths the edges

Colour = tuple[int, int, int]
DrawShapes = Callable[[ImageDraw.ImageDraw, int, list[Colour], np.random.Generator], None]


def draw_cover(track: Track, *, seed: int, side_px: int) -> CoverFile:
    """A square cover with sides of `side_px` pixels."""
    cover_id = track.album_id or track.track_id
    rng = generator(seed, "cover", cover_id)
    is_jpeg = rng.random() < 0.5  # noqa: PLR2004  a fair coin
    colours = _palette(track, rng)
    image = _gradient(colours[0], colours[1], side_px * _SUPERSAMPLING)
    _DRAW_SHAPES[track.artist.genre.shape](ImageDraw.Draw(image), image.width, colours[2:], rng)
    sink = io.BytesIO()
    small = image.reduce(_SUPERSAMPLING)
    small.save(sink, "JPEG", quality=88) if is_jpeg else small.save(sink, "PNG")
    return CoverFile("jpg" if is_jpeg else "png", sink.getvalue())


def _palette(track: Track, rng: np.random.Generator) -> list[Colour]:
    """The genre's palette, brighter for happy artists and tinted a little for each cover.

    The artist's valence decides, not the track's, because an album has one cover.
    """
    light = 1 + 0.25 * math.tanh(track.artist.valence)
    tint = 14 * rng.normal(size=3)
    return [
        _colour([light * channel + shift for channel, shift in zip(colour, tint, strict=True)])
        for colour in track.artist.genre.palette
    ]


def _colour(channels: list[float]) -> Colour:
    red, green, blue = (int(min(max(channel, 0), 255)) for channel in channels)
    return red, green, blue


def _gradient(top: Colour, bottom: Colour, side: int) -> Image.Image:
    fade = np.linspace(0, 1, side)[:, None, None]  # (side, 1, 1)
    rows = (1 - fade) * np.array(top) + fade * np.array(bottom)  # (side, 1, 3)
    return Image.fromarray(np.repeat(rows, side, axis=1).astype(np.uint8), "RGB")


def _rings(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    x, y = rng.uniform(0.3, 0.7, size=2) * side
    for ring in range(int(rng.integers(4, 9))):
        radius = side * (0.06 + 0.075 * ring)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, outline=colours[ring % 2], width=max(1, side // 90))


def _hills(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    sun_x, sun_y = rng.uniform(0.2, 0.8) * side, rng.uniform(0.15, 0.35) * side
    radius = rng.uniform(0.08, 0.15) * side
    draw.ellipse((sun_x - radius, sun_y - radius, sun_x + radius, sun_y + radius), fill=colours[0])
    x = np.linspace(0, 1, 60)
    for row in range(3):
        bumps, shift = rng.uniform(1, 3), rng.uniform(0, 1)
        height = 0.5 + 0.15 * row - 0.1 * np.sin(2 * np.pi * (bumps * x + shift))
        shade = _colour([channel * (1 - 0.22 * row) for channel in colours[1]])
        ridge = [(u * side, v * side) for u, v in zip(x, height, strict=True)]
        draw.polygon([*ridge, (side, side), (0, side)], fill=shade)


def _arcs(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    for arc in range(int(rng.integers(7, 13))):
        x, y = rng.uniform(0, 1, size=2) * side
        radius, start = rng.uniform(0.1, 0.35) * side, rng.uniform(0, 360)
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.arc(box, start, start + 140, fill=colours[arc % 2], width=side // 24)


def _shards(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    centre = rng.uniform(0.35, 0.65, size=2)
    for shard in range(int(rng.integers(9, 16))):
        angle, width = rng.uniform(0, 2 * math.pi), rng.uniform(0.05, 0.2)
        reach = rng.uniform(0.3, 0.8)
        tips = [
            (centre + reach * np.array([math.cos(turn), math.sin(turn)])) * side
            for turn in (angle, angle + width)
        ]
        corners = [tuple(centre * side), *(tuple(tip) for tip in tips)]
        draw.polygon(corners, fill=colours[shard % 2])


def _grid(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    n_cells = int(rng.integers(6, 11))
    cell = side / n_cells
    for row, column in np.argwhere(rng.random((n_cells, n_cells)) < 0.45):  # noqa: PLR2004  a little under half lit
        inset = cell * rng.uniform(0.08, 0.38)
        left, top = column * cell, row * cell
        box = (left + inset, top + inset, left + cell - inset, top + cell - inset)
        draw.rectangle(box, fill=colours[int(rng.integers(2))])


def _blocks(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    left = 0.0
    while left < side:
        width, top = rng.uniform(0.08, 0.2) * side, rng.uniform(0.25, 0.8) * side
        draw.rectangle((left, top, left + width, side), fill=colours[0])
        for window_y in np.arange(top + side * 0.04, side, side * 0.08):
            box = (left + width * 0.3, window_y, left + width * 0.6, window_y + side * 0.03)
            draw.rectangle(box, fill=colours[1])
        left += width + side * 0.015


def _bubbles(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    for bubble in range(int(rng.integers(14, 26))):
        x, y = rng.uniform(0, 1, size=2) * side
        radius = rng.uniform(0.02, 0.14) * side
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours[bubble % 2])


def _waves(
    draw: ImageDraw.ImageDraw, side: int, colours: list[Colour], rng: np.random.Generator
) -> None:
    x = np.linspace(0, 1, 80)
    n_waves = int(rng.integers(5, 9))
    bumps = rng.uniform(1.5, 4)
    for wave in range(n_waves):
        y = (wave + 0.5) / n_waves + 0.04 * np.sin(2 * np.pi * (bumps * x + 0.15 * wave))
        crest = [(u * side, v * side) for u, v in zip(x, y, strict=True)]
        draw.line(crest, fill=colours[wave % 2], width=side // (3 * n_waves), joint="curve")


_DRAW_SHAPES: dict[str, DrawShapes] = {
    "rings": _rings,
    "hills": _hills,
    "arcs": _arcs,
    "shards": _shards,
    "grid": _grid,
    "blocks": _blocks,
    "bubbles": _bubbles,
    "waves": _waves,
}

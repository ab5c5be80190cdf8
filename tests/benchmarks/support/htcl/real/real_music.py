"""Measures HTCL's first stage on real music that no listener has heard: games' soundtracks from Debian packages.

    apt-get download hedgewars-data naev-data nexuiz-music supertux-data supertuxkart-data warzone2100-music widelands-data
    for package in *.deb; do dpkg-deb -x $package MUSIC/$(dpkg-deb -f $package Package); done
    python -m tests.benchmarks.support.htcl.real.real_music MUSIC

`nexuiz-music` and `supertux-data` are held out whole; of the other packages a fifth of the tracks, by albums, is validation, and the
rest is learned from (split.py). A model sees windows of 30 s with a text (fits.py): title and artist, or MusiCNN's
tags of another window of the track, so that MusiCNN is its teacher, or both. The learning rate is the best of RATES on validation for
each size with both texts; the fits with one text alone take that of the tiny size. The held-out packages choose nothing. Artists may be in several packages.

Pools: one window of each held-out track (same track; without the query's own track: same album), all held-out tracks (title). Chance
is the recall of a random order of that pool. A tower with random weights is the bar for learning: the level of each band tells a track's
windows from others' without any. An album is package and artist, or package and folder of tracks without an artist.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table as PrintedTable

from feature_store.settings import Settings, load_settings
from tests.benchmarks.support.htcl.real.figures import (
    FIT_HEADER,
    HEADER,
    SAME_ALBUM,
    SAME_TRACK,
    TITLE_TO_AUDIO,
    Retrieval,
    fit_figures,
    fit_rows,
    pool_figures,
    retrieval_figures,
    retrieval_rows,
)
from tests.benchmarks.support.htcl.real.fits import FitChoice, RealFit, RealFits, title_texts
from tests.benchmarks.support.htcl.real.music import find_music
from tests.benchmarks.support.htcl.real.retrieval import (
    centred,
    draw_windows,
    same_album_recalls,
    same_track_recalls,
    title_recalls,
)
from tests.benchmarks.support.htcl.real.split import Part, RealMusic, real_music
from tests.benchmarks.support.htcl.real.vectors import (
    MUSICNN_NAME,
    WindowVectors,
    fitted_vectors,
    untrained_vectors,
)
from tests.benchmarks.support.htcl.real.windows import cache_folder, decoded_tracks
from tests.benchmarks.support.record import FILE_WIDTH

SEED = 11
RATES = (1e-4, 3e-4, 1e-3)  # the first is the paper's, for 88 million parameters
SIZES = ("tiny", "small")
FURTHER_TEXTS = ("title", "tags")
"""Of the fits that take the rate of the first size."""
N_DRAWS = 50


@dataclass(frozen=True, slots=True)
class RealResult:
    """What is measured.

    Attributes:
        header, rows: retrieval by each kind of vectors.
        fit_header, fit_rows: every fit with its figure on validation.
        figures: flat; a recall is of the tiny size, both texts and the projection where its name
            says nothing else.
    """

    header: list[str]
    rows: list[list[str]]
    fit_header: list[str]
    fit_rows: list[list[str]]
    figures: dict[str, float]


def measure(
    folder: Path,
    settings: Settings,
    console: Console,
    *,
    seed: int = SEED,
    max_epochs: int | None = None,
) -> RealResult:
    """Decode, fit and measure; what the cache holds is neither decoded nor fitted again.

    Args:
        folder: holds a folder for each package.
        settings: `state` holds the cache.
        console: gets the progress.
        seed: of the split, the weights, the batches, the draws and the intervals.
        max_epochs: bound for a quick run.

    Raises:
        MissingMusic: a package is missing.
        UnreadableMusic: a file cannot be decoded.
    """
    cache = cache_folder(settings.state)
    tracks = decoded_tracks(find_music(folder), cache, console)
    music = real_music(tracks, torch.Generator().manual_seed(seed))
    fits = RealFits(music, cache.with_name("fits"), seed, console, max_epochs)
    tried = [[fits.fit(FitChoice(size, "both", rate)) for rate in RATES] for size in SIZES]
    chosen = [max(of_a_size, key=lambda fit: fit.validation) for of_a_size in tried]
    further = [fits.fit(replace(chosen[0].choice, text=text)) for text in FURTHER_TEXTS]
    every_fit, pools = [*chain(*tried), *further], pool_figures(music)
    found = _retrieval(_all_vectors(fits, [*chosen, *further], music), music, seed)
    return RealResult(
        header=HEADER,
        rows=retrieval_rows(found, pools, seed),
        fit_header=FIT_HEADER,
        fit_rows=fit_rows(chosen, every_fit),
        figures=pools | retrieval_figures(found, seed) | fit_figures(chosen, every_fit),
    )


def _all_vectors(
    fits: RealFits, fitted: Sequence[RealFit], music: RealMusic
) -> list[WindowVectors]:
    """Those of the held-out windows; MusiCNN's first."""
    windows, sounds = music.windows(Part.HELD_OUT), music.spectrograms
    texts = title_texts(music)
    titles = [texts[track] for track in music.track_of[windows].unique().tolist()]
    sizes = dict.fromkeys(fit.choice.size for fit in fitted)
    return [
        WindowVectors(MUSICNN_NAME, "", "", "musicnn_", centred(music.musicnn[windows])),
        *(untrained_vectors(fits.untrained(size), size, sounds, windows) for size in sizes),
        *(one for fit in fitted for one in fitted_vectors(fit, sounds, windows, titles)),
    ]


def _retrieval(kinds: Sequence[WindowVectors], music: RealMusic, seed: int) -> list[Retrieval]:
    """Recalls of each kind of vectors, by the same draws of windows."""
    tracks, track_of = music.track_of[music.windows(Part.HELD_OUT)].unique(return_inverse=True)
    draws = draw_windows(track_of, N_DRAWS, torch.Generator().manual_seed(seed))
    albums = [music.albums[track] for track in tracks.tolist()]
    has_title = torch.tensor([bool(music.tracks[track].tags.title) for track in tracks.tolist()])
    found = []
    for one in kinds:
        recalls = {
            SAME_TRACK: same_track_recalls(one.windows, draws),
            SAME_ALBUM: same_album_recalls(one.windows, draws, albums),
        }
        if one.titles is not None:
            recalls[TITLE_TO_AUDIO] = title_recalls(one.titles, has_title, one.windows, track_of)
        found.append(Retrieval(one, recalls))
    return found


def main(
    music: Annotated[Path, typer.Argument(help="Folder with a folder for each package.")],
    max_epochs: Annotated[int | None, typer.Option(help="Bound for a quick run.")] = None,
) -> None:
    """Measure, and print both tables and the figures."""
    found = measure(music, load_settings(), Console(stderr=True), max_epochs=max_epochs)
    for title, header, rows in (
        ("Fits on real music", found.fit_header, found.fit_rows),
        ("Retrieval among held-out music", found.header, found.rows),
    ):
        table = PrintedTable(*header, title=title)
        for row in rows:
            table.add_row(*row)
        Console(width=FILE_WIDTH).print(table)
    print(json.dumps(found.figures))


if __name__ == "__main__":
    typer.run(main)

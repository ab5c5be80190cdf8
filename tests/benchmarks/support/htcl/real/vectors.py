"""Vectors of windows and titles by HTCL: of its audio tower, and of the projections behind both towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.benchmarks.support.htcl.real.fits import RealFit
from tests.benchmarks.support.htcl.real.retrieval import centred
from training.data.spectrograms import Spectrograms
from training.engine.loop import eval_mode
from training.models.encoders.htcl_encoder import HTCLEncoder

MUSICNN_NAME, RANDOM_NAME = "MusiCNN", "random tower"

_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class WindowVectors:
    """Unit vectors of some windows.

    Attributes:
        name: of the vectors.
        size, text: of the fit; empty where there is none.
        prefix: of the figures' names.
        windows: shape (n_windows, dim).
        titles: of the texts of tracks, shape (n_tracks, dim); None for vectors that no text has.
    """

    name: str
    size: str
    text: str
    prefix: str
    windows: Tensor
    titles: Tensor | None = None


def fitted_vectors(
    fit: RealFit, spectrograms: Spectrograms, windows: Tensor, titles: Sequence[str]
) -> tuple[WindowVectors, WindowVectors]:
    """The projections of a fit, which find recordings by titles, and its tower's own vectors.

    Args:
        fit: the fit.
        spectrograms: a row a window.
        windows: positions of windows.
        titles: of tracks.
    """
    size, text = fit.choice.size, fit.choice.text
    prefix = f"{'' if size == 'tiny' else f'{size}_'}{'' if text == 'both' else f'{text}_text_'}"
    network = fit.model.network
    tower = _of_tower(fit.model, spectrograms, windows)
    with eval_mode(fit.model):
        projected = network.meaning.audio(tower)
        of_titles = network.meaning.text(network.text(*network.text.tokens(titles)))
    both = F.normalize(projected, dim=1), F.normalize(of_titles, dim=1)
    return (
        WindowVectors("projection", size, text, prefix, *both),
        WindowVectors("tower", size, text, f"{prefix}tower_", centred(tower)),
    )


def untrained_vectors(
    model: HTCLEncoder, size: str, spectrograms: Spectrograms, windows: Tensor
) -> WindowVectors:
    """The vectors of a tower with random weights."""
    prefix = f"{'' if size == 'tiny' else f'{size}_'}random_"
    tower = _of_tower(model, spectrograms, windows)
    return WindowVectors(RANDOM_NAME, size, "", prefix, centred(tower))


def _of_tower(model: HTCLEncoder, spectrograms: Spectrograms, windows: Tensor) -> Tensor:
    """What the audio tower gives before the projection, shape (n_windows, width)."""
    with eval_mode(model):
        blocks = windows.split(_BLOCK)
        return torch.cat([model.network.audio(spectrograms.read(rows)) for rows in blocks])

"""Decoded tracks drawn here, for the tests of HTCL on real music."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from jobs.encoders.audio.musicnn.encoder import TAGS
from tests.benchmarks.support.htcl.real.music import HELD_OUT, LEARNED, MusicFile
from tests.benchmarks.support.htcl.real.split import RealMusic, real_music
from tests.benchmarks.support.htcl.real.windows import DecodedTrack, TrackTags
from training.data.spectrograms import N_FRAMES, N_MELS


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def decoded(
    package: str, name: str, n_windows: int = 1, *, title=None, artist=None, tag: int = 0
) -> DecodedTrack:
    """A track whose windows have the tags `tag`, `tag` + 1 and so on as the most probable one."""
    frames = np.random.default_rng(len(name)).normal(0, 1, (N_FRAMES, N_MELS)).astype("<f2")
    rows = []
    for number in range(n_windows):
        probabilities = [0.5 if one == tag + number else 0.0 for one in range(len(TAGS))]
        rows.append(
            {
                "log_mel": frames.tobytes(),
                "musicnn": [float(number)] * 200,
                "mel_frame_count": N_FRAMES,
                "tag_probabilities": probabilities,
            }
        )
    file = MusicFile(package, name, Path("nowhere"))
    return DecodedTrack(
        file, f"{package}/{name}", TrackTags(title, artist), pa.Table.from_pylist(rows)
    )


def small_music() -> RealMusic:
    """Two windows learned from, three validated, and three held-out tracks of two, two and one."""
    first, second = HELD_OUT
    return real_music(
        [
            decoded(first, "music/a.ogg", 2, title="Alpha", artist="Ann"),
            decoded(first, "music/b.ogg", 2, title="Beta", artist="Ann"),
            decoded(second, "music/c.ogg", 1),
            decoded(LEARNED[0], "music/d.ogg", 2, title="Delta"),
            decoded(LEARNED[0], "music/e.ogg", 1, artist="Eve", title="Epsilon"),
            decoded(LEARNED[0], "music/f.ogg", 2),
            decoded(LEARNED[0], "music/g.ogg", 2),
            decoded(LEARNED[0], "music/h.ogg", 2),
        ],
        generator(),
    )

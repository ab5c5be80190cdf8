"""Albums of real music, and which tracks are learned from, chosen by, and tested on.

Two packages are held out whole. Of the others whole albums are validation, so no window of a track, and no other version of it,
is on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa
import torch
from torch import Tensor

from jobs.encoders.audio.musicnn.encoder import TAGS
from tests.benchmarks.support.htcl.real.music import HELD_OUT
from tests.benchmarks.support.htcl.real.windows import DecodedTrack
from training.data.spectrograms import Spectrograms

VALIDATION_SHARE = 0.2  # of the tracks that are not held out; at most
N_TAGS = 5  # of a window: those that MusiCNN finds most probable


class Part(IntEnum):
    """What a track is for."""

    LEARNED = 0
    VALIDATION = 1
    HELD_OUT = 2


@dataclass(frozen=True, slots=True, eq=False)
class RealMusic:
    """All tracks and their windows; windows of a track stand together.

    Attributes:
        tracks: n_tracks of them.
        albums: name of each track's album.
        parts: a Part a track, shape (n_tracks,).
        track_of: position of each window's track, shape (n_windows,).
        spectrograms: a row a window.
        musicnn: MusiCNN's vectors, shape (n_windows, 200).
        top_tags: the N_TAGS most probable tags of each window, with their probability in thousandths.
    """

    tracks: Sequence[DecodedTrack]
    albums: Sequence[str]
    parts: Tensor
    track_of: Tensor
    spectrograms: Spectrograms
    musicnn: Tensor
    top_tags: Sequence[dict[str, int]]

    def windows(self, part: Part) -> Tensor:
        """Positions of a part's windows, ascending."""
        return (self.parts[self.track_of] == part).nonzero().squeeze(1)


def real_music(tracks: Sequence[DecodedTrack], generator: torch.Generator) -> RealMusic:
    """The tracks with their albums, and the part of each.

    Args:
        tracks: each with a window at least.
        generator: draws the albums of the validation.
    """
    n_windows = torch.tensor([one.windows.num_rows for one in tracks])
    rows = pa.concat_tables([one.windows for one in tracks])
    names = [f"{one.content_hash}/{row}" for one in tracks for row in range(one.windows.num_rows)]
    probabilities = torch.tensor(rows["tag_probabilities"].to_pylist())
    return RealMusic(
        tracks=tracks,
        albums=[album_of(one) for one in tracks],
        parts=parts_of(tracks, generator),
        track_of=torch.repeat_interleave(torch.arange(len(tracks)), n_windows),
        spectrograms=Spectrograms(
            {name: row for row, name in enumerate(names)},
            rows["log_mel"],
            torch.tensor(rows["mel_frame_count"].to_numpy()),
        ),
        musicnn=torch.tensor(rows["musicnn"].to_pylist()),
        top_tags=[_top_tags(one) for one in probabilities],
    )


def album_of(track: DecodedTrack) -> str:
    """Package and artist, or package and folder of a track whose artist nobody tagged."""
    artist = track.tags.artist
    return f"{track.file.package}/{f'by {artist}' if artist else f'in {track.file.folder}'}"


def parts_of(tracks: Sequence[DecodedTrack], generator: torch.Generator) -> Tensor:
    """The Part of each track, shape (n_tracks,).

    Groups are drawn for the validation as long as they fit into VALIDATION_SHARE.
    """
    held_out = torch.tensor([one.file.package in HELD_OUT for one in tracks])
    groups = _groups([one for one in tracks if one.file.package not in HELD_OUT])
    n_left = int(VALIDATION_SHARE * int((~held_out).sum()))
    chosen: set[str] = set()
    for group in torch.randperm(len(groups), generator=generator).tolist():
        if len(groups[group]) <= n_left:
            chosen.update(groups[group])
            n_left -= len(groups[group])
    parts = [Part.VALIDATION if one.content_hash in chosen else Part.LEARNED for one in tracks]
    return torch.where(held_out, int(Part.HELD_OUT), torch.tensor(parts, dtype=torch.int64))


def _groups(tracks: Sequence[DecodedTrack]) -> list[list[str]]:
    """Content hashes of tracks that stay together: those of an album, and versions of one piece.

    "celtic_fast" is a version of "celtic": the same package, and a name that goes on after "_".
    """
    group_of = {album_of(one): album_of(one) for one in tracks}
    for one in tracks:
        for other in tracks:
            if one.file.package == other.file.package and other.file.stem.startswith(
                f"{one.file.stem}_"
            ):
                kept, left = group_of[album_of(one)], group_of[album_of(other)]
                group_of = {
                    album: kept if group == left else group for album, group in group_of.items()
                }
    groups: dict[str, list[str]] = {}
    for one in tracks:
        groups.setdefault(group_of[album_of(one)], []).append(one.content_hash)
    return list(groups.values())


def _top_tags(probabilities: Tensor) -> dict[str, int]:
    """The most probable tags of a window, whose probabilities have shape (50,)."""
    best = probabilities.topk(N_TAGS)
    thousandths = (1000 * best.values).round().int().tolist()
    return {TAGS[tag]: count for tag, count in zip(best.indices.tolist(), thousandths, strict=True)}

"""Vectors of several kinds are compared as if they lay in one cone."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from training.models.encoders.counting_vectors import counting_vectors, kind_shifts
from training.models.protocols import EncodedTracks

ORDER = ("fused", "audio", "text")
N_TRACKS, DIM = 400, 64


def cones():
    """Tracks of two styles; each kind of vector is the style, in a cone of its own. A fifth lacks a recording."""
    generator = torch.Generator().manual_seed(3)
    style = torch.arange(N_TRACKS) % 2
    directions = F.normalize(torch.randn(2, DIM, generator=generator), dim=1)
    centres = 3 * F.normalize(torch.randn(3, DIM, generator=generator), dim=1)
    vectors = {
        kind: F.normalize(
            centre + directions[style] + 0.1 * torch.randn(N_TRACKS, DIM, generator=generator),
            dim=1,
        )
        for kind, centre in zip(ORDER, centres, strict=True)
    }
    has_audio = torch.arange(N_TRACKS) % 5 > 0
    has = {"fused": has_audio, "audio": has_audio, "text": torch.ones(N_TRACKS, dtype=torch.bool)}
    return EncodedTracks(vectors, has), style


def test_tracks_without_a_recording_are_found_by_others_of_their_style():
    """Among the nearest tenth of a track they are as frequent as among all tracks; unmoved, they are in no list."""
    tracks, style = cones()
    lacks_audio = ~tracks.has["audio"]
    shares = {}
    for name, shifts in (
        ("moved", kind_shifts(tracks, ORDER)),
        ("unmoved", dict.fromkeys(ORDER, torch.zeros(DIM))),
    ):
        vectors, has = counting_vectors(tracks, ORDER, shifts)
        assert has.all()
        nearest = (vectors @ vectors.T).fill_diagonal_(-1).topk(N_TRACKS // 10).indices
        of_others = nearest[~lacks_audio]
        assert (style[of_others] == style[~lacks_audio, None]).double().mean() > 0.99
        shares[name] = float(lacks_audio[of_others].double().mean())
    assert shares["unmoved"] < 0.01
    assert 0.1 < shares["moved"] < 0.4


def test_the_first_kind_stays_where_it_is_and_the_others_get_its_mean():
    tracks, _ = cones()

    vectors, _ = counting_vectors(tracks, ORDER, kind_shifts(tracks, ORDER))

    has = tracks.has["fused"]
    assert torch.equal(vectors[has], tracks.vectors["fused"][has])
    torch.testing.assert_close(
        vectors[has].mean(dim=0), vectors[~has].mean(dim=0), atol=0.1, rtol=0
    )


def test_without_a_track_that_has_both_nothing_is_moved():
    vectors = {kind: F.normalize(torch.ones(2, DIM), dim=1) for kind in ("audio", "text")}
    has = {"audio": torch.tensor([True, False]), "text": torch.tensor([False, True])}
    tracks = EncodedTracks(vectors, has)

    shifts = kind_shifts(tracks, ("audio", "text"))

    assert not any(one.any() for one in shifts.values())
    torch.testing.assert_close(
        counting_vectors(tracks, ("audio", "text"), shifts)[0], vectors["audio"]
    )

"""Tracks of one genre have similar latents."""

import numpy as np


def test_tracks_of_a_genre_are_more_similar_than_others(tracks, track_cosines):
    genres = np.array([track.artist.genre_index for track in tracks])
    is_same = (genres[:, None] == genres[None, :]) & ~np.eye(len(tracks), dtype=bool)
    is_other = genres[:, None] != genres[None, :]

    assert track_cosines[is_same].mean() > track_cosines[is_other].mean() + 0.15

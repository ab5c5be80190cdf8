"""Options of a sample world are checked by name."""

import pytest

from jobs.sources.sample_world.options import SampleWorld, SampleWorldError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_emotion_texts": -1}, "n_emotion_texts = -1; must be at least 0"),
        ({"n_days": 0}, "n_days = 0; must be at least 1"),
        ({"n_genres": 99}, "n_genres = 99"),
        ({"n_artists": 7}, "n_artists = 7; must be at least n_genres = 8"),
    ],
)
def test_impossible_sizes_are_refused_by_name(options, message):
    with pytest.raises(SampleWorldError, match=message):
        SampleWorld(**options)
